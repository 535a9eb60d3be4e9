"""OpenVINO: on x86 and ARM processors, and on Intel's GPUs and NPUs."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from live_gradcam.errors import DeviceError, ModelError
from live_gradcam.graph.engine import ComputePrecision, EngineName
from live_gradcam.graph.engines.devices import Device, library_name
from live_gradcam.graph.engines.locked import LockedEngine, library_words
from live_gradcam.graph.metadata import PIXELS, SELECTION, GraphMetadata
from live_gradcam.graph.openvino_library import load_openvino

_HINTS: Mapping[ComputePrecision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_NAMES: Mapping[str, ComputePrecision] = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}
# Graphs are compiled for one shape each, which is faster than for all; this many are kept.
_SHAPES = 4


@functools.cache
def _core() -> Any:  # noqa: ANN401 - the library is untyped
    """The library's one object that knows devices; making it takes longer than compiling."""
    return load_openvino().Core()


class OpenVinoEngine(LockedEngine):
    """Runs a graph with OpenVINO.

    Args:
        model: Path of an ``.onnx`` or ``.xml`` file, or the bytes of an ``.onnx`` one.
        metadata: What the file says about itself.
        device: Where it runs; ``auto`` is the processor.
        precision: Number format that it computes in.
        threads: Number of threads on a processor.
        cache: Folder for what a device's compiler makes; ``None`` keeps nothing.

    Raises:
        DeviceError: There is no such device, or not in this precision.
        ModelError: The graph cannot be read.
    """

    name: ClassVar[EngineName] = "openvino"

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
        core = _core()
        self._device = _find_device(device)
        _check_precision(self._device, precision)
        self._cache = cache
        name = "the graph" if isinstance(model, bytes) else model.name
        try:
            self._model: Any = core.read_model(model if isinstance(model, bytes) else str(model))
        except Exception as exc:  # the library's errors are many
            step = "Export it again"
            raise ModelError("cannot read graph", name, library_words(exc), step) from exc
        self._requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        shape = self._model.input(PIXELS).get_partial_shape()
        super().__init__(
            metadata,
            device=_describe(self._device),
            version=str(load_openvino().__version__).partition("-")[0],
            precision=precision,
            threads=threads,
            shape=tuple(size.get_length() if size.is_static else None for size in shape),
        )

    @staticmethod
    def check(device: Device, precision: ComputePrecision) -> None:
        """Check that a device is there and computes in a precision.

        Raises:
            DeviceError: It is not, or does not.
        """
        _check_precision(_find_device(device), precision)

    @override
    def _infer(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, np.ndarray]:
        request = self._request({name: each.shape for name, each in inputs.items()})
        found = request.infer(dict(inputs), share_inputs=True)  # what comes back is copied
        return {output.get_any_name(): values for output, values in found.items()}

    @override
    def _reopen(self, threads: int) -> None:
        if self._device != "CPU":
            return
        with self._lock:
            shapes = list(self._requests)
        fresh = OrderedDict((shape, self._compile(shape, threads)) for shape in shapes)
        with self._lock:
            self._requests = fresh

    @override
    def _release(self) -> None:
        self._requests.clear()
        self._model = None

    def _request(self, shapes: Mapping[str, tuple[int, ...]]) -> Any:  # noqa: ANN401 - the library is untyped
        key = (*shapes[PIXELS], *shapes.get(SELECTION, ()))
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = self._compile(key, self.threads)
            while len(self._requests) > _SHAPES:
                self._requests.popitem(last=False)
        self._requests.move_to_end(key)
        return request

    def _compile(self, key: tuple[int, ...], threads: int) -> Any:  # noqa: ANN401 - the library is untyped
        model = self._model
        if model.is_dynamic():
            model = model.clone()
            shapes = {PIXELS: list(key[:4]), SELECTION: list(key[4:])}
            model.reshape({name: shape for name, shape in shapes.items() if shape})
        compiled = _core().compile_model(model, self._device, self._settings(threads))
        used = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self.precision = _NAMES.get(used, self.precision)
        return compiled.create_infer_request()

    def _settings(self, threads: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
        }
        if self._device == "CPU":
            settings |= {
                "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": threads,
                # A thread that is tied to a core stands still while somebody else has the core.
                "ENABLE_CPU_PINNING": False,
                "ENABLE_HYPER_THREADING": False,
            }
        elif self._cache is not None:
            # Compiling for a processor takes a tenth of a second; elsewhere, many seconds.
            settings["CACHE_DIR"] = str(self._cache)
        return settings


def _check_precision(device: str, precision: ComputePrecision) -> None:
    """Refuse a precision that the device would silently replace.

    Raises:
        DeviceError: It does not compute in it.
    """
    able = set(_core().get_property(device, "OPTIMIZATION_CAPABILITIES"))
    if precision.upper() in able:
        return
    others = [name for name in ("fp32", "fp16") if name.upper() in able]
    cause = f"OpenVINO does not compute in it on {_describe(device)}"
    step = f"Use --precision {' or '.join(others)}" if others else "Use --device cpu"
    raise DeviceError("cannot use precision", precision, cause, step)


def _find_device(device: Device) -> str:
    """Return OpenVINO's name of a device that is there.

    Raises:
        DeviceError: It is not.
    """
    name = library_name("openvino", Device("cpu") if device.kind == "auto" else device)
    seen = tuple(_core().available_devices)
    same = [str(each) for each in seen if each.partition(".")[0] == name]
    if device.index < len(same):
        return same[device.index]
    listed = ", ".join(f"{each} ({_describe(each)})" for each in seen) or "nothing"
    what = device.kind if device.index == 0 else f"{device.kind}:{device.index}"
    step = "Install its driver, or use --device cpu"
    raise DeviceError("cannot use device", what, f"OpenVINO sees {listed}", step)


def _describe(name: str) -> str:
    if name == "CPU":
        return "CPU"
    return str(_core().get_property(name, "FULL_DEVICE_NAME"))
