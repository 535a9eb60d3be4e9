"""The measurements that a session makes of itself."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.session.metrics import SessionMetrics
from live_gradcam.values import Frame

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Time:
    seconds = 100.0


def make_metrics() -> tuple[SessionMetrics, Time]:
    now = Time()
    return SessionMetrics(lambda: now.seconds), now


def test_frames_have_a_rate_and_a_latency() -> None:
    metrics, now = make_metrics()
    for index in range(11):
        now.seconds = 100.0 + index / 10
        metrics.count_frame(Frame(IMAGE, index, 0.0, captured_seconds=now.seconds - 0.05))
    fps, latency_ms = metrics.current(moving=True)
    assert fps == pytest.approx(10.0)
    assert latency_ms == pytest.approx(50.0)
    assert metrics.latency is not None
    assert (metrics.frames, metrics.latency.count) == (11, 11)
    assert metrics.seconds == pytest.approx(1.0)


def test_what_stands_still_has_no_rate_and_what_stopped_no_latency() -> None:
    metrics, now = make_metrics()
    for index in range(11):
        now.seconds = 100.0 + index / 10
        metrics.count_frame(Frame(IMAGE, index, 0.0, captured_seconds=now.seconds - 0.05))
    assert metrics.current(moving=False)[0] is None
    now.seconds += 60.0
    assert metrics.current(moving=True) == (0.0, None)


def test_files_have_no_latency() -> None:
    metrics, _ = make_metrics()
    metrics.count_frame(Frame(IMAGE, 0, 0.0))
    assert metrics.latency is None
    assert metrics.current(moving=True) == (None, None)
