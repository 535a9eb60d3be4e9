"""Timestamps: original where they make sense, strictly increasing always."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_gradcam.capture.timeline import Timeline

MILLISECONDS = Fraction(1, 1000)


def ticks(times: Sequence[tuple[int | None, int | None]], **options: object) -> list[int]:
    timeline = Timeline(MILLISECONDS, Fraction(25), **options)  # type: ignore[arg-type]
    return [timeline.tick(pts, dts) for pts, dts in times]


def test_good_times_are_kept() -> None:
    given_ticks = [-80, 0, 1, 40, 41, 5000, 90_000]
    assert ticks([(tick, tick) for tick in given_ticks]) == given_ticks


def test_missing_times_come_from_the_rate_without_drift() -> None:
    timeline = Timeline(Fraction(1, 90_000), Fraction(30_000, 1001), start=7)
    made = [timeline.tick(None, None) for _ in range(30_001)]
    assert made[:3] == [7, 3010, 6013]
    assert made[30_000] == 7 + 1001 * 90_000


def test_a_gap_in_the_times_is_filled() -> None:
    assert ticks([(0, 0), (None, None), (None, None), (120, 120)]) == [0, 40, 80, 120]


def test_repeated_times_are_moved_by_a_tick() -> None:
    assert ticks([(0, 0), (40, 40), (40, 40), (120, 120)]) == [0, 40, 41, 120]


def test_joined_recordings_go_on() -> None:
    first = [(40 * n, 40 * n) for n in range(20)]
    assert ticks([*first, *first]) == [40 * n for n in range(40)]


@pytest.mark.parametrize("jump", [10**12, -(10**12)])
def test_impossible_jumps_are_mended(jump: int) -> None:
    times = [(0, 0), (40, 40), (80 + jump, 80 + jump), (120 + jump, 120 + jump)]
    assert ticks(times) == [0, 40, 80, 120]


def test_without_presentation_times_the_decoding_times_count_from_the_start() -> None:
    times = [(80, 160), (240, 200), (320, 240), (160, 280)]
    assert ticks(times, presentation_times=False, start=0) == [0, 40, 80, 120]


def test_decoding_times_are_believed_where_the_others_go_backwards() -> None:
    times = [(0, 0), (80, 40), (40, 80), (160, 120), (120, 160), (240, 200), (200, 240)]
    made = ticks(times)
    assert made[-2:] == [200, 240]


def test_a_restart_follows_the_last_frame() -> None:
    timeline = Timeline(MILLISECONDS, Fraction(25))
    first = [timeline.tick(tick, tick) for tick in (500, 530, 600)]
    timeline.restart()
    again = [timeline.tick(tick, tick) for tick in (500, 530, 600)]
    assert (first, again) == ([500, 530, 600], [640, 670, 740])
    assert timeline.repaired == 0


any_time = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(-1000, 100_000))


@given(
    st.lists(st.tuples(any_time, any_time), min_size=1, max_size=40),
    st.booleans(),
    st.fractions(Fraction(1, 10), 1000),
)
def test_whatever_comes_times_increase(
    times: list[tuple[int | None, int | None]], presentation_times: bool, rate: Fraction
) -> None:
    timeline = Timeline(MILLISECONDS, rate, presentation_times=presentation_times)
    made = [timeline.tick(pts, dts) for pts, dts in times]
    assert all(before < after for before, after in pairwise(made))
