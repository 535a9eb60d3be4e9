"""Frames that look suspicious: the network is sure, and what it goes by is odd.

A frame's score is its probability times the oddest of these, each in 0..1:

- no evidence: nothing in the picture speaks for the class: 1
- outside: the share of the evidence outside the boxes, where there are boxes
- border: how much more of the evidence lies in the outer tenth of the frame than is its share of
  the area, as a share of what is possible; where there are no boxes
- removal: how far the fall without the hottest fifth is from one that is clearly greater than
  elsewhere, by 10 points; where that was tested

From `FROM` on, a frame of at least `SURE` is called suspicious. Neighbouring frames of a film are
near-copies, so that of each file at most `OF_A_FILE` are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.archive.report.rows import BORDER_AREA, Rows
from live_gradcam.faithfulness.verdicts import THRESHOLDS
from live_gradcam.wording import change_in_points, listed, percent

SURE = 0.5
"""Probability from which on a frame can be suspicious."""

FROM = 0.5
"""Oddness from which on it is."""

MOST = 50
"""Number of frames that are named."""

OF_A_FILE = 3
"""Number of frames of one file among them."""

REASONS = ("no evidence", "outside", "border", "removal")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A frame that looks suspicious.

    Attributes:
        score: Its probability times its oddness, 0..1.
        odd: Each of `REASONS` that makes it odd, worst first.
        record: All of its row.
    """

    score: float
    odd: tuple[str, ...]
    record: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why it is suspicious, in one sentence."""
        record = self.record
        parts = [_SAID[each](record) for each in self.odd]
        sure = percent(record["probability"], in_words=True)
        return (
            f"{sure[0].upper()}{sure[1:]} sure of {_quoted(record['label'])}, but {listed(parts)}."
        )


def oddness(rows: Rows) -> dict[str, NDArray[np.float64]]:
    """Return how odd each row is, ``float64 (N,)`` in 0..1 for each of `REASONS`."""
    values = rows.values
    positive, box, border = (
        values[each] for each in ("positive_share", "box_share", "border_share")
    )
    beyond = values["removal_fall"] - values["removal_control"]
    found = {
        "no evidence": np.where(positive == 0.0, 1.0, 0.0),
        "outside": 1.0 - box,
        "border": np.where(np.isnan(box), (border - BORDER_AREA) / (1.0 - BORDER_AREA), 0.0),
        "removal": 1.0 - beyond / THRESHOLDS["clear"],
    }
    return {name: np.clip(np.nan_to_num(each), 0.0, 1.0) for name, each in found.items()}


class Suspects:
    """The most suspicious of all rows that were taken in; memory does not depend on their number.

    Attributes:
        count: Rows that are suspicious.
        tested: Rows that could have been: whose probability is known.
    """

    def __init__(self) -> None:
        self.count = 0
        self.tested = 0
        self._worst: list[Suspect] = []

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        probability = rows.values["probability"]
        shares = (probability >= 0.0) & (probability <= 1.0)
        self.tested += int(shares.sum())
        odd = oddness(rows)
        oddest = np.max(list(odd.values()), 0)
        suspicious = shares & (probability >= SURE) & (oddest >= FROM)
        self.count += int(suspicious.sum())
        scores = np.where(suspicious, probability * oddest, 0.0)
        for number in _worst_rows(scores, rows.file_codes):
            score = float(scores[number])
            if len(self._worst) == MOST and score <= self._worst[-1].score:
                break
            found = [(-float(odd[name][number]), name) for name in REASONS]
            reasons = [name for strength, name in sorted(found) if -strength >= FROM]
            self._take(Suspect(score, tuple(reasons), rows.record(number)))

    def worst(self) -> Sequence[Suspect]:
        """Return the most suspicious rows, worst first."""
        return tuple(self._worst)

    def _take(self, suspect: Suspect) -> None:
        """Put one among the worst, of each file and of all; whoever has no room any more goes.

        What goes has as many worse ones before it as there is room for, and so never comes back.
        """
        self._worst.append(suspect)
        self._worst.sort(key=lambda each: -each.score)
        same = [each for each in self._worst if each.record["file"] == suspect.record["file"]]
        if len(same) > OF_A_FILE:
            self._worst.remove(same[-1])
        del self._worst[MOST:]


def _worst_rows(scores: NDArray[np.float64], files: NDArray[np.int64]) -> list[int]:
    """Return the rows that can be among the worst, worst first: few of each file, few of all."""
    order = np.argsort(-scores, kind="stable")[: int((scores > 0.0).sum())]
    by_file = np.argsort(files[order], kind="stable")
    own = files[order][by_file]
    first = np.searchsorted(own, own)  # where each file's rows begin
    of_its_file = np.empty(len(order), np.int64)
    of_its_file[by_file] = np.arange(len(order)) - first
    chosen: list[int] = order[of_its_file < OF_A_FILE][:MOST].tolist()
    return chosen


def _quoted(label: object) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK}"


def _no_evidence(_: dict[str, Any]) -> str:
    return "nothing in the picture speaks for it"


def _outside(record: dict[str, Any]) -> str:
    return f"only {_share(record['box_share'])} of the evidence is inside the boxes"


def _border(record: dict[str, Any]) -> str:
    return f"{_share(record['border_share'])} of the evidence lies at the border of the frame"


def _removal(record: dict[str, Any]) -> str:
    before = record["probability"]
    hot, other = (
        change_in_points(before, before - record[each])
        for each in ("removal_fall", "removal_control")
    )
    return f"hiding its hottest fifth changes that by {hot} points, as much elsewhere by {other}"


_SAID = {
    "no evidence": _no_evidence,
    "outside": _outside,
    "border": _border,
    "removal": _removal,
}


def _share(value: float) -> str:
    return percent(min(max(value, 0.0), 1.0), in_words=True)
