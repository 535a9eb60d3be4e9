"""Devices that graphs run on, by the name that is typed after ``--device``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.graph.engine import EngineName
from live_gradcam.wording import did_you_mean

DEVICES: Mapping[EngineName, Mapping[str, str]] = {
    "openvino": {"cpu": "CPU", "intel-gpu": "GPU", "npu": "NPU"},
    "onnxruntime": {
        "cpu": "CPUExecutionProvider",
        "cuda": "CUDAExecutionProvider",
        "tensorrt": "TensorrtExecutionProvider",
        "coreml": "CoreMLExecutionProvider",
        "directml": "DmlExecutionProvider",
    },
}
"""The library's own name of each device, by engine."""

ONLY_HALF = ("npu", "tensorrt")
"""Devices that compute in fp16 and refuse fp32."""

TITLES: Mapping[EngineName, str] = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}


@dataclass(frozen=True, slots=True)
class Device:
    """A device that was typed.

    Attributes:
        kind: ``auto`` or a key of `DEVICES`.
        index: Number behind a colon; 0 without one.
    """

    kind: str
    index: int = 0


def parse_device(text: str) -> Device:
    """Read ``auto``, ``cpu``, ``intel-gpu``, ``npu``, ``cuda:1``, ...

    Raises:
        UsageError: No engine has such a device.
    """
    kind, colon, number = text.partition(":")
    known = device_names()
    numbered = kind not in ("auto", "cpu", "npu", "coreml")
    if kind in ("auto", *known) and (not colon or (numbered and number.isdecimal())):
        return Device(kind, int(number or 0))
    hint = did_you_mean(kind, known)
    step = f"{hint}Choose from auto, {', '.join(known)}"
    raise UsageError("unknown device", text, "", step)


def device_names() -> tuple[str, ...]:
    """All names that an engine of graphs understands."""
    return tuple(dict.fromkeys(name for table in DEVICES.values() for name in table))


def engines_of(device: Device) -> tuple[EngineName, ...]:
    """Return the engines that have a device, the better one first."""
    return tuple(
        name for name, table in DEVICES.items() if device.kind == "auto" or device.kind in table
    )


def library_name(engine: EngineName, device: Device) -> str:
    """Return the library's own name of a device.

    Raises:
        DeviceError: This engine never has it.
    """
    table = DEVICES[engine]
    if device.kind in table:
        return table[device.kind]
    able = " or ".join(f"--engine {name}" for name in engines_of(device))
    cause = f"{TITLES[engine]} has no such device"
    step = f"Use {able}" if able else "Use --device cpu, or --engine torch"
    raise DeviceError("cannot use device", device.kind, cause, step)
