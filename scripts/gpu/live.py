"""A live session on generated scenes, without a window: its rate, latency and memory."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil
import torch

from live_gradcam.bench.live import AgeSink
from live_gradcam.capture.live_scene import LiveScene
from live_gradcam.explain.explainer import Explainer
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions
from live_gradcam.session import run_session
from live_gradcam.show.overlay import OverlayOptions
from scripts.gpu.report import Setting, figure, resnet18

CAMERA_FPS = 120.0
GROWTH_BAR_MB = 20.0


def run(setting: Setting) -> None:
    """Run ResNet-18 on a fast camera for up to a minute."""
    seconds = 4.0 if setting.rehearse else max(10.0, min(60.0, setting.seconds - 20.0))
    ages, stop, told = AgeSink(), StopToken(), list[str]()
    memory: list[tuple[float, float]] = []
    process = psutil.Process()

    def watch() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(seconds / 20)
            reserved = 0 if setting.rehearse else torch.cuda.memory_reserved()
            memory.append((process.memory_info().rss / 1e6, reserved / 1e6))
        stop.request()

    width, height = (320, 240) if setting.rehearse else (1280, 720)
    with (
        Explainer(
            resnet18(setting.pick(224, 64)),
            device=setting.device,
            compile="off" if setting.rehearse else "auto",
            on_notice=told.append,
        ) as explainer,
        LiveScene(seed=4, width=width, height=height, fps=CAMERA_FPS) as camera,
    ):
        watcher = threading.Thread(target=watch, name="end of measuring")
        watcher.start()
        summary = run_session(
            camera,
            explainer,
            [ages],
            overlay=OverlayOptions(),
            options=RunOptions(),
            window_title=None,
            stop=stop,
        )
        watcher.join()
        figure("state", 1.0, explainer.runtime.state, note="; ".join(told))
    figure("length", seconds, "s")
    figure(f"rate, camera of {CAMERA_FPS:g} fps at {width}x{height}", summary.per_second, "FPS")
    for percent, name in ((50, "p50"), (95, "p95"), (99, "p99")):
        figure(f"capture to picture, {name}", float(np.percentile(ages.ages_ms, percent)), "ms")
    # By the fifth part of the run everything is warm: recordings, pools, caches.
    early, late = memory[len(memory) // 5], memory[-1]
    for place, name in enumerate(("host", "device")):
        figure(
            f"memory of the {name}, growth after warming up",
            late[place] - early[place],
            "MB",
            at_most=GROWTH_BAR_MB,
            judged=not setting.rehearse,
        )
