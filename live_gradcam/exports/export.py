"""From a classifier to a file that explains by itself: made, run, compared, and only then kept."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.export import ExportedProgram

from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_TOP_K
from live_gradcam.errors import LiveGradcamError, ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.export.onnx_graph import onnx_of, quiet
from live_gradcam.explain.export.program import make_program
from live_gradcam.explain.methods import Method
from live_gradcam.exports import quantise
from live_gradcam.exports.checking import calibration, check_output, check_question
from live_gradcam.exports.description import describe
from live_gradcam.exports.fidelity import Fidelity, Run, compare, complaint
from live_gradcam.exports.formats import (
    Format,
    Graph,
    check_weight,
    openvino_model,
)
from live_gradcam.exports.pictures import generated, network_pixels, patterns
from live_gradcam.graph.integrity import content_hash
from live_gradcam.graph.metadata import GraphMetadata, GraphPrecision
from live_gradcam.os_errors import cannot_write
from live_gradcam.values import Image

_GENERATED = 6
_OPERATION = re.compile(r"OpOverload\(op='([\w.:]+)'")


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was exported, and what was measured with it.

    Attributes:
        path: The file.
        size: Of all its parts, in bytes.
        metadata: What it says about itself.
        fidelity: Differences to the network.
        engine: What ran the file when it was compared.
    """

    path: Path
    size: int
    metadata: GraphMetadata
    fidelity: Fidelity
    engine: str


def export(
    classifier: Classifier,
    path: str | Path,
    *,
    method: str = DEFAULT_METHOD,
    classes: str | int | Iterable[str | int] = "top",
    top_k: int = DEFAULT_TOP_K,
    precision: GraphPrecision = "fp32",
    any_size: bool = False,
    check: Sequence[Image] = (),
    calibrate: Sequence[Image] = (),
    overwrite: bool = False,
    force: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export a classifier with its maps as one graph, which other engines run without torch.

    The graph takes ``pixels uint8 (N, H, W, 3)``, RGB of the network's size, and puts out ``scores
    float32 (N, classes)`` and ``evidence float32 (N, K, h, w)`` in the method's unit; for the best
    classes of each picture also ``classes int64 (N, K)``. Labels, preprocessing and everything else
    that is needed stand in the file's metadata.

    Args:
        classifier: What is exported.
        path: ``.onnx``, ``.xml`` (OpenVINO IR, with a ``.bin`` beside it) or ``.pt2``
            (`torch.export`).
        method: Makes the maps.
        classes: Those that have a map: ``top``, the ``top_k`` best of each picture, ``all``, or
            names and indices.
        top_k: See there.
        precision: Of the network's trunk: ``fp32``, ``fp16``, or ``int8``, which needs pictures.
            Sums and maps are float32 always.
        any_size: Height and width of the pictures are free, where the network allows it.
        check: Pictures beside generated ones that the file is compared with the network on,
            ``uint8 (H, W, 3)`` BGR of any sizes.
        calibrate: Pictures that the ranges of ``int8`` are taken from, half of them; the other half
            is what it is measured on.
        overwrite: Replace a file that is there.
        force: Keep an ``int8`` file that differs more than it should.
        on_notice: Called with a sentence for each thing that users should know.

    Raises:
        UsageError: The ending, a class, the method or the precision does not exist, or the file
            does.
        ModelError: The network or the method cannot be exported, a package is missing, or the file
            does not compute what the network does; then there is no file.
        SinkError: The file cannot be written.
    """
    path = Path(path)
    kind = check_output(path, precision, overwrite=overwrite)
    chosen, explained, maps = check_question(
        classifier,
        method=method,
        classes=classes,
        top_k=top_k,
        precision=precision,
        calibrate=calibrate,
    )
    if precision == "int8":
        calibrate = calibration(classifier, calibrate, on_notice)
    metadata = describe(
        classifier, chosen, classes=explained, maps=maps, precision=precision, any_size=any_size
    )
    work = _Export(classifier, chosen, kind, metadata, force=force, on_notice=on_notice)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".live-gradcam-", dir=path.parent))
    except OSError as exc:
        raise cannot_write("cannot export", path, exc) from exc
    try:
        temporary = folder / path.name
        if precision == "int8":
            fidelity = work.make_int8(temporary, network_pixels(calibrate, work.preprocessing))
        else:
            fidelity = work.make(temporary, work.pictures(check))
        size = 0
        for part in kind.files(temporary):
            size += part.stat().st_size
            part.replace(path.parent / part.name)
    except OSError as exc:
        raise cannot_write("cannot export", path, exc) from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Exported(path, size, work.metadata, fidelity, kind.engine)


class _Export:
    """One export: the network, the method, and the kind of file.

    Args:
        classifier: What is exported.
        method: Makes the maps.
        kind: Of file.
        metadata: What the file says about itself, without what will be measured.
        force: See `export`.
        on_notice: See `export`.
    """

    def __init__(
        self,
        classifier: Classifier,
        method: type[Method],
        kind: Format,
        metadata: GraphMetadata,
        *,
        force: bool,
        on_notice: Callable[[str], None],
    ) -> None:
        self._explained = replace(classifier, head=method.make_head(classifier.head))
        self._kind = kind
        self._force = force
        self._on_notice = on_notice
        self.metadata = metadata
        self.preprocessing = classifier.preprocessing
        self._reference = FusedNetwork(self._explained, "fp32")
        self._name = f"{classifier.name} with {method.name}"

    def pictures(self, check: Sequence[Image]) -> Image:
        """Return what the file is compared on: generated pictures, and those of the user."""
        shown = network_pixels([*generated(_GENERATED), *check], self.preprocessing)
        return np.concatenate([shown, patterns(*shown.shape[1:3])])

    def make(self, path: Path, pixels: Image) -> Fidelity:
        """Write and check a file in floating-point numbers."""
        program = self._program("fp16" if self.metadata.precision == "fp16" else "fp32")
        graph: Graph = program
        if self._kind.ending != ".pt2":
            graph = self._onnx(program)
            if self._kind.ending == ".xml":
                graph = openvino_model(graph)
        fidelity = self._write(graph, path, pixels)
        reason = complaint(fidelity, self.metadata.precision)
        if reason:
            step = "Use --precision fp32" if self.metadata.precision == "fp16" else ""
            raise ModelError("cannot export", self._name, reason, step)
        return fidelity

    def make_int8(self, path: Path, pixels: Image) -> Fidelity:
        """Write and check a file in 8 bits, with as much of it in float32 as it takes."""
        ranges, held_out = quantise.split(pixels)
        model = self._onnx(self._program("fp32", mark=True))
        best: tuple[Fidelity, float] | None = None
        for spared in quantise.SPARED_SHARES:
            fidelity = self._quantised(model, ranges, held_out, path, spared)
            if not complaint(fidelity, "int8"):
                if spared:
                    self._on_notice(_spared_note(spared))
                return fidelity
            if best is None or _quality(fidelity) > _quality(best[0]):
                best = fidelity, spared
        assert best is not None, "something was tried"
        reason = complaint(best[0], "int8")
        if not self._force:
            step = "Use --precision fp16 or fp32, calibrate on more pictures, or add --force"
            raise ModelError("cannot export", f"{self._name} in int8", reason, step)
        self._on_notice(f"int8 differs more than it should: {reason}")
        return self._quantised(model, ranges, held_out, path, best[1])

    def _quantised(
        self, model: Graph, ranges: Image, held_out: Image, path: Path, spared: float
    ) -> Fidelity:
        graph = quantise.quantise(
            model, ranges, spared=spared, as_openvino=self._kind.ending == ".xml"
        )
        return self._write(graph, path, held_out)

    def _program(self, precision: GraphPrecision, *, mark: bool = False) -> ExportedProgram:
        assert precision != "int8", "that is made of the other"
        if self._kind.ending != ".pt2":
            check_weight(self._reference, self._name)
        facts = self.metadata
        height, width = self.preprocessing.input_size
        try:
            return make_program(
                FusedNetwork(self._explained, precision),
                classes=facts.classes,
                maps=facts.maps,
                shape=(1, height, width),
                any_size=facts.any_size,
                mark=mark,
            )
        except LiveGradcamError:
            raise
        except Exception as exc:  # torch's, for whatever it cannot trace
            raise self._cannot(exc) from exc

    def _onnx(self, program: ExportedProgram) -> Graph:
        facts = self.metadata
        try:
            return onnx_of(program, classes=facts.classes, any_size=facts.any_size)
        except LiveGradcamError:
            raise
        except Exception as exc:  # the exporter's, for whatever it has no operation for
            raise self._cannot(exc) from exc

    def _write(self, graph: Graph, path: Path, pixels: Image) -> Fidelity:
        """Write a file, compare it, and write it again with the figures."""
        try:
            with quiet():
                self._kind.write(graph, self.metadata, path)
                fidelity = self._measure(path, pixels)
        except OSError:
            raise
        except LiveGradcamError as exc:
            raise ModelError("cannot export", self._name, f"{exc.what}: {exc.cause}") from exc
        except Exception as exc:  # an engine's
            raise self._cannot(exc) from exc
        measured = replace(self.metadata, fidelity=fidelity.as_record())
        with quiet():
            if self._kind.ending != ".pt2":
                measured = replace(measured, content_hash=content_hash(path))
            self._kind.write(graph, measured, path)
        self.metadata = measured
        return fidelity

    def _measure(self, path: Path, pixels: Image) -> Fidelity:
        with ExitStack() as stack:
            run: Run = self._kind.open(path, self.metadata, stack)
            fidelity = compare(self._reference, run, pixels)
            if self.metadata.any_size and self.metadata.precision == "fp32":
                larger = np.pad(pixels[:2], ((0, 0), (0, 32), (0, 64), (0, 0)), mode="wrap")
                other = compare(self._reference, run, larger)
                fidelity = replace(
                    fidelity,
                    scores=max(fidelity.scores, other.scores),
                    maps=max(fidelity.maps, other.maps),
                )
        return fidelity

    def _cannot(self, exc: Exception) -> ModelError:
        text = " ".join(str(exc).split())
        operation = _OPERATION.search(text)
        cause = text[:160] or type(exc).__name__
        if "Constraints violated" in text:
            cause = "its operations take a fixed number or size of pictures"
        if operation:
            cause = f"its operation {operation[1]} has no form in such a file"
        step = "Use another layer or method"
        if self.metadata.any_size:
            step = "Leave out --any-size: this network may take pictures of one size only"
        return ModelError("cannot export", self._name, cause, step)


def _spared_note(spared: float) -> str:
    return f"the last {spared * 100:g} % of the network's layers stay in float32: int8 needs it"


def _quality(fidelity: Fidelity) -> tuple[float, float]:
    return fidelity.same_best, fidelity.worst_cosine
