"""Comparison of what a module puts out, whatever holds its tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor

# Float32 sums in another order; a hook or a part that matters changes more.
_CLOSE = 1e-5


def tensors_in(output: object) -> Iterator[Tensor]:
    """Yield the tensors of an output: one, or several in tuples, dictionaries and dataclasses."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for each in output.values():
            yield from tensors_in(each)
    elif isinstance(output, (tuple, list)):
        for each in output:
            yield from tensors_in(each)
    elif is_dataclass(output) and not isinstance(output, type):
        for field in fields(output):
            yield from tensors_in(getattr(output, field.name))


def difference(first: object, second: object) -> float:
    """Return the largest difference of two outputs; infinite where their tensors do not match."""
    pairs = [*tensors_in(first)], [*tensors_in(second)]
    if len(pairs[0]) != len(pairs[1]):
        return float("inf")
    found = 0.0
    for one, other in zip(*pairs, strict=True):
        if one.shape != other.shape:
            return float("inf")
        gap = (one.double() - other.double()).abs()
        gap = torch.where(one.isnan() & other.isnan() | (one == other), 0.0, gap)
        found = max(found, float(gap.nan_to_num(float("inf")).max()) if gap.numel() else 0.0)
    return found


def same_outputs(first: object, second: object) -> bool:
    """Return whether two outputs are equal, up to the rounding of float32."""
    largest = max(
        (float(each.abs().max()) for each in tensors_in(first) if each.numel()), default=0
    )
    return difference(first, second) <= _CLOSE * max(1.0, largest)
