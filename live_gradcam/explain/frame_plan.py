"""From frames to the network's pixels: torchvision's own evaluation transform, only cheaper.

torchvision resizes the whole image so that its short side fits and then keeps the centre. Here
the same filter computes the centre only: the resized grid is cut where it meets the pixel grid of
the frame exactly, so that every pixel that is kept has the neighbours, the weights and the position
that it has in the full resize. Of torchvision's transform of a PIL image the result differs by one
grey level at single pixels, because torch rounds the filter's weights to 16 bits and PIL to 22. It
costs a third of a millisecond from 1280x720 instead of ten. With ``resample="pil"`` it does not
differ; nor with the bicubic filter where images are hardly shrunk, because its weights are so large
there that torch would be off by two levels at one pixel in a million.

Everything stays ``uint8`` BGR; channels, range and normalisation are part of the network's graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from live_gradcam.choices import View
from live_gradcam.preprocessing.settings import FAST_FILTERS, Preprocessing
from live_gradcam.values import Image, Region

if TYPE_CHECKING:
    pass

_RESIZERS: Mapping[str, tuple[Callable[..., Tensor], float]] = {
    # The filter, and its reach to each side in pixels of the coarser grid.
    "bilinear": (torch.ops.aten._upsample_bilinear2d_aa, 1.0),
    "bicubic": (torch.ops.aten._upsample_bicubic2d_aa, 2.0),
}
# Source pixels for each output pixel from which torch's bicubic filter is within one grey level.
_BICUBIC_FROM = 1.65
# The whole-frame view keeps the frame's shape up to this ratio; slivers are squeezed.
_LONGEST_RATIO = 4
_GRID = 32  # common stride of the networks; whole-frame inputs are rounded to it


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a resize that computes a part of the resized grid.

    Attributes:
        source: First and last + 1 source pixel that are read.
        size: Number of output pixels that are computed.
        skip: Number of them, at the start, that only serve to meet the grid.
        scale: Output pixels per source pixel.
    """

    source: tuple[int, int]
    size: int
    skip: int
    scale: float

    @property
    def is_identity(self) -> bool:
        """True if pixels stay as they are."""
        return self.scale == 1.0 and self.skip == 0

    @classmethod
    def whole(cls, length: int, target: int) -> _Axis:
        return cls((0, length), target, 0, target / length)

    @classmethod
    def part(cls, length: int, target: int, start: int, stop: int, reach: float) -> _Axis:
        """Compute outputs ``start``..``stop`` of resizing ``length`` pixels to ``target``."""
        step = length / target
        margin = math.ceil(reach * max(1.0, 1.0 / step)) + 1
        first = max(0, start - margin)
        # Only where both grids meet exactly: a fiftieth of a pixel is four grey levels at an edge.
        while first * length % target:
            first -= 1
        last = math.ceil(stop * step + reach * max(1.0, step)) + 1
        source = (first * length // target, min(length, last))
        size = stop - first
        if size == source[1] - source[0] and length != target:
            size += 1  # torch copies what has the wanted length already, whatever the scale
        return cls(source, size, start - first, 1 / step)


@dataclass(frozen=True, slots=True)
class _PilResize:
    """PIL's resize of the whole image, of which the centre is kept: torchvision, bit for bit.

    Attributes:
        interpolation: PIL's name of the filter.
        resized: Height and width of the whole image when it is resized.
        start: Row and column of the first pixel that is kept.
        kept: Number of rows and columns that are kept.
    """

    interpolation: str
    resized: tuple[int, int]
    start: tuple[int, int]
    kept: tuple[int, int]

    def __call__(self, image: Image) -> Image:
        from PIL import Image as PilImages

        height, width = self.resized
        resample = PilImages.Resampling[self.interpolation.upper()]
        whole = PilImages.fromarray(np.ascontiguousarray(image))
        (top, left), (tall, wide) = self.start, self.kept
        return np.asarray(whole.resize((width, height), resample))[
            top : top + tall, left : left + wide
        ]


@dataclass(frozen=True, slots=True)
class FramePlan:
    """The way from frames of one size to the network's pixels; made once for each size.

    Attributes:
        height: Height of the network's input.
        width: Width of the network's input.
        region: Part of the frame that the network sees.
    """

    height: int
    width: int
    region: Region
    _rows: _Axis
    _columns: _Axis
    _resize: Callable[..., Tensor] | _PilResize

    def apply(self, image: Image, out: Image) -> None:
        """Resize a frame to the network's pixels.

        Args:
            image: ``uint8 (H, W, 3)``, BGR; not modified.
            out: ``uint8 (height, width, 3)``, BGR.
        """
        if isinstance(self._resize, _PilResize):
            np.copyto(out, self._resize(image))
            return
        rows, columns = self._rows, self._columns
        part = image[slice(*rows.source), slice(*columns.source)]
        if part.shape == out.shape and rows.is_identity and columns.is_identity:
            np.copyto(out, part)
            return
        if min(part.strides) < 0 or not part.flags.writeable:  # torch takes neither
            part = part.copy()
        # In this order torch sees channels-last pixels, for which it has a faster filter.
        planes = torch.from_numpy(part).unsqueeze(0).permute(0, 3, 1, 2)
        size = [rows.size, columns.size]
        resized = self._resize(planes, size, False, rows.scale, columns.scale)[0]
        # NumPy copies in this thread; torch would wake its others for a tenth of a megabyte.
        top, left = rows.skip, columns.skip
        kept = resized[:, top : top + self.height, left : left + self.width]
        np.copyto(out, kept.permute(1, 2, 0).numpy())


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
    starts = [_centred(*sides) for sides in zip(resized, shown, strict=True)]
    (top, tall), (left, wide) = (
        _seen(length, target, start, kept)
        for length, target, start, kept in zip((height, width), resized, starts, shown, strict=True)
    )
    region = Region(left, top, wide, tall)
    if not _is_torch_exact_enough((height, width), resized, preprocessing):
        pil = _PilResize(preprocessing.interpolation, resized, (starts[0], starts[1]), shown)
        rows, columns = (_Axis.whole(*pair) for pair in zip((height, width), resized, strict=True))
        return FramePlan(*shown, region, rows, columns, pil)
    resize, reach = _RESIZERS[preprocessing.interpolation]
    rows, columns = (
        _Axis.whole(length, target)
        if target == kept
        else _Axis.part(length, target, start, start + kept, reach)
        for length, target, start, kept in zip((height, width), resized, starts, shown, strict=True)
    )
    return FramePlan(*shown, region, rows, columns, resize)


def _is_torch_exact_enough(
    size: tuple[int, int], resized: tuple[int, int], preprocessing: Preprocessing
) -> bool:
    """Return whether torch resizes with this filter, and to one grey level."""
    if preprocessing.resample == "pil" or preprocessing.interpolation not in FAST_FILTERS:
        return False
    least = min(length / target for length, target in zip(size, resized, strict=True))
    return preprocessing.interpolation != "bicubic" or least >= _BICUBIC_FROM


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


def _seen(length: int, target: int, start: int, kept: int) -> tuple[int, int]:
    """Return the first source pixel of what is kept, and its length in source pixels."""
    first = min(length - 1, round(start * length / target))
    last = max(first + 1, min(length, round((start + kept) * length / target)))
    return first, last - first


def _on_grid(length: float, crop: int) -> int:
    return max(_GRID, round(min(length, _LONGEST_RATIO * crop) / _GRID) * _GRID)


def prepare_batch(images: Sequence[Image], plans: Sequence[FramePlan]) -> Tensor:
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
    return torch.from_numpy(pixels)
