"""Files of taught classifiers: a linear head, and with it the trunk that it was taught on.

A ``.safetensors`` file: ``head.weight`` and ``head.bias``, the trunk's numbers under their own
names behind ``trunk.``, and in the metadata what these are of: the network's name and layer, the
classes, the preprocessing, the trunk's hash. A file without the trunk goes with the network of that
name, if its trunk is the same.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.networks.weight_files import read_content
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.pooled import (
    ChannelsToFront,
    PatchGrid,
    hash_of_trunk,
    with_layout,
    with_linear_head,
)
from live_gradcam.explain.seen_layers import blank_pixels
from live_gradcam.explain.skeletons import build_trunk, names_in_trunk
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import SOFTMAX

FORMAT = "live-gradcam taught classifier"
VERSION = 1
_HEAD, _TRUNK = "head.", "trunk."
_LIMIT = 2 << 20
_WHAT = "cannot use the taught classifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtFacts:
    """What a file says about a taught classifier.

    Attributes:
        network: Name of its network.
        layer: Name of the explained layer.
        labels: Names of the classes.
        preprocessing: Of the network's images.
        trunk: SHA-256 of the trunk's numbers.
        layout: What lays out the trunk's output as maps: nothing, or ``tokens`` with their
            channels, prefix, rows and columns, or ``last`` with the number of channels.
        whole: The trunk is in the file.
    """

    network: str
    layer: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    trunk: str
    layout: tuple[str | int, ...] = ()
    whole: bool = True

    def as_metadata(self) -> dict[str, str]:
        """Return everything as texts, for the file."""
        record = asdict(self)
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in record.items()}
        return {"format": FORMAT, "version": str(VERSION), **texts}


def read_facts(path: Path) -> TaughtFacts | None:
    """Return what a file says about a taught classifier; ``None`` where it is something else.

    Raises:
        ModelError: It is one of a newer version, or what it says is damaged.
    """
    metadata = _metadata(path)
    if metadata is None or metadata.get("format") != FORMAT:
        return None
    if metadata.get("version") != str(VERSION):
        cause = (
            f"it is of version {metadata.get('version')!r:.20}, and this program knows {VERSION}"
        )
        raise ModelError(_WHAT, str(path), cause, "Install a newer live-gradcam")
    try:
        record = {name: json.loads(metadata[name]) for name in TaughtFacts.__dataclass_fields__}
        settings = record.pop("preprocessing")
        for name in ("resize_size", "crop_size"):
            settings[name] = _pair(settings[name])
        for name in ("mean", "std", "value_range"):
            settings[name] = tuple(settings[name])
        labels, layout = tuple(map(str, record.pop("labels"))), tuple(record.pop("layout"))
        return TaughtFacts(
            **record, labels=labels, layout=layout, preprocessing=Preprocessing(**settings)
        )
    except (KeyError, TypeError, ValueError, RecursionError, ModelError) as exc:
        raise ModelError(_WHAT, str(path), "what it says about itself is damaged") from exc


def _pair(size: Any) -> Any:  # noqa: ANN401 - of a file
    return tuple(size) if isinstance(size, list) else size


def _metadata(path: Path) -> Mapping[str, str] | None:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LIMIT:
                return None
            header = json.loads(file.read(length))
    except (OSError, struct.error, ValueError, RecursionError):
        return None
    found = header.get("__metadata__") if isinstance(header, dict) else None
    return found if isinstance(found, dict) else None


def facts_of(classifier: Classifier, *, whole: bool) -> TaughtFacts:
    """Return what a file would say about a taught classifier.

    Raises:
        ModelError: Its head is no linear one on pooled features.
    """
    if not isinstance(classifier.head, LinearHead) or classifier.output.name != "softmax":
        cause = "its head is no linear layer on pooled features"
        raise ModelError("cannot save as taught", classifier.name, cause, "Teach it first")
    grid = getattr(classifier.trunk, "grid", None)
    layout: tuple[str | int, ...] = ()
    if isinstance(grid, PatchGrid):
        layout = ("tokens", grid.channels, grid.prefix, *grid.grid)
    elif isinstance(grid, ChannelsToFront):
        layout = ("last", grid.channels)
    return TaughtFacts(
        network=classifier.name,
        layer=classifier.layer,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        trunk=hash_of_trunk(classifier),
        layout=layout,
        whole=whole,
    )


@short_lived_thread
@torch.no_grad()
def contents_of(classifier: Classifier, *, whole: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return what a file of a taught classifier holds: tensors by name, and metadata.

    Args:
        classifier: Taught.
        whole: With its trunk.

    Raises:
        ModelError: Its head is no linear one, or the network cannot be built again by its name, so
            that a file with its trunk would be of no use.
    """
    facts = facts_of(classifier, whole=whole)
    head = classifier.head
    assert isinstance(head, LinearHead), "see facts_of"
    found = {"head.weight": head.weight, "head.bias": head.bias}
    if whole:
        trunk = classifier.trunk
        named = names_in_trunk(trunk if not facts.layout else trunk.get_submodule("trunk"))
        found |= {f"{_TRUNK}{name}": tensor for name, tensor in named.items()}
        shape = blank_pixels(classifier).shape
        pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        ours, theirs = trunk.forward(pixels), _build(facts, named).forward(pixels)
        if ours.shape != theirs.shape and not facts.layout:
            facts = replace(facts, layout=("last", ours.shape[1]))
            theirs = theirs.permute(0, 3, 1, 2)
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, 1e-4, 1e-4):
            raise _unbuildable(facts, "built again by its name it computes something else")
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in found.items()}
    return plain, facts.as_metadata()


@short_lived_thread
@torch.no_grad()
def load_taught(
    path: Path, facts: TaughtFacts, name: str, load: Callable[[str], Classifier]
) -> Classifier:
    """Load a taught classifier.

    Args:
        path: The file.
        facts: What it says.
        name: The network that the user names; empty if none.
        load: Loads a network with its own weights, for a file that has the head only.

    Raises:
        ModelError: The file is damaged, the user names another network, or the trunk is not the one
            that was taught.
    """
    tensors = _read_tensors(path)
    weight, bias = tensors.get("head.weight"), tensors.get("head.bias")
    count = len(facts.labels)
    if weight is None or bias is None or weight.ndim != 2 or tuple(bias.shape) != (count,):
        raise ModelError(_WHAT, str(path), "its head is damaged", "Save it again")
    if len(weight) != count:
        raise ModelError(_WHAT, str(path), f"its head is not one of {count} classes")
    origin = f"the file {path}, which was taught {count} classes on {facts.network}"
    if not facts.whole:
        base = load(name or facts.network)
        if hash_of_trunk(base) != facts.trunk:
            cause = (
                f"it is a head for the trunk {facts.trunk[:8]} of {facts.network}, and that of "
                f"{base.name} is {hash_of_trunk(base)[:8]}"
            )
            step = "Name the weights that it was taught on with --model FILE"
            raise ModelError(_WHAT, str(path), cause, step)
        base = replace(base, preprocessing=facts.preprocessing)
        taught = with_linear_head(base, weight, bias, facts.labels, origin=origin)
    else:
        if name not in ("", facts.network):
            cause = f"it is a whole network by itself, taught on {facts.network} and not on {name}"
            raise ModelError(_WHAT, str(path), cause, "Leave out --model")
        named = {key.removeprefix(_TRUNK): each for key, each in tensors.items()}
        named = {key: each for key, each in named.items() if not key.startswith(_HEAD)}
        taught = Classifier(
            name=facts.network,
            layer=facts.layer,
            labels=facts.labels,
            preprocessing=facts.preprocessing,
            trunk=_build(facts, named),
            head=LinearHead(weight, bias).eval(),
            weights_origin=origin,
            output=SOFTMAX,
        )
        if hash_of_trunk(taught) != facts.trunk:
            raise ModelError(_WHAT, str(path), "its trunk is damaged", "Save it again")
    channels = taught.trunk.forward(blank_pixels(taught)).shape[1]
    if channels != weight.shape[1]:
        cause = f"its head reads {weight.shape[1]} features, and the trunk has {channels}"
        raise ModelError(_WHAT, str(path), cause, "Save it again")
    return taught


def _read_tensors(path: Path) -> dict[str, Tensor]:
    found = {}
    for name, tensor in read_content(path).items():
        if isinstance(tensor, Tensor):
            if not bool(tensor.double().sum().isfinite()):
                cause = f"its tensor {name!r:.80} holds values that are not finite"
                raise ModelError(_WHAT, str(path), cause, "Save it again")
            found[name] = tensor.float() if tensor.is_floating_point() else tensor
    return found


def _layout(facts: TaughtFacts) -> nn.Module | None:
    match facts.layout:
        case ("tokens", int(channels), int(prefix), int(rows), int(columns)):
            return PatchGrid(channels, prefix, (rows, columns))
        case ("last", int(channels)):
            return ChannelsToFront(channels)
    return None


def _build(facts: TaughtFacts, tensors: Mapping[str, Tensor]) -> nn.Module:
    channels = len(facts.preprocessing.planes)
    try:
        trunk = build_trunk(
            facts.network, facts.layer, tensors, facts.preprocessing.input_size, channels
        )
    except ModelError as exc:
        raise _unbuildable(facts, str(exc)) from exc
    layout = _layout(facts)
    return trunk if layout is None else with_layout(trunk, layout)


def _unbuildable(facts: TaughtFacts, cause: str) -> ModelError:
    step = "Save the head only (--head-only), and keep the network beside it"
    return ModelError(f"cannot build the trunk of {facts.network} again", "", cause, step)
