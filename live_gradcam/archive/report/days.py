"""Drift: what is another thing on some days than on most.

A day stands out where a figure is further from the median of the days than `TIMES` times their
usual distance (1.4826 times the median distance, at least `LEAST`), and than `ERRORS` standard
errors that a usual day of as many rows has; of a class's share, a standard error is at least one
row. Days with few rows are not judged, and nothing is where there are few days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from live_gradcam.archive.report.groups import Groups
from live_gradcam.archive.report.rows import NO_DAY, Rows
from live_gradcam.wording import percent

TIMES = 3.0
ERRORS = 4.0
LEAST = 0.01
FEWEST_DAYS = 7
"""Number of days from which on some can stand out."""

FEWEST_ROWS = 20
"""Number of rows from which on a day is judged."""

MOST_CLASSES = 6
"""Classes whose share is followed: the most frequent ones."""

_MAD_TO_DEVIATION = 1.4826
_FIRST = date(1970, 1, 1)
_FIGURES = {
    "probability": "mean probability",
    "border_share": "evidence at the border",
    "box_share": "evidence inside the boxes",
}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A figure over the days.

    Attributes:
        title: Its name.
        of_class: It is the share of a class.
        values: ``float64 (D,)`` in 0..1; NaN where it is not known.
        median: Of the days that are judged; NaN where there are too few.
        marked: ``bool (D,)``, days that stand out.
    """

    title: str
    of_class: bool
    values: NDArray[np.float64]
    median: float
    marked: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """The days of an archive.

    Attributes:
        days: The days that have rows, in order.
        rows: ``int64 (D,)``, their rows.
        series: Figures over them.
        undated: Rows without a time.
        judged: Number of days with enough rows to be judged.
    """

    days: Sequence[date]
    rows: NDArray[np.int64]
    series: Sequence[Series]
    undated: int
    judged: int

    def sentences(self) -> list[tuple[date, int, list[str]]]:
        """Return the days that stand out, their rows, and what is different, in a few words."""
        found = []
        for place, day in enumerate(self.days):
            said = [
                f"{each.title} {percent(each.values[place])}, "
                f"on most days about {percent(each.median)}"
                for each in self.series
                if each.marked[place]
            ]
            if said:
                found.append((day, int(self.rows[place]), said))
        return found


class Days:
    """Figures of days, taken in as rows come."""

    def __init__(self) -> None:
        self._days: Groups[int] = Groups(with_places=False)
        self._classes: dict[tuple[int, int], int] = {}
        self._undated = 0

    def add(self, classes: NDArray[np.int64], rows: Rows) -> None:
        """Take rows in.

        Args:
            classes: ``int64 (N,)``, the number of each row's class.
            rows: The rows.
        """
        dated = rows.days != NO_DAY
        self._undated += int((~dated).sum())
        codes = np.full(len(rows), -1)
        days, places = np.unique(rows.days[dated], return_inverse=True)
        if len(days):
            known = np.array([self._days.code(int(day)) for day in days])
            codes[dated] = known[places]
        self._days.add(codes, rows)
        pairs = np.stack([codes[dated], classes[dated]], 1)
        found, counts = np.unique(pairs, axis=0, return_counts=True)
        for (day, own), count in zip(found.tolist(), counts.tolist(), strict=True):
            self._classes[day, own] = self._classes.get((day, own), 0) + count

    def drift(self, classes: Mapping[int, str]) -> Drift:
        """Return what became of the figures over the days.

        Args:
            classes: Numbers and names of the classes whose share is followed.
        """
        groups = self._days
        order = np.argsort(np.array(groups.keys, np.int64), kind="stable")
        rows = groups.rows[order]
        series = []
        for name, title in _FIGURES.items():
            if groups.known(name).any():
                known, spread = groups.known(name)[order], groups.spread(name)[order]
                series.append(_series(title, groups.mean(name)[order], spread, known))
        for number, label in classes.items():
            counts = np.array([self._classes.get((int(day), number), 0) for day in order])
            values = np.divide(counts, rows, np.zeros(len(order)), where=rows > 0)
            title = f"share of \N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK}"
            spread = np.sqrt(values * (1.0 - values))
            series.append(_series(title, values, spread, rows, of_class=True))
        return Drift(
            [_FIRST + timedelta(days=groups.keys[place]) for place in order],
            rows,
            series,
            self._undated,
            int((rows >= FEWEST_ROWS).sum()),
        )


def _series(
    title: str,
    values: NDArray[np.float64],
    spread: NDArray[np.float64],
    rows: NDArray[np.int64],
    *,
    of_class: bool = False,
) -> Series:
    """Judge a figure over the days.

    Args:
        title: Its name.
        values: ``float64 (D,)``, its mean on each day.
        spread: ``float64 (D,)``, its standard deviation on each day.
        rows: ``int64 (D,)``, number of rows that it is known of.
        of_class: It is the share of a class.
    """
    judged = (rows >= FEWEST_ROWS) & np.isfinite(values)
    if judged.sum() < FEWEST_DAYS:
        return Series(title, of_class, values, float("nan"), np.zeros(len(values), np.bool_))
    median = float(np.median(values[judged]))
    # A day without a class is not exact for that, nor is an odd day's own spread that of others.
    errors = float(np.median(spread[judged])) / np.sqrt(np.maximum(rows, 1))
    if of_class:
        errors = np.maximum(errors, 1.0 / np.maximum(rows, 1))
    distance = np.abs(values - median)
    usual = max(LEAST, _MAD_TO_DEVIATION * float(np.median(distance[judged])))
    marked = judged & (distance > TIMES * usual) & (distance > ERRORS * errors)
    return Series(title, of_class, values, median, marked)
