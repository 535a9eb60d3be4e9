"""A head that reads maps which are there already: scores and evidence without another forward."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from live_gradcam.errors import ModelError
from live_gradcam.explain.class_choice import ClassChooser
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import Output, all_maps
from live_gradcam.explain.heads import LinearHead, choose_classes
from live_gradcam.explain.methods import require_method
from live_gradcam.explain.results import ExplanationMaker
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation, Region


class HeadOnMaps:
    """A classifier's head behind the maps of its trunk. Many threads may share one.

    Args:
        classifier: Its trunk puts out maps; its head is run.
        features: Number of maps.
        top_k: Number of classes that are predicted, if there are so many.
        method: Makes the evidence; one that needs no further forward of the network.

    Raises:
        ModelError: The head is a linear one on another number of features, or the method runs the
            network again.
        UsageError: There is no such method.
    """

    def __init__(
        self, classifier: Classifier, features: int, top_k: int, method: str = "gradcam"
    ) -> None:
        head = classifier.head
        if isinstance(head, LinearHead) and head.weight.shape[1] != features:
            cause = f"its head is no linear layer on {features} features"
            raise ModelError("cannot put the head on", classifier.name, cause, "Teach it on this")
        self.method = require_method(method, head)
        if self.method.reruns == "network":
            cause = f"{self.method.title} runs the network again for each channel"
            raise ModelError("cannot explain by kept maps", classifier.name, cause)
        self.classifier = classifier
        self.top_k = min(top_k, classifier.class_count)
        self._head = self.method.make_head(head)
        self._chooser = ClassChooser(classifier, self.top_k)
        self._maker = ExplanationMaker(classifier, self.method, self.top_k)

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost next to nothing beyond that of one."""
        return self._head.all_maps_are_cheap

    def check(self, classes: ClassChoice) -> None:
        """Refuse a choice of classes that there are not.

        Raises:
            UsageError: There is no such class.
        """
        self._chooser.selection(classes)

    def explain(
        self,
        maps: NDArray[np.float32],
        classes: ClassChoice,
        *,
        region: Region,
        timings_ms: Mapping[str, float],
    ) -> Explanation:
        """Explain an image.

        Args:
            maps: See `FrameFeatures.maps`, ``(C, h, w)``.
            classes: As for `live_gradcam.Explainer.explain`.
            region: Part of the image that the network saw.
            timings_ms: Of what was done before; the head's time is added to ``network`` and
                ``explain``.

        Raises:
            UsageError: There is no such class.
        """
        began = time.perf_counter()
        selection = torch.tensor(self._chooser.selection(classes))
        # The network's own activations; the maps are parts of their means.
        activations = torch.from_numpy(maps)[None] * (maps.shape[1] * maps.shape[2])
        with torch.no_grad():
            few = selection[: self.top_k]
            found = Output(
                *self._head.explain(activations, lambda logits: choose_classes(logits, few))
            )
            if len(selection) > self.top_k:
                found = all_maps(self._head, found, selection)
        took = 1000.0 * (time.perf_counter() - began)
        timings = {**timings_ms}
        for stage in ("network", "explain"):
            timings[stage] = timings.get(stage, 0.0) + took
        explanation = self._maker.make(
            found.logits[0].numpy(),
            found.classes[0].numpy(),
            found.evidence[0].numpy(),
            region=region,
            timings_ms=MappingProxyType(timings),
        )
        return self._chooser.keep_chosen([explanation], classes)[0]
