"""Live sources and a small classifier for sessions: real threads, real pace, generated pictures."""

from __future__ import annotations

import threading
import time

import torch
from torch import Tensor, nn

from live_gradcam.capture.live import LivePolicy, LiveReader
from live_gradcam.capture.scene import SCENE_CLASSES, SceneSource
from live_gradcam.explain.classifier import Classifier
from live_gradcam.values import Image


class Pace:
    """Lets a reader go on so many times a second, and ends every wait when it is stopped."""

    def __init__(self, fps: float) -> None:
        self._step = 1.0 / fps
        self._due = time.monotonic()
        self._stopping = threading.Event()

    def wait(self) -> None:
        self._due = max(self._due + self._step, time.monotonic() - 0.1)
        self._stopping.wait(max(0.0, self._due - time.monotonic()))

    def stop(self) -> None:
        self._stopping.set()


class _Filming:
    """Pictures of a scene as a camera gives them: one every so often, whoever is ready."""

    warning = ""

    def __init__(self, scene: SceneSource, fps: float, frames: int | None) -> None:
        self.fps: float | None = fps
        self._frames = iter(scene)
        self._left = frames
        self._pace = Pace(fps)

    def read(self) -> Image | None:
        self._pace.wait()
        if self._left == 0:
            return None
        self._left = None if self._left is None else self._left - 1
        return next(self._frames).image

    def close(self) -> None:
        self._pace.stop()


class LiveScene(LiveReader):
    """A camera that films a generated scene; after ``frames`` pictures it hangs."""

    def __init__(
        self,
        *,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        frames: int | None = None,
        name: str = "camera 0",
    ) -> None:
        scene = SceneSource(seed=seed, width=width, height=height, fps=fps)
        super().__init__(
            name=name,
            kind="camera",
            connect=lambda: _Filming(scene, fps, frames),
            policy=LivePolicy(first_picture_seconds=5.0, hang_seconds=5.0, stall_seconds=2.0),
        )


class TinyNetwork(nn.Module):
    """Four convolutions and a linear layer: everything that a closed-form network has, in 2 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 16, 7, 4, 3), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
        self.c = nn.Sequential(nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
        self.d = nn.Sequential(nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(64, 16)

    def forward(self, pixels: Tensor) -> Tensor:
        deep = self.d(self.c(self.b(self.a(pixels))))
        logits: Tensor = self.fc(deep.mean((2, 3)))
        return logits


def tiny_classifier() -> Classifier:
    """A seeded, untrained network that tells the classes of the generated scenes apart somehow."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TinyNetwork()
    return Classifier.from_module(network, layer="d", labels=SCENE_CLASSES, name="tiny")
