"""Where a run over many files writes: folders that mirror the sources, records that grow."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import write_image
from live_gradcam.show.records import RECORD_FORMATS, csv_line, flat, json_line, record
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

Rows = tuple[int, int]
"""First byte and last + 1 of rows in a file of records."""


def tidy_records(path: Path, kept: Iterable[Rows], tidy: Path) -> dict[Rows, Rows]:
    """Write what is to stay of a file of records, where that is more than its beginning.

    The records themselves stay as they are: whoever knows where the rows stand has to know where
    they will stand before the new file takes the old one's place.

    Args:
        path: The records; they may not be there.
        kept: Where the rows that count stand.
        tidy: The new file.

    Returns:
        Where each of the kept rows will stand.

    Raises:
        UsageError: Rows that should be there are not.
        SinkError: It cannot be read or written.
    """
    rows = sorted(kept)
    moved = {each: each for each in rows}
    try:
        tidy.unlink(missing_ok=True)
        if (rows[-1][1] if rows else 0) > (path.stat().st_size if path.exists() else 0):
            raise UsageError(
                "cannot go on",
                str(path),
                "rows that the ledger knows are not there any more",
                "Bring the file back, or delete the ledger to begin again",
            )
        if not rows:
            return moved
        with path.open("rb") as old:
            heading = len(old.readline()) if path.suffix.lower() == ".csv" else 0
            if [first for first, _ in rows] == [heading, *(last for _, last in rows[:-1])]:
                return moved
            with tidy.open("wb") as new:
                old.seek(0)
                _copy(old.read, new.write, heading)
                for first, last in rows:
                    old.seek(first)
                    begins = new.tell()
                    _copy(old.read, new.write, last - first)
                    moved[first, last] = (begins, new.tell())
                new.flush()
                os.fsync(new.fileno())
    except OSError as exc:
        raise cannot_write("cannot create records", path, exc) from exc
    return moved


class GrowingRecords(Closeable):
    """A file of records that several runs write, each going on behind the rows that count.

    Args:
        path: The file, ``.jsonl`` or ``.csv``; made where there is none.
        size: Number of bytes with the rows that count; those behind them are taken out.

    Raises:
        SinkError: It cannot be read or written.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._format = RECORD_FORMATS[path.suffix.lower()]
        self._columns: Sequence[str] | None = None
        try:
            if size and self._format == "csv":
                with path.open(newline="", encoding="utf-8") as written:
                    self._columns = next(csv.reader(written))
            with path.open("ab") as file:
                file.truncate(size)
            self._file = path.open("ab", buffering=0)
        except OSError as exc:
            raise cannot_write("cannot create records", path, exc) from exc
        self._size = size

    @property
    def size(self) -> int:
        """Number of its bytes."""
        return self._size

    def write(self, frame: Frame, explanation: Explanation, extra: Extra) -> Rows:
        """Write one row, and return where it stands.

        Raises:
            SinkError: It cannot be written; the rows before are complete.
        """
        content = record(frame, explanation, extra=extra)
        if self._format == "jsonl":
            text = json_line(content)
        else:
            row = flat(content)
            if self._columns is None:
                self._columns = tuple(row)
                self._put(csv_line(self._columns))
            text = csv_line([row.get(column) for column in self._columns])
        begins = self._size
        self._put(text)
        return begins, self._size

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as exc:
            raise cannot_write("cannot write records", self.path, exc) from exc
        self._size += len(data)

    def sync(self) -> None:
        """Have everything on disk.

        Raises:
            SinkError: It cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise cannot_write("cannot write records", self.path, exc) from exc

    def truncate(self, size: int) -> None:
        """Take back what stands behind so many bytes.

        Raises:
            SinkError: It cannot be written.
        """
        try:
            self._file.truncate(size)
        except OSError as exc:
            raise cannot_write("cannot write records", self.path, exc) from exc
        self._size = size
        if size == 0:
            self._columns = None

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], count: int) -> None:
    while count > 0 and (piece := read(min(count, 1 << 20))):
        write(piece)
        count -= len(piece)


class RowsSink(Sink):
    """Sink for the rows of some files in records that go on growing.

    Args:
        records: The shared file; its owner closes it.

    Attributes:
        rows: Where the rows of each source stand.
    """

    needs_rendered = False

    def __init__(self, records: GrowingRecords) -> None:
        self._records = records
        self.rows: dict[str, Rows] = {}

    @property
    def path(self) -> Path:
        """The shared file."""
        return self._records.path

    @property
    def description(self) -> str:
        """The shared file."""
        return str(self._records.path)

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one row behind all others.

        Raises:
            SinkError: It cannot be written.
        """
        begins, ends = self._records.write(frame, explanation, extra)
        first, _ = self.rows.get(frame.source, (begins, ends))
        self.rows[frame.source] = (first, ends)

    def close(self) -> None:
        """Leave the shared file open."""


class MirroredImages(Sink):
    """Sink of one image for each picture, at the picture's place in a folder.

    Args:
        folder: The folder.
        names: Name in the folder of each source, with the folders between.
    """

    def __init__(self, folder: Path, names: Mapping[str, str]) -> None:
        self._folder = folder
        self._names = names

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def description(self) -> str:
        """The folder."""
        return f"{self._folder}{os.sep}"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one image, whole or not at all.

        Raises:
            SinkError: It cannot be written.
        """
        if rendered is None:
            raise ValueError("a picture file needs the drawn picture")
        path = self._folder / self._names[frame.source]
        make_folder(path.parent)
        write_image(path, rendered)

    def close(self) -> None:
        """Do nothing: the images are complete already."""


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it stands in.

    Raises:
        SinkError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise cannot_write("cannot create folder", folder, exc) from exc
