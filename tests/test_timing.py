"""Rates and durations are measured, and right."""

from __future__ import annotations

import pytest

from live_gradcam.timing import RateMeter, StageClock, SteadyFigure, StepProgress


def test_n_stamps_span_n_minus_one_intervals() -> None:
    meter = RateMeter(window_seconds=1.0)
    assert meter.per_second is None
    for number in range(11):
        meter.tick(number * 0.1)
    assert meter.per_second == pytest.approx(10.0)


def test_the_rate_forgets_what_is_older_than_the_window() -> None:
    meter = RateMeter(window_seconds=1.0)
    for number in range(11):
        meter.tick(number * 0.1)
    for number in range(1, 5):
        meter.tick(1.0 + number)
    assert meter.per_second == pytest.approx(1.0)


def test_a_first_batch_all_at_once_is_no_rate_yet() -> None:
    meter = RateMeter(window_seconds=1.0)
    for number in range(4):
        meter.tick(number * 1e-5)
    assert meter.per_second is None


def test_a_burst_after_a_pause_is_no_burst_of_rate() -> None:
    meter = RateMeter(window_seconds=1.0)
    for start in (0.0, 2.0):
        for number in range(8):
            meter.tick(start + number * 1e-5)
    assert meter.per_second == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("interval", [0.05, 1.5])
def test_the_rate_is_nothing_once_the_events_stay_away(interval: float) -> None:
    meter = RateMeter(window_seconds=1.0)
    assert meter.per_second_at(0.0) is None
    for number in range(41):
        meter.tick(number * interval)
    last = 40 * interval
    assert meter.per_second_at(last + 2 * interval) == pytest.approx(1 / interval)
    assert meter.per_second_at(last + 3 * interval + 2.0) == 0.0
    meter.tick(last + 60.0)
    slow = meter.per_second_at(last + 60.0)
    assert slow is not None
    assert slow < 0.1 / interval


def test_percentiles_of_each_stage() -> None:
    clock = StageClock()
    for milliseconds in range(1, 101):
        clock.add("draw", float(milliseconds))
    clock.add("write", 7.0)
    summary = clock.summary()
    assert list(summary) == ["draw", "write"]
    assert summary["draw"].p50_ms == pytest.approx(50.5)
    assert summary["draw"].p95_ms == pytest.approx(95.05)
    assert summary["draw"].count == 100
    assert summary["write"].p50_ms == 7.0


def test_work_is_under_way_between_its_first_step_and_its_last() -> None:
    work = StepProgress()
    assert work.steps is None
    seen: list[tuple[int, int] | None] = []
    for done in (0, 16, 48, 64, 16):
        work.update(done, 64)
        seen.append(work.steps)
    assert seen == [None, (16, 64), (48, 64), None, (16, 64)]


def test_a_figure_stands_still_for_a_second_but_nothing_is_shown_at_once() -> None:
    figure = SteadyFigure()
    assert figure.update(None, 0.0) is None
    assert figure.update(10.0, 0.2) == 10.0
    assert figure.update(99.0, 1.1) == 10.0
    assert figure.update(12.0, 1.2) == 12.0
    assert figure.update(0.0, 1.3) == 0.0
    assert figure.update(8.0, 1.4) == 8.0
    assert figure.update(7.0, 0.0) == 7.0, "a film that begins again"
