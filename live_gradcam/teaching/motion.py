"""What moves before a camera that stands still, and the same picture with it covered.

In a burst of frames the median of each pixel is what is there most of the time. Where a frame
differs from it, something moved: the object that is shown, the hand that holds it, and where the
median has the object itself, the place that it has left. The convex hull of all that moves in a
frame holds the object; it is covered by what is behind it, as other frames show it, and where none
does by what stands around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Image

_FEWEST_FRAMES = 6
# Frames that the median is made of.
_MOST_FRAMES = 24
_CHOSEN = 3
# Grey levels by which a pixel differs where something moved; light and noise stay below.
_DIFFERENCE = 24
# Shares of the picture: less is noise, and more is a camera that moves.
_LEAST_MOVED, _MOST_MOVED, _MOST_COVERED = 0.004, 0.45, 0.75
_SMALL = 64
# Longest side at which movement is looked for.
_LOOKED_AT = 256
# Grey levels between two pictures of one wall and of two, and the share of it that has no more.
_ALIKE, _UNLIKE, _MOSTLY = 5, 16, 0.7
_LEAST_KNOWN = 0.08

WALL = 24
"""Height and width in pixels at which backgrounds are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A frame of a burst in which something moves.

    Attributes:
        index: Of the frame in the burst.
        mask: Where it moves, ``bool (H, W)``.
        covered: The frame with that covered, ``uint8 (H, W, 3)``, BGR.
    """

    index: int
    mask: NDArray[np.bool_]
    covered: Image


@dataclass(frozen=True, slots=True, eq=False)
class Stillness:
    """A burst before a camera that stands still.

    Attributes:
        moved: The frames in which most moves, at most three; none where nothing moves.
        wall: What stands still, ``uint8 (WALL, WALL, 4)``: BGR, and 255 where nothing ever moved.
    """

    moved: list[Moved]
    wall: NDArray[np.uint8]


def find_moved(frames: Sequence[Image]) -> Stillness | None:
    """Find what moves in a burst, and what stands still.

    Args:
        frames: ``uint8 (H, W, 3)``, BGR, of one size, in order.

    Returns:
        ``None`` where it cannot be told: there are few frames, or all of the picture moves because
        the camera does.
    """
    if len(frames) < _FEWEST_FRAMES or len({each.shape for each in frames}) > 1:
        return None
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).round().astype(int))
    small = [_reduced(frames[index]) for index in chosen]
    smooth = np.stack([cv2.blur(each, (5, 5)) for each in small]).astype(np.float32)
    still = np.median(smooth, axis=0)
    # A change of light changes all of the picture alike: most of it has the median ratio.
    ratios = [float(np.median((still + 8) / (each + 8))) for each in smooth]
    masks = [
        np.abs(each * ratio - still).max(2) > _DIFFERENCE
        for each, ratio in zip(smooth, ratios, strict=True)
    ]
    shares = np.array([mask.mean() for mask in masks])
    if np.median(shares) > _MOST_MOVED:
        return None
    hulls: dict[int, NDArray[np.bool_]] = {}
    ever = np.zeros(still.shape[:2], bool)
    for position in np.argsort(-shares, kind="stable").tolist():
        hull = _hull(masks[position])
        if hull is not None and shares[position] >= _LEAST_MOVED:
            ever |= hull
            hulls[position] = hull
    large = [each for each, hull in hulls.items() if hull.mean() <= _MOST_COVERED]
    used = [frames[index] for index in chosen]
    whole = {each: _enlarged(hull, used[each]) for each, hull in hulls.items()}
    found = [
        Moved(int(chosen[each]), whole[each], _cover(used, ratios, whole, each))
        for each in large[:_CHOSEN]
    ]
    return Stillness(found, _wall(still, ever))


def _wall(still: NDArray[np.float32], moved: NDArray[np.bool_]) -> NDArray[np.uint8]:
    size, small = (WALL, WALL), cv2.INTER_AREA
    colour = cv2.resize(still, size, interpolation=small).round().clip(0, 255)
    known = 1.0 - cv2.resize(moved.astype(np.float32), size, interpolation=small)
    return np.dstack((colour, 255 * (known > 0.9))).astype(np.uint8)


def is_same_wall(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool | None:
    """Return whether two bursts were shown before one background.

    Args:
        one: See `Stillness.wall`.
        other: Another one's.

    Returns:
        ``None`` where too little of it is seen in both, or where they are alike but not the same.
    """
    known = (one[..., 3] > 0) & (other[..., 3] > 0)
    if known.mean() < _LEAST_KNOWN:
        return None
    colours = [each[known][:, :3].astype(np.float32) + 8 for each in (one, other)]
    ratio = float(np.median(colours[0] / colours[1]))
    # The light may be another one, but not by so much that it is another wall.
    if not 0.5 < ratio < 2.0:
        return False
    difference = np.abs(colours[0] / ratio**0.5 - colours[1] * ratio**0.5).max(1)
    most = float(np.quantile(difference, _MOSTLY))
    return True if most <= _ALIKE else False if most > _UNLIKE else None


def share_of_cells(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.float32]:
    """Return how much of each cell of a grid a mask covers, 0..1, ``(height, width)``."""
    area = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(area, np.float32)


def _reduced(image: Image) -> Image:
    """Return an image of at most `_LOOKED_AT` pixels; the same where it is no larger."""
    height, width = image.shape[:2]
    scale = _LOOKED_AT / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(mask: NDArray[np.bool_], image: Image) -> NDArray[np.bool_]:
    """Return a mask of a reduced image for the image itself."""
    height, width = image.shape[:2]
    if mask.shape == (height, width):
        return mask
    large = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, bool)


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return the convex hull of what is no speck in a mask, a little larger."""
    height, width = mask.shape
    size = max(3, round(min(height, width) / 40) | 1)
    kernel = np.ones((size, size), np.uint8)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    points = cv2.findNonZero(opened)
    if points is None:
        return None
    filled = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return np.asarray(cv2.dilate(filled, kernel, iterations=2), bool)


def _cover(
    frames: Sequence[Image],
    ratios: Sequence[float],
    hulls: Mapping[int, NDArray[np.bool_]],
    position: int,
) -> Image:
    """Cover what moves in a frame by what is behind it, as other frames show it.

    What no frame shows is filled in by what stands around it, in low resolution.

    Args:
        frames: Of the burst.
        ratios: What each is multiplied by to have the light of all of them.
        hulls: Where each moves; none where nothing does.
        position: Of the frame.
    """
    covered: Image = frames[position].copy()
    hidden = hulls[position].copy()
    # Those in which least moves show most of what is behind it.
    nothing = np.zeros_like(hidden)
    for other in sorted(range(len(frames)), key=lambda each: hulls.get(each, nothing).sum()):
        seen = hidden & ~hulls.get(other, nothing)
        light = ratios[other] / ratios[position]
        covered[seen] = (frames[other][seen] * light).round().clip(0, 255)
        hidden &= ~seen
        if not hidden.any():
            return covered
    return _fill(covered, hidden)


def _fill(image: Image, mask: NDArray[np.bool_]) -> Image:
    """Fill a part of a picture by what stands around it, in low resolution."""
    height, width = mask.shape
    small = cv2.resize(image, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    hidden = cv2.resize(mask.astype(np.uint8), (_SMALL, _SMALL), interpolation=cv2.INTER_NEAREST)
    hidden = cv2.dilate(hidden, np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(small, hidden, 3, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    found: Image = np.where(mask[:, :, None], large, image).astype(np.uint8)
    return found
