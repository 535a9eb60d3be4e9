"""Partial results on disk: one line for each, so that an interrupted evaluation can go on.

A process that is killed leaves whole lines and at most one torn one, which is cut off. The next run
with the same settings goes on after them; a file of other settings is refused, never overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.evaluate.values import ImageResult, Provenance, SanityStage, UnreadableImage
from live_gradcam.os_errors import cannot_write

_KIND = "live-gradcam partial evaluation"
_IMAGE, _STAGE = "picture", "sanity"


class PartialResults(Closeable):
    """Results so far, in memory and on disk. A context manager; `close` may be called twice.

    Args:
        path: The file; ``None`` keeps results in memory only.
        provenance: All that the results depend on.

    Attributes:
        images: Results of images by their index in the data set.
        stages: Stages of the sanity check by their place.

    Raises:
        UsageError: The file is of other settings, or something else entirely.
        SinkError: It cannot be written.
    """

    def __init__(self, path: Path | None, provenance: Provenance) -> None:
        self.images: dict[int, ImageResult | UnreadableImage] = {}
        self.stages: dict[int, SanityStage] = {}
        self._path = path
        self._measures = provenance.options.measures
        self._head: dict[str, Any] = {"kind": _KIND, "settings": provenance.to_dict()}
        self._descriptor: int | None = None
        if path is None:
            return
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o666)
            size = self._read(path)
            os.ftruncate(self._descriptor, size)
            os.lseek(self._descriptor, size, os.SEEK_SET)
            if size == 0:
                self._write_line(self._head)
        except OSError as exc:
            self.close()
            raise cannot_write("cannot keep partial results", path, exc) from exc
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self.images) + len(self.stages)

    def add_image(self, index: int, result: ImageResult | UnreadableImage) -> None:
        """Keep the result of an image.

        Raises:
            SinkError: It cannot be written.
        """
        self.images[index] = result
        if isinstance(result, ImageResult):
            record = result.to_dict(self._measures)
        else:
            record = asdict(result)
        self._write_result(f"{_IMAGE} {index}", record)

    def add_stage(self, place: int, stage: SanityStage) -> None:
        """Keep a stage of the sanity check.

        Raises:
            SinkError: It cannot be written.
        """
        self.stages[place] = stage
        self._write_result(f"{_STAGE} {place}", asdict(stage))

    def close(self) -> None:
        """Close the file and leave it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write_result(self, key: str, record: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        try:
            self._write_line({"key": key, "result": record})
        except OSError as exc:
            raise cannot_write("cannot keep partial results", self._path, exc) from exc

    def _write_line(self, content: Mapping[str, Any]) -> None:
        assert self._descriptor is not None, "a file that is written is open"
        rest = memoryview(_line(content))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _read(self, path: Path) -> int:
        """Read the whole lines of the file and return the number of their bytes."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if not whole:
            if data and not _line(self._head).startswith(data):
                raise _refusal(path, "it is not a file of partial results")
            return 0
        try:
            lines = [json.loads(line) for line in data[:whole].splitlines()]
            first, rest = lines[0], lines[1:]
            if first.get("kind") != _KIND:
                raise _refusal(path, "it is not a file of partial results")
            _compare(path, first["settings"], self._head["settings"])
            for line in rest:
                self._add_record(line["key"], line["result"])
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            raise _refusal(path, "it is damaged, or not a file of partial results") from exc
        return whole

    def _add_record(self, key: str, record: Mapping[str, Any]) -> None:
        kind, _, number = key.partition(" ")
        if kind == _STAGE:
            self.stages[int(number)] = SanityStage(**record)
        elif kind != _IMAGE:
            raise ValueError(f"there is no {key!r}")
        elif "unreadable" in record:
            self.images[int(number)] = UnreadableImage(**record)
        else:
            self.images[int(number)] = ImageResult.from_dict(record)


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content) + "\n").encode("ascii")


def _refusal(path: Path, cause: str) -> UsageError:
    step = "Delete it, or name another file with --resume"
    return UsageError("cannot go on from partial results", str(path), cause, step)


def _compare(path: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for key in {**ours, **theirs}:
        if theirs.get(key) != ours.get(key):
            then, now = (_shortened(each.get(key)) for each in (theirs, ours))
            cause = f"they are of other settings: {key.replace('_', ' ')} was {then} and is {now}"
            raise _refusal(path, cause)


def _shortened(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
