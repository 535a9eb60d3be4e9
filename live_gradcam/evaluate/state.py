"""What is done already, on disk: one line a picture, good after every line.

A process that is killed leaves whole lines and at most one torn one, which is cut off. The next run
with the same settings goes on after them; a file of other settings is refused, never overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from live_gradcam.errors import UsageError
from live_gradcam.os_errors import cannot_write

_KIND = "live-gradcam partial evaluation"


class State:
    """Results so far. A context manager; `close` may be called twice.

    Args:
        path: The file; ``None`` keeps nothing.
        settings: All that the results depend on, ready for JSON.

    Raises:
        UsageError: The file is of other settings, or something else entirely.
        SinkError: It cannot be written.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        self._descriptor: int | None = None
        if path is None:
            return
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o666)
            size = self._read(path, dict(settings))
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)
            if size == 0:
                self._put({"kind": _KIND, "settings": dict(settings)})
        except OSError as exc:
            self.close()
            raise cannot_write("cannot keep partial results", path, exc) from exc
        except BaseException:
            self.close()
            raise

    def add(self, key: str, result: dict[str, Any]) -> None:
        """Keep one result.

        Args:
            key: What it is the result of; unique.
            result: Ready for JSON.

        Raises:
            SinkError: It cannot be written.
        """
        self.done[key] = result
        if self._descriptor is not None and self.path is not None:
            try:
                self._put({"key": key, "result": result})
            except OSError as exc:
                raise cannot_write("cannot keep partial results", self.path, exc) from exc

    def close(self) -> None:
        """Close the file and leave it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Close the file and delete it: what it held stands elsewhere."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, content: Mapping[str, Any]) -> None:
        assert self._descriptor is not None, "checked by the callers"
        rest = memoryview((json.dumps(content) + "\n").encode("ascii"))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _read(self, path: Path, settings: dict[str, Any]) -> int:
        """Take in the whole lines of the file; how many bytes they are."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if not whole:
            if data and not _head(settings).startswith(data):
                raise _not_ours(path, "it is not a file of partial results")
            return 0
        try:
            lines = [json.loads(line) for line in data[:whole].splitlines()]
            first, rest = lines[0], lines[1:]
            if first.get("kind") != _KIND:
                raise _not_ours(path, "it is not a file of partial results")
            _compare(path, first["settings"], json.loads(json.dumps(settings)))
            self.done = {line["key"]: line["result"] for line in rest}
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise _not_ours(path, "it is damaged, or not a file of partial results") from exc
        return whole


def _head(settings: dict[str, Any]) -> bytes:
    return json.dumps({"kind": _KIND, "settings": settings}).encode("ascii")


def _not_ours(path: Path, cause: str) -> UsageError:
    step = "Delete it, or name another file with --resume"
    return UsageError("cannot go on from partial results", str(path), cause, step)


def _compare(path: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for key in {**ours, **theirs}:
        if theirs.get(key) != ours.get(key):
            then, now = (_shown(each.get(key)) for each in (theirs, ours))
            cause = f"they are of other settings: {key.replace('_', ' ')} was {then} and is {now}"
            raise _not_ours(path, cause)


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
