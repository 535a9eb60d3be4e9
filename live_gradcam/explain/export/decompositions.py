"""Derivatives as plain operations: what torch keeps as one backward operation of its own.

Graphs for other engines know forward operations only. Each function here writes the derivative by
the input of one operation with those; derivatives by weights, which no map needs, are left out.
Sizes are those of the traced network, so that pooling becomes products with constant matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions

aten = torch.ops.aten


class NoPlainForm(Exception):
    """There is no plain form of an operation; the message says why."""


def _pair(values: Sequence[int], empty: Sequence[int] = ()) -> list[int]:
    given = list(values) or list(empty)
    return given * 2 if len(given) == 1 else given


def _fixed(sizes: Sequence[Any]) -> list[int]:
    if not all(isinstance(size, int) for size in sizes):
        raise NoPlainForm("it pools to a size that depends on the picture's")
    return [int(size) for size in sizes]


def _convolution_backward(
    gradient: Tensor,
    values: Tensor,
    weight: Tensor,
    _bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    _output_padding: Sequence[int],
    groups: int,
    _output_mask: Sequence[bool],
) -> tuple[Tensor, None, None]:
    """By the input: the transposed convolution with the same weights, or the other way round."""
    spatial = weight.ndim - 2
    stride, padding, dilation = (
        list(each) * spatial if len(each) == 1 else list(each)
        for each in (stride, padding, dilation)
    )
    if transposed:
        nothing = [0] * spatial
        found = aten.convolution.default(
            gradient, weight, None, stride, padding, dilation, False, nothing, groups
        )
        return found, None, None
    beyond = []
    for axis in range(spatial):
        if stride[axis] == 1:
            beyond.append(0)
            continue
        reach = dilation[axis] * (weight.shape[2 + axis] - 1) + 1
        sides = _fixed((values.shape[2 + axis], gradient.shape[2 + axis]))
        beyond.append(sides[0] - ((sides[1] - 1) * stride[axis] - 2 * padding[axis] + reach))
    found = aten.convolution.default(
        gradient, weight, None, stride, padding, dilation, True, beyond, groups
    )
    return found, None, None


def _averaging(size: int, pooled: int, device: torch.device) -> Tensor:
    """The matrix ``(pooled, size)`` of adaptive average pooling along one axis."""
    spans = [(place * size // pooled, -(-(place + 1) * size // pooled)) for place in range(pooled)]
    return _means(size, [(start, stop, stop - start) for start, stop in spans], device)


def _means(size: int, spans: Sequence[tuple[int, int, int]], device: torch.device) -> Tensor:
    """The matrix whose rows divide the sum from a start to a stop by a number.

    Made of numbers at once: what is written into piece by piece cannot be traced here.
    """
    rows = [
        [1.0 / number if start <= place < stop else 0.0 for place in range(size)]
        for start, stop, number in spans
    ]
    return torch.tensor(rows, device=device)


def _adaptive_avg_pool2d(values: Tensor, size: Sequence[int]) -> Tensor:
    height, width = _fixed(values.shape[-2:])
    rows, columns = _fixed(size)
    if (height, width) == (rows, columns):
        return values.clone()
    if height % rows == 0 and width % columns == 0:
        step = [height // rows, width // columns]
        return aten.avg_pool2d.default(values, step, step)  # type: ignore[no-any-return]
    vertical = _averaging(height, rows, values.device)
    horizontal = _averaging(width, columns, values.device)
    return vertical @ values @ horizontal.t()


def _adaptive_avg_pool2d_backward(gradient: Tensor, values: Tensor) -> Tensor:
    height, width = _fixed(values.shape[-2:])
    rows, columns = _fixed(gradient.shape[-2:])
    if (height, width) == (rows, columns):
        return gradient.clone()
    vertical = _averaging(height, rows, gradient.device)
    horizontal = _averaging(width, columns, gradient.device)
    return vertical.t() @ gradient @ horizontal


def _windows(
    size: int, pooled: int, kernel: int, stride: int, padding: int, *, whole: bool
) -> Tensor:
    """The matrix ``(pooled, size)`` whose rows are the means over windows along one axis.

    Args:
        size: Length of the axis.
        pooled: Number of windows.
        kernel: Length of a window.
        stride: Distance of windows.
        padding: Zeros before and behind the axis.
        whole: Zeros count as members of a window.
    """
    spans = []
    for place in range(pooled):
        start = place * stride - padding
        stop = min(start + kernel, size + padding)
        members = stop - start
        start, stop = max(start, 0), min(stop, size)
        spans.append((start, stop, members if whole else stop - start))
    return _means(size, spans, torch.device("cpu"))


def _avg_pool2d_backward(
    gradient: Tensor,
    values: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    _ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    kernel = _pair(kernel)
    stride, padding = _pair(stride, kernel), _pair(padding)
    sizes, pooled = _fixed(values.shape[-2:]), _fixed(gradient.shape[-2:])
    vertical, horizontal = (
        _windows(
            sizes[axis],
            pooled[axis],
            kernel[axis],
            stride[axis],
            padding[axis],
            whole=count_include_pad or divisor is not None,
        )
        for axis in range(2)
    )
    found = vertical.t() @ gradient @ horizontal
    if divisor is not None:
        found = found * (kernel[0] * kernel[1] / divisor)
    return found


def _max_pool2d_backward(
    gradient: Tensor,
    values: Tensor,
    _kernel: Sequence[int],
    _stride: Sequence[int],
    _padding: Sequence[int],
    _dilation: Sequence[int],
    _ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    return _adaptive_max_pool2d_backward(gradient, values, indices)


def _adaptive_max_pool2d(values: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    rows, columns = _fixed(size)
    height, width = _fixed(values.shape[-2:])
    if (rows, columns) == (1, 1):
        largest = values.flatten(2).max(2)
        return largest.values[..., None, None], largest.indices[..., None, None]
    if height % rows or width % columns:
        raise NoPlainForm("its adaptive maximum is over uneven windows")
    kernel = [height // rows, width // columns]
    found: tuple[Tensor, Tensor] = aten.max_pool2d_with_indices.default(values, kernel, kernel)
    return found


def _adaptive_max_pool2d_backward(gradient: Tensor, values: Tensor, indices: Tensor) -> Tensor:
    """Every window's derivative goes to its maximum, at the index within its plane."""
    flat = torch.zeros_like(values).flatten(2)
    return flat.scatter_add(2, indices.flatten(2), gradient.flatten(2)).reshape(values.shape)


def _as_strided_scatter(
    values: Tensor,
    written: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    offset: int | None = None,
) -> Tensor:
    """All of a tensor written anew, which is how a derivative is laid out in memory."""
    steps = [1]
    for length in reversed(size[1:]):
        steps.append(steps[-1] * length)
    if values.numel() != written.numel() or list(stride) != steps[::-1] or offset:
        raise NoPlainForm("its derivative is written in pieces")
    return written.reshape(values.shape)


def plain_decompositions() -> Mapping[Any, Callable[..., Any]]:
    """The decompositions of torch's own core set, and those of this module."""
    core: dict[Any, Callable[..., Any]] = dict(core_aten_decompositions())
    core.pop(aten.roll.default, None)  # engines have it, as two slices
    return {
        **core,
        aten.as_strided_scatter.default: _as_strided_scatter,
        aten.convolution_backward.default: _convolution_backward,
        aten._adaptive_avg_pool2d.default: _adaptive_avg_pool2d,
        aten._adaptive_avg_pool2d_backward.default: _adaptive_avg_pool2d_backward,
        aten.adaptive_max_pool2d.default: _adaptive_max_pool2d,
        aten.adaptive_max_pool2d_backward.default: _adaptive_max_pool2d_backward,
        aten.avg_pool2d_backward.default: _avg_pool2d_backward,
        aten.max_pool2d_with_indices_backward.default: _max_pool2d_backward,
    }
