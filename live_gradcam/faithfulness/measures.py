"""Measures of faithfulness as pure functions on one image, each with the paper that defines it.

All of them work at the size of the network's input. Maps are brought to it bilinearly, with cells
centred over their boxes, as torch's ``interpolate(align_corners=False)`` does. ``0`` in the
network's input is the mean colour of its training; removed pixels become that.

Where torchcam's metric classes differ, with the values of its defaults: its insertion starts from
zeros, ours (as RISE does) from the blurred image; it divides the average drop by ``Y + 1e-7``,
ours by ``Y``; it makes its maps from what ``logits_fn`` gives, with a softmax from the gradient of
the probability, ours from that of the score; and it takes the class that the network names, ours
the true class where that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Region

Inputs: TypeAlias = NDArray[np.float32]
"""``float32 (3, h, w)``, or ``(N, 3, h, w)`` for several: the network's normalised input."""

Map: TypeAlias = NDArray[np.float32]
"""``float32 (h, w)``: evidence for one class."""

Mask: TypeAlias = NDArray[np.bool_]
"""``bool (h, w)``."""

Score: TypeAlias = Callable[[Inputs], NDArray[np.float64]]
"""From inputs ``(N, 3, h, w)`` to the probability of the class in question, ``(N,)``."""

POINTING_TOLERANCE = 15
"""Pixels beside the object that still count as a hit, for an input of 224 pixels."""

_USUAL_SIDE = 224
# RISE's own blur for images of 224 pixels: 11 pixels wide, sigma 5.
_BLUR_REACH, _BLUR_SIGMA = 5, 5.0
_CHUNK = 16


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Probability while pixels are removed or restored, hottest first.

    Attributes:
        fractions: ``float64 (S,)``, the share of pixels that were removed or restored, from 0 to 1.
        deletion: ``float64 (S,)``, the probability while pixels are removed.
        insertion: ``float64 (S,)``, the probability while pixels are restored.
    """

    fractions: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve, 0..1; small where the map is faithful."""
        return area_under(self.fractions, self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve, 0..1; large where the map is faithful."""
        return area_under(self.fractions, self.insertion)


def enlarge(evidence: Map, height: int, width: int) -> Map:
    """Enlarge a map to the size of the network's input, bilinear."""
    if evidence.shape == (height, width):
        return evidence
    return np.asarray(cv2.resize(evidence, (width, height), interpolation=cv2.INTER_LINEAR))


def heat_of(evidence: Map) -> Map:
    """Scale evidence to 0..1: negative evidence is clipped, the rest stretched to its range."""
    positive = np.maximum(evidence, 0.0)
    low = float(positive.min())
    spread = float(positive.max()) - low
    return ((positive - low) / (spread + 1e-8)).astype(np.float32)


def area_under(fractions: NDArray[np.float64], curve: NDArray[np.float64]) -> float:
    """Compute the area under a curve by the trapezoid rule."""
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(fractions)).sum())


def step_counts(positions: int, steps: int) -> list[int]:
    """Return the number of removed pixels at each point of a curve, from none to all.

    The steps are equal, but for the last one.

    Args:
        positions: Number of pixels.
        steps: Intervals at most, 1 or more.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, not {steps}")
    return [*range(0, positions, -(-positions // steps)), positions]


def blurred(inputs: Inputs) -> Inputs:
    """Blur an input: the start of the insertion curve in RISE.

    Args:
        inputs: ``float32 (3, h, w)``. At 224 pixels the kernel is 11 pixels wide with sigma 5, at
            other sizes in proportion.
    """
    share = min(inputs.shape[1:]) / _USUAL_SIDE
    side = 2 * max(1, round(_BLUR_REACH * share)) + 1
    planes = [cv2.GaussianBlur(plane, (side, side), _BLUR_SIGMA * share) for plane in inputs]
    return np.stack(planes).astype(np.float32)


def deletion_insertion(
    inputs: Inputs,
    evidence: Map,
    score: Score,
    *,
    steps: int = 20,
    before: float | None = None,
    emptied: Inputs | None = None,
    start: Inputs | None = None,
) -> Curves:
    """Remove the hottest pixels first, and restore the hottest pixels first.

    Deletion and insertion of RISE (Petsiuk et al., arXiv 1806.07421, section 4.3).

    Args:
        inputs: ``float32 (3, h, w)``, the input that was explained.
        evidence: The map, of any size; only its order matters, and of equal pixels the earlier ones
            go first.
        score: Probability of the class for perturbed inputs.
        steps: Intervals of the curves; RISE takes about 224, which costs as many forwards.
        before: The probability of the untouched input, where it is known.
        emptied: Values of removed pixels; zeros if ``None``.
        start: Start of insertion; the blurred input if ``None``.
    """
    _, height, width = inputs.shape
    order = np.argsort(-enlarge(evidence, height, width), axis=None, kind="stable")
    ranks = np.empty((height, width), np.int64)
    ranks.flat[order] = np.arange(order.size)
    emptied = np.zeros_like(inputs) if emptied is None else emptied
    start = blurred(inputs) if start is None else start
    counts = step_counts(order.size, steps)
    if before is None:
        before = float(score(inputs[None])[0])

    def perturbed() -> Iterator[Inputs]:
        for count in counts[1:]:
            yield np.where(ranks < count, emptied, inputs)
        for count in counts[:-1]:
            yield np.where(ranks < count, inputs, start)

    scores = _in_chunks(perturbed(), score)
    points = len(counts) - 1
    return Curves(
        np.asarray(counts, np.float64) / order.size,
        np.concatenate([[before], scores[:points]]),
        np.concatenate([scores[points:], [before]]),
    )


def _in_chunks(inputs: Iterator[Inputs], score: Score) -> NDArray[np.float64]:
    chunks = iter(lambda: list(islice(inputs, _CHUNK)), [])
    return np.concatenate([score(np.stack(chunk)) for chunk in chunks])


def masked_by(inputs: Inputs, evidence: Map) -> Inputs:
    """Multiply the input with the heat, which leaves what the map calls important.

    "Explanation map" of Grad-CAM++ (Chattopadhay et al., arXiv 1710.11063, section 4.1), on the
    normalised input as torchcam and pytorch-grad-cam have it.
    """
    heat = enlarge(heat_of(evidence), *inputs.shape[1:])
    return (inputs * heat).astype(np.float32)


def average_drop(before: float, masked: float) -> float:
    """Compute the share of the probability that is lost with only the explanation left, 0..1.

    ``max(0, Y - O) / Y`` of arXiv 1710.11063, section 4.1.

    Args:
        before: ``Y``, the class's probability on the whole input.
        masked: ``O``, its probability on the input of `masked_by`.
    """
    return max(0.0, before - masked) / before if before > 0.0 else 0.0


def in_view(mask: Mask, region: Region, height: int, width: int) -> Mask:
    """Crop and scale an object's mask to the network's input.

    Args:
        mask: ``bool (H, W)`` over the whole image.
        region: Part of the image that the network is shown.
        height: Of the network's input.
        width: Of the network's input.

    Returns:
        ``bool (height, width)``; ``False`` everywhere if the object is out of view.
    """
    top, left = max(region.y, 0), max(region.x, 0)
    part = mask[top : region.y + region.height, left : region.x + region.width]
    if not part.any():
        return np.zeros((height, width), np.bool_)
    scaled = cv2.resize(part.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA)
    seen = np.asarray(scaled >= 128)
    # An object that is thinner than a pixel of the input does not vanish.
    return seen if seen.any() else np.asarray(scaled > 0)


def dilate(mask: Mask, pixels: int) -> Mask:
    """Dilate a mask by a number of pixels."""
    if pixels < 1:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def tolerance_at(height: int, width: int) -> int:
    """Return the pointing game's tolerance in pixels: 15 at 224 pixels, in proportion elsewhere."""
    return round(POINTING_TOLERANCE * min(height, width) / _USUAL_SIDE)


def points_at(evidence: Map, mask: Mask) -> bool:
    """Return ``True`` if the hottest pixel lies on the object, within the tolerance.

    The pointing game (Zhang et al., arXiv 1608.00507, section 4). A map without any positive
    evidence points nowhere.

    Args:
        evidence: The map, of any size.
        mask: ``bool (h, w)`` at the size of the network's input, as from `in_view`.
    """
    height, width = mask.shape
    whole = enlarge(evidence, height, width)
    row, column = divmod(int(whole.argmax()), width)
    if not whole[row, column] > 0:
        return False
    return bool(dilate(mask, tolerance_at(height, width))[row, column])


def pointing_chance(mask: Mask) -> float:
    """Return the share of random points that would win the pointing game, 0..1."""
    return float(dilate(mask, tolerance_at(*mask.shape)).mean())


def cell_size(evidence: Map, height: int, width: int) -> int:
    """Return the size of a cell of the map in pixels of the input: the map's resolution."""
    rows, columns = evidence.shape
    return int(min(round(max(height / rows, width / columns)), height, width))


def share_inside(evidence: Map, mask: Mask) -> float | None:
    """Compute the share of the positive evidence on the object, or at most one cell beside it.

    The energy-based pointing game (Wang et al., arXiv 1910.01279, section 4.3), with a margin of
    one cell of the map.

    Args:
        evidence: The map, of any size.
        mask: ``bool (h, w)`` at the size of the network's input, as from `in_view`.

    Returns:
        A share in 0..1; ``None`` where there is no positive evidence.
    """
    height, width = mask.shape
    positive = np.maximum(enlarge(evidence, height, width), 0.0).astype(np.float64)
    total = float(positive.sum())
    if not total > 0:
        return None
    near = dilate(mask, cell_size(evidence, height, width))
    return float(positive[near].sum()) / total


def area_inside(evidence: Map, mask: Mask) -> float:
    """Return the share of the input that `share_inside` calls inside: that of random evidence."""
    return float(dilate(mask, cell_size(evidence, *mask.shape)).mean())
