"""Loading of a checkpoint's state dict into a network: exactly, or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import Checkpoint
from live_gradcam.explain.networks.folded import fold_weights
from live_gradcam.explain.networks.head_chain import NoChainError
from live_gradcam.explain.networks.head_fit import HeadFit, feature_count, fit_head
from live_gradcam.explain.networks.leftovers import (
    group_beside,
    left_out,
    touching,
)
from live_gradcam.explain.networks.matching import STEM, Shapes, match_names
from live_gradcam.explain.networks.misfit import misfit
from live_gradcam.explain.networks.own_normalisation import OwnNormalisation, find_normalisation
from live_gradcam.explain.networks.places import Places, find_places, fit_stem
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES
from live_gradcam.explain.networks.torchvision_networks import Family, build_network
from live_gradcam.explain.networks.training_names import belongs_to_training
from live_gradcam.explain.omp import short_lived_thread


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A network with a checkpoint's weights.

    Attributes:
        network: In evaluation mode, without gradients.
        class_count: Number of its classes.
        in_channels: Number of channels of its images.
        normalisation: Its own, where the file has one; ``None`` where it has none.
        notes: One sentence for each thing that had to be interpreted.
    """

    network: nn.Module
    class_count: int
    in_channels: int = 3
    normalisation: OwnNormalisation | None = None
    notes: tuple[str, ...] = ()


@short_lived_thread
def build_with_weights(
    name: str, family: Family, checkpoint: Checkpoint, path: Path
) -> FittedNetwork:
    """Build a torchvision network with a checkpoint's weights, its head and its stem.

    Args:
        name: torchvision's name of the network.
        family: Its family.
        checkpoint: Its weights.
        path: Source of the weights, for messages.

    Raises:
        ModelError: A tensor is missing, too many, or has another shape.
    """
    tensors = dict(checkpoint.tensors)
    for pattern, replacement in family.renamed:
        tensors = {re.sub(pattern, replacement, key): value for key, value in tensors.items()}
    network = build_network(name, IMAGENET_CLASSES, _image_side(family, tensors))
    return fit_weights(
        network, name, checkpoint, path, find_places(network), tensors, family.auxiliary
    )


def _image_side(family: Family, tensors: Mapping[str, Tensor]) -> int | None:
    """Return the side in pixels of a vision transformer's images: its patches times their size."""
    if family.size_option is None:
        return None
    positions = _ending(tensors, "encoder.pos_embedding")
    patch = _ending(tensors, "conv_proj.weight")
    if positions is None or patch is None or positions.ndim != 3:
        return None
    edge = math.isqrt(max(1, positions.shape[1] - 1))
    return edge * patch.shape[-1] if patch.ndim == 4 else None


def _ending(tensors: Mapping[str, Tensor], end: str) -> Tensor | None:
    return next((tensor for name, tensor in tensors.items() if name.endswith(end)), None)


def fit_weights(
    network: nn.Module,
    name: str,
    checkpoint: Checkpoint,
    path: Path,
    places: Places,
    tensors: Mapping[str, Tensor] | None = None,
    auxiliary: Sequence[str] = (),
) -> FittedNetwork:
    """Load a checkpoint's weights into a network whose head and stem may have to change.

    Args:
        network: Changed in place.
        name: Its name, for messages.
        checkpoint: Its weights.
        path: Source of the weights, for messages.
        places: Where its stem and its head are.
        tensors: The checkpoint's tensors where their names had to be changed.
        auxiliary: Prefixes of training-only parameters.

    Raises:
        ModelError: A tensor is missing, too many, or has another shape.
    """
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    tensors, folded = fold_weights(checkpoint.tensors if tensors is None else tensors)
    match = match_names(places.body(network), tensors)

    def wrong(reason: str = "") -> ModelError:
        free = (places.stem, places.container)
        return misfit(name, expected, checkpoint, match, path, free, reason)

    if match.share < 1:
        raise wrong()
    inside = {
        key.replace(STEM, places.stem): value
        for key, value in match.inside.items()
        if not key.startswith(tuple(auxiliary))
    }
    own = {
        key: value
        for key, value in inside.items()
        if key in expected or _is_part_of(key, places.stem, places.container)
    }
    unknown = {key: value for key, value in inside.items() if key not in own}
    normalisation = find_normalisation({**match.outside, **unknown})
    for key in normalisation.names if normalisation is not None else ():
        match.outside.pop(key, None)
        unknown.pop(key, None)
    beside = group_beside(match, unknown)
    stem_notes: tuple[str, ...] | None = ()
    if places.stem:
        stem_notes = fit_stem(network, places.stem, own)
        if stem_notes is None:
            raise wrong(_stem_reason(places.stem, own, expected))
    features = feature_count(network.get_submodule(places.container)) if places.head else 0
    try:
        head = fit_head(network, places, own, beside) if places.head else HeadFit({}, 0)
    except NoChainError as exc:
        raise wrong(f"the head cannot be rebuilt: {exc}") from None
    _check_unknown(network, unknown, head, wrong)
    reached = touching(match, head, _channels(network, places), features)
    if reached is not None:
        raise wrong(f"{reached!r} may stand before or behind the network: what it does is unknown")
    kept = {key: value for key, value in own.items() if not _is_part_of(key, places.container)}
    _load(network, {**kept, **head.tensors}, checkpoint, path, wrong)
    channels = _channels(network, places)
    if normalisation is not None and len(normalisation.mean) != channels:
        raise wrong(f"its own normalisation is of {len(normalisation.mean)} channels")
    notes = (
        *match.notes,
        *folded,
        *(stem_notes or ()),
        *head.notes,
        *(() if normalisation is None else (normalisation.note,)),
        *left_out(match, unknown, head),
    )
    return FittedNetwork(network, head.class_count, channels, normalisation, notes)


def _stem_reason(stem: str, found: Mapping[str, Tensor], expected: Shapes) -> str:
    name = f"{stem}.weight"
    if name not in found:
        return ""
    return f"{name} is {tuple(found[name].shape)}, not {expected[name]}"


def _is_part_of(name: str, *parts: str) -> bool:
    return any(part and name.startswith(f"{part}.") for part in parts)


def _channels(network: nn.Module, places: Places) -> int:
    if not places.stem:
        return 3
    stem = network.get_submodule(places.stem)
    return stem.in_channels if isinstance(stem, nn.Conv2d) else 3


def _check_unknown(
    network: nn.Module,
    unknown: Mapping[str, Tensor],
    head: HeadFit,
    wrong: Callable[[], ModelError],
) -> None:
    """Refuse layers among the network's own that it does not have: they take part in its forward.

    Raises:
        ModelError: There are some.
    """
    for key in unknown:
        child, _, _ = key.partition(".")
        if key not in head.taken and (child in network._modules or not belongs_to_training(child)):
            raise wrong()


def _load(
    network: nn.Module,
    tensors: dict[str, Tensor],
    checkpoint: Checkpoint,
    path: Path,
    wrong: Callable[[], ModelError],
) -> None:
    expected = network.state_dict()
    for key in expected:
        if key.endswith("num_batches_tracked"):  # a training statistic that evaluation never reads
            tensors.setdefault(key, torch.zeros((), dtype=torch.long))
    same = expected.keys() == tensors.keys()
    if not same or any(expected[key].shape != tensors[key].shape for key in expected):
        raise wrong()
    # Some old modules refuse to load without the version that their file was written with.
    versions = checkpoint.versions if isinstance(checkpoint.versions, dict) else {}
    loaded = _Versioned(tensors)
    loaded._metadata = versions or getattr(expected, "_metadata", {})
    try:
        network.load_state_dict(loaded, strict=True, assign=True)
    except (RuntimeError, ValueError) as exc:
        raise ModelError("cannot use weights", str(path), str(exc)) from exc
    network.requires_grad_(False)


class _Versioned(dict[str, Tensor]):
    """State dict with the modules' versions as an attribute, as torch keeps them."""

    _metadata: Any = None
