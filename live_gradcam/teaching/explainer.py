"""An explainer of a taught head: a small matrix product behind the network that runs anyway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, overload

from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_TOP_K, View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.runtime import Runtime
from live_gradcam.image_like import ColorOrder, ImageLike
from live_gradcam.images.inputs import OnError, TakenImage, take_batch, take_image, with_errors
from live_gradcam.images.parts import RoiLike, cut_part, part_of, put_back
from live_gradcam.protocol import ClassChoice
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.heads import HeadOnMaps
from live_gradcam.values import Explanation


class TaughtExplainer(Closeable):
    """Explains images by Grad-CAM with a head that was taught. Immutable; a context manager.

    The extractor's network runs, and the head is one small matrix product behind it: making an
    explainer for a new head costs nothing, and the old one goes on to work beside it. Many threads
    may share one.

    Args:
        extractor: Runs the trunk; stays its owner's.
        classifier: From `live_gradcam.teach` on the extractor's trunk.
        top_k: Number of classes that are predicted, if there are so many.

    Raises:
        ModelError: The classifier's head is no linear one on the extractor's features.
        UsageError: ``top_k`` is less than 1.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        classifier: Classifier,
        *,
        top_k: int = DEFAULT_TOP_K,
    ) -> None:
        if top_k < 1:
            raise UsageError("cannot predict so few classes", str(top_k), "", "Use 1 or more")
        self.extractor = extractor
        self._head = HeadOnMaps(classifier, extractor.count, top_k, DEFAULT_METHOD)

    @property
    def classifier(self) -> Classifier:
        """The explained classifier."""
        return self._head.classifier

    @property
    def method(self) -> str:
        """Name of the method that makes the maps."""
        return self._head.method.name

    @property
    def contrasts(self) -> bool:
        """True if the difference of two classes' maps is the map of the difference."""
        return self._head.method.contrasts

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost next to nothing beyond that of one."""
        return self._head.all_maps_are_cheap

    @property
    def runtime(self) -> Runtime:
        """How the network runs at the moment, and why."""
        return self.extractor.runtime

    @property
    def compiled(self) -> bool:
        """True if a compiled network is in use."""
        return self.extractor.compiled

    @property
    def view(self) -> View:
        """Part of an image that the network is shown unless a call says otherwise."""
        return self.extractor.view

    @property
    def top_k(self) -> int:
        """Number of classes that are predicted."""
        return self._head.top_k

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing over together."""
        return self.extractor.preferred_batch_size

    @overload
    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[Explanation]: ...

    @overload
    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: Literal["skip"],
    ) -> list[Explanation | SourceError]: ...

    def explain_batch(
        self,
        images: Iterable[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        on_error: OnError = "raise",
    ) -> list[Explanation] | list[Explanation | SourceError]:
        """Explain images, as `live_gradcam.Explainer.explain_batch` does.

        Raises:
            UsageError: A class, a view, a colour order or ``on_error`` does not exist, or there is
                but one image.
            SourceError: An image cannot be read, or is none.
            DeviceError: The device failed, or has too little memory even for one image.
        """
        self._head.check(classes)
        batch = take_batch(images, color=color, on_error=on_error)
        taken = [each for each in batch if isinstance(each, TakenImage)]
        found = self.extractor.explain_taken(self._head, taken, classes, view)
        return with_errors(batch, [explanation for explanation, _ in found])

    def explain(
        self,
        image: ImageLike,
        *,
        classes: ClassChoice = None,
        view: View | None = None,
        color: ColorOrder | None = None,
        roi: RoiLike | None = None,
    ) -> Explanation:
        """Explain one image, as `live_gradcam.Explainer.explain` does.

        Raises:
            UsageError: A class, a view or a colour order does not exist, or there is no such part.
            SourceError: It is no picture, or cannot be read.
            DeviceError: The device failed, or has too little memory.
        """
        self._head.check(classes)
        taken = take_image(image, color=color)
        part = part_of(taken.image, roi)
        cut = replace(taken, image=cut_part(taken.image, part))
        ((explanation, _),) = self.extractor.explain_taken(self._head, [cut], classes, view)
        return put_back(explanation, part, taken.picture)

    def explain_kept(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
    ) -> list[tuple[Explanation, FrameFeatures]]:
        """Explain images, and keep their features: one forward for both.

        Args:
            images: As for `live_gradcam.Explainer.explain_batch`.
            classes: As for `live_gradcam.Explainer.explain`.
            view: Part of the images that the network is shown; ``None`` for the explainer's own.

        Returns:
            For each image its explanation and its features.

        Raises:
            UsageError: There is no such class or view.
            SourceError: An image cannot be read.
            DeviceError: The device failed, or has too little memory even for one image.
        """
        self._head.check(classes)
        taken = [take_image(each) for each in images]
        return self.extractor.explain_taken(self._head, taken, classes, view)

    def explain_features(
        self, features: Sequence[FrameFeatures], *, classes: ClassChoice = None
    ) -> list[Explanation]:
        """Explain images whose features are there already: the trunk is not run.

        Args:
            features: From the extractor.
            classes: As for `live_gradcam.Explainer.explain`.

        Raises:
            UsageError: There is no such class.
        """
        return [
            self._head.explain(each.maps, classes, region=each.region, timings_ms=each.timings_ms)
            for each in features
        ]

    def close(self) -> None:
        """Nothing is closed: the extractor is its owner's. Idempotent."""
