"""The measurements that a session makes of itself: frames shown, rate, latency and stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from live_gradcam.timing import RateMeter, StageClock, StageTimes, SteadyFigure
from live_gradcam.values import Frame


class SessionMetrics:
    """Counts and times the frames that are shown.

    Args:
        clock: Monotonic seconds.

    Attributes:
        stage_clock: Durations of the stages.
        frames: Number of frames shown.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.stage_clock = StageClock()
        self.frames = 0
        self._clock = clock
        self._latency = StageClock()
        self._latency_ms: float | None = None
        self._rate = RateMeter()
        self._steady = SteadyFigure()
        self._started = clock()

    def count_frame(self, frame: Frame) -> None:
        """Count a new frame that has just been shown."""
        now = self._clock()
        self._rate.tick(now)
        self.frames += 1
        if frame.captured_seconds is not None:
            self._latency_ms = (now - frame.captured_seconds) * 1000.0
            self._latency.add("latency", self._latency_ms)

    def current(self, *, moving: bool) -> tuple[float | None, float | None]:
        """Return frames per second and the newest latency in ms, each ``None`` where unknown.

        Args:
            moving: ``False`` for images that stand still, which have no rate.
        """
        now = self._clock()
        rate = self._steady.update(self._rate.per_second_at(now) if moving else None, now)
        return rate, self._latency_ms if rate != 0.0 else None

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    @property
    def stages(self) -> Mapping[str, StageTimes]:
        """Duration of each stage."""
        return self.stage_clock.summary()

    @property
    def latency(self) -> StageTimes | None:
        """Time from capture to show, where frames know when they were captured."""
        return self._latency.summary().get("latency")
