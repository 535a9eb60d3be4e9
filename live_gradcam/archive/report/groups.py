"""Figures of groups of rows, taken in as rows come: of classes, of folders, of days.

Memory depends on the number of groups, never on the number of rows.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from live_gradcam.archive.report.rows import MEASURES, Rows
from live_gradcam.faithfulness.verdicts import JUDGEMENTS
from live_gradcam.native import cv2

KeyT = TypeVar("KeyT", bound=Hashable)

VERDICTS = tuple(JUDGEMENTS)
"""What a removal test can mean, in the order of its counts."""

BINS = 20
"""Bars of a distribution of probabilities, each 5 points wide."""

CELLS = 12
"""Cells a side of the density of centres."""

MOST_CELLS = 16
"""Cells a side that a mean map has at most."""


class Groups(Generic[KeyT]):
    """Sums of several groups. Groups are made when their first row comes.

    Args:
        with_places: Mean maps and centres are kept, too.

    Attributes:
        keys: The groups, in the order in which they came.
        rows: ``int64 (G,)``, rows of each group.
        sums: ``float64 (measures, G)``, of the values that are known, in the order of `MEASURES`.
        squares: The same of their squares.
        counts: ``int64 (measures, G)``, how many are known.
        bars: ``int64 (G, BINS)``, rows by their probability.
        verdicts: ``int64 (G, verdicts)``, removal tests by what they meant.
        centres: ``int64 (G, CELLS, CELLS)``, rows by where the centre of their evidence is.
        map_sums: ``float64 (G, h, w)``, sums of what speaks for the class in each map, in logits;
            of no size before the first one.
        map_counts: ``int64 (G,)``.
    """

    def __init__(self, *, with_places: bool = True) -> None:
        self.keys: list[KeyT] = []
        self._codes: dict[KeyT, int] = {}
        self._with_places = with_places
        self.rows = np.zeros(0, np.int64)
        self.sums = np.zeros((len(MEASURES), 0))
        self.squares = np.zeros((len(MEASURES), 0))
        self.counts = np.zeros((len(MEASURES), 0), np.int64)
        self.bars = np.zeros((0, BINS), np.int64)
        self.verdicts = np.zeros((0, len(VERDICTS)), np.int64)
        self.centres = np.zeros((0, CELLS, CELLS), np.int64)
        self.map_sums = np.zeros((0, 0, 0))
        self.map_counts = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.keys)

    def code(self, key: KeyT) -> int:
        """Return the number of a group, which is made where there is none."""
        found = self._codes.setdefault(key, len(self.keys))
        if found == len(self.keys):
            self.keys.append(key)
        return found

    def add(self, codes: NDArray[np.int64], rows: Rows) -> None:
        """Take rows in.

        Args:
            codes: ``int64 (N,)``, the group of each row; rows of a negative one are left out.
            rows: The rows.
        """
        self._grow(len(self.keys))
        wanted = codes >= 0
        self.rows += _counted(codes[wanted], len(self))
        for place, name in enumerate(MEASURES):
            values = rows.values[name]
            known = wanted & np.isfinite(values)
            own, known_values = codes[known], values[known]
            self.counts[place] += _counted(own, len(self))
            self.sums[place] += np.bincount(own, known_values, len(self))
            self.squares[place] += np.bincount(own, known_values**2, len(self))
        self._add_bars(codes, wanted, rows)
        tested = wanted & (rows.verdicts >= 0)
        cells = codes[tested] * len(VERDICTS) + rows.verdicts[tested]
        self.verdicts += _counted(cells, self.verdicts.size).reshape(self.verdicts.shape)
        if self._with_places:
            self._add_centres(codes, wanted, rows)
            for numbers, maps in rows.maps:
                self._add_maps(codes[numbers], maps)

    def mean(self, name: str) -> NDArray[np.float64]:
        """Return the mean of a measure in each group, ``float64 (G,)``; NaN where none is known."""
        place = MEASURES.index(name)
        counts = self.counts[place]
        unknown = np.full(len(self), np.nan)
        mean: NDArray[np.float64] = np.divide(self.sums[place], counts, unknown, where=counts > 0)
        return mean

    def spread(self, name: str) -> NDArray[np.float64]:
        """Return the standard deviation of a measure in each group, ``float64 (G,)``."""
        place, mean = MEASURES.index(name), self.mean(name)
        counts = self.counts[place]
        squares = np.divide(self.squares[place], counts, np.zeros(len(self)), where=counts > 0)
        spread: NDArray[np.float64] = np.sqrt(np.maximum(squares - np.nan_to_num(mean) ** 2, 0.0))
        return spread

    def known(self, name: str) -> NDArray[np.int64]:
        """Return how many values of a measure are known in each group, ``int64 (G,)``."""
        known: NDArray[np.int64] = self.counts[MEASURES.index(name)]
        return known

    def mean_map(self, code: int) -> NDArray[np.float32] | None:
        """Return a group's mean evidence, ``float32 (h, w)`` in logits; ``None`` if unknown."""
        if code >= len(self.map_counts) or not self.map_counts[code]:
            return None
        return np.asarray(self.map_sums[code] / self.map_counts[code], np.float32)

    def total(self) -> Groups[str]:
        """Return all groups as one."""
        whole: Groups[str] = Groups(with_places=self._with_places)
        whole.code("")
        whole.rows = self.rows.sum(keepdims=True)
        whole.sums, whole.squares, whole.counts = (
            each.sum(1, keepdims=True) for each in (self.sums, self.squares, self.counts)
        )
        whole.bars, whole.verdicts, whole.centres, whole.map_sums, whole.map_counts = (
            each.sum(0, keepdims=True)
            for each in (self.bars, self.verdicts, self.centres, self.map_sums, self.map_counts)
        )
        return whole

    def _add_bars(self, codes: NDArray[np.int64], wanted: NDArray[np.bool_], rows: Rows) -> None:
        probability = rows.values["probability"]
        shares = wanted & (probability >= 0.0) & (probability <= 1.0)
        bars = np.minimum((probability[shares] * BINS).astype(np.int64), BINS - 1)
        self.bars += _counted(codes[shares] * BINS + bars, self.bars.size).reshape(self.bars.shape)

    def _add_centres(self, codes: NDArray[np.int64], wanted: NDArray[np.bool_], rows: Rows) -> None:
        x, y = rows.values["center_x"], rows.values["center_y"]
        known = wanted & np.isfinite(x) & np.isfinite(y)
        columns, lines = (
            np.clip((each[known] * CELLS).astype(np.int64), 0, CELLS - 1) for each in (x, y)
        )
        cells = (codes[known] * CELLS + lines) * CELLS + columns
        self.centres += _counted(cells, self.centres.size).reshape(self.centres.shape)

    def _add_maps(self, codes: NDArray[np.int64], maps: NDArray[np.float32]) -> None:
        wanted = codes >= 0
        codes, maps = codes[wanted], maps[wanted]
        if not len(codes):
            return
        if not self.map_sums.size:
            height, width = (min(each, MOST_CELLS) for each in maps.shape[1:])
            self.map_sums = np.zeros((len(self), height, width))
        order = np.argsort(codes, kind="stable")
        sorted_codes = codes[order]
        starts = np.flatnonzero(np.r_[True, sorted_codes[1:] != sorted_codes[:-1]])
        # What speaks against the class in one row takes nothing from what speaks for it elsewhere.
        positive = np.maximum(maps[order], 0.0, dtype=np.float64)
        sums = np.add.reduceat(positive, starts)
        size = self.map_sums.shape[1:]
        if sums.shape[1:] != size:  # a sum is resized as each of its maps would be
            sums = np.stack([_resized(each, size) for each in sums])
        self.map_sums[sorted_codes[starts]] += sums
        self.map_counts += _counted(codes, len(self))

    def _grow(self, size: int) -> None:
        more = size - len(self.rows)
        if not more:
            return
        self.rows = np.pad(self.rows, (0, more))
        self.sums = np.pad(self.sums, ((0, 0), (0, more)))
        self.squares = np.pad(self.squares, ((0, 0), (0, more)))
        self.counts = np.pad(self.counts, ((0, 0), (0, more)))
        self.bars = np.pad(self.bars, ((0, more), (0, 0)))
        self.verdicts = np.pad(self.verdicts, ((0, more), (0, 0)))
        if self._with_places:
            self.centres = np.pad(self.centres, ((0, more), (0, 0), (0, 0)))
            self.map_counts = np.pad(self.map_counts, (0, more))
            if self.map_sums.size:
                self.map_sums = np.pad(self.map_sums, ((0, more), (0, 0), (0, 0)))


def _counted(codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.bincount(codes, minlength=size).astype(np.int64, copy=False)


def _resized(values: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.float64]:
    smaller = size[0] < values.shape[0] or size[1] < values.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=how), np.float64)
