"""Requests to the explaining thread, its answers, and the maps that belong to both."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import View
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.protocol import ClassChoice, LiveExplainer
from live_gradcam.session.state import MOSAIC_TILES, ExplainSettings, Mode
from live_gradcam.values import Explanation, Frame, Image, Prediction

if TYPE_CHECKING:
    from live_gradcam.teaching.features import FrameFeatures

_MAPS_OF_MODE: dict[Mode, int] = {"single": 1, "contrast": 2, "mosaic": MOSAIC_TILES}


class Learner(Protocol):
    """Explains a frame, and keeps the features that it was explained by, to be taught."""

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
            always: There is no other frame to take in its place.

        Returns:
            The explanation, and the features; ``None`` instead of them for a frame that would cost
            the rate too much.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """A description of what is to be explained, and with which explainers.

    Attributes:
        settings: The settings to obey; their key is that of ``explainer``.
        explainer: Explains.
        trained: The explainer with the trained weights.
        predictor: Predicts as ``explainer`` does, for the removal test, which needs no maps;
            ``None`` leaves that to ``explainer``.
        pointing: The mouse asks what a spot says about all classes.
        learner: Keeps the features, while examples are shown.
        burst: Number of the burst that these are for; 0 while none are shown.
    """

    settings: ExplainSettings
    explainer: LiveExplainer
    trained: LiveExplainer
    predictor: LiveExplainer | None = None
    pointing: bool = False
    learner: Learner | None = None
    burst: int = 0

    @property
    def question(self) -> Hashable:
        """A value that differs between requests with different answers for the same frame."""
        settings = self.settings
        return (settings.context, settings.mode, settings.target, self.pointing, self.burst)


@dataclass(frozen=True, slots=True, eq=False)
class OtherExplained:
    """A further part of a frame, explained.

    Attributes:
        selected: The maps that were asked for, unsmoothed.
        smoothed: The same maps, and the labels in their order, steady in time.
    """

    selected: Explanation
    smoothed: Explanation


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedFrame:
    """A frame and its explanation, before and after it was made steady in time.

    Attributes:
        frame: The frame as it was explained: mirrored, where that was asked for.
        raw: The network's answer, with every map that was made.
        selected: The maps that were asked for, the first one explained; unsmoothed.
        smoothed: The same maps, and the labels in their order, steady in time.
        request: What was asked for.
        is_new: The frame was not explained before.
        features: Of the frame, where examples are shown.
        others: Of the further parts of the frame, as ``smoothed`` is of the first one; each with
            its unsmoothed maps.
        note: Why not everything that was asked for is explained; empty if it is.
    """

    frame: Frame
    raw: Explanation
    selected: Explanation
    smoothed: Explanation
    request: ExplainRequest
    is_new: bool
    features: FrameFeatures | None = None
    others: tuple[OtherExplained, ...] = ()
    note: str = ""

    @property
    def written(self) -> tuple[Explanation, ...]:
        """The unsmoothed explanations of all parts, which records are made of."""
        return (self.selected, *(each.selected for each in self.others))


@dataclass(frozen=True, slots=True, eq=False)
class TruthReading:
    """The truth meter's result on one frame.

    Attributes:
        frame_index: Index of the frame.
        subject: The explained class; empty where there was none.
        removal: The removal test; ``None`` where there was no evidence to test.
        correlation: Rank correlation of the map with that of the trained network, while the
            weights are random.
        marked: ``bool (h, w)`` over the explained region, the area that was hidden.
        context: Meaning of the map that was tested, as `ExplainSettings.context` has it.
    """

    frame_index: int
    subject: tuple[int, ...]
    removal: Removal | None
    correlation: float | None = None
    marked: NDArray[np.bool_] | None = None
    context: Hashable = None


def wanted_classes(
    request: ExplainRequest, leader: int | None, known: tuple[int, ...]
) -> ClassChoice:
    """Choose the maps to make: enough for the request, and no more where maps are dear.

    Args:
        request: What is asked for.
        leader: The class that counts as the top one; ``None`` leaves it to the frame.
        known: The classes of the frame before, best first; empty before the first frame.
    """
    explainer, settings = request.explainer, request.settings
    cheap = explainer.all_maps_are_cheap
    if request.pointing and cheap:
        return "all"
    count = _MAPS_OF_MODE[settings.mode]
    first = settings.target if settings.target is not None else leader
    if first is None:
        return None if count == 1 else "top"
    if settings.target is None and cheap and explainer.top_k > 1:
        return "top"
    others = [index for index in known if index != first]
    return [first, *others][:count]


def select_maps(
    raw: Explanation,
    settings: ExplainSettings,
    predictions: tuple[Prediction, ...],
    *,
    contrasts: bool,
) -> Explanation:
    """Select the maps that the settings ask for from those that were made.

    Args:
        raw: The network's answer.
        settings: What is asked for.
        predictions: The labels in the order in which they are shown.
        contrasts: The difference of two maps of this method is the map of the difference.
    """
    target, mode = settings.target, settings.mode
    wished = [target] if target is not None else []
    wished += [each.class_index for each in predictions if each.class_index != target]
    chosen = [index for index in wished if index in raw.explained] or list(raw.explained)
    selected = raw.with_classes(chosen[: _MAPS_OF_MODE[mode]])
    if mode != "contrast":
        return selected
    first = raw.with_classes(chosen[:1])
    # The key offers no contrast where maps cannot be subtracted; a request from before the method
    # changed asks for one.
    if not contrasts or raw.unit != "logits" or len(selected.explained) < 2:
        return first
    # Linear in the gradient: the map of y_a - y_b is the difference of the maps.
    return replace(
        first,
        evidence=selected.evidence[:1] - selected.evidence[1:],
        labels=(f"{selected.labels[0]} rather than {selected.labels[1]}",),
        completeness_residual=None,
    )
