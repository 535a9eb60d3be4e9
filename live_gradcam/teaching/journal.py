"""A journal of what was taught: nothing that was shown is lost by a crash.

Every frame's features are appended as soon as they are there, behind a head that says what they
are; a checksum closes each entry. What a killed process has written is whole up to its last entry;
a torn one at the end is cut off when the journal is opened again. What moves in a burst is found
some time after it has ended: of the last burst before a kill it may be unknown.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import sys
import threading
import zlib
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.os_errors import cannot_write
from live_gradcam.teaching.examples import Burst, Examples, Moving
from live_gradcam.values import Image
from live_gradcam.wording import did_you_mean

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_MAGIC = b"live-gradcam teaching journal 1\n"
_HEAD = struct.Struct("<II")
_SUM = struct.Struct("<I")
_LARGEST = 1 << 28
# A file of which not even the first entry is whole, and no larger than this, holds nothing yet.
_FIRST = 1 << 14
# Where a lock stands on Windows, which keeps what is locked from being read.
_FAR = 1 << 40
_KEEP, _RESUME = "cannot keep a journal", "cannot go on with the journal"
_NEXT = "Go on with --resume, or delete it"
_MOVING = ("maps", "share", "covered", "wall")

_Entry = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Journal(Closeable):
    """Appends what happens in a session to a file. Safe to use from many threads.

    What is appended is the system's at once, whatever becomes of this process; `sync` waits until
    it is on the disk. Where it cannot be written any more, `trouble` says why, and nothing else
    happens: whoever teaches goes on.

    Args:
        path: The file.
        network: Name of the network that is taught.
        trunk: SHA-256 of its trunk's numbers.
        settings: What features depend on beside the trunk, see `FeatureExtractor.settings`.
        resume: Go on from what the file holds; else there must be none yet.

    Attributes:
        path: The file.
        examples: What the file held when it was opened; frames of a burst that was never ended are
            a burst, too.
        trouble: Why nothing more is kept, as a sentence; empty while it is.

    Raises:
        SourceError: There is no journal to go on with, or it is damaged.
        UsageError: There is a journal already, it is of another network or other settings, or
            another process is at it.
        SinkError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        network: str,
        trunk: str,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self.path = path
        self.examples = Examples()
        self.trouble = ""
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._length = 0
        self._is_on_disk = True
        # As it comes back from the file: with lists for tuples.
        settings = json.loads(json.dumps(dict(settings or {})))
        session = {"network": network, "trunk": trunk, "settings": settings}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open(path, resume=resume)
            torn = self._go_on(session) if resume else None
            self._file.truncate(self._length)
            self._file.seek(self._length)
            if not self._length:
                self._write(_MAGIC + _packed({"kind": "session", **session}, {}))
        except OSError as exc:
            self.close()
            raise cannot_write(_KEEP, path, exc) from exc
        except BaseException:
            self.close()
            raise
        if torn is not None:  # what is shown from now on is another burst
            self.end_burst(torn)

    def add_class(self, label: str) -> None:
        """Note a class, which need not have examples yet."""
        self._append({"kind": "class", "label": label}, {})

    def rename_class(self, label: str, name: str) -> None:
        """Note that a class has another name from now on."""
        self._append({"kind": "rename", "label": label, "name": name}, {})

    def remove_class(self, label: str) -> None:
        """Note that a class was taken back, with all of its examples."""
        self._append({"kind": "remove", "label": label}, {})

    def add_frame(self, label: str, features: NDArray[np.float32]) -> None:
        """Note the features ``(C,)`` of one frame of the burst that is being shown."""
        self._append({"kind": "frame", "label": label}, {"features": features})

    def end_burst(
        self, name: str = "", moving: Moving | None = None, thumbnail: Image | None = None
    ) -> None:
        """Note that the frames since the last burst are one, see `Burst`."""
        arrays: dict[str, NDArray[Any]] = {}
        if moving is not None:
            arrays = {each: getattr(moving, each) for each in _MOVING}
        if thumbnail is not None:
            arrays["thumbnail"] = thumbnail
        self._append({"kind": "end", "name": name}, arrays)

    def add_moving(self, name: str, moving: Moving) -> None:
        """Note what moves in a burst that has ended."""
        arrays = {each: getattr(moving, each) for each in _MOVING}
        self._append({"kind": "moving", "name": name}, arrays)

    def add_burst(self, burst: Burst) -> None:
        """Note a whole burst."""
        for each in burst.features:
            self.add_frame(burst.label, each)
        self.end_burst(burst.name, burst.moving, burst.thumbnail)

    def undo(self, label: str | None = None) -> None:
        """Note that the last burst was taken back, of a class or of all."""
        self._append({"kind": "undo", "label": label}, {})

    def sync(self) -> None:
        """Wait until everything is on the disk; not for a thread that must not wait."""
        with self._lock:
            if self._file is None or self._is_on_disk:
                return
            self._is_on_disk = True
            # Frames are appended meanwhile, and the file may be closed.
            descriptor = os.dup(self._file.fileno())
        try:
            os.fsync(descriptor)
        except OSError as exc:
            self._fail(exc)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def remove(self) -> None:
        """Close the file and remove it: all that it held is saved elsewhere.

        Raises:
            SinkError: It cannot be removed.
        """
        self.close()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as exc:
            raise cannot_write("cannot remove the journal", self.path, exc) from exc

    def _append(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        entry = _packed(facts, arrays)
        with self._lock:
            if self._file is None or self.trouble:
                return
            try:
                self._write(entry)
            except OSError as exc:
                with contextlib.suppress(OSError):  # a torn entry would be cut off when it is read
                    self._file.truncate(self._length)
                self._fail(exc)

    def _write(self, entry: bytes) -> None:
        assert self._file is not None, "it is open"
        rest = memoryview(entry)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._length += len(entry)
        self._is_on_disk = False

    def _fail(self, exc: OSError) -> None:
        cause = cannot_write(_KEEP, self.path, exc).cause
        self.trouble = self.trouble or f"nothing more is kept in {self.path}: {cause}"

    def _go_on(self, session: Mapping[str, Any]) -> str | None:
        """Read what the file holds; return the name of a burst that was never ended."""
        assert self._file is not None, "it is open"
        data = self._file.read()
        if data[: len(_MAGIC)] != _MAGIC[: len(data)]:
            raise SourceError(_RESUME, str(self.path), "it is no journal of a teaching session")
        try:
            entries, self._length = _read(data)
            if not entries:
                if len(data) > _FIRST:
                    raise SourceError(_RESUME, str(self.path), "its beginning is damaged")
                self._length = 0  # it ended in its first moment
                return None
            self._compare(entries[0][0], session)
            self.examples, torn = _replay(entries[1:])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
            raise SourceError(_RESUME, str(self.path), "it is damaged") from exc
        return torn

    def _compare(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        if theirs["trunk"] != ours["trunk"]:
            known, here = theirs["network"], ours["network"]
            cause = f"it was begun with {known}, whose trunk is not that of this {here}"
            if known == here:
                cause = f"it was begun with other weights, or at another layer, of {known}"
            raise UsageError(_RESUME, str(self.path), cause, "Name what it was begun with")
        then, now = theirs["settings"], ours["settings"]
        for name in {**then, **now}:
            if then.get(name) != now.get(name):
                cause = (
                    f"it was begun with another {name}, {then.get(name)} and not {now.get(name)}"
                )
                step = "Give the same, or begin another journal"
                raise UsageError(_RESUME, str(self.path), cause, step)


def _open(path: Path, *, resume: bool) -> FileIO:
    """Open a journal, and keep others away while this process lives.

    Raises:
        SourceError: There is none to go on with.
        UsageError: There is one already, or another process is at it.
        OSError: It cannot be opened.
    """
    try:
        file = path.open("r+b" if resume else "x+b", buffering=0)
    except FileNotFoundError as exc:
        if not resume:
            raise
        near = did_you_mean(path.name, [each.name for each in path.parent.glob(f"*{path.suffix}")])
        raise SourceError(_RESUME, str(path), "there is no such file", near) from exc
    except FileExistsError as exc:
        with path.open("rb", buffering=0) as there:
            _lock(there, path)
            cause = "it exists"
            if there.read(len(_MAGIC)) == _MAGIC:
                cause = "it holds a session that was not ended"
        raise UsageError(_KEEP, str(path), cause, _NEXT) from exc
    try:
        _lock(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _lock(file: FileIO, path: Path) -> None:
    """Keep others away from a file until it is closed; where the system cannot, trust them."""
    try:
        if sys.platform == "win32":
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            cause = "another live-gradcam is at it"
            raise UsageError(_KEEP, str(path), cause, "End that one, or name another") from exc


def _packed(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    shapes = {name: [each.dtype.str, list(each.shape)] for name, each in arrays.items()}
    head = json.dumps({**facts, "arrays": shapes}, ensure_ascii=False).encode()
    body = b"".join(np.ascontiguousarray(each).tobytes() for each in arrays.values())
    entry = _HEAD.pack(len(head), len(body)) + head + body
    return entry + _SUM.pack(zlib.crc32(entry))


def _read(data: bytes) -> tuple[list[_Entry], int]:
    """Return the whole entries of a journal, and the length of the file up to the last of them."""
    entries: list[_Entry] = []
    at = len(_MAGIC)
    while (found := _entry(data, at)) is not None:
        entry, at = found
        entries.append(entry)
    return entries, at


def _entry(data: bytes, at: int) -> tuple[_Entry, int] | None:
    """Return the entry at a place and the place behind it; ``None`` where none is whole."""
    if at + _HEAD.size > len(data):
        return None
    head, body = _HEAD.unpack_from(data, at)
    middle = at + _HEAD.size + head
    end = middle + body
    if max(head, body) > _LARGEST or end + _SUM.size > len(data):
        return None
    if _SUM.unpack_from(data, end)[0] != zlib.crc32(data[at:end]):
        return None
    facts = json.loads(data[at + _HEAD.size : middle])
    arrays = {}
    for name, (kind, shape) in facts.pop("arrays").items():
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, np.dtype(kind), count, middle).reshape(shape).copy()
        middle += arrays[name].nbytes
    return (facts, arrays), end + _SUM.size


def _replay(entries: Sequence[_Entry]) -> tuple[Examples, str | None]:
    """Return the examples that entries make, and the name of a burst that was never ended."""
    examples = Examples()
    frames: list[NDArray[np.float32]] = []
    label = ""

    def finished(name: str, arrays: Mapping[str, NDArray[Any]] | None = None) -> Examples:
        if not frames:
            return examples
        kept = arrays or {}
        burst = Burst(label, np.stack(frames), name, _moving(kept), kept.get("thumbnail"))
        frames.clear()
        return examples.with_burst(burst)

    for facts, arrays in entries:
        kind = facts["kind"]
        if kind == "frame":
            if facts["label"] != label:
                examples = finished(_fresh_name(examples))
            label = facts["label"]
            examples = examples.with_class(label)
            frames.append(arrays["features"])
        elif kind == "end":
            examples = finished(facts["name"], arrays)
        elif kind == "moving":
            moving = _moving(arrays)
            assert moving is not None, "it has maps"
            examples = examples.with_moving(facts["name"], moving)
        elif kind == "class":
            examples = examples.with_class(facts["label"])
        elif kind == "rename":
            examples = examples.renamed(facts["label"], facts["name"])
        elif kind == "remove":
            examples = examples.without_class(facts["label"])
        elif kind == "undo":
            examples = finished(_fresh_name(examples)).without_last(facts["label"])
    torn = _fresh_name(examples) if frames else None
    return (examples if torn is None else finished(torn)), torn


def _moving(arrays: Mapping[str, NDArray[Any]]) -> Moving | None:
    if "maps" not in arrays:
        return None
    return Moving(**{name: arrays[name] for name in _MOVING})


def _fresh_name(examples: Examples) -> str:
    names = {each.name for each in examples.bursts}
    number = len(names) + 1
    while f"burst {number}" in names:
        number += 1
    return f"burst {number}"
