"""Removal test of an explanation: the class's probability without what the map calls important.

The hottest share of the image's area is blurred and, as a control, a region of the same size and
shape somewhere else. If the map tells the truth, the probability falls with the first and hardly
with the second. All results come from the network itself; nothing is derived from the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import View
from live_gradcam.native import cv2
from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Explanation, Image, Region

HOT_SHARE = 0.2
"""Share of the seen area that the removal test takes away."""

# The blur must hide the object, not soften it: its radius is this share of the seen region.
_BLUR_SHARE = 1 / 12
# The blur is computed on an image of this many pixels a side, where it costs next to nothing.
_BLUR_SIDE = 64
# The control lies at least this share of the side away, in one direction at least.
_FARTHEST = 0.5
_NEAREST = 0.25


@dataclass(frozen=True, slots=True)
class Removal:
    """Result of one removal test.

    Attributes:
        class_index: The class that was tested.
        label: Its name.
        before: Its probability on the untouched image; its number, here and below, where the
            output is plain numbers.
        without_hot: The same with the hottest region blurred.
        without_random: The same with a region of the same size and shape blurred elsewhere.
        share: Blurred share of the seen area.
        completeness_residual: ``|sum(map) + bias - logit|`` for closed-form heads, else ``None``.
        of_probability: ``False`` where the output is plain numbers.
    """

    class_index: int
    label: str
    before: float
    without_hot: float
    without_random: float
    share: float = HOT_SHARE
    completeness_residual: float | None = None
    of_probability: bool = True

    @property
    def drop(self) -> float:
        """Fall of the probability, or of the number, without the hottest region."""
        return self.before - self.without_hot

    @property
    def control_drop(self) -> float:
        """Fall of the probability, or of the number, without the control region."""
        return self.before - self.without_random

    def as_record(self) -> dict[str, Any]:
        """Return all values by name, ready for JSON."""
        return {
            "class_index": self.class_index,
            "label": self.label,
            "measure": "probability" if self.of_probability else "score",
            "before": self.before,
            "without_hot": self.without_hot,
            "without_random": self.without_random,
            "drop": self.drop,
            "control_drop": self.control_drop,
            "share": self.share,
            "completeness_residual": self.completeness_residual,
        }


def hottest_mask(evidence: NDArray[np.float32], share: float = HOT_SHARE) -> NDArray[np.bool_]:
    """Select the pixels with the largest evidence: exactly ``share`` of them, to the rounding.

    Args:
        evidence: ``float32 (h, w)`` in any unit.
        share: Above 0 and below 1. Of equal pixels the earlier ones are taken.

    Returns:
        ``bool (h, w)``.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must be above 0 and below 1, not {share}")
    count = max(1, round(share * evidence.size))
    order = np.argsort(-evidence, axis=None, kind="stable")
    mask = np.zeros(evidence.size, np.bool_)
    mask[order[:count]] = True
    return mask.reshape(evidence.shape)


def shifted_mask(mask: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Shift a region elsewhere, wrapped around the edges: same size, same shape.

    The shift is random, at least a quarter of the side away in one direction.
    """
    height, width = mask.shape
    while True:
        down = int(generator.integers(-int(height * _FARTHEST), int(height * _FARTHEST) + 1))
        right = int(generator.integers(-int(width * _FARTHEST), int(width * _FARTHEST) + 1))
        if abs(down) >= height * _NEAREST or abs(right) >= width * _NEAREST:
            return np.roll(mask, (down, right), (0, 1))


def blur_regions(image: Image, region: Region, masks: Sequence[NDArray[np.bool_]]) -> list[Image]:
    """Return copies of an image, each with a part of the region blurred beyond recognition.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        region: Part of the image that the masks cover.
        masks: ``bool (h, w)`` each, of any size; scaled to the region.
    """
    height, width = image.shape[:2]
    left, top = max(region.x, 0), max(region.y, 0)
    right, bottom = min(region.x + region.width, width), min(region.y + region.height, height)
    seen = image[top:bottom, left:right]
    rows, columns = seen.shape[:2]
    small = cv2.resize(seen, (_BLUR_SIDE, _BLUR_SIDE), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), _BLUR_SHARE * _BLUR_SIDE)
    hidden = cv2.resize(soft, (columns, rows), interpolation=cv2.INTER_LINEAR)
    copies = []
    for mask in masks:
        copy: Image = np.array(image, order="C")
        where = cv2.resize(mask.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(hidden, where, copy[top:bottom, left:right])
        copies.append(copy)
    return copies


def removal_test(
    explainer: BatchExplainer,
    image: Image,
    explanation: Explanation,
    *,
    view: View | None = None,
    generator: np.random.Generator | None = None,
    share: float = HOT_SHARE,
) -> Removal | None:
    """Blur the hottest region and a control region, and explain both images: one batch of two.

    Args:
        explainer: The one that made the explanation.
        image: ``uint8 (H, W, 3)`` BGR, the image that was explained; not modified.
        explanation: Its first map is tested. The class must be among its predictions.
        view: The view that was explained.
        generator: For the position of the control.
        share: Share of the seen area that is blurred.

    Returns:
        The result, or ``None`` where there is nothing to test: no positive evidence, or no
        probability of the explained class.
    """
    if not explanation.explained or not (explanation.evidence[0] > 0).any():
        return None
    tested = explanation.explained[0]
    before = strength_of(explanation, tested)
    if before is None:
        return None
    # Fine enough for the area to be exact, and for the region's outline to be the heat's.
    fine = cv2.resize(explanation.evidence[0], (128, 128), interpolation=cv2.INTER_CUBIC)
    hot = hottest_mask(np.asarray(fine, np.float32), share)
    control = shifted_mask(hot, generator or np.random.default_rng())
    images = blur_regions(image, explanation.region, (hot, control))
    without_hot, without_random = (
        strength_of(each, tested)
        for each in explainer.explain_batch(images, classes=tested, view=view)
    )
    if without_hot is None or without_random is None:
        return None
    label = next(p.label for p in explanation.predictions if p.class_index == tested)
    residual = explanation.completeness_residual
    return Removal(
        tested,
        label,
        before,
        without_hot,
        without_random,
        share,
        residual,
        explanation.output.has_probabilities,
    )


def strength_of(explanation: Explanation, class_index: int) -> float | None:
    """Return a class's probability or number; ``None`` where the explanation does not hold it."""
    return next((p.strength for p in explanation.predictions if p.class_index == class_index), None)


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Compute Spearman's rank correlation of two maps of one shape: -1..1; 0 if one is constant.

    A sanity check: with other weights, the explanation must be another one
    (Adebayo et al., arXiv 1810.03292).
    """
    if first.shape != second.shape:
        raise ValueError(f"maps must have one shape, not {first.shape} and {second.shape}")
    ranks = [_ranks(np.asarray(each, np.float64).ravel()) for each in (first, second)]
    a, b = (each - each.mean() for each in ranks)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 0; equal values share the mean of theirs."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = last - (counts + 1) / 2.0
    return means[position]
