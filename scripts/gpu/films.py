"""A film end to end, and two experiments: decoding and drawing on the device."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from live_gradcam.bench.measure import measure
from live_gradcam.bench.network import random_image
from live_gradcam.bench.offline import make_clip, offline_cases
from live_gradcam.explain.explainer import Explainer
from live_gradcam.native import av, cv2
from live_gradcam.painter import Painter
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Image
from scripts.gpu.report import Setting, figure, median_ms, resnet18


def run(setting: Setting) -> None:
    """Measure the film, then what a device could take over."""
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder), setting.pick(300, 8))
        _drawing(setting)
        _decoding(setting, clip)
        _film(setting, clip, Path(folder))


def _film(setting: Setting, clip: Path, folder: Path) -> None:
    with Explainer(
        resnet18(setting.pick(224, 64)),
        device=setting.device,
        compile="off" if setting.rehearse else "on",
    ) as explainer:
        explainer.explain_batch([random_image(1280, 720)] * setting.pick(256, 2))
        cases = offline_cases(clip, explainer, folder)
        medians = measure(cases, rounds=setting.pick(3, 1))
    for case in cases:
        figure(f"a 1280x720 frame: {case.title}", medians[case.name], "ms")
    slower = max(medians["decode"], medians["encode"])
    figure(
        "film: its rate / that of the slower of decoding and encoding alone",
        slower / medians["offline"],
        at_least=0.9,
        judged=not setting.rehearse,
    )


def _decoding(setting: Setting, clip: Path) -> None:
    """Frames on the host, as BGR: by the CPU, and by the GPU's own decoder where there is one."""

    def decode(hardware: str | None) -> tuple[int, float]:
        began, count = time.perf_counter(), 0
        options: dict[str, Any] = {}
        if hardware is not None:
            from av.codec.hwaccel import HWAccel

            options["hwaccel"] = HWAccel(device_type=hardware, allow_software_fallback=False)
        with av.open(str(clip), **options) as container:
            for frame in container.decode(video=0):
                frame.to_ndarray(format="bgr24")
                count += 1
        return count, time.perf_counter() - began

    count, seconds = decode(None)
    figure("decode alone, one film at a time, on the CPU", count / seconds, "frames/s")
    if setting.rehearse:
        return
    try:
        count, seconds = decode("cuda")
        figure("decode alone, one film at a time, by NVDEC", count / seconds, "frames/s")
    except Exception as error:  # an experiment: builds without it raise what they like
        text = f"{type(error).__name__}: {error}".partition("\n")[0]
        figure("decode by NVDEC", 0.0, note=f"not here: {text}")


def _drawing(setting: Setting) -> None:
    """Heat on a 1920x1080 frame: ours on the CPU, and colours and blending on the device."""
    width, height = (1920, 1080) if not setting.rehearse else (320, 240)
    frame = random_image(width, height)
    with Explainer(
        resnet18(setting.pick(224, 64)), device=setting.device, compile="off"
    ) as explainer:
        explanation = explainer.explain(frame)
    painter = Painter(OverlayOptions(), moving=True)
    times = setting.pick(100, 2)
    figure(
        f"drawing {width}x{height} with its text, on the CPU",
        median_ms(lambda: painter.paint(frame, explanation), times=times),
        "ms",
    )
    blend = _device_blend(setting, frame)
    evidence = torch.from_numpy(explanation.evidence[:1])
    figure(
        f"heat on {width}x{height} on the device, with the way there and back, without text",
        median_ms(lambda: blend(evidence), times=times),
        "ms",
    )


def _device_blend(setting: Setting, frame: Image) -> Callable[[Tensor], Tensor]:
    device, pinned = setting.device, not setting.rehearse
    colours_of = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)
    table = torch.from_numpy(colours_of[:, 0]).float().to(device)
    source, target = torch.from_numpy(frame), torch.empty(frame.shape, dtype=torch.uint8)
    if pinned:
        source, target = source.pin_memory(), target.pin_memory()
    height, width = frame.shape[:2]

    def blend(evidence: Tensor) -> Tensor:
        with torch.no_grad():
            heat = evidence.to(device).clamp_min(0)[None]
            heat = functional.interpolate(heat, (height, width), mode="bilinear")[0, 0]
            heat = heat / heat.max().clamp_min(1e-6)
            colours = table[(heat * 255).to(torch.int64)]
            share = 0.6 * heat[..., None]
            image = source.to(device, non_blocking=True)
            mixed = image * (1 - share) + colours * share
            target.copy_(mixed.to(torch.uint8), non_blocking=True)
            if pinned:
                torch.cuda.synchronize()
        return target

    return blend
