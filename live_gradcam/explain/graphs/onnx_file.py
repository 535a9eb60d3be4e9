"""An ONNX file as a torch module, proved against onnxruntime before it is used.

The file is data: it is parsed, its operations are looked up in tables, and the module that is made
of them is used only if it gives on random pictures what onnxruntime makes of the file itself.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, fx, nn

from live_gradcam.budget import thread_budget
from live_gradcam.errors import ModelError
from live_gradcam.explain.graphs.builder import GraphBuilder, GraphError, Value
from live_gradcam.explain.graphs.onnx_layers import LAYERS
from live_gradcam.explain.graphs.onnx_operators import OPERATORS, Call
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.wording import install_step

_logger = logging.getLogger(__name__)

_WHAT = "cannot use the ONNX file"
_USUAL_SIZE = (224, 224)
_FLOATS = {1: 1e-4, 10: 3e-2, 11: 1e-4}  # float32, float16, float64, and what they may differ by
_UINT8 = 2
_CHANNELS = (1, 3, 4)
_MOST_NODES = 50_000
_SOFTMAX = ("Softmax", "LogSoftmax")


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNetwork:
    """An ONNX file that was understood.

    Attributes:
        network: From ``(N, C, H, W)`` to scores ``(N, classes)``.
        channels: C.
        size: H and W.
        takes_bytes: Its input is 0..255.
        metadata: What the file says about itself.
        squashing: Name of the operation that was left out at the end, if one was.
        notes: One sentence for each thing that had to be interpreted.
    """

    network: fx.GraphModule
    channels: int
    size: tuple[int, int]
    takes_bytes: bool
    metadata: Mapping[str, str]
    squashing: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Input:
    """The pictures' input.

    Attributes:
        name: In the file.
        shape: ``(1, C, H, W)``, or with the channels last.
        kind: ONNX's number of its type.
        layout: Place of the channels.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    layout: Literal["nchw", "nhwc"]


@short_lived_thread
def read_onnx(
    path: Path, *, size: tuple[int, int] | None = None, output: str | int | None = None
) -> OnnxNetwork:
    """Read an ONNX file, rebuild its network, and prove it.

    Args:
        path: The file.
        size: Height and width of its pictures, where the file leaves them open.
        output: Name or index of the scores, where it puts out several values.

    Raises:
        ModelError: The file is missing or damaged, an operation is not supported, it takes no
            pictures or gives no scores, or onnxruntime computes something else.
    """
    onnx, runtime = _libraries(path)
    model = _load(onnx, path)
    try:
        given = _find_input(model, size or _USUAL_SIZE)
        scores, notes = _find_output(model, output)
        network, squashing = _convert(onnx, model, given, scores)
    except GraphError as exc:
        step = "Explain the network it was exported from"
        raise ModelError(_WHAT, str(path), str(exc), step) from exc
    except Exception as exc:  # a damaged graph fails in every way there is
        _logger.debug("cannot rebuild %s", path, exc_info=True)
        cause = f"its graph does not fit together ({_first_line(exc)})"
        raise ModelError(_WHAT, str(path), cause, "Export it again") from exc
    _prove(runtime, path, network, given, scores, squashing)
    channels, height, width = given.shape[1:]
    if given.layout == "nhwc":
        height, width, channels = given.shape[1:]
    return OnnxNetwork(
        network=network,
        channels=channels,
        size=(height, width),
        takes_bytes=given.kind == _UINT8,
        metadata={each.key: each.value for each in model.metadata_props},
        squashing=squashing,
        notes=notes,
    )


def _libraries(path: Path) -> tuple[Any, Any]:
    try:
        return importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    except ImportError as exc:
        step = install_step("onnx")
        raise ModelError(_WHAT, str(path), f"{exc.name} is missing", step) from exc


def _load(onnx: Any, path: Path) -> Any:  # noqa: ANN401 - a protobuf message
    again = "Export or download it again"
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as exc:
        raise ModelError(_WHAT, str(path), exc.strerror or str(exc)) from exc
    except Exception as exc:  # protobuf's errors are a family of their own
        raise ModelError(_WHAT, str(path), "it is damaged or no ONNX model", again) from exc
    try:
        _check_external(model, path)
        onnx.load_external_data_for_model(model, str(path.parent))
        if len(model.functions):
            model = onnx.inliner.inline_local_functions(model)
    except ModelError:
        raise
    except Exception as exc:  # missing files, paths that lead elsewhere, functions without a body
        raise ModelError(_WHAT, str(path), _first_line(exc), again) from exc
    if not model.graph.node or len(model.graph.node) > _MOST_NODES:
        cause = f"it holds {len(model.graph.node)} operations"
        raise ModelError(_WHAT, str(path), cause, again)
    return model


def _check_external(model: Any, path: Path) -> None:  # noqa: ANN401
    """Check that tensors outside the file lie beside it, and are as long as they should be."""
    for tensor in model.graph.initializer:
        place = {each.key: each.value for each in tensor.external_data}
        if not place:
            continue
        name = place.get("location", "")
        file = path.parent / name
        if not name or Path(name).is_absolute() or ".." in Path(name).parts or not file.is_file():
            step = "Put it beside the ONNX file, under the name it was exported with"
            raise ModelError(_WHAT, str(path), f"its weights are in {name!r}, not found", step)
        end = int(place.get("offset", 0)) + int(place.get("length", 0))
        if end > file.stat().st_size:
            raise ModelError(_WHAT, str(path), f"{name} is truncated", "Export it again")


def _find_input(model: Any, size: tuple[int, int]) -> _Input:  # noqa: ANN401
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    pictures = [each for each in inputs if len(each.type.tensor_type.shape.dim) == 4]
    if len(inputs) != 1 or len(pictures) != 1:
        listed = ", ".join(f"{each.name} {_shape_text(each)}" for each in inputs) or "none"
        raise GraphError(f"its inputs are {listed}, not one picture (N, C, H, W)")
    (picture,) = pictures
    kind = picture.type.tensor_type.elem_type
    if kind not in (*_FLOATS, _UINT8):
        raise GraphError(f"its input {picture.name} is of ONNX's type {kind}, no pixels")
    known = [each.dim_value for each in picture.type.tensor_type.shape.dim]  # 0 where it is open
    if known[0] > 1:
        raise GraphError(f"it takes exactly {known[0]} pictures at once")
    last = known[3] in _CHANNELS and known[1] not in _CHANNELS
    if not last and known[1] not in (*_CHANNELS, 0):
        raise GraphError(f"its input {picture.name} {_shape_text(picture)} is no picture")
    if last:
        shape = (1, known[1] or size[0], known[2] or size[1], known[3])
    else:
        shape = (1, known[1] or 3, known[2] or size[0], known[3] or size[1])
    if max(shape) > 4096:
        raise GraphError(f"its pictures are of {shape[1:]}")
    return _Input(picture.name, shape, kind, "nhwc" if last else "nchw")


def _shape_text(value: Any) -> str:  # noqa: ANN401
    dims = value.type.tensor_type.shape.dim
    return f"({', '.join(str(each.dim_value or each.dim_param or '?') for each in dims)})"


def _find_output(model: Any, wanted: str | int | None) -> tuple[str, tuple[str, ...]]:  # noqa: ANN401
    names = [each.name for each in model.graph.output]
    if wanted is not None:
        text = str(wanted)
        if text in names:
            return text, ()
        if text.lstrip("-").isdecimal() and -len(names) <= int(text) < len(names):
            return names[int(text)], ()
        raise GraphError(f"it has no output {text!r}, only {', '.join(names)}")
    if len(names) == 1:
        return names[0], ()
    chosen = next((name for name in names if "logit" in name.lower()), None)
    if chosen is None:
        flat = [each.name for each in model.graph.output
                if len(each.type.tensor_type.shape.dim) == 2]  # fmt: skip
        chosen = flat[0] if len(flat) == 1 else None
    if chosen is None:
        raise GraphError(f"it puts out {', '.join(names)}: say which with --output-name")
    return chosen, (f"of its outputs {', '.join(names)}, {chosen} is taken for the scores",)


@torch.no_grad()
def _convert(
    onnx: Any,  # noqa: ANN401
    model: Any,  # noqa: ANN401
    given: _Input,
    scores: str,
) -> tuple[fx.GraphModule, str | None]:
    """Rebuild the network; return it, and the squashing at its end that was left out."""
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    pixels = _pixels(given, 0, count=2)
    builder = GraphBuilder(pixels.permute(0, 3, 1, 2) if given.layout == "nhwc" else pixels)
    values: dict[str, Value] = {}
    for tensor in model.graph.initializer:
        values[tensor.name] = builder.constant(_tensor(onnx, tensor))
    values[given.name] = builder.input
    if given.layout == "nhwc":
        permuted = builder.apply("channels_last", lambda x: x.permute(0, 2, 3, 1), builder.input)
        values[given.name] = permuted
    needed, last = _needed(model, scores)
    squashing = None
    if last is not None and last.op_type in _SOFTMAX and not _axis_is_odd(last):
        squashing, scores = str(last.op_type), last.input[0]
        needed = _needed(model, scores)[0]
    readers: dict[str, int] = {scores: 1}
    for node in needed:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    for index, node in enumerate(needed):
        if node.domain not in ("", "ai.onnx"):
            raise GraphError(f"its operation {node.domain}.{node.op_type} is not supported")
        convert = LAYERS.get(node.op_type) or OPERATORS.get(node.op_type)
        if convert is None:
            hint = " (a quantised network)" if "uantize" in node.op_type else ""
            raise GraphError(f"its operation {node.op_type} is not supported{hint}")
        call = Call(
            builder=builder,
            kind=node.op_type,
            name=_layer_name(_scoped_name(node), f"{node.op_type}_{index}"),
            inputs=[values[name] if name else None for name in node.input],
            opset=opset,
            outputs=len(node.output),
            attributes=_attributes(onnx, node),
            is_last_use=[readers[name] == 1 for name in node.input],
        )
        made = convert(call)
        results = [made] if isinstance(made, Value) else list(made)
        values.update(zip(node.output, results, strict=False))
    if scores not in values:
        raise GraphError(f"nothing computes its output {scores}")
    result = values[scores]
    if result.tensor.ndim == 4 and result.tensor.shape[2:] == (1, 1):
        result = builder.apply("flat_scores", nn.Flatten(), result)
    if result.tensor.ndim != 2:
        found = tuple(result.tensor.shape)
        raise GraphError(f"its output {scores} {found} is not (N, classes): it is no classifier")
    return builder.finish(result), squashing


def _axis_is_odd(node: Any) -> bool:  # noqa: ANN401
    axis = next((each.i for each in node.attribute if each.name == "axis"), -1)
    return axis not in (-1, 1)


def _needed(model: Any, scores: str) -> tuple[list[Any], Any]:  # noqa: ANN401
    """Return the operations that the scores are made by, in order, and the last one of them."""
    by_output = {name: node for node in model.graph.node for name in node.output if name}
    wanted: set[int] = set()
    pending = [scores]
    while pending:
        node = by_output.get(pending.pop())
        if node is not None and id(node) not in wanted:
            wanted.add(id(node))
            pending.extend(node.input)
    nodes = [node for node in model.graph.node if any(by_output.get(o) is not None
             and id(by_output[o]) in wanted for o in node.output)]  # fmt: skip
    return nodes, by_output.get(scores)


def _tensor(onnx: Any, tensor: Any) -> Tensor:  # noqa: ANN401
    if tensor.data_type == 8:
        raise GraphError(f"its tensor {tensor.name} holds text")
    array = np.array(onnx.numpy_helper.to_array(tensor))  # a copy, which may be written to
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
        if not np.isfinite(array).all() and array.size > 1:
            raise GraphError(f"its tensor {tensor.name} holds values that are not finite")
    if array.dtype == np.uint64 or array.dtype == np.uint32:
        array = array.astype(np.int64)
    return torch.from_numpy(array)


def _attributes(onnx: Any, node: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {}
    for each in node.attribute:
        value = onnx.helper.get_attribute_value(each)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif hasattr(value, "raw_data"):
            value = _tensor(onnx, value)
        elif hasattr(value, "node"):
            raise GraphError(f"its operation {node.op_type} has branches, which are not supported")
        elif not isinstance(value, (str, int, float)):
            value = list(value)
        found[each.name] = value
    return found


def _scoped_name(node: Any) -> str:  # noqa: ANN401
    """Return an operation's name; torch's newer exporter keeps the modules around it elsewhere."""
    entries = getattr(node, "metadata_props", ())
    scopes = next((e.value for e in entries if e.key == "pkg.torch.onnx.name_scopes"), "")
    parts = re.findall(r"'([^']*)'", scopes)
    return f"/{parts[-2]}/{node.op_type}" if len(parts) > 1 and parts[-2] else str(node.name)


def _layer_name(name: str, otherwise: str) -> str:
    """Return ``layer4.1.relu.Relu`` for the exporter's ``/layer4/layer4.1/relu/Relu``."""
    parts: list[str] = []
    for part in name.strip("/").split("/"):
        if parts and (part == parts[-1] or part.startswith(f"{parts[-1]}.")):
            parts.pop()
        parts.append(part)
    path = ".".join(part for part in parts if part)
    return re.sub(r"[^\w.]", "_", path) or otherwise


def _pixels(given: _Input, seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *given.shape[1:])
    if given.kind == _UINT8:
        return torch.randint(0, 256, shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


@torch.no_grad()
def _prove(
    runtime: Any,  # noqa: ANN401
    path: Path,
    network: fx.GraphModule,
    given: _Input,
    scores: str,
    squashing: str | None,
) -> None:
    """Compare with onnxruntime on random pictures, and a batch with its pictures."""
    try:
        session = open_session(runtime, path)
    except Exception as exc:  # onnxruntime's errors are many
        cause = f"onnxruntime cannot run it ({_first_line(exc)})"
        raise ModelError(_WHAT, str(path), cause, "Export it again") from exc
    kind = {1: np.float32, 10: np.float16, 11: np.float64, _UINT8: np.uint8}[given.kind]
    singles = []
    for seed in (1, 2):
        pixels = _pixels(given, seed)
        try:
            (raw,) = session.run([scores], {given.name: pixels.numpy().astype(kind)})
        except Exception as exc:
            cause = f"onnxruntime cannot run it on {tuple(pixels.shape)} ({_first_line(exc)})"
            raise ModelError(_WHAT, str(path), cause) from exc
        expected = torch.from_numpy(np.asarray(raw, np.float32)).flatten(1)
        if given.layout == "nhwc":
            pixels = pixels.permute(0, 3, 1, 2)
        found = network(pixels)
        singles.append((pixels, found))
        if squashing is not None:
            found = found.log_softmax(1) if squashing == "LogSoftmax" else found.softmax(1)
        share = _FLOATS.get(given.kind, 1e-4)
        bound = share * max(1.0, float(expected.abs().max()))
        if found.shape != expected.shape or not torch.allclose(found, expected, 0, bound):
            cause = "what was read from it does not compute what onnxruntime computes"
            step = "Explain the network it was exported from"
            raise ModelError(_WHAT, str(path), cause, step)
    together = torch.cat([pixels for pixels, _ in singles])
    apart = torch.cat([found for _, found in singles])
    try:
        batch = network(together)
    except RuntimeError:
        batch = apart.new_zeros(0)
    if batch.shape != apart.shape or not torch.allclose(batch, apart, 1e-3, 1e-3):
        cause = "its graph is fixed to one picture in a way that cannot be loosened"
        raise ModelError(_WHAT, str(path), cause, "Export it with a dynamic batch axis")


def open_session(runtime: Any, path: Path) -> Any:  # noqa: ANN401
    """Open onnxruntime's session with this program's share of threads, which sleep when idle."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = thread_budget().network
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0][:200] or type(exc).__name__


def metadata_text(metadata: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the first entry that a file's metadata has of these, ``None`` without one."""
    return next((metadata[name] for name in names if metadata.get(name)), None)
