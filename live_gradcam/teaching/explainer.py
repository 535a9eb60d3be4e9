"""An explainer whose head is exchanged between two frames, while the network beneath goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch

from live_gradcam.choices import DEFAULT_TOP_K, View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import ModelError
from live_gradcam.explain.class_choice import ClassChooser
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.runtime import Runtime
from live_gradcam.explain.heads import LinearHead, choose_classes
from live_gradcam.explain.methods import require_method
from live_gradcam.explain.results import ExplanationMaker
from live_gradcam.image_like import ImageLike
from live_gradcam.images.inputs import take_batch
from live_gradcam.protocol import ClassChoice
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.values import Explanation

_METHOD = require_method("gradcam")


@dataclass(frozen=True, slots=True, eq=False)
class _Answering:
    """A head, and all that depends on it: exchanged as one."""

    classifier: Classifier
    head: LinearHead
    chooser: ClassChooser
    maker: ExplanationMaker
    top_k: int


class TaughtExplainer(Closeable):
    """Explains images by Grad-CAM with the head that was taught last. A context manager.

    The extractor's network runs; a head is one small matrix product behind it, so that exchanging
    it costs nothing. Many threads may share one; each call uses one head from its beginning to its
    end.

    Args:
        extractor: Runs the trunk; stays its owner's.
        classifier: From `live_gradcam.teach` on the extractor's trunk.
        top_k: Number of classes that are predicted, if there are so many.

    Raises:
        ModelError: The classifier's head is no linear one on the extractor's features.
    """

    def __init__(
        self, extractor: FeatureExtractor, classifier: Classifier, *, top_k: int = DEFAULT_TOP_K
    ) -> None:
        self.extractor = extractor
        self._wanted = top_k
        self._answering = self._prepared(classifier)

    def swap(self, classifier: Classifier) -> None:
        """Put another head on: calls that begin from now on use it.

        Args:
            classifier: As above.

        Raises:
            ModelError: As above.
        """
        self._answering = self._prepared(classifier)

    @property
    def classifier(self) -> Classifier:
        """The classifier with the present head."""
        return self._answering.classifier

    @property
    def method(self) -> str:
        """Name of the method that makes the maps."""
        return _METHOD.name

    @property
    def contrasts(self) -> bool:
        """``True``: the difference of two classes' maps is the map of the difference."""
        return _METHOD.contrasts

    @property
    def all_maps_are_cheap(self) -> bool:
        """``True``: the maps of all classes cost next to nothing beyond that of one."""
        return True

    @property
    def runtime(self) -> Runtime:
        """How the network runs at the moment, and why."""
        return self.extractor.runtime

    @property
    def view(self) -> View:
        """Part of an image that the network is shown unless a call says otherwise."""
        return self.extractor.view

    @property
    def top_k(self) -> int:
        """Number of classes that are predicted."""
        return self._answering.top_k

    @property
    def preferred_batch_size(self) -> int:
        """Number of images that are worth handing over together."""
        return self.extractor.preferred_batch_size

    def explain_batch(
        self,
        images: Sequence[ImageLike],
        *,
        classes: ClassChoice = None,
        view: View | None = None,
    ) -> list[Explanation]:
        """Explain images, as `live_gradcam.Explainer.explain_batch` does.

        Raises:
            UsageError: There is no such class.
            SourceError: An image cannot be read.
            DeviceError: The device failed, or has too little memory.
        """
        taken = [each for each in take_batch(images) if not isinstance(each, Exception)]
        features = self.extractor.extract([each.image for each in taken], view=view)
        found = self.explain_features(features, classes=classes)
        return [
            replace(explanation, picture=each.picture)
            for explanation, each in zip(found, taken, strict=True)
        ]

    def explain(
        self, image: ImageLike, *, classes: ClassChoice = None, view: View | None = None
    ) -> Explanation:
        """Explain one image, as `live_gradcam.Explainer.explain` does."""
        return self.explain_batch([image], classes=classes, view=view)[0]

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
        now = self._answering
        selection = torch.tensor(now.chooser.selection(classes))
        found = []
        for each in features:
            pooled, maps = torch.from_numpy(each.pooled)[None], torch.from_numpy(each.maps)[None]
            logits = torch.nn.functional.linear(pooled, now.head.weight, now.head.bias)
            chosen = choose_classes(logits, selection)
            # The head's maps are means of activations; these are parts of means already.
            evidence = now.head.evidence(maps * maps[0, 0].numel(), chosen)
            took = MappingProxyType({"explain": each.milliseconds})
            found.append(
                now.maker.make(
                    logits[0].numpy(),
                    chosen[0].numpy(),
                    np.asarray(evidence[0].numpy()),
                    region=each.region,
                    timings_ms=took,
                )
            )
        return now.chooser.keep_chosen(found, classes)

    def close(self) -> None:
        """Nothing is closed: the extractor is its owner's. Idempotent."""

    def _prepared(self, classifier: Classifier) -> _Answering:
        head = classifier.head
        count = self.extractor.count
        if not isinstance(head, LinearHead) or head.weight.shape[1] != count:
            cause = f"its head is no linear layer on {count} features"
            raise ModelError("cannot put the head on", classifier.name, cause, "Teach it on this")
        top_k = min(self._wanted, classifier.class_count)
        chooser = ClassChooser(classifier, top_k)
        maker = ExplanationMaker(classifier, _METHOD, top_k)
        return _Answering(classifier, head, chooser, maker, top_k)
