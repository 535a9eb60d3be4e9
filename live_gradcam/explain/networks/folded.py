"""Weights that training keeps in parts: pruned ones, and those with weight or spectral norm.

Each is put together as the module would do it in evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def fold_weights(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return tensors whose parts are put together, and a sentence for each way.

    Args:
        tensors: By name; those that are whole stay as they are, in their order.
    """
    folded: dict[str, Tensor] = {}
    used: set[str] = set()
    notes: dict[str, None] = {}
    for name, tensor in tensors.items():
        found = _parts_of(name, tensors)
        if found is None:
            folded[name] = tensor
            continue
        way, whole, parts = found
        used.update(parts)
        notes[way.note] = None
        if whole not in folded:
            folded[whole] = way.fold(*(tensors[part] for part in parts))
    return {k: v for k, v in folded.items() if k not in used}, tuple(notes)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to keep a weight in parts: endings of their names, and how they are put together."""

    endings: Sequence[str]
    fold: Callable[..., Tensor]
    note: str


def _parts_of(name: str, tensors: Mapping[str, Tensor]) -> tuple[_Way, str, tuple[str, ...]] | None:
    for parameter in ("weight", "bias"):
        for way in _WAYS:
            for ending in way.endings:
                end = ending.format(parameter)
                if not name.endswith(end):
                    continue
                stem = name.removesuffix(end)
                parts = tuple(stem + each.format(parameter) for each in way.endings)
                if all(part in tensors for part in parts) and (not stem or stem.endswith(".")):
                    return way, stem + parameter, parts
    return None


def _masked(original: Tensor, mask: Tensor) -> Tensor:
    whole: Tensor = original * mask
    return whole


def _weight_normed(length: Tensor, direction: Tensor) -> Tensor:
    dimensions = tuple(range(1, direction.ndim))
    norm = torch.linalg.vector_norm(direction, dim=dimensions, keepdim=True)
    whole: Tensor = direction * (length / norm)
    return whole


def _spectral_normed(original: Tensor, left: Tensor, right: Tensor) -> Tensor:
    largest = torch.dot(left, torch.mv(original.flatten(1), right))
    whole: Tensor = original / largest
    return whole


_NORMED = "weight norm was folded into the weights"
_SPECTRAL = "spectral norm was folded into the weights"
_WAYS = (
    _Way(("{}_orig", "{}_mask"), _masked, "pruned weights were multiplied by their masks"),
    _Way(("{}_g", "{}_v"), _weight_normed, _NORMED),
    _Way(
        ("parametrizations.{}.original0", "parametrizations.{}.original1"), _weight_normed, _NORMED
    ),
    _Way(("{}_orig", "{}_u", "{}_v"), _spectral_normed, _SPECTRAL),
    _Way(
        (
            "parametrizations.{}.original",
            "parametrizations.{}.0._u",
            "parametrizations.{}.0._v",
        ),
        _spectral_normed,
        _SPECTRAL,
    ),
)
