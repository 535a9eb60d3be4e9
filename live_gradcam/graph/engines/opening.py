"""Which engines are installed, and opening a graph with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata as packages
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from live_gradcam.budget import thread_budget
from live_gradcam.errors import DeviceError, ModelError, UsageError
from live_gradcam.graph.engine import ComputePrecision, EngineName, GraphEngine
from live_gradcam.graph.engines.devices import TITLES, Device, engines_of, parse_device
from live_gradcam.graph.engines.onnxruntime_engine import OnnxRuntimeEngine
from live_gradcam.graph.engines.openvino_engine import OpenVinoEngine
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.wording import did_you_mean, install_step

_OPENERS: Mapping[EngineName, type[OnnxRuntimeEngine | OpenVinoEngine]] = {
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxRuntimeEngine,
}
# Distributions of one library, which differ in the devices that they serve.
_DISTRIBUTIONS: Mapping[EngineName, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
}
INSTALL = install_step("fast")

_AnyEngine: TypeAlias = Literal["auto"] | EngineName


def installed_engines() -> Mapping[EngineName, str]:
    """Return the version of each engine that is installed; loads none of them."""
    found: dict[EngineName, str] = {}
    for name in _OPENERS:
        if find_spec(name) is not None:
            found[name] = next(filter(None, map(_version, _DISTRIBUTIONS[name])), "unknown")
    return found


def open_engine(
    model: Path | str | bytes,
    metadata: GraphMetadata,
    *,
    name: _AnyEngine = "auto",
    device: str = "auto",
    precision: ComputePrecision = "fp32",
    threads: int | None = None,
    cache: Path | None = None,
) -> GraphEngine:
    """Open a graph.

    Args:
        model: Path of an ``.onnx`` file, or its bytes; for OpenVINO also of an ``.xml`` file.
        metadata: What the graph says about itself.
        name: ``openvino`` or ``onnxruntime``; ``auto`` takes the first of them that is installed
            and can use the device.
        device: ``auto``, ``cpu``; ``intel-gpu`` or ``npu`` (OpenVINO); ``cuda``, ``cuda:N``,
            ``tensorrt``, ``coreml`` or ``directml`` (ONNX Runtime).
        precision: Number format of what is not quantised.
        threads: Number of threads on a processor; ``None`` for the network's share of the budget.
        cache: Folder where compilers of GPUs and NPUs keep their work.

    Raises:
        UsageError: There is no such engine or device.
        DeviceError: The engine is not installed, or has no such device here, or cannot compute in
            this precision.
        ModelError: The graph cannot be read.
    """
    place = parse_device(device)
    file = model if isinstance(model, bytes) else Path(model)
    suffix = "" if isinstance(file, bytes) else file.suffix.lower()
    chosen = _choose(name, engines_of(place), device, suffix=suffix)
    if isinstance(file, Path):
        _check_file(file, chosen)
    return _OPENERS[chosen](
        file,
        metadata,
        device=place,
        precision=precision,
        threads=threads or thread_budget().network,
        cache=cache,
    )


def check_engine(name: EngineName, device: Device, precision: ComputePrecision) -> None:
    """Check that an engine, which is installed, can use a device in a precision; loads the engine.

    Raises:
        DeviceError: It cannot.
    """
    _OPENERS[name].check(device, precision)


def require_engine(name: str) -> EngineName:
    """Return the engine of this name, after checking that it is installed.

    Raises:
        UsageError: There is none of this name.
        DeviceError: It is not installed.
    """
    for known in get_args(EngineName):
        if known == name:
            if name not in installed_engines():
                raise DeviceError("cannot use engine", name, "it is not installed", INSTALL)
            engine: EngineName = known
            return engine
    hint = did_you_mean(name, get_args(EngineName))
    step = f"{hint}Choose from {', '.join(get_args(EngineName))}"
    raise UsageError("unknown engine", name, "", step)


def _choose(
    name: _AnyEngine, able: tuple[EngineName, ...], device: str, *, suffix: str
) -> EngineName:
    if name != "auto":
        return require_engine(name)
    if suffix == ".xml":
        return require_engine("openvino")
    installed = installed_engines()
    for each in able:
        if each in installed:
            return each
    needed = " or ".join(TITLES[each] for each in able)
    what = "run graph" if device == "auto" else "use device"
    where = "" if device == "auto" else device
    raise DeviceError(f"cannot {what}", where, f"{needed} is not installed", INSTALL)


def _check_file(file: Path, engine: EngineName) -> None:
    """Refuse what neither engine could say well.

    Raises:
        ModelError: There is no such file, or it is of another engine's kind.
    """
    if not file.is_file():
        raise ModelError("cannot read graph", str(file), "there is no such file")
    if file.suffix.lower() == ".xml" and engine == "onnxruntime":
        cause = "it is OpenVINO's own format"
        raise ModelError("cannot read graph", str(file), cause, "Use --engine openvino")


def _version(distribution: str) -> str | None:
    try:
        return packages.version(distribution)
    except packages.PackageNotFoundError:
        return None
