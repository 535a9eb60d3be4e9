"""Classification heads rebuilt from the shapes of their tensors: chains of linear layers.

Shapes show linear layers and batch norms. They do not show activations, which have no parameters:
where numbers are left out between two linear layers, ReLU is assumed, and said. Dropout does
nothing in evaluation. Everything else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

_LEAVES = frozenset({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})


class NoChainError(Exception):
    """The tensors are no plain chain of linear layers.

    Args:
        reason: What they are instead.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A head that was rebuilt.

    Attributes:
        module: The layers, their parameters on the ``meta`` device.
        tensors: Their tensors by the module's names.
        in_features: Number of features that it reads.
        class_count: Number of scores that it puts out.
        assumed: ``True`` if an activation had to be assumed.
        text: The layers in words.
    """

    module: nn.Module
    tensors: dict[str, Tensor]
    in_features: int
    class_count: int
    assumed: bool
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    path: str
    tensors: dict[str, Tensor]

    @property
    def is_norm(self) -> bool:
        return "running_mean" in self.tensors

    @property
    def in_features(self) -> int:
        weight = self.tensors.get("running_mean", self.tensors.get("weight"))
        assert weight is not None
        return int(weight.shape[-1])

    @property
    def out_features(self) -> int:
        return self.in_features if self.is_norm else int(self.tensors["weight"].shape[0])

    def build(self) -> nn.Module:
        with torch.device("meta"):
            if self.is_norm:
                return nn.BatchNorm1d(self.in_features, affine="weight" in self.tensors)
            bias = "bias" in self.tensors
            return nn.Linear(self.in_features, self.out_features, bias=bias)


def build_chain(tensors: Mapping[str, Tensor]) -> Chain:
    """Rebuild a head from its tensors.

    Args:
        tensors: By name, without the head's own name: ``weight``, ``1.weight``, ``fc1.bias``.

    Raises:
        NoChainError: They are no plain chain.
    """
    parts = _parts(tensors)
    for before, after in pairwise(parts):
        if before.out_features != after.in_features:
            raise NoChainError(_shapes(tensors))
    layers: list[nn.Module] = []
    named: dict[str, Tensor] = {}
    assumed = False
    for index, part in enumerate(parts):
        if index and _is_activated(parts, index):
            layers.append(nn.ReLU())
            assumed = True
        if part.is_norm:
            part.tensors.setdefault("num_batches_tracked", torch.zeros((), dtype=torch.long))
        named |= {f"{len(layers)}.{leaf}": tensor for leaf, tensor in part.tensors.items()}
        layers.append(part.build())
    text = ", ".join(_in_words(each) for each in layers)
    module: nn.Module = nn.Sequential(*layers)
    if len(layers) == 1:
        module, named = layers[0], dict(parts[0].tensors)
    return Chain(module.eval(), named, parts[0].in_features, parts[-1].out_features, assumed, text)


def _parts(tensors: Mapping[str, Tensor]) -> list[_Part]:
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        if leaf not in _LEAVES:
            raise NoChainError(_shapes(tensors))
        grouped.setdefault(path, {})[leaf] = tensor
    paths = list(grouped)
    if all(_number(path) is not None for path in paths):
        paths.sort(key=lambda path: _number(path) or ())
    parts = [_Part(path, grouped[path]) for path in paths]
    for part in parts:
        dimensions = {leaf: each.ndim for leaf, each in part.tensors.items()}
        norm = {"running_mean", "running_var"} <= dimensions.keys()
        linear = "running_mean" not in dimensions and dimensions.get("weight") == 2
        vectors = all(
            dimensions[leaf] == 1
            for leaf in ("bias", "running_mean", "running_var")
            if leaf in dimensions
        )
        if not (norm or linear) or not vectors or not all(map(all, _sizes(part))):
            raise NoChainError(_shapes(tensors))
    if not parts or parts[-1].is_norm:
        raise NoChainError(_shapes(tensors))
    return parts


def _sizes(part: _Part) -> list[tuple[int, ...]]:
    return [tuple(each.shape) for leaf, each in part.tensors.items() if not leaf.startswith("num_")]


def _number(path: str) -> tuple[int, ...] | None:
    numbers = path.split(".") if path else []
    return tuple(map(int, numbers)) if all(each.isdecimal() for each in numbers) else None


def _hidden(before: _Part, after: _Part) -> int | None:
    """Return the number of layers without parameters between two; ``None`` if it is not known."""
    first, second = _number(before.path), _number(after.path)
    if not first or not second or first[:-1] != second[:-1]:
        return None
    return second[-1] - first[-1] - 1


def _is_activated(parts: Sequence[_Part], index: int) -> bool:
    """Return ``True`` if an activation stands before a part: once between two linear layers."""
    linear = [place for place, part in enumerate(parts) if not part.is_norm]
    start = max((place for place in linear if place < index), default=None)
    stop = next((place for place in linear if place >= index), None)
    if start is None or stop is None:
        return False
    gaps = [_hidden(parts[place - 1], parts[place]) for place in range(start + 1, stop + 1)]
    known = [place for place, gap in enumerate(gaps) if gap]
    unknown = [place for place, gap in enumerate(gaps) if gap is None]
    if known:
        return start + 1 + known[0] == index
    return bool(unknown) and start + 1 + unknown[-1] == index


def _in_words(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        bias = "" if layer.bias is not None else ", no bias"
        return f"Linear({layer.in_features}, {layer.out_features}{bias})"
    if isinstance(layer, nn.BatchNorm1d):
        return f"BatchNorm1d({layer.num_features})"
    return type(layer).__name__


def _shapes(tensors: Mapping[str, Tensor]) -> str:
    shown = [f"{name} {tuple(tensor.shape)}" for name, tensor in list(tensors.items())[:6]]
    return ", ".join(shown) + (f" and {len(tensors) - 6} more" if len(tensors) > 6 else "")
