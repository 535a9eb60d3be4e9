"""Device, precision and threads that the network runs with: decided once, with the reasons."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch

from live_gradcam.budget import thread_budget
from live_gradcam.choices import (
    DEFAULT_COMPILE,
    DEFAULT_DEVICE,
    DEFAULT_PRECISION,
    CompileChoice,
    EngineChoice,
    FloatPrecisionChoice,
    PrecisionChoice,
)
from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain.engine.candidates import Candidate, find_candidates, only_beside_torch
from live_gradcam.graph.engine import EngineName
from live_gradcam.wording import did_you_mean

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
RunningEngine: TypeAlias = Literal["torch"] | EngineName
CompileState: TypeAlias = Literal["off", "eager", "compiling", "compiled", "recorded", "failed"]

# Instruction sets that make bf16 fast on a CPU; without one of these it is emulated, many times
# slower than fp32.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that was decided about running the network, and why.

    Attributes:
        device: ``cpu``, ``cuda:0``, ``mps``, ...
        precision: Of the trunk; everything after it is float32.
        compile: Time when the network is compiled.
        threads: Number of threads that torch uses for one operation on the CPU.
        reasons: One sentence for each decision.
        state: State of the compiler; ``recorded`` is a CUDA graph.
        notices: Sentences for the user about what differs from what would be expected.
        engine: What runs the network at the moment.
        engine_choice: What was asked for.
        candidates: Engines beside torch that may run the network's graph.
    """

    device: str
    precision: Precision
    compile: CompileChoice
    threads: int
    reasons: tuple[str, ...] = ()
    state: CompileState = "off"
    notices: tuple[str, ...] = ()
    engine: RunningEngine = "torch"
    engine_choice: EngineChoice = "torch"
    candidates: tuple[Candidate, ...] = ()

    @property
    def engine_device(self) -> str:
        """Where the engine in use runs, as ``--device`` has it."""
        if self.engine == "torch":
            return self.device
        return next(each.device for each in self.candidates if each.engine == self.engine)

    @property
    def compiled(self) -> bool:
        """True if the compiled network, or on CUDA its graph, is in use."""
        return self.state in ("compiled", "recorded")


def choose_runtime(
    device: str = DEFAULT_DEVICE,
    precision: PrecisionChoice = DEFAULT_PRECISION,
    compile: CompileChoice = DEFAULT_COMPILE,
    engine: EngineChoice = "torch",
) -> Runtime:
    """Decide on the device, the precision and the threads.

    Args:
        device: ``auto`` takes the first CUDA GPU that computes, then Apple's GPU, then the CPU; or
            ``cpu``, ``cuda``, ``cuda:N``, ``mps``; or one that only other engines have, such as
            ``npu``, see `live_gradcam.graph.engines.open_engine`.
        precision: ``auto`` takes half precision where the hardware has it.
        compile: ``auto`` compiles beside the running session, ``on`` waits for it, ``off`` never.
        engine: ``auto`` is torch where nothing may be compiled; one that cannot use the GPU that
            ``auto`` found runs on the CPU.

    Raises:
        UsageError: A value is none of those above.
        DeviceError: The device does not exist, or cannot compute in this precision.
    """
    _require_choice("precision", precision, get_args(PrecisionChoice))
    if precision == "int8":
        step = "Use live-gradcam run --precision int8, or export the network in it"
        raise UsageError("cannot use precision", "int8", "it is that of an exported file", step)
    _require_choice("compile", compile, get_args(CompileChoice))
    _require_choice("engine", engine, get_args(EngineChoice))
    beside = only_beside_torch(device)
    name, why_device, notices = _choose_device("cpu" if beside else device)
    if engine == "auto" and compile == "off" and not beside:
        engine = "torch"
    native = bool(native_bf16())
    find = functools.partial(find_candidates, engine, precision=precision, native_bf16=native)
    try:
        found = find(device if beside else name)
    except DeviceError as exc:
        if device != "auto" or name == "cpu":
            raise
        found = find("cpu")  # the GPU was torch's choice, nobody's wish
        why_device = f"{found[0].label} runs on the CPU instead of {name}: {exc.cause}"
        name, notices = "cpu", (*notices, f"{why_device}. {exc.next_step}")
    chosen, why_precision = _choose_precision(name, "auto" if beside else precision)
    budget = thread_budget()
    reasons = (why_device, why_precision, budget.reason)
    state: CompileState = "off" if compile == "off" else "eager"
    return Runtime(
        name,
        chosen,
        compile,
        budget.network,
        reasons,
        state,
        notices,
        engine_choice=engine,
        candidates=found,
    )


def _require_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        step = f"{did_you_mean(str(value), allowed)}Choose from {', '.join(allowed)}"
        raise UsageError(f"unknown {option}", str(value), "", step)


def _choose_device(device: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the device, the reason for it, and what the user should know about others."""
    if device == "auto":
        return _best_device()
    kind, _, number = device.partition(":")
    if kind == "cpu" and not number:
        return "cpu", "the CPU was asked for", ()
    if kind == "mps" and not number:
        if torch.backends.mps.is_available():
            return "mps", "Apple's GPU was asked for", ()
        raise _no_device(device, "this machine or this torch has no Apple GPU")
    if kind == "cuda" and (not number or number.isdecimal()):
        index = int(number or 0)
        if not torch.cuda.is_available():
            built = torch.version.cuda is not None
            cause = "no CUDA GPU was found" if built else "this torch is built without CUDA"
            raise _no_device(device, cause)
        if index >= torch.cuda.device_count():
            raise _no_device(device, f"there are only {torch.cuda.device_count()} CUDA GPUs")
        name, cause = torch.cuda.get_device_name(index), _why_unusable(index)
        if cause:
            raise _no_device(device, f"{name} does not compute ({cause})")
        return f"cuda:{index}", f"{name} was asked for", ()
    known = "auto, cpu, cuda, cuda:N, mps, intel-gpu, npu, tensorrt, coreml, directml"
    raise UsageError("unknown device", device, "", f"Choose from {known}")


def _best_device() -> tuple[str, str, tuple[str, ...]]:
    notices: list[str] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        name, cause = torch.cuda.get_device_name(index), _why_unusable(index)
        if not cause:
            return f"cuda:{index}", f"{name} was found", tuple(notices)
        notices.append(f"{name} was found and is not used: it does not compute ({cause})")
    if torch.backends.mps.is_available():
        return "mps", "Apple's GPU was found", tuple(notices)
    return "cpu", "no GPU that torch can use was found", tuple(notices)


def _why_unusable(index: int) -> str:
    """Return why a CUDA GPU cannot compute, as one phrase; an empty one if it can.

    A GPU that is too old for this torch, or whose memory others hold, is found all the same.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own words, over many lines
            torch.ones(1, device=f"cuda:{index}").add_(1).item()
    except RuntimeError as exc:
        return (str(exc).strip() or type(exc).__name__).splitlines()[0].removeprefix("CUDA error: ")
    return ""


def _no_device(device: str, cause: str) -> DeviceError:
    return DeviceError("cannot use device", device, cause, "Use --device cpu or --device auto")


def _choose_precision(device: str, precision: FloatPrecisionChoice) -> tuple[Precision, str]:
    if device == "cpu":
        native = native_bf16()
        if precision == "auto":
            if native:
                return "bf16", f"bf16, because the CPU computes it natively ({native})"
            return "fp32", "fp32, because the CPU has no native bf16"
        if precision == "fp16":
            cause = "the CPU cannot compute a network in it"
            raise DeviceError("cannot use precision", "fp16", cause, "Use bf16 or fp32")
        slow = precision == "bf16" and not native
        return precision, f"{precision} was asked for" + (", emulated and slow" if slow else "")
    if precision == "auto":
        return "fp16", "fp16, because GPUs compute it at twice the rate of fp32 or more"
    return precision, f"{precision} was asked for"


@functools.cache
def native_bf16() -> str:
    """Return the instruction set that computes bf16 on this CPU, or an empty string."""
    return next(iter(sorted(_BF16_FLAGS & cpu_flags())), "")


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags, as far as the system says."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        # Apple's processors have it from the M2 on; torch knows the x86 ones.
        names: Mapping[str, str] = {
            "_is_avx512_bf16_supported": "avx512_bf16",
            "_is_amx_tile_supported": "amx_bf16",
        }
        asked = {flag for name, flag in names.items() if getattr(torch.cpu, name, bool)()}
        return frozenset(asked)
    lines = (line.partition(":") for line in text.splitlines())
    flags = (value for key, _, value in lines if key.strip() in ("flags", "Features"))
    return frozenset(next(flags, "").split())
