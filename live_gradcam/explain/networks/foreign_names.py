"""Names that other libraries gave to the parts of torchvision's networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor

Renaming: TypeAlias = Callable[[Mapping[str, Tensor]], "dict[str, Tensor] | None"]


def _renamed(
    tensors: Mapping[str, Tensor], rules: Sequence[tuple[re.Pattern[str], Callable[..., str] | str]]
) -> dict[str, Tensor] | None:
    """Return tensors under other names; ``None`` where no rule fits, or two names become one."""
    renamed = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in rules:
            new = pattern.sub(replacement, new)
        renamed[new] = tensor
    changed = renamed.keys() != tensors.keys()
    return renamed if changed and len(renamed) == len(tensors) else None


def _hugging_face_layer(match: re.Match[str]) -> str:
    stage, block, layer, part = match.groups()
    kind = "conv" if part == "convolution" else "bn"
    return f"layer{int(stage) + 1}.{block}.{kind}{int(layer) + 1}."


def _hugging_face_shortcut(match: re.Match[str]) -> str:
    stage, block, part = match.groups()
    return f"layer{int(stage) + 1}.{block}.downsample.{0 if part == 'convolution' else 1}."


_HUGGING_FACE_RESNET = (
    (re.compile(r"(?:\bresnet\.)?\bembedder\.embedder\.convolution\."), "conv1."),
    (re.compile(r"(?:\bresnet\.)?\bembedder\.embedder\.normalization\."), "bn1."),
    (
        re.compile(
            r"(?:\bresnet\.)?\bencoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d+)"
            r"\.(convolution|normalization)\."
        ),
        _hugging_face_layer,
    ),
    (
        re.compile(
            r"(?:\bresnet\.)?\bencoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut"
            r"\.(convolution|normalization)\."
        ),
        _hugging_face_shortcut,
    ),
)
# The ResNets of kuangliu/pytorch-cifar and what was made from them.
_SHORTCUTS = ((re.compile(r"(\blayer\d+\.\d+\.)shortcut\."), r"\1downsample."),)


def _rules(
    rules: Sequence[tuple[re.Pattern[str], Callable[..., str] | str]],
) -> Renaming:
    return lambda tensors: _renamed(tensors, rules)


RENAMINGS: Sequence[tuple[str, Renaming]] = (
    ("the names are those of Hugging Face's ResNet", _rules(_HUGGING_FACE_RESNET)),
    ("the names 'shortcut' mean 'downsample'", _rules(_SHORTCUTS)),
)
"""A sentence about the names, and the function that makes them torchvision's."""
