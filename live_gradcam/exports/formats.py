"""The kinds of files that an explanation can be exported to, by their ending."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.export import ExportedProgram

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.exports.fidelity import Run
from live_gradcam.graph.engine import GraphResult
from live_gradcam.graph.engines.opening import open_engine
from live_gradcam.graph.metadata import KEY, GraphMetadata
from live_gradcam.graph.openvino_library import load_openvino
from live_gradcam.values import Image
from live_gradcam.wording import did_you_mean, install_step

if TYPE_CHECKING:
    import onnx

# Of a protocol buffer, less room for metadata.
_MOST_BYTES = (2 << 30) - (64 << 20)

Graph = Any
"""A graph in memory, in the form of its kind: an ONNX model, OpenVINO's model, or a program."""


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    Attributes:
        ending: Of its name.
        title: In words.
        parts: Endings of all its files, the named one last.
        engine: What runs it here.
        write: Writes a graph and its metadata.
        open: Opens the file; the runner, and what closes it.
    """

    ending: str
    title: str
    parts: tuple[str, ...]
    engine: str
    write: Callable[[Graph, GraphMetadata, Path], None]
    open: Callable[[Path, GraphMetadata, ExitStack], Run]

    def files(self, path: Path) -> list[Path]:
        """Return all files of an export to this path."""
        return [path.with_suffix(part) if part != self.ending else path for part in self.parts]


def require_format(path: Path) -> Format:
    """Return the kind of file that a name's ending says.

    Raises:
        UsageError: It is none of them.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        hint = did_you_mean(path.suffix, FORMATS)
        step = f"{hint}Use {', '.join(FORMATS)}, or a folder's name with / at its end for a page"
        cause = "its ending is not known" if path.suffix else "it has no ending"
        raise UsageError("cannot export", str(path), cause, step)
    return found


def require_installed(kind: Format) -> None:
    """Check that what makes and runs a kind of file is installed.

    Raises:
        ModelError: It is not; the message names the command that installs it.
    """
    needed = {".onnx": ("onnx", "onnxscript", "onnxruntime"), ".pt2": ()}
    for name in needed.get(kind.ending, ("onnx", "onnxscript", "openvino")):
        require_package(name)


def require_package(name: str) -> None:
    """Import a package that only exporting needs.

    Raises:
        ModelError: It is not installed.
    """
    try:
        load_openvino() if name == "openvino" else __import__(name)
    except ImportError as exc:
        cause = f"the package {exc.name or name} is not installed"
        raise ModelError("cannot export", "", cause, install_step("fast")) from exc


def openvino_model(model: onnx.ModelProto) -> Graph:
    """Return OpenVINO's model of an ONNX one."""
    return load_openvino().Core().read_model(model.SerializeToString())


def check_weight(network: torch.nn.Module, name: str) -> None:
    """Refuse weights that no ONNX file can hold.

    Raises:
        ModelError: They are more than 2 GiB.
    """
    held = sum(each.nbytes for each in (*network.parameters(), *network.buffers()))
    if held > _MOST_BYTES:
        cause = f"its weights are {held / 2**30:.1f} GiB, and such a graph holds 2 GiB"
        raise ModelError("cannot export", name, cause, "Export it to a .pt2 file")


def _write_onnx(model: onnx.ModelProto, metadata: GraphMetadata, path: Path) -> None:
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, metadata.to_json()
    path.write_bytes(model.SerializeToString())


def _write_ir(model: Graph, metadata: GraphMetadata, path: Path) -> None:
    model.set_rt_info(metadata.to_json(), ["framework", KEY])
    load_openvino().serialize(model, str(path), str(path.with_suffix(".bin")))


def _write_program(program: ExportedProgram, metadata: GraphMetadata, path: Path) -> None:
    with path.open("wb") as file, redirect_stderr(io.StringIO()):
        torch.export.save(program, file, extra_files={KEY: metadata.to_json()})


def _open_engine(name: str) -> Callable[[Path, GraphMetadata, ExitStack], Run]:
    def open_file(path: Path, metadata: GraphMetadata, stack: ExitStack) -> Run:
        engine = open_engine(path, metadata, name=name, device="cpu")  # type: ignore[arg-type]
        stack.callback(engine.close)
        return engine.run

    return open_file


def _open_program(path: Path, metadata: GraphMetadata, _stack: ExitStack) -> Run:
    extra = {KEY: ""}
    module = torch.export.load(path, extra_files=extra).module()
    if extra[KEY] != metadata.to_json():
        raise ValueError("the metadata in the file is other than what was written")

    def run(pixels: Image) -> GraphResult:
        with torch.no_grad():
            outputs = [each.numpy() for each in module(torch.from_numpy(pixels))]
        features = outputs.pop() if metadata.features else None
        return GraphResult(outputs[0], _classes(outputs, metadata), outputs[-1], features)

    return run


def _classes(outputs: list[np.ndarray], metadata: GraphMetadata) -> np.ndarray:
    scores = outputs[0]
    if metadata.classes == "top":
        return outputs[1]
    fixed = range(scores.shape[1]) if metadata.classes == "all" else metadata.classes
    return np.tile(np.array(list(fixed), np.int64), (len(scores), 1))


FORMATS: Mapping[str, Format] = {
    each.ending: each
    for each in (
        Format(
            ".onnx",
            "ONNX",
            (".onnx",),
            "ONNX Runtime",
            _write_onnx,
            _open_engine("onnxruntime"),
        ),
        Format(
            ".xml",
            "OpenVINO IR",
            (".bin", ".xml"),
            "OpenVINO",
            _write_ir,
            _open_engine("openvino"),
        ),
        Format(
            ".pt2",
            "torch.export",
            (".pt2",),
            "torch",
            _write_program,
            _open_program,
        ),
    )
}
"""Every kind of file, by its ending."""
