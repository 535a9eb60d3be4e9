"""Engines beside torch that may run a network's graph here, and the precision of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from live_gradcam.choices import EngineChoice, FloatPrecisionChoice
from live_gradcam.errors import DeviceError
from live_gradcam.graph.engine import ComputePrecision, EngineName
from live_gradcam.graph.engines.devices import (
    ONLY_HALF,
    TITLES,
    Device,
    device_names,
    engines_of,
    parse_device,
)
from live_gradcam.graph.engines.opening import check_engine, installed_engines, require_engine

_OF_TORCH = ("auto", "cpu", "cuda", "mps")
# Devices that are much faster in half precision.
_HALF = ("intel-gpu", *ONLY_HALF)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that may run the graph.

    Attributes:
        engine: Its name.
        device: Where, as ``--device`` has it.
        precision: Number format of what is not quantised.
    """

    engine: EngineName
    device: str
    precision: ComputePrecision

    @property
    def label(self) -> str:
        """The engine and its precision in words: ``OpenVINO bf16``."""
        place = "" if self.device == "cpu" else f" {self.device}"
        return f"{TITLES[self.engine]}{place} {self.precision}"


def only_beside_torch(device: str) -> bool:
    """Return whether a device is one that torch does not know, such as ``npu``."""
    kind = device.partition(":")[0]
    return kind not in _OF_TORCH and kind in device_names()


def find_candidates(
    choice: EngineChoice, device: str, precision: FloatPrecisionChoice, *, native_bf16: bool
) -> tuple[Candidate, ...]:
    """Return the engines that may run a network's graph, the best guess first.

    Args:
        choice: ``auto`` takes what is installed, on processors and on devices that torch does not
            know; an engine's name only that one.
        device: As it was typed, or torch's choice: ``cpu``, ``cuda:0``, ``npu``, ...
        precision: As it was typed.
        native_bf16: The processor computes bf16 by itself.

    Raises:
        UsageError: There is no such device.
        DeviceError: An engine or a device was named that cannot be used, or not in this precision.
    """
    if choice == "torch":
        if only_beside_torch(device):
            (first, *_) = engines_of(parse_device(device))
            cause = "torch has no such device"
            raise DeviceError("cannot use device", device, cause, f"Use --engine {first} or auto")
        return ()
    place = parse_device(device) if device != "mps" else Device("mps")
    if choice == "auto":
        return _of_auto(place, device, precision, native_bf16=native_bf16)
    engine = require_engine(choice)
    wanted = _precision(engine, place, precision, native_bf16=native_bf16)
    check_engine(engine, place, wanted)
    return (Candidate(engine, device, wanted),)


def _of_auto(
    place: Device, device: str, precision: FloatPrecisionChoice, *, native_bf16: bool
) -> tuple[Candidate, ...]:
    installed = installed_engines()
    if place.kind == "cpu":
        found = [
            Candidate(engine, device, _precision(engine, place, precision, native_bf16=native_bf16))
            for engine in get_args(EngineName)
            if engine in installed
        ]
        # What was asked for is kept; what was left to us may be more exact than torch's choice.
        return tuple(each for each in found if precision in ("auto", each.precision))
    if place.kind in _OF_TORCH:  # torch's own graphs are as fast there
        return ()
    engine = require_engine(engines_of(place)[0])
    wanted = _precision(engine, place, precision, native_bf16=native_bf16)
    check_engine(engine, place, wanted)
    return (Candidate(engine, device, wanted),)


def _precision(
    engine: EngineName, place: Device, precision: FloatPrecisionChoice, *, native_bf16: bool
) -> ComputePrecision:
    if place.kind == "cpu" and engine == "onnxruntime" and precision == "auto":
        return "fp32"
    if precision != "auto":
        return precision
    if place.kind == "cpu":
        return "bf16" if native_bf16 else "fp32"
    return "fp16" if place.kind in _HALF else "fp32"
