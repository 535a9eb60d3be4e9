"""From frames to the network's pixels: torchvision's own evaluation transform, only cheaper.

torchvision resizes the whole image so that its short side fits and then keeps the centre. Here
PIL's resize, the same that torchvision calls for PIL images, computes the centre only: the resized
grid is cut where it meets the pixel grid of the frame exactly, so that every pixel that is kept has
the neighbours, the weights and the position that it has in the full resize. The result is the same
bit for bit, at a fraction of the time.

Where the grids meet at the edges of the frame alone, as those of 1280 and 398 pixels do, there is
nothing to cut. There, unless ``resample="pil"`` asks for the same bits, the centre of an image that
shrinks is cut out between the frame's pixels: with the same weights but for their rounding to 22
bits, and the same result but for one grey level at one pixel in a thousand.

Everything stays ``uint8`` BGR; channels, range and normalisation are part of the network's graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image as PilImages

from live_gradcam.choices import View
from live_gradcam.preprocessing.settings import Interpolation, Preprocessing
from live_gradcam.values import Image, Region

REACH: Mapping[str, float] = {"bilinear": 1.0, "hamming": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""Reach of PIL's continuous filters to each side, in pixels of the coarser grid. The others,
nearest and box, jump at positions that a part rounds to one side and the whole to the other."""

_FREE_FROM = 1.5
"""Source pixels per resized pixel from which the centre may be cut out between the frame's pixels.
Below it sums lie half-way between two grey levels too often, where rounding weights decides."""

LONGEST_RATIO = 4
"""The whole-frame view keeps the frame's shape up to this ratio; slivers are squeezed."""

GRID = 32
"""Common stride of the networks in pixels; whole-frame inputs are rounded to it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a resize of which a part is kept.

    Attributes:
        length: Number of source pixels.
        resized: Number of pixels that all of them are resized to.
        start: First of those that are kept.
        kept: Number of those that are kept.
    """

    length: int
    resized: int
    start: int
    kept: int

    @property
    def stop(self) -> int:
        """The last pixel that is kept, plus one."""
        return self.start + self.kept

    @property
    def step(self) -> float:
        """Source pixels per resized pixel."""
        return self.length / self.resized

    def part(self, reach: float | None, *, exact: bool = True) -> AxisPart:
        """Return the smallest part whose resize gives the kept pixels.

        Args:
            reach: Of the filter to each side, in pixels of the coarser grid; ``None`` for filters
                that are not continuous.
            exact: Bit for bit; else it may begin and end between two source pixels.
        """
        if reach is None:
            return AxisPart((0, self.length), (0, self.length), self.resized, 0)
        margin = math.ceil(reach * max(1.0, self.step)) + 1
        if not exact:
            left, right = (edge * self.length / self.resized for edge in (self.start, self.stop))
            read = (max(0, int(left) - margin), min(self.length, math.ceil(right) + margin))
            return AxisPart(read, (left - read[0], right - read[0]), self.kept, self.start)
        # Pixels of the resized grid whose edges are edges of source pixels, too.
        meeting = self.resized // math.gcd(self.length, self.resized)
        first = self.start // meeting * meeting
        last = min(self.resized, -(-self.stop // meeting) * meeting)
        low, high = (edge * self.length // self.resized for edge in (first, last))
        source = (max(0, low - margin), min(self.length, high + margin))
        return AxisPart(source, (low - source[0], high - source[0]), last - first, first)


@dataclass(frozen=True, slots=True)
class AxisPart:
    """One axis of the part of a frame that is resized.

    Attributes:
        source: First and last + 1 source pixel that are read.
        box: First and last + 1 of those that are resized; what is beside them is in reach of the
            filter.
        size: Number of resized pixels.
        first: The first of them, in the whole resize.
    """

    source: tuple[int, int]
    box: tuple[float, float]
    size: int
    first: int


@dataclass(frozen=True, slots=True)
class FramePlan:
    """The way from frames of one size to the network's pixels; made once for each size.

    Attributes:
        height: Height of the network's input.
        width: Width of the network's input.
        region: Part of the frame that the network sees.
        rows: The resize of the frame's rows.
        columns: The resize of the frame's columns.
        interpolation: PIL's name of the filter.
        exact: The pixels are those of PIL's whole resize, bit for bit.
    """

    height: int
    width: int
    region: Region
    rows: Axis
    columns: Axis
    interpolation: Interpolation
    exact: bool

    def apply(self, image: Image, out: Image) -> None:
        """Resize a frame to the network's pixels, as PIL does.

        Args:
            image: ``uint8 (H, W, 3)``, BGR; not modified.
            out: ``uint8 (height, width, 3)``, BGR.
        """
        reach = REACH.get(self.interpolation)
        rows, columns = (axis.part(reach, exact=self.exact) for axis in (self.rows, self.columns))
        part = np.ascontiguousarray(image[slice(*rows.source), slice(*columns.source)])
        resized = PilImages.fromarray(part).resize(
            (columns.size, rows.size),
            PilImages.Resampling[self.interpolation.upper()],
            box=(columns.box[0], rows.box[0], columns.box[1], rows.box[1]),
        )
        top, left = self.rows.start - rows.first, self.columns.start - columns.first
        kept = np.asarray(resized)[top : top + self.height, left : left + self.width]
        np.copyto(out, kept)


Planner: TypeAlias = Callable[[int, int, Preprocessing, View], FramePlan]
"""Plans how frames of a size are shown to the network, as `plan_frame` does."""


@lru_cache(maxsize=64)
def plan_frame(height: int, width: int, preprocessing: Preprocessing, view: View) -> FramePlan:
    """Plan how frames of a size are shown to the network.

    Args:
        height: Height of the frames in pixels.
        width: Width of the frames in pixels.
        preprocessing: The network's.
        view: ``crop`` is the network's own evaluation transform; ``stretch`` squeezes the whole
            frame into its input; ``full`` keeps the frame's shape, for networks of any size.
    """
    if view == "crop":
        resized = _resized(height, width, preprocessing)
        shown = preprocessing.input_size
    else:
        resized = shown = _whole(height, width, preprocessing, view)
    rows, columns = (
        Axis(length, target, _centred(target, kept), kept)
        for length, target, kept in zip((height, width), resized, shown, strict=True)
    )
    (top, tall), (left, wide) = _seen(rows), _seen(columns)
    region = Region(left, top, wide, tall)
    exact = preprocessing.resample == "pil" or min(rows.step, columns.step) < _FREE_FROM
    return FramePlan(*shown, region, rows, columns, preprocessing.interpolation, exact)


def prepare_pixels(images: Sequence[Image], plans: Sequence[FramePlan]) -> Image:
    """Resize frames that share one input size to the network's pixels.

    Args:
        images: ``uint8 (H, W, 3)``, BGR; sizes may differ.
        plans: One for each image, all with the same ``height`` and ``width``.

    Returns:
        ``uint8 (N, height, width, 3)``, BGR.
    """
    pixels = np.empty((len(images), plans[0].height, plans[0].width, 3), np.uint8)
    for image, plan, out in zip(images, plans, pixels, strict=True):
        plan.apply(image, out)
    return pixels


def _resized(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width of the whole frame when it is resized, before its centre is cut out."""
    size = preprocessing.resize_size
    if not isinstance(size, int):
        return size
    tall, wide = preprocessing.input_size
    short = min(tall, wide)
    # The same roundings as torchvision's Resize; for an input that is not square, the side
    # that needs the larger factor decides, with the roundings of timm's ResizeKeepRatio.
    whole = int if tall == wide else round
    if height * wide <= width * tall:
        target = round(size * tall / short)
        return target, max(wide, whole(target * width / height))
    target = round(size * wide / short)
    return max(tall, whole(target * height / width)), target


def _whole(height: int, width: int, preprocessing: Preprocessing, view: View) -> tuple[int, int]:
    """Height and width of the network's input where it is shown the whole frame."""
    if view == "stretch":
        return preprocessing.input_size
    side, short = min(preprocessing.input_size), min(height, width)
    return _on_grid(side * height / short, side), _on_grid(side * width / short, side)


def _centred(target: int, kept: int) -> int:
    return round((target - kept) / 2.0)  # as torchvision's CenterCrop rounds


def _seen(axis: Axis) -> tuple[int, int]:
    """Return the first source pixel of what is kept, and its length in source pixels."""
    first = min(axis.length - 1, round(axis.start * axis.length / axis.resized))
    last = max(first + 1, min(axis.length, round(axis.stop * axis.length / axis.resized)))
    return first, last - first


def _on_grid(length: float, crop: int) -> int:
    return max(GRID, round(min(length, LONGEST_RATIO * crop) / GRID) * GRID)
