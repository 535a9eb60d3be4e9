"""Alternating repetitions and their medians: on a busy machine only ratios of one run count."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Numbers of repetitions.

    Attributes:
        repeats: Of a case in a row, as frames are: the first one of a row finds cold caches, the
            median does not.
    """

    rounds: int = 9
    repeats: int = 7
    offline_rounds: int = 5
    clip_frames: int = 90
    naive_frames: int = 12
    live_seconds: float = 30.0
    flicker_scenes: int = 8
    scramble_scenes: int = 40
    teach_seconds: float = 10.0
    teach_rounds: int = 3


QUICK = Effort(
    rounds=2,
    repeats=1,
    offline_rounds=1,
    clip_frames=24,
    naive_frames=3,
    live_seconds=3.0,
    flicker_scenes=2,
    scramble_scenes=8,
    teach_seconds=3.0,
    teach_rounds=1,
)


@dataclass(frozen=True, slots=True)
class Case:
    """Work whose time is measured.

    Attributes:
        name: Key in the results.
        title: Description for the table.
        run: Does the work once.
        per: Number of frames that one call handles; the results are per frame.
        once: A call is long enough to be timed alone.
    """

    name: str
    title: str
    run: Callable[[], object]
    per: int = 1
    once: bool = False


def measure(
    cases: list[Case],
    *,
    rounds: int,
    repeats: int = 3,
    on_round: Callable[[int, int], None] | None = None,
) -> Mapping[str, float]:
    """Run all cases in turn, again and again.

    Args:
        cases: Measured; each is warmed up first.
        rounds: Number of turns of each case.
        repeats: Number of calls of a case, one after the other, in a turn; long ones have one.
        on_round: Called with the number of rounds done and in all.

    Returns:
        Median of milliseconds per frame, by the case's name.
    """
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    for case in cases:
        for _ in range(1 if case.once else repeats):
            case.run()
    for done in range(rounds):
        for case in cases:
            gc.collect()
            for _ in range(1 if case.once else repeats):
                began = time.perf_counter()
                case.run()
                samples[case.name].append((time.perf_counter() - began) * 1000.0 / case.per)
        if on_round is not None:
            on_round(done + 1, rounds)
    return {name: statistics.median(values) for name, values in samples.items()}
