"""The interface of a method, and the methods that are made from one gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import Chooser, Explained, Head, LinearHead, Vjp, one_hot

OnForwards: TypeAlias = Callable[[int, int], None]
"""Called with the numbers of masked images that have gone through the network, and of all."""


class Method(Head):
    """A method that makes maps: a head around a classifier's own, with other maps.

    A subclass is one method, under the name of its paper and in a module of its own; it is found
    there without being listed anywhere. It says in class attributes what users read and what
    callers need to know, and computes its maps in `explain`. The engine and the compiler see a head
    like any other.

    Attributes:
        name: Value of ``--method``.
        title: Name in its paper.
        paper: Identifier on arXiv; a DOI where it is not there.
        definition: The map of class c, exactly as it is computed here. ``A`` is the output of the
            explained layer, ``(C, h, w)``; ``y_c`` the score of class c before the softmax;
            ``G = dy_c / dA``; sums and means without an index run over all positions. Maps are
            signed: what is below zero is cut off where they are drawn, not here.
        unit: Of the map: ``logits`` only where the value at a position is a contribution to a
            score.
        note: A sentence or two beside the definition.
        place: Place in tables and menus, from 1. A method without one comes behind all others, and
            is not yet in the README.
        reruns: Runs once more for each channel of the layer. Where it is ``nothing``, the method
            keeps up with a camera, and can explain several layers at once.
        contrasts: Linear in the gradient of the score, so that the map of ``y_a - y_b`` is the
            difference of the maps.
        complete: At a layer with only average pooling and one Linear behind it, the map's sum plus
            the class's bias is the class's score.
        class_specific: The map depends on the class.

    Args:
        head: The classifier's own; not modified.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    definition: ClassVar[str]
    unit: ClassVar[str]
    note: ClassVar[str] = ""
    place: ClassVar[int | None] = None
    reruns: ClassVar[Literal["nothing", "head", "network"]] = "nothing"
    contrasts: ClassVar[bool] = False
    complete: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True

    on_forwards: OnForwards | None = None
    """Called with the progress of a method that runs the network once for each channel."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.inner = head
        self.compilable = type(self).compilable and head.compilable

    @classmethod
    def make_head(cls, head: Head) -> Head:
        """Return the head that makes this method's maps, around a classifier's own."""
        return cls(head)

    @classmethod
    def link(cls) -> str:
        """Return the address of the paper."""
        host = "https://doi.org" if cls.paper.startswith("10.") else "https://arxiv.org/abs"
        return f"{host}/{cls.paper}"

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return self.inner.to_grid(values)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        return self.inner.differentiate(activations)

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.score(activations)[0], activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @abstractmethod
    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained: ...


class GradientMethod(Method):
    """A method that is made from one gradient for each class.

    Attributes:
        cheap_at_linear: Behind a `LinearHead`, where the gradient is the same at every position,
            the map is a sum of channels with weights that are found in a few steps: all maps are
            cheap there.
    """

    cheap_at_linear: ClassVar[bool] = False

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.all_maps_are_cheap = self.cheap_at_linear and isinstance(head, LinearHead)

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        return self.inner.explain_by_gradient(activations, choose, self.cotangents, self.maps)

    def cotangents(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Differentiate the explained values by the scores: ``(N, K, classes)``."""
        return one_hot(logits, classes)

    @abstractmethod
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Make the maps of one layer.

        Args:
            activations: ``(N, C, h, w)``.
            gradients: ``(N, K, C, h, w)``, or ``(N, K, C, 1, 1)`` where they are the same at every
                position.

        Returns:
            ``(N, K, h, w)``.
        """
