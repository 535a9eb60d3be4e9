"""Texts and tables that name files, read as a stranger's: anything may be in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import SourceError
from live_gradcam.images.sniff import cannot_open

FILE_COLUMNS = (
    *("path", "filepath", "file", "filename", "file_name"),
    *("image", "picture", "name", "source"),
)
"""Headings of a column of files; where there are several such columns, the first one named here."""

_MOST_BYTES = 64 << 20


def read_text(path: Path, what: str) -> str:
    """Read a text of at most 64 MB, with or without a byte order mark.

    Args:
        path: The file.
        what: What cannot be done without it, for the error.

    Raises:
        SourceError: It cannot be read, or is no UTF-8 text.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(what, str(path), "the file is larger than 64 MB")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        cause, step = "it is not a UTF-8 text file", "Save it as UTF-8"
        raise SourceError(what, str(path), cause, step) from exc
    except OSError as exc:
        raise cannot_open(path, exc) from exc


def read_table(path: Path, what: str) -> list[list[str]]:
    """Read the rows of a CSV file with commas, semicolons or tabs, as its first line has them.

    Args:
        path: The file.
        what: What cannot be done without it, for the error.

    Returns:
        The cells of each row that has any.

    Raises:
        SourceError: It cannot be read, or is no such table.
    """
    text = read_text(path, what)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except csv.Error as exc:
        raise SourceError(what, str(path), f"it is not CSV ({exc})") from exc


def normal_headings(row: Sequence[str]) -> list[str]:
    """Return the cells of a first row as headings are compared."""
    return [cell.strip().casefold().replace(" ", "_") for cell in row]


def column_of_files(row: Sequence[str]) -> int | None:
    """Return the place of the column of files; ``None`` where the row has no such heading."""
    headings = normal_headings(row)
    return next((headings.index(name) for name in FILE_COLUMNS if name in headings), None)
