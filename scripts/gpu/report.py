"""How a part says what it measured, and what it measures with."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.load import load_classifier
from live_gradcam.preprocessing.settings import Preprocessing


@dataclass(frozen=True)
class Setting:
    """Where and how large a part runs.

    Attributes:
        seconds: Time that it has.
        media: Folder with photographs and real weights; it may be missing.
        rehearse: On the CPU, as small as it gets.
    """

    seconds: float
    media: Path
    rehearse: bool

    @property
    def device(self) -> str:
        """Name of the device, as `Explainer` takes it."""
        return "cpu" if self.rehearse else "cuda"

    @property
    def half(self) -> Literal["fp16", "bf16"]:
        """Half precision of the device; the CPU computes in bf16, emulated where it must."""
        return "bf16" if self.rehearse else "fp16"

    def pick(self, full: int, tiny: int) -> int:
        """A number on the GPU, and a smaller one in a rehearsal."""
        return tiny if self.rehearse else full


def figure(
    name: str,
    value: float,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    judged: bool = True,
    note: str = "",
) -> None:
    """Write one figure.

    Args:
        name: What was measured.
        value: Result.
        unit: Of the result.
        at_most: Bar that the result must not exceed.
        at_least: Bar that the result must reach.
        judged: ``False`` where the result means nothing, as times in a rehearsal do.
        note: One sentence about it.
    """
    line: dict[str, object] = {"name": name, "value": float(value), "unit": unit}
    if at_most is not None or at_least is not None:
        line["bar"] = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
        kept = value <= at_most if at_most is not None else value >= (at_least or 0.0)
        line["kept"] = bool(kept) if judged else None
    if note:
        line["note"] = note
    print(json.dumps(line), flush=True)


def real_classifier(setting: Setting) -> Classifier | None:
    """SqueezeNet with its real weights; `None` where they are not at hand."""
    weights = setting.media / "weights" / "squeezenet1_1-imagenet.pth"
    return load_classifier("squeezenet1_1", weights=weights) if weights.exists() else None


def resnet18(size: int = 224) -> Classifier:
    """Torchvision's ResNet-18 with random weights, which do not change the time."""
    from torchvision.models import resnet18 as build

    torch.manual_seed(0)
    return Classifier.from_module(
        build(weights=None).eval(),
        layer="layer4",
        preprocessing=Preprocessing(resize_size=max(size, size * 256 // 224), crop_size=size),
        name="resnet18",
    )


def median_ms(run: Callable[[], object], *, times: int, warm_up: int = 3) -> float:
    """Median of the milliseconds of a call; the call itself waits for the device."""
    for _ in range(warm_up):
        run()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append((time.perf_counter() - began) * 1000.0)
    return statistics.median(taken)


def device_ms(run: Callable[[], object], *, times: int) -> float:
    """Median of the milliseconds that the device works on a call, by CUDA's events.

    In a rehearsal, on the CPU, that is the time of the call.
    """
    if not torch.cuda.is_available():
        return median_ms(run, times=times, warm_up=1)
    for _ in range(3):
        run()
    event: Any = torch.cuda.Event
    events = [(event(enable_timing=True), event(enable_timing=True)) for _ in range(times)]
    for start, stop in events:
        start.record()
        run()
        stop.record()
    torch.cuda.synchronize()
    return float(statistics.median(start.elapsed_time(stop) for start, stop in events))
