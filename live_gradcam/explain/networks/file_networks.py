"""Files that hold a whole network: ONNX, with its preprocessing and its labels where it has them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import fx, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.graphs.onnx_file import OnnxNetwork, metadata_text, read_onnx
from live_gradcam.explain.networks.labels import Labels, tidy_labels
from live_gradcam.explain.networks.last_layer import find_last_layer
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import NetworkSpec
from live_gradcam.explain.preprocess import Preprocessing

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
    wanted = options.preprocessing
    found = read_onnx(
        path, side=None if wanted is None else wanted.crop_size, output=options.output_name
    )
    where = str(path)
    if found.channels != 3 or found.height != found.width:
        size = f"{found.width}x{found.height}"
        cause = f"its pictures have {found.channels} channels and {size} pixels"
        raise ModelError("cannot use the ONNX file", where, cause, "Export it for colour squares")
    preprocessing, notes = _preprocessing(found, path)
    side = found.height
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
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
        probe_size=side,
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
            return parse(text)  # type: ignore[no-untyped-call]
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def _preprocessing(found: OnnxNetwork, path: Path) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return what the network wants: what its file says, what its graph shows, or the usual."""
    side = found.height
    resize = round(side * 256 / 224)
    stated = [_triple(metadata_text(found.metadata, each)) for each in (_MEAN_ENTRIES, _STD_ENTRIES)]
    mean, std = stated
    if mean is not None and std is not None:
        scale = 255.0 if max(mean) > 1.5 else 1.0
        mean, std = _scaled(mean, 1 / scale), _scaled(std, 1 / scale)
        return Preprocessing(resize, side, mean, std), ()
    nothing = (0.0, 0.0, 0.0)
    if found.takes_bytes:
        return Preprocessing(resize, side, nothing, (1 / 255,) * 3), ()
    divisor = _own_scale(found.network)
    if divisor is not None:
        words = "0..255" if divisor > 1.5 else "0..1"
        note = f"it normalises pictures itself: it is given {words}"
        return Preprocessing(resize, side, nothing, (1 / 255,) * 3 if divisor > 1.5 else (1.0,) * 3), (
            note,
        )
    note = "it does not say how its pictures are prepared: ImageNet's mean and deviation are taken"
    return Preprocessing(resize, side), (note,)


def _triple(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    content = _parse(text if text.lstrip().startswith(("[", "(")) else f"[{text}]")
    try:
        red, green, blue = (float(each) for each in content)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    return red, green, blue


def _scaled(values: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    red, green, blue = values
    return red * factor, green * factor, blue * factor


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
