"""Tables of image files and their labels, read as a stranger's: anything may be in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.capture.class_folders import printable
from live_gradcam.errors import SourceError
from live_gradcam.evaluate.values import SkippedEntry
from live_gradcam.images.tables import column_of_files, normal_headings, read_table

NAME_COLUMNS = ("label", "class", "category", "class_name")
INDEX_COLUMNS = ("index", "class_index", "label_index", "imagenet_index", "target")


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """An image file and its labels.

    Attributes:
        path: The file.
        relative: Its path inside the data set, with ``/``.
        labels: Names of its class; a number is an index. Empty where it has none.
        indices: Its class's index, as its table has it; empty where it has none.
    """

    path: Path
    relative: str
    labels: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()


def relative_name(path: Path, root: Path) -> str:
    """Return an image's name in the data set: its path from the root, with ``/``."""
    return Path(os.path.relpath(path, root)).as_posix()


def read_label_table(path: Path) -> tuple[list[LabelledFile], list[SkippedEntry]]:
    """Read a ``labels.csv``: a header, a column of files, and names or indices of classes.

    Args:
        path: The file; images are named relative to its folder and must lie in it.

    Returns:
        The images, and the rows that were left out.

    Raises:
        SourceError: It is not such a table.
    """
    rows = read_table(path, "cannot read labels")
    header = normal_headings(rows[0]) if rows else []
    file_column = column_of_files(header)
    names, indices = _columns(header, NAME_COLUMNS), _columns(header, INDEX_COLUMNS)
    if file_column is None or not (names or indices):
        cause = "its first line does not name a column of files and one of labels"
        step = "Begin with a line such as file,label (also: filename, file_name, image, ...)"
        raise SourceError("cannot read labels", str(path), cause, step)
    return _labelled_files(rows[1:], file_column, names, indices, path.parent)


def _labelled_files(
    rows: Sequence[Sequence[str]],
    file_column: int,
    names: Sequence[int],
    indices: Sequence[int],
    folder: Path,
) -> tuple[list[LabelledFile], list[SkippedEntry]]:
    inside = folder.resolve()
    found: dict[str, LabelledFile] = {}
    skipped: list[SkippedEntry] = []
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        name = row[file_column].strip() if file_column < len(row) else ""
        path = folder / name
        reason = _reason_to_skip(path, name, inside)
        if reason:
            skipped.append(SkippedEntry(printable(name) or "a row without a file", reason))
        else:
            labels, numbers = _cells(row, names), _cells(row, indices)
            found[name] = LabelledFile(path, Path(name).as_posix(), labels, numbers)
    return list(found.values()), skipped


def _cells(row: Sequence[str], columns: Sequence[int]) -> tuple[str, ...]:
    return tuple(filter(None, (row[each].strip() for each in columns if each < len(row))))


def _reason_to_skip(path: Path, name: str, inside: Path) -> str:
    if not name or "\0" in name:
        return "no file is named"
    try:
        if not path.resolve().is_relative_to(inside):
            return "it lies outside of the folder"
        return "" if path.is_file() else "there is no such file"
    except (OSError, RuntimeError):
        return "it cannot be looked at"


def _columns(header: Sequence[str], names: Sequence[str]) -> list[int]:
    return [header.index(name) for name in names if name in header]
