"""What a session measures of itself: frames shown, their rate, their latency, its stages."""

from __future__ import annotations

import time
from collections.abc import Mapping

from live_gradcam.timing import RateMeter, StageClock, StageTimes
from live_gradcam.values import Frame


class SessionMetrics:
    """Counts and times the frames that are shown.

    Attributes:
        clock: How long each stage takes.
        frames: How many frames were shown.
    """

    def __init__(self) -> None:
        self.clock = StageClock()
        self.frames = 0
        self._latency = StageClock()
        self._latency_ms: float | None = None
        self._rate = RateMeter()
        self._started = time.monotonic()

    def count(self, frame: Frame) -> None:
        """A new frame has been shown."""
        now = time.monotonic()
        self._rate.tick(now)
        self.frames += 1
        if frame.captured_seconds is not None:
            self._latency_ms = (now - frame.captured_seconds) * 1000.0
            self._latency.add("latency", self._latency_ms)

    def now(self, *, moves: bool) -> tuple[float | None, float | None]:
        """Frames per second and the newest latency in ms, where there are any.

        Args:
            moves: Pictures that stand still have no rate.
        """
        rate = self._rate.per_second_at(time.monotonic()) if moves else None
        return rate, self._latency_ms if rate != 0.0 else None

    @property
    def seconds(self) -> float:
        """How long it has been counting."""
        return time.monotonic() - self._started

    @property
    def stages(self) -> Mapping[str, StageTimes]:
        """How long each stage took."""
        return self.clock.summary()

    @property
    def latency(self) -> StageTimes | None:
        """From capture to show, where frames know when they were captured."""
        return self._latency.summary().get("latency")
