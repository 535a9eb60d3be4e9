"""ONNX Runtime: on processors, and through its execution providers on GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from live_gradcam.errors import DeviceError, ModelError
from live_gradcam.graph.engine import ComputePrecision, EngineName
from live_gradcam.graph.engines.devices import DEVICES, Device, library_name
from live_gradcam.graph.engines.locked import DeclaredShape, LockedEngine, library_words
from live_gradcam.graph.metadata import PIXELS, GraphMetadata

# What is tried for the device `auto`, where the installed package offers it.
_BY_ITSELF = ("cuda", "directml", "cpu")
# Messages from "error" on: the runtime warns about every operation that it leaves to the processor.
_ONLY_ERRORS = 3


class OnnxRuntimeEngine(LockedEngine):
    """Runs a graph with ONNX Runtime.

    Args:
        model: Path of an ``.onnx`` file, or its bytes.
        metadata: What the file says about itself.
        device: Where it runs; ``auto`` takes a GPU where the installed package serves one.
        precision: ``fp32``; elsewhere than on processors also ``fp16``, where the provider has it.
        threads: Number of threads on a processor.
        cache: Folder for what a device's compiler makes; ``None`` keeps nothing.

    Raises:
        DeviceError: There is no such device, or not in this precision.
        ModelError: The graph cannot be read.
    """

    name: ClassVar[EngineName] = "onnxruntime"

    def __init__(
        self,
        model: Path | bytes,
        metadata: GraphMetadata,
        *,
        device: Device,
        precision: ComputePrecision,
        threads: int,
        cache: Path | None,
    ) -> None:
        self._library: Any = import_module("onnxruntime")
        self._source = model if isinstance(model, bytes) else str(model)
        kind, session = self._open_first(device, precision, threads, cache)
        self._session: Any = session
        self._make = partial(self._open, Device(kind, device.index), precision, cache=cache)
        described = "CPU" if kind == "cpu" else f"{kind.upper()} {device.index}"
        super().__init__(
            metadata,
            device=described,
            version=str(self._library.__version__),
            precision=precision,
            threads=threads,
            shape=_declared(session),
        )

    @staticmethod
    def check(device: Device, precision: ComputePrecision) -> None:
        """Check that a device is there, as far as the package says, and computes in a precision.

        Raises:
            DeviceError: It is not, or does not.
        """
        kind = "cpu" if device.kind == "auto" else device.kind
        _require_provider(import_module("onnxruntime"), kind)
        _provider_settings(Device(kind, device.index), precision, None)

    @override
    def _infer(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, np.ndarray]:
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))

    @override
    def _reopen(self, threads: int) -> None:
        if self.device == "CPU":
            session = self._make(threads)
            with self._lock:
                self._session = session

    @override
    def _release(self) -> None:
        self._session = None

    def _open_first(
        self, device: Device, precision: ComputePrecision, threads: int, cache: Path | None
    ) -> tuple[str, Any]:
        """Open a session on the device, or on the first one of `auto` that starts."""
        if device.kind != "auto":
            return device.kind, self._open(device, precision, threads, cache=cache)
        offered = self._library.get_available_providers()
        for kind in _BY_ITSELF:
            if DEVICES["onnxruntime"][kind] in offered:
                try:
                    return kind, self._open(Device(kind), precision, threads, cache=cache)
                except DeviceError:  # a package for GPUs on a machine that has none
                    if kind == "cpu":
                        raise
        raise AssertionError("every package offers processors")

    def _open(
        self, device: Device, precision: ComputePrecision, threads: int, *, cache: Path | None
    ) -> Any:  # noqa: ANN401 - the library is untyped
        provider = _require_provider(self._library, device.kind)
        options = self._session_options(device.kind, threads)
        settings = _provider_settings(device, precision, cache)
        try:
            session = self._library.InferenceSession(
                self._source, options, providers=[(provider, settings)]
            )
        except Exception as exc:  # the library's errors are many
            raise _cannot_open(exc, self._source, device) from exc
        if session.get_providers()[0] != provider:  # it goes on without what it cannot start
            cause = "ONNX Runtime cannot start it: its driver or libraries are missing"
            raise DeviceError("cannot use device", device.kind, cause, "Use --device cpu")
        return session

    def _session_options(self, kind: str, threads: int) -> Any:  # noqa: ANN401 - the library is untyped
        options = self._library.SessionOptions()
        options.log_severity_level = _ONLY_ERRORS
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        for pool in ("intra_op", "inter_op"):  # threads that wait do it asleep
            options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        if kind == "directml":  # its provider can do neither
            options.enable_mem_pattern = False
            options.execution_mode = self._library.ExecutionMode.ORT_SEQUENTIAL
        return options


def _require_provider(library: Any, kind: str) -> str:  # noqa: ANN401 - the library is untyped
    """Return the library's name of a device that the installed package serves.

    Raises:
        DeviceError: It serves others.
    """
    provider = library_name("onnxruntime", Device(kind))
    offered = library.get_available_providers()
    if provider not in offered:
        serves = [name for name, each in DEVICES["onnxruntime"].items() if each in offered]
        cause = f"the installed ONNX Runtime serves only {', '.join(serves)}"
        raise DeviceError("cannot use device", kind, cause, _PACKAGES[kind])
    return provider


_PACKAGES: Mapping[str, str] = {
    "cuda": "Install the package onnxruntime-gpu in its place",
    "tensorrt": "Install the package onnxruntime-gpu in its place",
    "directml": "Install the package onnxruntime-directml in its place",
    "coreml": "Only Apple's computers have it",
}


def _provider_settings(
    device: Device, precision: ComputePrecision, cache: Path | None
) -> dict[str, Any]:
    """Options of the provider, so that it computes in the precision that was asked for.

    Raises:
        DeviceError: It cannot.
    """
    kind, half = device.kind, precision == "fp16"
    if precision != "fp32" and not (half and kind == "tensorrt"):
        cause = f"ONNX Runtime computes in fp32 on {kind}"
        step = "Use --precision fp32, or --engine openvino or torch"
        raise DeviceError("cannot use precision", precision, cause, step)
    if kind == "tensorrt":
        if not half:
            cause = "TensorRT rounds products to 10 bits in fp32"
            step = "Use --precision fp16, or --device cuda"
            raise DeviceError("cannot use precision", "fp32", cause, step)
        kept = cache is not None
        return {
            "device_id": device.index,
            "trt_fp16_enable": True,
            "trt_engine_cache_enable": kept,
            **({"trt_engine_cache_path": str(cache)} if kept else {}),
        }
    if kind == "cuda":
        return {"device_id": device.index, "use_tf32": 0}
    if kind == "directml":
        return {"device_id": device.index}
    if kind == "coreml":
        return {"ModelFormat": "MLProgram"}
    return {}


def _declared(session: Any) -> DeclaredShape:  # noqa: ANN401 - the library is untyped
    (shape,) = (each.shape for each in session.get_inputs() if each.name == PIXELS)
    return tuple(size if isinstance(size, int) else None for size in shape)


def _name_of(model: Path | bytes | str) -> str:
    return "the graph" if isinstance(model, bytes) else Path(model).name


def _cannot_open(exc: Exception, model: str | bytes, device: Device) -> Exception:
    cause = library_words(exc)
    if device.kind not in ("cpu", "auto"):
        return DeviceError("cannot use device", device.kind, cause, "Use --device cpu")
    return ModelError("cannot read graph", _name_of(model), cause, "Export it again")
