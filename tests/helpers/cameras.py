"""A camera that follows a script, for the public seam ``CameraSource(open_capture=...)``."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import pytest

from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from live_gradcam.values import Frame

Step: TypeAlias = "np.ndarray | str | Gate"
"""An image; ``"fail"``, ``"break"`` (OpenCV raises) or ``"end"`` (until the next open); a gate."""

FRAME_SECONDS = 1 / 30
PATIENCE = 60.0
"""Seconds until something counts as never happening; on a busy machine much takes long."""


class Gate:
    """A place in the script where the camera waits until the test has looked around."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def pass_through(self) -> None:
        """Called by the camera."""
        self._reached.set()
        assert self._open.wait(PATIENCE), "the test never opened this gate"

    def await_camera(self) -> None:
        """Called by the test: wait until the camera stands here."""
        assert self._reached.wait(PATIENCE), "the camera never came to this gate"

    def open(self) -> None:
        """Called by the test: let the camera go on."""
        self._open.set()


class FakeClock:
    """Seconds that pass only when somebody lets them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        """What a source does instead of sleeping."""
        self.waits.append(seconds)
        self.now += seconds


class ScriptedCamera:
    """Opens as often as there are scripts; each image takes a thirtieth of a second.

    A script that is ``None`` is a device that cannot be opened. After the last script the camera
    shows a still image and holds the reader until the source is closed.
    """

    def __init__(self, clock: FakeClock, scripts: Iterable[Iterable[Step] | None]) -> None:
        self.clock = clock
        self._scripts: Iterator[Iterable[Step] | None] = iter(scripts)
        self._steps: Iterator[Step] = iter(())
        self.opened = self.released = 0
        self.asked: dict[int, float] = {}
        self.granted: dict[int, float] = {}
        self.finished = threading.Event()

    def open(self, device: int | str) -> ScriptedCamera:
        """The factory for ``open_capture``."""
        del device
        self.opened += 1
        script = next(self._scripts, ())
        if script is None:
            self.released += 1
            raise ConnectionLost("there is no such camera")
        self._steps = iter(script)
        return self

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.clock.now += FRAME_SECONDS
        step = next(self._steps, "end")
        while isinstance(step, Gate):
            step.pass_through()
            step = next(self._steps, "end")
        if isinstance(step, np.ndarray):
            return True, step
        if step == "break":
            raise cv2.error("a driver fell over")
        if step == "end":
            self.finished.set()
        return False, None

    def get(self, name: int, /) -> float:
        return self.granted.get(name, self.asked.get(name, 0.0))

    def set(self, name: int, value: float, /) -> bool:
        self.asked[name] = value
        return True

    def release(self) -> None:
        self.released += 1


def noise(count: int, *, width: int = 64, height: int = 48, seed: int = 0) -> list[np.ndarray]:
    """Images of a living sensor: no two are the same."""
    generator = np.random.default_rng(seed)
    return [generator.integers(60, 200, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def flat(level: int, count: int, *, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """The same image again and again."""
    return [np.full((height, width, 3), level, np.uint8)] * count


class EndsAfterALook(LiveReader):
    """A live source that gives up just after somebody has looked in vain."""

    def __init__(self) -> None:
        super().__init__(
            name="test",
            kind="stream",
            connect=lambda: pytest.fail("nobody opens it"),
            policy=LivePolicy(first_image_seconds=1, hang_seconds=1, stall_seconds=1),
        )

    def newest(self, timeout_seconds: float) -> Frame | None:
        frame = super().newest(0)
        self._mailbox.end(SourceError("cannot read stream", "test", "it is gone"))
        return frame
