"""Frames that are explained and taught at once, without the picture becoming slow."""

from __future__ import annotations

import math
from collections import deque

from live_gradcam.choices import View
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.protocol import ClassChoice, LiveExplainer
from live_gradcam.teaching.explainer import TaughtExplainer
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.values import Explanation, Image

_LEAST_RATE = 0.7
"""Share of the rate without teaching that is kept."""

_REMEMBERED, _FIRST = 9, 3
_MOST_SKIPPED, _AT_FIRST = 20, 2  # before the trunk was timed some times
_LOOK_AGAIN = 30  # frames after which the explainer is timed again: it may be compiled by now


class FrameLearner:
    """Explains frames and keeps their features: by one forward for both, where that can be.

    A taught head explains by the features. So does the network's own head, if it reads nothing
    else; where the trunk by itself is slower than the explainer, because it is not compiled yet,
    or where the explainer shows another layer or other weights, only so many frames are taken
    that the rate stays.

    Args:
        extractor: Runs the trunk; stays its owner's.
        own: The explainer of the network's own head at the extractor's layer; stays its owner's.
    """

    def __init__(self, extractor: FeatureExtractor, own: Explainer) -> None:
        self._extractor = extractor
        self._own = own
        self._keeps = not extractor.why_not_own
        self._times: dict[str, deque[float]] = {
            name: deque(maxlen=_REMEMBERED) for name in ("explainer", "trunk")
        }
        self._since, self._frames = _MOST_SKIPPED, 0

    def explain(
        self,
        explainer: LiveExplainer,
        image: Image,
        *,
        classes: ClassChoice,
        view: View,
        always: bool = False,
    ) -> tuple[Explanation, FrameFeatures | None]:
        """Explain an image as an explainer does, and return the trunk's features of it, too.

        Args:
            explainer: Knows which head answers.
            image: ``uint8 (H, W, 3)`` BGR.
            classes: Classes that get a map.
            view: Part of the image that the network is shown.
            always: There is no other frame to take in its place: it is not left out.

        Returns:
            The explanation, and the features; ``None`` instead of them where the frame is left out.
        """
        if isinstance(explainer, TaughtExplainer):
            ((explanation, features),) = explainer.explain_kept([image], classes=classes, view=view)
            return explanation, features
        taken = self._is_due(explainer) or always
        self._since = 0 if taken else self._since + 1
        if taken and self._keeps and explainer is self._own:
            kept = self._explain_kept(image, classes, view)
            if kept is not None:
                return kept
        (explanation,) = explainer.explain_batch([image], classes=classes, view=view)
        self._note("explainer", explanation)
        if not taken:
            return explanation, None
        (features,) = self._extractor.extract([image], view=view)
        self._times["trunk"].append(features.timings_ms.get("network", 0.0))
        return explanation, features

    def _explain_kept(
        self, image: Image, classes: ClassChoice, view: View
    ) -> tuple[Explanation, FrameFeatures] | None:
        try:
            ((explanation, features),) = self._extractor.explain_kept(
                [image], classes=classes, view=view, method=self._own.method
            )
        except LiveGradcamError:  # the method needs more than the maps
            self._keeps = False
            return None
        self._times["trunk"].append(features.timings_ms.get("network", 0.0))
        return explanation, features

    def _note(self, name: str, explanation: Explanation) -> None:
        self._times[name].append(explanation.timings_ms.get("network", 0.0))

    def _is_due(self, explainer: LiveExplainer) -> bool:
        """Return whether the next frame is taken."""
        own, trunk = self._times["explainer"], self._times["trunk"]
        self._frames += 1
        if len(own) < _FIRST:
            return self._frames % 2 == 1
        if self._frames % _LOOK_AGAIN == 0:
            return False
        one_forward = self._keeps and explainer is self._own
        # The quickest of the last ones: whatever else the machine does makes the others longer.
        cost = min(trunk) / max(min(own), 1e-3) if trunk else 1.0
        extra = cost - 1 if one_forward else cost
        spare = 1 / _LEAST_RATE - 1
        most = _MOST_SKIPPED if len(trunk) >= _FIRST else _AT_FIRST
        skipped = min(most, max(0, math.ceil(extra / spare) - 1))
        return self._since >= skipped
