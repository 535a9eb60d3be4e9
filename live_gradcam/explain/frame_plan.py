"""From frames to the network's pixels with torch's filters, which are quicker than PIL's.

As in `live_gradcam.preprocessing.plan`, only the part that is kept is computed. Of torchvision's
transform of a PIL image the result differs by one grey level at single pixels, because torch rounds
the filter's weights to 16 bits and PIL to 22; by two levels at one pixel in a million, where both
passes, over rows and over columns, round the other way. It takes a tenth of PIL's time.
With ``resample="pil"`` it does not differ; nor with the bicubic filter where images are hardly
shrunk, because its weights are so large there that torch would be off by two levels more often.

Everything stays ``uint8`` BGR; channels, range and normalisation are part of the network's graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.choices import View
from live_gradcam.errors import UsageError
from live_gradcam.explain.omp import torch_threads
from live_gradcam.preprocessing import plan as exact
from live_gradcam.preprocessing.plan import Axis, FramePlan, prepare_pixels
from live_gradcam.preprocessing.settings import FAST_FILTERS, Preprocessing
from live_gradcam.values import Image

_RESIZERS: Mapping[str, tuple[Callable[..., Tensor], float]] = {
    # The filter, and its reach to each side in pixels of the coarser grid.
    "bilinear": (torch.ops.aten._upsample_bilinear2d_aa, 1.0),
    "bicubic": (torch.ops.aten._upsample_bicubic2d_aa, 2.0),
}
# Source pixels for each output pixel from which torch's bicubic filter is within one grey level.
_BICUBIC_FROM = 1.65


@dataclass(frozen=True, slots=True)
class _Part:
    """One axis of a resize by torch that computes a part of the resized grid.

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
    def of(cls, axis: Axis, reach: float) -> _Part:
        length, target, step = axis.length, axis.resized, axis.step
        if target == axis.kept:
            return cls((0, length), target, 0, target / length)
        margin = math.ceil(reach * max(1.0, 1.0 / step)) + 1
        first = max(0, axis.start - margin)
        # Only where both grids meet exactly: a fiftieth of a pixel is four grey levels at an edge.
        while first * length % target:
            first -= 1
        last = math.ceil(axis.stop * step + reach * max(1.0, step)) + 1
        source = (first * length // target, min(length, last))
        size = axis.stop - first
        if size == source[1] - source[0] and length != target:
            size += 1  # torch copies what has the wanted length already, whatever the scale
        return cls(source, size, axis.start - first, 1 / step)


@dataclass(frozen=True, slots=True)
class _TorchPlan(FramePlan):
    """The same way, with torch's filter."""

    row_part: _Part
    column_part: _Part
    resize: Callable[..., Tensor]

    @override
    def apply(self, image: Image, out: Image) -> None:
        rows, columns = self.row_part, self.column_part
        part = image[slice(*rows.source), slice(*columns.source)]
        if part.shape == out.shape and rows.is_identity and columns.is_identity:
            np.copyto(out, part)
            return
        if min(part.strides) < 0 or not part.flags.writeable:  # torch takes neither
            part = part.copy()
        # In this order torch sees channels-last pixels, for which it has a faster filter.
        planes = torch.from_numpy(part).unsqueeze(0).permute(0, 3, 1, 2)
        size = [rows.size, columns.size]
        with torch_threads(1):  # more are no quicker, and awake beside the engine afterwards
            resized = self.resize(planes, size, False, rows.scale, columns.scale)[0]
        # NumPy copies in this thread; torch would wake its others for a tenth of a megabyte.
        top, left = rows.skip, columns.skip
        kept = resized[:, top : top + self.height, left : left + self.width]
        np.copyto(out, kept.permute(1, 2, 0).numpy())


def check_view(view: View) -> View:
    """Return a view.

    Raises:
        UsageError: There is no such view.
    """
    if view not in get_args(View):
        raise UsageError("unknown view", str(view), "", f"Choose from {', '.join(get_args(View))}")
    return view


@lru_cache(maxsize=64)
def plan_frame(height: int, width: int, preprocessing: Preprocessing, view: View) -> FramePlan:
    """Plan how frames of a size are shown to the network, as `preprocessing.plan.plan_frame` does.

    Args:
        height: Height of the frames in pixels.
        width: Width of the frames in pixels.
        preprocessing: The network's.
        view: ``crop`` is the network's own evaluation transform; ``stretch`` squeezes the whole
            frame into its input; ``full`` keeps the frame's shape, for networks of any size.
    """
    plan = exact.plan_frame(height, width, preprocessing, view)
    if not _is_torch_exact_enough(plan, preprocessing):
        return plan
    resize, reach = _RESIZERS[plan.interpolation]
    return _TorchPlan(
        plan.height,
        plan.width,
        plan.region,
        plan.rows,
        plan.columns,
        plan.interpolation,
        plan.exact,
        _Part.of(plan.rows, reach),
        _Part.of(plan.columns, reach),
        resize,
    )


def _is_torch_exact_enough(plan: FramePlan, preprocessing: Preprocessing) -> bool:
    """Return whether torch resizes with this filter, and to one grey level."""
    if preprocessing.resample == "pil" or preprocessing.interpolation not in FAST_FILTERS:
        return False
    least = min(plan.rows.step, plan.columns.step)
    return preprocessing.interpolation != "bicubic" or least >= _BICUBIC_FROM


def prepare_batch(images: Sequence[Image], plans: Sequence[FramePlan]) -> Tensor:
    """Resize frames that share one input size to the network's pixels.

    Args:
        images: ``uint8 (H, W, 3)``, BGR; sizes may differ.
        plans: One for each image, all with the same ``height`` and ``width``.

    Returns:
        ``uint8 (N, height, width, 3)``, BGR.
    """
    return torch.from_numpy(prepare_pixels(images, plans))
