"""Small drawings of a report: distributions, where the evidence lies, figures over the days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from live_gradcam.archive.report.days import Drift, Series
from live_gradcam.native import cv2
from live_gradcam.reports.page import data_uri
from live_gradcam.show.heat import heat_table, normalise, own_scale, upsample
from live_gradcam.wording import percent

_SIDE = 112  # of a drawing of a map, in pixels
_COLORMAP = "turbo"
_GROUND = (27, 23, 21)  # BGR
# The area of a curve in units of the drawing: left, right, top, bottom.
_PLOT = (44.0, 452.0, 10.0, 106.0)
_MOST_TICKS = 5
_GAP_DAYS = 7  # that a line crosses at most


def bars(counts: NDArray[np.int64]) -> str:
    """Return the outline of a distribution as an SVG path, in a box of 100 by 24."""
    most = counts.max(initial=0)
    if not most:
        return ""
    width = 100 / len(counts)
    # A bar that is not empty can be seen.
    heights = [max(24 * count / most, 1.0) if count else 0.0 for count in counts.tolist()]
    return "".join(
        f"M{place * width:.0f} 24v-{height:.1f}h{width - 1:.0f}v{height:.1f}z"
        for place, height in enumerate(heights)
        if height
    )


def heat_picture(places: NDArray[np.float32]) -> str:
    """Return a map as a picture in a data URI; what speaks against the class stays dark.

    Args:
        places: ``float32 (h, w)`` in any unit.
    """
    heat = normalise(places, own_scale(places))
    rows, columns = heat.shape
    scale = _SIDE / max(rows, columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    table = heat_table(_COLORMAP, 1.0, False)
    indices = upsample(heat, *size)
    ground = np.full((*indices.shape, 3), _GROUND, np.float64)
    keep = cv2.LUT(indices, table.keep).astype(np.float64)[..., None] / 255.0
    ink = cv2.applyColorMap(indices, table.ink)
    return data_uri(np.clip(ground * keep + ink, 0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure over the days, in units of the drawing.

    Attributes:
        title: Name of the figure.
        lines: Corners of each line; days without a figure lie between them.
        spots: Horizontal and vertical position, text, and whether it stands out, of each day that
            stands out or has no neighbour.
    """

    title: str
    lines: Sequence[str]
    spots: Sequence[tuple[str, str, str, bool]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the same days.

    Attributes:
        title: What they show.
        left: Left end of the grid's lines.
        right: Right end of the grid's lines.
        height: Height of the drawing.
        levels: Text and vertical position of each line of the grid.
        ticks: Text and horizontal position of some days, and where it is anchored.
        curves: The curves.
    """

    title: str
    left: float
    right: float
    height: float
    levels: Sequence[tuple[str, str]]
    ticks: Sequence[tuple[str, str, str]]
    curves: Sequence[Curve]


def drift_charts(drift: Drift) -> list[Chart]:
    """Draw the figures over the days: the classes' shares, and the others."""
    classes = [each for each in drift.series if each.of_class]
    others = [each for each in drift.series if not each.of_class]
    named = (("Shares of the most frequent classes", classes), ("How sure, and where", others))
    return [_chart(title, drift.days, each) for title, each in named if each]


def _chart(title: str, days: Sequence[date], series: Sequence[Series]) -> Chart:
    left, right, top, bottom = _PLOT
    first, span = days[0], max(1, (days[-1] - days[0]).days)
    highest = max(float(np.nanmax(each.values)) for each in series)
    high = min(1.0, max(0.1, math.ceil(highest * 10) / 10))
    across = [left + (right - left) * (day - first).days / span for day in days]

    def down(value: float) -> float:
        return bottom - (bottom - top) * value / high

    curves = []
    for each in series:
        known = np.flatnonzero(np.isfinite(each.values)).tolist()
        runs = _runs(known, days)
        alone = {run[0] for run in runs if len(run) == 1}
        at = {p: (f"{across[p]:.1f}", f"{down(float(each.values[p])):.1f}") for p in known}
        spots = [
            (*at[p], f"{days[p]}: {each.title} {percent(float(each.values[p]))}", bool(marked))
            for p, marked in ((p, each.marked[p]) for p in known)
            if marked or p in alone
        ]
        lines = [" ".join(",".join(at[p]) for p in run) for run in runs if len(run) > 1]
        curves.append(Curve(each.title, lines, spots))
    return Chart(
        title,
        left,
        right,
        bottom + 22,
        [(percent(level), f"{down(level):.1f}") for level in (0.0, high / 2, high)],
        _ticks(days, across),
        curves,
    )


def _runs(places: Sequence[int], days: Sequence[date]) -> list[list[int]]:
    """Split days where there is nothing for long: a line would say that something was there."""
    runs: list[list[int]] = []
    for before, place in zip((None, *places), places, strict=False):
        if before is None or (days[place] - days[before]).days > _GAP_DAYS:
            runs.append([])
        runs[-1].append(place)
    return runs


def _ticks(days: Sequence[date], across: Sequence[float]) -> list[tuple[str, str, str]]:
    """Name some days, the first and the last among them, without one beside another."""
    step = max(1, -(-(len(days) - 1) // (_MOST_TICKS - 1)))
    places = list(range(0, len(days), step))
    last = len(days) - 1
    if places[-1] != last:
        places[-1:] = [last] if len(places) > 1 else [places[-1], last]
    found: list[tuple[str, str, str]] = []
    ends = -100.0
    for place in places:
        x = across[place]
        anchor = "start" if place == 0 else "end" if place == last else "middle"
        begins = x if anchor == "start" else x - (70.0 if anchor == "end" else 35.0)
        if begins >= ends:
            found.append((days[place].isoformat(), f"{x:.1f}", anchor))
            ends = begins + 74.0
    return found
