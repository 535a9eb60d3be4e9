"""Everything that a report says of an archive, found in one reading of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.archive.report.days import MOST_CLASSES, Days, Drift
from live_gradcam.archive.report.files import FileFigures
from live_gradcam.archive.report.groups import Groups
from live_gradcam.archive.report.reading import ArchiveReader
from live_gradcam.archive.report.suspicion import Suspect, Suspects

MOST_FOLDERS = 200
"""Folders with figures of their own: those with the most rows; others are taken together."""

OTHERS = "\N{HORIZONTAL ELLIPSIS} all other folders"
"""What stands for them."""


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found in an archive.

    Attributes:
        folder: The archive.
        manifest: What it says of itself.
        files: Its files.
        rows: Number of rows.
        classes: Figures of each class, by name and index.
        labels: Name of each class as it is shown; those of one name have their index with it.
        folders: Figures of each folder.
        other_folders: Number of folders that are taken together.
        total: Figures of all rows, as one group.
        drift: What became of the figures over the days.
        suspects: The most suspicious rows, worst first.
        suspicious: Number of suspicious rows.
        judged: Number of rows that could have been suspicious.
        thumbnails: JPEG of some of the suspects, by id.
        unfinished: Number of parts that are planned and not done.
        planned: Number of all parts.
    """

    folder: Path
    manifest: Mapping[str, Any]
    files: FileFigures
    rows: int
    classes: Groups[tuple[str, int]]
    labels: Sequence[str]
    folders: Groups[str]
    other_folders: int
    total: Groups[str]
    drift: Drift
    suspects: Sequence[Suspect]
    suspicious: int
    judged: int
    thumbnails: Mapping[str, bytes]
    unfinished: int
    planned: int


def find(folder: Path, on_progress: Callable[[int, int], None] = lambda *_: None) -> Findings:
    """Read an archive.

    Args:
        folder: The archive.
        on_progress: Called with the number of rows that are read, and of all of them.

    Raises:
        SourceError: It is no archive, or a part of it is damaged.
    """
    reader = ArchiveReader(folder)
    files, of_folder = FileFigures(), Counter[str]()
    for batch in reader.files():
        files.add(batch)
        for each in batch:
            of_folder[each["folder"] or ""] += each["frames"] or 0
    named = dict(of_folder.most_common(MOST_FOLDERS))
    classes: Groups[tuple[str, int]] = Groups()
    folders: Groups[str] = Groups()
    days, suspects = Days(), Suspects()
    done = 0
    for rows in reader.rows():
        own = _codes(classes, rows.labels, rows.label_codes)
        classes.add(own, rows)
        keys = [each if each in named else OTHERS for each in rows.folders]
        folders.add(_codes(folders, keys, rows.folder_codes), rows)
        days.add(own, rows)
        suspects.add(rows)
        done += len(rows)
        on_progress(done, files.frames)
    labels = _shown(classes)
    most = np.argsort(-classes.rows, kind="stable")[:MOST_CLASSES].tolist()
    return Findings(
        folder,
        reader.manifest,
        files,
        done,
        classes,
        labels,
        folders,
        len(of_folder) - len(named),
        classes.total(),
        days.drift({number: labels[number] for number in most}),
        suspects.worst(),
        suspects.count,
        suspects.tested,
        reader.thumbnails(each.record for each in suspects.worst()),
        reader.unfinished,
        reader.planned,
    )


def _codes(
    groups: Groups[Any], keys: Sequence[Any], places: NDArray[np.int64]
) -> NDArray[np.int64]:
    return np.array([groups.code(each) for each in keys], np.int64)[places]


def _shown(classes: Groups[tuple[str, int]]) -> list[str]:
    names = Counter(name for name, _ in classes.keys)
    return [
        f"{name or 'no class'}{f' ({index})' if names[name] > 1 else ''}"
        for name, index in classes.keys
    ]
