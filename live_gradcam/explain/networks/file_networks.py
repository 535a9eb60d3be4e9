"""Files that hold a whole network, such as ONNX, with its preprocessing and its labels."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import fx, nn

from live_gradcam.explain.graphs.onnx_file import OnnxNetwork, metadata_text, read_onnx
from live_gradcam.explain.networks.fit_preprocessing import read_preprocessing_like
from live_gradcam.explain.networks.labels import Labels, tidy_labels
from live_gradcam.explain.networks.last_layer import find_last_layer
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import NetworkSpec
from live_gradcam.preprocessing.settings import Preprocessing, Size

_ONNX_START = re.compile(rb"\x08[\x01-\x0f](\x12|:|\x3a|B|r)", re.DOTALL)
_LABEL_ENTRIES = (
    "classes",
    "class_names",
    "labels",
    "names",
    "id2label",
    "class_to_idx",
    "categories",
)
_MEAN_ENTRIES, _STD_ENTRIES = ("mean", "image_mean"), ("std", "image_std")
_TEXT_LIMIT = 4 << 20


def is_onnx(path: Path) -> bool:
    """Return whether a file is an ONNX model, by its content, or by its name where that is open."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return bool(_ONNX_START.match(start)) or (path.suffix == ".onnx" and start[:1] == b"\x08")


def load_network_file(path: Path, options: LoadOptions) -> NetworkSpec:
    """Load a network from a file that holds all of it.

    Args:
        path: An ONNX file.
        options: What the user says about the network.

    Raises:
        ModelError: The file cannot be used, or the network cannot be explained.
    """
    given = options.preprocessing
    said = None if given is None else read_preprocessing_like(given)
    size = said.input_size if said is not None else None
    found = read_onnx(path, size=_pair(size), output=options.output_name)
    where = str(path)
    preprocessing, notes = _preprocessing(found)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, found.channels, *found.size, generator=generator)
    last = find_last_layer(found.network, pixels)
    if found.squashing is not None:
        notes += (f"the {found.squashing} at its end is taken off: the scores before it are used",)
    return NetworkSpec(
        name=path.stem,
        network=found.network,
        layer=last.name,
        labels=_labels(found.metadata, where),
        preprocessing=preprocessing,
        origin=f"the file {path}",
        probe_size=found.size,
        layout="auto" if last.prefix_tokens is None else "tokens",
        prefix_tokens=last.prefix_tokens,
        notes=tuple(f"{path.name}: {note}" for note in (*found.notes, *notes)),
    )


def _labels(metadata: Mapping[str, str], where: str) -> Labels:
    text = metadata_text(metadata, _LABEL_ENTRIES)
    if text is None or len(text) > _TEXT_LIMIT:
        return None
    content = _parse(text)
    if isinstance(content, str):
        separator = "\n" if "\n" in content else ","
        content = [each.strip() for each in content.split(separator) if each.strip()]
    return tidy_labels(content, where)


def _parse(text: str) -> object:
    """Return what a text says in JSON or as a Python literal (Ultralytics), else the text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def _preprocessing(found: OnnxNetwork) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return what the network wants: what its file says, what its graph shows, or the usual."""
    usual = Preprocessing().for_channels(found.channels)
    crop = found.size[0] if found.size[0] == found.size[1] else found.size
    usual = replace(usual, resize_size=round(min(found.size) * 256 / 224), crop_size=crop)
    mean = _numbers(metadata_text(found.metadata, _MEAN_ENTRIES))
    std = _numbers(metadata_text(found.metadata, _STD_ENTRIES))
    if mean and std:
        high = 255.0 if max(*mean, *std) > 1.5 else 1.0
        return replace(usual, value_range=(0.0, high), mean=mean, std=std), ()
    plain = replace(usual, mean=(0.0,), std=(1.0,))
    if found.takes_bytes:
        return replace(plain, value_range=(0.0, 255.0)), ()
    largest = _own_scale(found.network)
    if largest is None:
        note = f"it does not say how its pictures are prepared: {usual.describe()} is taken"
        return usual, (note,)
    high = 255.0 if largest > 1.5 else 1.0
    note = f"it normalises pictures itself: it is given 0..{high:g}"
    return replace(plain, value_range=(0.0, high)), (note,)


def _pair(size: Size | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size


def _numbers(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    content = _parse(text if text.lstrip().startswith(("[", "(")) else f"[{text}]")
    try:
        return tuple(float(each) for each in content)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return ()


def _own_scale(network: fx.GraphModule) -> float | None:
    """Return the largest number that is subtracted from, or divides, the pixels first of all."""
    constants = dict(network.named_buffers())
    (pixels,) = network.graph.find_nodes(op="placeholder")
    largest: float | None = None
    node: fx.Node = pixels
    while len(node.users) == 1:
        (node,) = node.users
        if node.op != "call_module":
            break
        module: nn.Module = network.get_submodule(str(node.target))
        operation = getattr(module, "operation", None)
        others = [each for each in node.args if isinstance(each, fx.Node) and each.op == "get_attr"]
        if operation is None or len(others) > 1:
            break
        if not others:
            continue  # a change of type or of order
        number = float(constants[str(others[0].target)].abs().max())
        name = getattr(operation, "__name__", "")
        number = 1 / number if name == "mul" and number else number
        largest = number if largest is None else max(largest, number)
    return largest
