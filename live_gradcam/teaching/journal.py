"""A journal of what was taught: nothing is lost by a crash.

Every frame's features are appended as soon as they are there, behind a head that says what they
are; a checksum closes each entry. What a killed process has written is whole up to its last entry;
a torn one at the end is cut off when the journal is opened again.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.os_errors import cannot_write
from live_gradcam.teaching.examples import Burst, Examples, Moving
from live_gradcam.wording import did_you_mean

_MAGIC = b"live-gradcam teaching journal 1\n"
_HEAD = struct.Struct("<II")
_SUM = struct.Struct("<I")
_LARGEST = 1 << 28
_WHAT = "cannot go on with the journal"

_Entry = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Journal(Closeable):
    """Appends what happens in a session to a file. Safe to use from many threads.

    Args:
        path: The file.
        network: Name of the network that is taught.
        trunk: SHA-256 of its trunk's numbers.
        resume: Go on from what the file holds; else it begins anew.

    Attributes:
        examples: What the file held when it was opened; frames of a burst that was never ended are
            a burst, too.

    Raises:
        SourceError: There is no journal to go on with, or it is one of another network.
        SinkError: The file cannot be written.
    """

    def __init__(self, path: Path, *, network: str, trunk: str, resume: bool = False) -> None:
        self.path = path
        self.examples = Examples()
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        length = 0
        if resume:
            entries, length = _read(path)
            self.examples = _replay(path, entries, network, trunk)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if resume else "wb")
            self._file.truncate(length)
            self._file.seek(length)
            if not resume:
                self._file.write(_MAGIC)
                self._append({"kind": "session", "network": network, "trunk": trunk}, {})
        except OSError as exc:
            self.close()
            raise cannot_write("cannot keep a journal", path, exc) from exc

    def add_class(self, label: str) -> None:
        """Note a class, which need not have examples yet."""
        self._append({"kind": "class", "label": label}, {})

    def add_frame(self, label: str, features: NDArray[np.float32]) -> None:
        """Note the features ``(C,)`` of one frame of the burst that is being shown."""
        self._append({"kind": "frame", "label": label}, {"features": features})

    def end_burst(self, name: str = "", moving: Moving | None = None) -> None:
        """Note that the frames since the last burst are one."""
        arrays: dict[str, NDArray[Any]] = {}
        if moving is not None:
            arrays = {each: getattr(moving, each) for each in _MOVING}
        self._append({"kind": "end", "name": name}, arrays)

    def add_moving(self, name: str, moving: Moving) -> None:
        """Note what moves in a burst that has ended."""
        arrays = {each: getattr(moving, each) for each in _MOVING}
        self._append({"kind": "moving", "name": name}, arrays)

    def add_burst(self, burst: Burst) -> None:
        """Note a whole burst."""
        for each in burst.features:
            self.add_frame(burst.label, each)
        self.end_burst(burst.name, burst.moving)

    def undo(self, label: str | None = None) -> None:
        """Note that the last burst was taken back, of a class or of all."""
        self._append({"kind": "undo", "label": label}, {})

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def remove(self) -> None:
        """Close the file and remove it: all that it held is saved elsewhere."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        shapes = {name: [each.dtype.str, list(each.shape)] for name, each in arrays.items()}
        head = json.dumps({**facts, "arrays": shapes}, ensure_ascii=False).encode()
        body = b"".join(np.ascontiguousarray(each).tobytes() for each in arrays.values())
        entry = _HEAD.pack(len(head), len(body)) + head + body
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(entry + _SUM.pack(zlib.crc32(entry)))
                self._file.flush()  # the system has it now, whatever becomes of this process
                if facts["kind"] != "frame":
                    os.fsync(self._file.fileno())
            except OSError as exc:
                raise cannot_write("cannot keep a journal", self.path, exc) from exc


_MOVING = ("maps", "share", "covered", "wall")


def _read(path: Path) -> tuple[list[_Entry], int]:
    """Return the whole entries of a journal, and the length of the file up to the last of them."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        near = did_you_mean(path.name, [each.name for each in _beside(path)])
        raise SourceError(_WHAT, str(path), "there is no such file", near) from exc
    except OSError as exc:
        raise SourceError(_WHAT, str(path), exc.strerror or str(exc)) from exc
    if not data.startswith(_MAGIC):
        raise SourceError(_WHAT, str(path), "it is no journal of a teaching session")
    entries: list[_Entry] = []
    at = len(_MAGIC)
    while (found := _entry(data, at)) is not None:
        entry, at = found
        entries.append(entry)
    return entries, at


def _beside(path: Path) -> Iterator[Path]:
    return path.parent.glob(f"*{path.suffix}") if path.parent.is_dir() else iter(())


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


def _replay(path: Path, entries: list[_Entry], network: str, trunk: str) -> Examples:
    """Return the examples that a journal's entries make."""
    session = entries[0][0] if entries else {}
    if session.get("trunk") != trunk:
        known = session.get("network", "another network")
        cause = f"it is of {known}, whose trunk is not that of this {network}"
        raise UsageError(_WHAT, str(path), cause, "Name the network that it was begun with")
    examples = Examples()
    frames: list[NDArray[np.float32]] = []
    label = ""

    def finished(name: str = "", moving: Moving | None = None) -> Examples:
        if not frames:
            return examples
        burst = Burst(label, np.stack(frames), name, moving)
        frames.clear()
        return examples.with_burst(burst)

    for facts, arrays in entries[1:]:
        kind = facts["kind"]
        if kind == "frame":
            if facts["label"] != label:
                examples = finished()
            label = facts["label"]
            examples = examples.with_class(label)
            frames.append(arrays["features"])
        elif kind == "end":
            moving = Moving(**arrays) if arrays else None
            examples = finished(facts["name"], moving)
        elif kind == "moving":
            examples = examples.with_moving(facts["name"], Moving(**arrays))
        elif kind == "class":
            examples = examples.with_class(facts["label"])
        elif kind == "undo":
            examples = finished().without_last(facts["label"])
    return finished()
