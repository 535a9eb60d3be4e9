"""Loading of a checkpoint's state dict into a network: exactly, or not at all."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import Checkpoint
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES
from live_gradcam.explain.networks.torchvision_networks import Family, build_network
from live_gradcam.explain.omp import short_lived_thread


@short_lived_thread
def build_with_weights(name: str, family: Family, checkpoint: Checkpoint, path: Path) -> nn.Module:
    """Build a torchvision network with a checkpoint's weights and its number of classes.

    Args:
        name: torchvision's name of the network.
        family: Its family.
        checkpoint: Its weights.
        path: Source of the weights, for messages.

    Raises:
        ModelError: A tensor is missing, too many, or has another shape.
    """
    tensors = _adapt_names(family, checkpoint.tensors)
    side = _image_side(family, tensors)
    *_, last = build_network(name, IMAGENET_CLASSES, side).state_dict()
    class_count = tensors[last].shape[0] if last in tensors and tensors[last].ndim else 0
    network = build_network(name, class_count or IMAGENET_CLASSES, side)
    return load_weights(network, name, replace(checkpoint, tensors=tensors), path)


def load_weights(network: nn.Module, name: str, checkpoint: Checkpoint, path: Path) -> nn.Module:
    """Load a checkpoint's weights into a network, and return it.

    Args:
        network: Built for the checkpoint's number of classes.
        name: Its name, for messages.
        checkpoint: Its weights.
        path: Source of the weights, for messages.

    Raises:
        ModelError: A tensor is missing, too many, or has another shape.
    """
    tensors = dict(checkpoint.tensors)
    expected = network.state_dict()
    for key in expected:
        if key.endswith("num_batches_tracked"):  # a training statistic that evaluation never reads
            tensors.setdefault(key, torch.zeros((), dtype=torch.long))
    _check_fit(name, expected, tensors, path)
    # Some old modules refuse to load without the version that their file was written with.
    versions = checkpoint.versions if isinstance(checkpoint.versions, dict) else {}
    loaded = _Versioned(tensors)
    loaded._metadata = versions or getattr(expected, "_metadata", {})
    try:
        network.load_state_dict(loaded, strict=True, assign=True)
    except (RuntimeError, ValueError) as exc:
        raise ModelError("cannot use weights", str(path), str(exc)) from exc
    return network.requires_grad_(False)


class _Versioned(dict[str, Tensor]):
    """State dict with the modules' versions as an attribute, as torch keeps them."""

    _metadata: Any = None


def _adapt_names(family: Family, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop training-only parameters, and rename those of an older form."""
    adapted = {k: v for k, v in tensors.items() if not k.startswith(family.auxiliary)}
    for pattern, replacement in family.renamed:
        adapted = {re.sub(pattern, replacement, key): value for key, value in adapted.items()}
    return adapted


def _image_side(family: Family, tensors: dict[str, Tensor]) -> int | None:
    """Return the side in pixels of a vision transformer's images: its patches times their size."""
    positions = tensors.get("encoder.pos_embedding")
    patch = tensors.get("conv_proj.weight")
    if family.size_option is None or positions is None or patch is None or positions.ndim != 3:
        return None
    edge = math.isqrt(max(1, positions.shape[1] - 1))
    return edge * patch.shape[-1] if patch.ndim == 4 else None


def _check_fit(
    name: str, expected: dict[str, Tensor], found: dict[str, Tensor], path: Path
) -> None:
    problems = []
    missing = [key for key in expected if key not in found]
    unknown = [key for key in found if key not in expected]
    if missing:
        problems.append(
            f"{len(missing)} of {len(expected)} tensors are missing, {_examples(missing)}"
        )
    if unknown:
        problems.append(f"{len(unknown)} of {len(found)} are unknown, {_examples(unknown)}")
    shapes = [
        f"{key} is {tuple(found[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    if shapes:
        problems.append(f"{len(shapes)} have another shape, e.g. {shapes[0]}")
    if problems:
        cause = f"they do not fit {name}: {'; '.join(problems)}"
        step = "Name the network that they were trained for with --model"
        raise ModelError("cannot use weights", str(path), cause, step)


def _examples(keys: list[str]) -> str:
    return f"e.g. {', '.join(repr(key) for key in keys[:2])}"
