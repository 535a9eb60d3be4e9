"""Rows of an archive as arrays: what the statistics of a report are made of.

Nothing here knows how an archive is kept; a value that is not known is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEASURES = (
    "probability",
    "positive_share",
    "concentration",
    "center_x",
    "center_y",
    "box_share",
    "border_share",
    "removal_fall",
    "removal_control",
)
"""Columns of frames that means are taken of."""

BORDER_AREA = 1.0 - 0.8 * 0.8
"""Share of a frame's area that lies in its outer tenth."""

NO_DAY = np.iinfo(np.int64).min
"""The day of a row without a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of an archive.

    Attributes:
        values: ``float64 (N,)`` of each of `MEASURES`.
        labels: Names of classes with their indices, each once.
        label_codes: ``int64 (N,)``, the place of each row's class in ``labels``.
        folders: Folders, each once.
        folder_codes: ``int64 (N,)``, the place of each row's folder in ``folders``.
        file_codes: ``int64 (N,)``, equal where rows are of one file.
        days: ``int64 (N,)``, days since 1970-01-01, in UTC; `NO_DAY` where the time is not known.
        verdicts: ``int8 (N,)``, what the removal test meant, as a place in
            `live_gradcam.archive.report.groups.VERDICTS`; -1 without a test.
        maps: Rows that have a map, and their maps ``float32 (M, h, w)``, for each size of maps.
        record: Returns all of a row by its number, as a dictionary.
    """

    values: dict[str, NDArray[np.float64]]
    labels: Sequence[tuple[str, int]]
    label_codes: NDArray[np.int64]
    folders: Sequence[str]
    folder_codes: NDArray[np.int64]
    file_codes: NDArray[np.int64]
    days: NDArray[np.int64]
    verdicts: NDArray[np.int8]
    maps: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]
    record: Callable[[int], dict[str, Any]]

    def __len__(self) -> int:
        return len(self.days)
