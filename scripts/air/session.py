"""A whole session with a camera that carries its time, and what is known of this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions
from live_gradcam.session import run_session
from live_gradcam.show.options import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import Window
from live_gradcam.values import Image
from scripts.air.time_code import TimedCamera, read_time

_MIB = 1 << 20


class ReadingWindow(Window):
    """A window that notes when it has shown which of the camera's images for the first time.

    Attributes:
        shown: Monotonic seconds by the image's time code.
    """

    shown: dict[int, float]

    def show(self, image: Image) -> None:
        """Show an image, and note it."""
        super().show(image)
        now = time.monotonic()
        code = read_time(image)
        if code is not None:
            self.shown.setdefault(code, now)


class Sample:
    """What a process holds: memory, handles and threads, asked for every quarter of a second.

    A context manager.
    """

    def __init__(self) -> None:
        self.mebibytes: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampling")

    def __enter__(self) -> Sample:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        """Memory in the last fifth over that in the second, medians: the first warms up."""
        fifth = max(1, len(self.mebibytes) // 5)
        early = np.median(self.mebibytes[fifth : 2 * fifth])
        return float(np.median(self.mebibytes[-fifth:]) / early)

    def _run(self) -> None:
        while not self._ended.wait(0.25):
            self.mebibytes.append(resident_mebibytes())


def resident_mebibytes() -> float:
    """Return the memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def handles() -> int:
    """Return how many files and sockets this process has open (Linux)."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a list of names, made at once


class LiveRun:
    """A session for as long as asked for.

    Args:
        size: Width and height of the camera's images.
        fps: Of the camera.
        model: Name of the network.
        weights: Its file, or ``None``.
        sinks: Outputs.

    Attributes:
        shown: When the window had shown which image, by its time code.
        per_second: The window's rate from its first second on.
        threads: Of this process at the end, while it still ran.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        *,
        model: str = "scenes",
        weights: Path | None = None,
    ) -> None:
        self._size, self._fps = size, fps
        self._explainer = Explainer(
            load_classifier(model, weights=None if weights is None else str(weights)),
            compile="off",
        )
        self.shown: dict[int, float] = {}

    def run(self, seconds: float, sinks: Sequence[Sink] = (), *, window: bool = True) -> float:
        """Run in this thread, which must be the main one where there is a window.

        Args:
            seconds: From the beginning, however long that takes.
            sinks: Outputs; closed at the end.
            window: Show what is explained.

        Returns:
            Frames a second, of those that the window has shown but for the first second.
        """
        stop = StopToken()
        timer = threading.Timer(seconds, stop.request)
        shown: dict[int, float] = {}
        with TimedCamera(*self._size, self._fps) as camera:
            opened = None
            if window:
                opened = ReadingWindow("on air", width=self._size[0], height=self._size[1])
                opened.shown = shown
            self._explainer.explain(np.zeros((*self._size[::-1], 3), np.uint8), classes="top")
            timer.start()
            summary = run_session(
                camera,
                self._explainer,
                sinks,
                overlay=OverlayOptions(),
                options=RunOptions(),
                window_title="on air" if window else None,
                window=opened,
                stop=stop,
            )
        timer.cancel()
        timer.join()
        self.shown = shown
        times = sorted(shown.values())
        late = [each for each in times if each > times[0] + 1.0] if times else []
        if len(late) > 1:
            return (len(late) - 1) / (late[-1] - late[0])
        return summary.per_second

    def close(self) -> None:
        """Let go of the network."""
        self._explainer.close()

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
