"""The protocols of explainers: a batch of images in, one explanation for each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from live_gradcam.choices import View
from live_gradcam.values import Explanation, Image

ClassChoice: TypeAlias = int | str | Sequence[int | str] | Literal["top", "all"] | None
"""Classes to explain: the top one, named ones, the ``top_k`` best, or all."""


class BatchExplainer(Protocol):
    """Explains batches of images, as `live_gradcam.Explainer` does."""

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        """Return one explanation for each image, in order.

        Args:
            images: ``uint8 (H, W, 3)`` BGR, of any sizes; not modified.
            classes: Classes that get a map: ``None`` the top one, ``"top"`` the best ones,
                ``"all"`` every class, else names or indices.
            view: Part of the image that the network is shown; ``None`` for the explainer's own.

        Raises:
            UsageError: There is no such class or view.
            DeviceError: The device failed, or has too little memory.
        """


class ExplainedNetwork(Protocol):
    """What is known of a network that is explained, whatever runs it."""

    @property
    def name(self) -> str:
        """Its short name."""

    @property
    def layer(self) -> str:
        """Name of the explained layer."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its classes, in order."""

    def class_index(self, label_or_index: str | int) -> int:
        """Return the index of a class.

        Raises:
            UsageError: There is no such class, or there are several.
        """


class RuntimeFacts(Protocol):
    """How a network runs at the moment."""

    @property
    def device(self) -> str:
        """Where it runs."""

    @property
    def precision(self) -> str:
        """Number format of its trunk."""

    @property
    def engine(self) -> str:
        """What runs it: ``torch``, or the name of another engine."""


class MethodFacts(NamedTuple):
    """What a front door needs to know of a method.

    Attributes:
        name: Value of ``--method``.
        title: Name in its paper.
        contrasts: The difference of two classes' maps is the map of the difference.
        quick: It keeps up with a camera.
    """

    name: str
    title: str
    contrasts: bool
    quick: bool = True


class LiveExplainer(BatchExplainer, Protocol):
    """An explainer that runs and sessions can ask about itself."""

    @property
    def classifier(self) -> ExplainedNetwork:
        """The explained network."""

    @property
    def method(self) -> str:
        """Name of the method that makes the maps."""

    @property
    def contrasts(self) -> bool:
        """True if the difference of two classes' maps is the map of the difference."""

    @property
    def view(self) -> View:
        """Part of an image that the network is shown unless a call says otherwise."""

    @property
    def top_k(self) -> int:
        """Number of classes that are predicted."""

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost next to nothing beyond that of one."""

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing over together."""

    @property
    def compiled(self) -> bool:
        """True if the network was made faster on this machine than it came."""

    @property
    def runtime(self) -> RuntimeFacts:
        """How the network runs at the moment."""


class ExplainerKey(NamedTuple):
    """The key of an explainer among those of one classifier.

    Attributes:
        layer: Name of the explained layer.
        method: Name of the method.
        randomized: With random weights instead of the trained ones.
        head: Number of the head that was taught, from 1 on; 0 is the network's own.
    """

    layer: str
    method: str
    randomized: bool = False
    head: int = 0


E_co = TypeVar("E_co", covariant=True)


class Explainers(Protocol[E_co]):
    """The explainers of one network, at its layers, with the methods that there are.

    `get` makes what is not there yet, in the thread that explains; `find` may be called from any.
    """

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers that can be explained, from early to late."""

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The methods that there are."""

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network can be given."""

    @property
    def fixed(self) -> str:
        """Why layer, method and weights cannot be chosen, in a few words; empty if they can."""

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """The only classes that ever have a map; ``None`` where all have one."""

    def find(self, key: ExplainerKey) -> E_co | None:
        """Return the explainer of a key if it is there already; never waits."""

    def get(self, key: ExplainerKey) -> E_co:
        """Return the explainer of a key, made if need be.

        Raises:
            UsageError: There is no such layer or method.
            DeviceError: The device cannot be used.
        """

    def close(self) -> None:
        """Close what was made here. Idempotent."""
