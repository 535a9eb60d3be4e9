"""Recognition of the network that weights belong to, and description of what a file has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from live_gradcam.explain.networks.checkpoint import Checkpoint, read_checkpoint
from live_gradcam.explain.networks.inside_labels import take_labels
from live_gradcam.explain.networks.matching import STEM, Match, match_names
from live_gradcam.explain.networks.places import Places, find_places
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES
from live_gradcam.explain.networks.torchvision_networks import build_network, network_names
from live_gradcam.explain.networks.training_names import belongs_to_training
from live_gradcam.explain.omp import short_lived_thread

# A part of the names that only one family has, and a pattern of that family's networks.
_MARKS = (
    (r"(^|\.)layer4\.0\.|\bencoder\.stages\.3\.layers\.0\.layer\.", r".*res(net|next).*"),
    (r"(^|\.)[67]\.0\.conv1\.weight$", r"(wide_)?res(net|next).*"),
    (r"\.squeeze\.weight$", r"squeezenet.*"),
    (r"denseblock1\.denselayer1\.", r"densenet.*"),
    (r"features\.1\.conv\.0\.0\.weight$", r"mobilenet_v2"),
    (r"features\.1\.block\.0\.0\.weight$", r"mobilenet_v3.*|efficientnet.*"),
    (r"features\.1\.0\.block\.[01]\.", r"efficientnet.*|convnext.*"),
    (r"layers\.8\.0\.layers\.0\.weight$", r"mnasnet.*"),
    (r"trunk_output\.block1\.", r"regnet.*"),
    (r"stage2\.0\.branch1\.", r"shufflenet.*"),
    (r"inception3a\.", r"googlenet"),
    (r"Mixed_5b\.", r"inception_v3"),
    (r"encoder\.layers\.encoder_layer_0\.", r"vit.*"),
    (r"relative_position_bias_table$|attn\.logit_scale$", r"swin.*|maxvit.*"),
    (r"features\.0\.weight$", r"vgg.*|alexnet"),
)
# Shares below this are chance: any two networks have some names and shapes in common.
_LEAST_SHARE = 0.3
# More than the largest network has, with all that training adds.
_MOST_TENSORS = 5000


@short_lived_thread
def recognise(checkpoint: Checkpoint, limit: int = 3) -> list[tuple[str, float]]:
    """Return the networks of torchvision whose tensors a checkpoint has, the likeliest first.

    Args:
        checkpoint: Its weights.
        limit: Largest number of networks.

    Returns:
        Names, and the share of tensors that network and checkpoint have in common, 0..1, without
        the first convolution and the head; 1 is certain.
    """
    tensors = checkpoint.tensors
    if len(tensors) > _MOST_TENSORS:
        return []
    patterns = [
        pattern for mark, pattern in _MARKS if any(re.search(mark, name) for name in tensors)
    ]
    names = [n for n in network_names() if any(re.fullmatch(p, n) for p in patterns)]
    found = []
    for name in names:
        share = _share(name, tensors)
        if share >= _LEAST_SHARE:
            found.append((name, share))
    return sorted(found, key=lambda row: -row[1])[:limit]


def _share(name: str, tensors: Mapping[str, Tensor]) -> float:
    network = build_network(name, IMAGENET_CLASSES)
    places = find_places(network)
    body = places.body(network)
    match = match_names(body, tensors)
    return match.share * len(body) / max(len(body), _own_count(network, places, match))


def _own_count(network: nn.Module, places: Places, match: Match) -> int:
    """Return how many tensors stand in the body's own parts, whether it knows them or not."""
    skipped = tuple(f"{each}." for each in (places.stem, places.container))
    return sum(
        name.partition(".")[0] in network._modules
        and not name.startswith(skipped)
        and not name.endswith("num_batches_tracked")
        for name, tensor in match.inside.items()
        if tensor.ndim
    )


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointReport:
    """What is in a file of weights, as far as its names and shapes say it.

    Attributes:
        states: Keys of all sets of weights, for ``--state``; ``""`` is the file itself.
        state: Key of the one that is taken.
        tensor_count: Number of its tensors.
        parameter_count: Number of its numbers.
        prefix: Part of the names before the nearest network's.
        nearest: Networks of torchvision, and the share of tensors in common, 0..1; best first.
        in_channels: Number of channels that the first convolution reads; ``None`` if not known.
        class_count: Number of classes; ``None`` if not known.
        labels: Names of the classes that are in the file; ``None`` if there are none.
        examples: Some names with their shapes.
        notes: One sentence for each thing that had to be interpreted.
    """

    states: tuple[str, ...]
    state: str
    tensor_count: int
    parameter_count: int
    prefix: str
    nearest: tuple[tuple[str, float], ...]
    in_channels: int | None
    class_count: int | None
    labels: tuple[str, ...] | None
    examples: tuple[str, ...]
    notes: tuple[str, ...]


def describe_checkpoint(path: Path, *, state: str | None = None) -> CheckpointReport:
    """Describe a file of weights without knowing which network it is for.

    Args:
        path: The file.
        state: Key of the set of weights to describe; ``None`` describes the one that is taken.

    Raises:
        ModelError: As for `read_checkpoint`.
    """
    checkpoint = read_checkpoint(path, state=state)
    tensors = checkpoint.tensors
    nearest = tuple(recognise(checkpoint))
    prefix, count, channels = _fitted(nearest, tensors)
    labels, said = take_labels(checkpoint.inside_labels, count or 0, str(path))
    return CheckpointReport(
        states=checkpoint.states,
        state=checkpoint.state,
        tensor_count=len(tensors),
        parameter_count=sum(tensor.numel() for tensor in tensors.values()),
        prefix=prefix,
        nearest=nearest,
        in_channels=channels,
        class_count=count,
        labels=labels,
        examples=examples(tensors),
        notes=(*checkpoint.notes, *said),
    )


def _fitted(
    nearest: tuple[tuple[str, float], ...], tensors: Mapping[str, Tensor]
) -> tuple[str, int | None, int | None]:
    """Return the prefix, the number of classes and that of channels, by the nearest network."""
    if not nearest:
        return "", class_count(tensors), in_channels(tensors)
    network = build_network(nearest[0][0], IMAGENET_CLASSES)
    places = find_places(network)
    match = match_names(places.body(network), tensors)
    head = {n: t for n, t in match.inside.items() if n.startswith(f"{places.container}.")}
    stem = {n: t for n, t in match.inside.items() if n.startswith((f"{places.stem}.", STEM))}
    return (
        match.prefix,
        class_count(head) or class_count(tensors),
        in_channels(stem) or in_channels(tensors),
    )


def class_count(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the number of scores of the last layer in a state dict; ``None`` if there is none."""
    last = [
        tensor
        for name, tensor in tensors.items()
        if name.endswith("weight") and tensor.ndim in (2, 4) and not belongs_to_training(name)
    ]
    return int(last[-1].shape[0]) if last else None


def in_channels(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the number of channels of the first convolution; ``None`` if there is none."""
    first = next(
        (t for name, t in tensors.items() if name.endswith("weight") and t.ndim == 4), None
    )
    return int(first.shape[1]) if first is not None else None


def examples(tensors: Mapping[str, Tensor], most: int = 2) -> tuple[str, ...]:
    """Return the first and the last of a state dict's names with their shapes."""
    shown = [f"{name!r} {tuple(tensor.shape)}" for name, tensor in tensors.items() if tensor.ndim]
    return tuple(shown[: most - 1] + shown[-1:]) if len(shown) > most else tuple(shown)
