"""The ledger of a run over many files: what is done, with which options, and where its rows stand.

One JSON line for each file that is done, written after everything that the file left behind is on
disk. A process that is killed leaves whole lines and at most one torn one, which is cut off; what
it wrote for files without a line is replaced by the next run.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.os_errors import cannot_write

_KIND = "live-gradcam ledger"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is done.

    Attributes:
        name: Of the file, among all files of the run.
        size: Of the file in bytes; ``None`` where it was not there.
        mtime_ns: Time of its last change; ``None`` where it was not there.
        error: Why it could not be explained, or not to its end; empty where it could.
        frames: Number of frames that were explained.
        seconds: Time that it took.
        output: Its name in folders of outputs.
        rows: First byte and last + 1 of its rows in each file of records.
    """

    name: str
    size: int | None
    mtime_ns: int | None
    error: str = ""
    frames: int = 0
    seconds: float = 0.0
    output: str = ""
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def stamp(path: Path) -> tuple[int | None, int | None]:
    """Return a file's size and the time of its last change; ``None`` twice if it is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None, None
    return status.st_size, status.st_mtime_ns


class Ledger(Closeable):
    """The files that are done, in memory and on disk. A context manager.

    Args:
        path: The file; made where there is none.
        options: All that results depend on, by the names that users know.

    Attributes:
        entries: The newest entry of each file, by its name.
        replacements: How often all entries were replaced, see `replace`.

    Raises:
        UsageError: It is of other options, in use by another run, or no ledger at all.
        SinkError: It cannot be written.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.entries: dict[str, Entry] = {}
        self._path = path
        self._options: Mapping[str, Any] = json.loads(json.dumps(options))
        self.replacements = 0
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor: int | None = os.open(path, flags, 0o666)
        except OSError as exc:
            raise cannot_write("cannot keep the ledger", path, exc) from exc
        try:
            self._lock()
            size = self._read()
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)
            if size == 0:
                self._append([self._head()])
        except OSError as exc:
            self.close()
            raise cannot_write("cannot keep the ledger", path, exc) from exc
        except BaseException:
            self.close()
            raise

    def is_done(self, name: str, path: Path) -> bool:
        """Return whether a file is done, as it is now; one that was not there never is."""
        entry = self.entries.get(name)
        return entry is not None and entry.size is not None and is_of(entry, path)

    def add(self, entries: Iterable[Entry]) -> None:
        """Note files that are done, and whose outputs are on disk.

        Raises:
            SinkError: It cannot be written.
        """
        added = list(entries)
        self.entries.update({entry.name: entry for entry in added})
        try:
            self._append([asdict(entry) for entry in added])
        except OSError as exc:
            raise cannot_write("cannot keep the ledger", self._path, exc) from exc

    def replace(self, entries: Iterable[Entry]) -> None:
        """Keep these entries and no others; the old ledger stays until the new one is whole.

        A file of records that was written anew for these entries is named after the number of
        replacements, and takes its place only afterwards: a process that is killed in between has
        left a file with the ledger's number, which is whole, or with a higher one, which counts for
        nothing.

        Raises:
            SinkError: It cannot be written.
        """
        kept = {entry.name: entry for entry in entries}
        self.replacements += 1
        lines = [self._head(), *(asdict(entry) for entry in kept.values())]
        try:
            assert self._descriptor is not None, "it is open"
            beside = self._path.with_name(f".{self._path.name}.part")
            with beside.open("wb") as file:
                file.writelines(map(_line, lines))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            descriptor = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            os.close(self._descriptor)
            self._descriptor = descriptor
            self._lock()
            os.lseek(descriptor, 0, os.SEEK_END)
        except OSError as exc:
            raise cannot_write("cannot keep the ledger", self._path, exc) from exc
        self.entries = kept

    def close(self) -> None:
        """Close the file and leave it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _head(self) -> dict[str, Any]:
        content = {"kind": _KIND, "format": _FORMAT, "options": self._options}
        return {**content, "replacements": self.replacements}

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        assert self._descriptor is not None, "a ledger that is written is open"
        rest = memoryview(b"".join(map(_line, lines)))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def _lock(self) -> None:
        """Keep others away while this process lives; where the system cannot, trust them."""
        assert self._descriptor is not None, "it is open"
        with contextlib.suppress(ImportError):
            import fcntl  # not there on Windows

            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                step = "Wait for it, or end it"
                raise UsageError(
                    "cannot go on", str(self._path), "another run is at it", step
                ) from exc

    def _read(self) -> int:
        """Read the whole lines of the file and return the number of their bytes."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if not whole:
            if data and not _line(self._head()).startswith(data):
                raise self._refusal("it is no ledger")
            return 0
        try:
            first, *rest = (json.loads(line) for line in data[:whole].splitlines())
            if first.get("kind") != _KIND:
                raise self._refusal("it is no ledger")
            if first["format"] > _FORMAT:
                raise self._refusal("it is of a newer version")
            self._compare(first["options"])
            self.replacements = first["replacements"]
            for record in rest:
                rows = {name: (first, last) for name, (first, last) in record.pop("rows").items()}
                entry = Entry(**record, rows=rows)
                self.entries[entry.name] = entry
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise self._refusal("it is damaged, or no ledger") from exc
        return whole

    def _compare(self, theirs: Mapping[str, Any]) -> None:
        ours = self._options
        for key in {**ours, **theirs}:
            if theirs.get(key) != ours.get(key):
                then, now = (_shortened(each.get(key)) for each in (theirs, ours))
                raise self._refusal(f"it was begun with other options: {key} was {then}, is {now}")

    def _refusal(self, cause: str) -> UsageError:
        step = "Give the same options, name another output, or delete it to begin again"
        return UsageError("cannot go on", str(self._path), cause, step)


def is_of(entry: Entry, path: Path) -> bool:
    """Return whether an entry is of a file as it is now."""
    return (entry.size, entry.mtime_ns) == stamp(path)


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content) + "\n").encode("ascii")


def _shortened(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
