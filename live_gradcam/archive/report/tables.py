"""The tables of classes and folders in a report, with the figures that an archive has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from live_gradcam.archive.report.charts import bars, heat_picture
from live_gradcam.archive.report.days import FEWEST_ROWS
from live_gradcam.archive.report.findings import OTHERS, Findings
from live_gradcam.archive.report.groups import BINS, Groups
from live_gradcam.wording import number, percent, signed_points

MOST_SHOWN = 100
"""Classes, folders and days that are named, each."""

MOSTLY = 0.5
"""Share of the evidence at the wrong place from which on a class or folder is marked."""

_MOST_PICTURES = 40  # of classes and folders, each


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which figures an archive has.

    Attributes:
        probabilities: How sure the network is.
        evidence: Where the evidence lies.
        boxes: How much of it lies inside boxes.
        removal: What hiding it does.
        maps: The maps themselves.
    """

    probabilities: bool
    evidence: bool
    boxes: bool
    removal: bool
    maps: bool

    @classmethod
    def of(cls, total: Groups[str]) -> Kinds:
        """Return which of the figures are known of any row."""
        return cls(
            bool(total.bars.sum()),
            bool(total.known("border_share").sum()),
            bool(total.known("box_share").sum()),
            bool(total.known("removal_fall").sum()),
            bool(total.map_counts.sum()),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One class or folder in its table.

    Attributes:
        name: Its name.
        bad: More of its evidence than half lies where it should not.
        bars: Distribution of its probabilities as an SVG path.
        picture: Where its evidence lies, as a data URI; empty where that is not known.
        cells: Text and value of each column.
    """

    name: str
    bad: bool
    bars: str
    picture: str
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of classes or folders.

    Attributes:
        anchor: Its name in the page.
        title: Its heading.
        head: Heading of its first column.
        titles: Headings of the columns of figures.
        rows: Its rows, those with most frames first.
        left_out: Number of classes or folders that have no row.
    """

    anchor: str
    title: str
    head: str
    titles: Sequence[str]
    rows: Sequence[Row]
    left_out: int


def tables_of(findings: Findings, kinds: Kinds) -> list[Table]:
    """Return the tables of an archive; none without rows."""
    of_class = _table(findings.classes, findings.labels, kinds, ("classes", "Classes", "class"))
    names = [each or "no folder" for each in findings.folders.keys]
    of_folder = _table(findings.folders, names, kinds, ("folders", "Folders", "folder"))
    return [each for each in (of_class, of_folder) if each.rows]


def _table(
    groups: Groups[Any], names: Sequence[str], kinds: Kinds, words: tuple[str, str, str]
) -> Table:
    titles = ["frames", "share"]
    titles += ["mean", f"under {percent(MOSTLY)}"] if kinds.probabilities else []
    titles += ["outside boxes"] if kinds.boxes else []
    titles += ["at the border"] if kinds.evidence else []
    titles += ["hidden", "elsewhere"] if kinds.removal else []
    # What is taken together comes last, however much it is.
    last = np.array([name == OTHERS for name in names], np.bool_)
    order = np.lexsort((-groups.rows, last))[:MOST_SHOWN].tolist()
    rows = []
    for place, code in enumerate(order):
        picture = picture_of(groups, code, kinds) if place < _MOST_PICTURES else ""
        shares = (
            ("box_share", 1.0 - float(groups.mean("box_share")[code])),
            ("border_share", float(groups.mean("border_share")[code])),
        )
        bad = any(
            share > MOSTLY and groups.known(name)[code] >= FEWEST_ROWS for name, share in shares
        )
        cells = _cells(groups, code, kinds)
        rows.append(Row(names[code], bad, bars(groups.bars[code]), picture, cells))
    return Table(*words, titles, rows, max(0, len(groups) - MOST_SHOWN))


def _cells(groups: Groups[Any], code: int, kinds: Kinds) -> list[tuple[str, str]]:
    def share(value: float, *, change: bool = False) -> tuple[str, str]:
        if not np.isfinite(value):
            return "-", ""
        if change:
            text = signed_points(value) if kinds.probabilities else number(value)
        else:
            text = percent(clipped(value), digits=1)
        return text, f"{value:.6g}"

    rows = int(groups.rows[code])
    cells = [(f"{rows:,}", str(rows)), share(rows / int(groups.rows.sum()))]
    if kinds.probabilities:
        own = groups.bars[code]
        unsure = own[: int(MOSTLY * BINS)].sum() / own.sum() if own.sum() else np.nan
        cells += [share(float(groups.mean("probability")[code])), share(float(unsure))]
    if kinds.boxes:
        cells.append(share(1.0 - float(groups.mean("box_share")[code])))
    if kinds.evidence:
        cells.append(share(float(groups.mean("border_share")[code])))
    if kinds.removal:
        for name in ("removal_fall", "removal_control"):
            cells.append(share(-float(groups.mean(name)[code]), change=True))
    return cells


def picture_of(groups: Groups[Any], code: int, kinds: Kinds) -> str:
    """Draw where the evidence of a group lies: its mean map, or where its centres are.

    Returns:
        A data URI; nothing where that is not known, or nowhere.
    """
    places = groups.mean_map(code) if kinds.maps else None
    if places is None and not kinds.maps and kinds.evidence:
        places = groups.centres[code].astype(np.float32)
    return heat_picture(places) if places is not None and (places > 0).any() else ""


def clipped(share: float) -> float:
    """Return a share without the rounding errors of sums."""
    return min(max(share, 0.0), 1.0)
