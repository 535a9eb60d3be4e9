"""Measured rates, durations and progress, always over a bounded number of samples."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_KEPT_SAMPLES = 20_000
_SHORTEST_SPAN_SECONDS = 0.2
_MISSED_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Duration of one stage per frame.

    Attributes:
        p50_ms: Median in milliseconds.
        p95_ms: 95th percentile in milliseconds.
        count: Number of frames measured.
    """

    p50_ms: float
    p95_ms: float
    count: int


class StageClock:
    """Durations by stage, of which the newest 20,000 of each count. Safe to call from threads."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, stage: str, milliseconds: float) -> None:
        """Record one duration."""
        with self._lock:
            self._samples.setdefault(stage, deque(maxlen=_KEPT_SAMPLES)).append(milliseconds)
            self._counts[stage] = self._counts.get(stage, 0) + 1

    def summary(self) -> Mapping[str, StageTimes]:
        """Compute the percentiles of every stage, in the order of their first reports."""
        with self._lock:
            return {
                stage: StageTimes(
                    p50_ms=float(np.percentile(samples, 50)),
                    p95_ms=float(np.percentile(samples, 95)),
                    count=self._counts[stage],
                )
                for stage, samples in self._samples.items()
            }


class RateMeter:
    """Events per second over a sliding window: N stamps span N-1 intervals.

    Args:
        window_seconds: Length of the window.
    """

    def __init__(self, window_seconds: float = 1.0) -> None:
        self._window = window_seconds
        self._stamps: deque[float] = deque()

    def tick(self, now_seconds: float) -> None:
        """Record one event at a monotonic time."""
        self._stamps.append(now_seconds)
        # One stamp from before the window stays, so that a burst after a pause is no infinite rate.
        while len(self._stamps) > 2 and now_seconds - self._stamps[1] >= self._window:
            self._stamps.popleft()

    def per_second_at(self, now_seconds: float) -> float | None:
        """Return the rate as it is known at a time; 0 once the events have stayed away."""
        rate = self.per_second
        if rate is None:
            return None
        silence = now_seconds - self._stamps[-1]
        return 0.0 if silence > max(2 * self._window, _MISSED_INTERVALS / rate) else rate

    @property
    def per_second(self) -> float | None:
        """The rate at the last event; ``None`` until it was watched for a fifth of a second."""
        if len(self._stamps) < 2:
            return None
        span = self._stamps[-1] - self._stamps[0]
        # A first batch arrives all at once: that is no rate yet.
        return (len(self._stamps) - 1) / span if span >= _SHORTEST_SPAN_SECONDS else None


class SteadyFigure:
    """A measured figure that stands still long enough to be read.

    Args:
        every_seconds: How long a value stays.
    """

    def __init__(self, every_seconds: float = 1.0) -> None:
        self._every = every_seconds
        self._value: float | None = None
        self._since = 0.0

    def update(self, value: float | None, now_seconds: float) -> float | None:
        """Return what to show now.

        Args:
            value: The newest measurement; nothing and 0 are shown at once.
            now_seconds: On the clock of whoever reads: a film's own time, or the time of day.
        """
        held = 0.0 <= now_seconds - self._since < self._every
        if not self._value or not value or not held:
            self._value, self._since = value, now_seconds
        return self._value


class StepProgress:
    """Progress of one long piece of work: updated by the thread that does it, read by any other."""

    def __init__(self) -> None:
        self._steps = (0, 0)

    def update(self, done: int, total: int) -> None:
        """Record the number of steps done and the number of all steps."""
        self._steps = (done, total)

    @property
    def steps(self) -> tuple[int, int] | None:
        """Steps done and all steps; ``None`` while no work is under way."""
        done, total = self._steps
        return (done, total) if 0 < done < total else None
