"""The outputs of a session: sinks, recordings that begin and end at will, snapshots."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from typing_extensions import Self, override

from live_gradcam.closeable import Closeable
from live_gradcam.errors import SinkError
from live_gradcam.lifecycle import StopToken
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import write_image
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.records import record
from live_gradcam.show.sink import Sink, closing_sinks
from live_gradcam.timing import StageClock
from live_gradcam.values import Explanation, Frame, Image, SourceInfo
from live_gradcam.workers import Channel, ChannelAborted, WorkerGroup

_WRITE_BEHIND_FRAMES = 8
_FINISH_SECONDS = 60.0
_NAME = "live-gradcam"

_Written: TypeAlias = (
    "tuple[Frame, Image | None, Sequence[Explanation], Sequence[Mapping[str, Any]]]"
)


class Writer(Closeable):
    """Writes every frame to sinks in a thread of its own, in order and without loss.

    A context manager: the thread runs inside it, and the end finalises the sinks.

    Args:
        sinks: Closed at the end in every case.
        clock: Collects the duration for each frame, under ``write``.
        stop: Where it asks for the end, what waits is written to none of the sinks.
    """

    def __init__(
        self, sinks: Sequence[Sink], clock: StageClock, stop: StopToken | None = None
    ) -> None:
        self._stop = stop or StopToken()
        self._sinks = sinks
        self._clock = clock
        self._items: Channel[_Written] = Channel(_WRITE_BEHIND_FRAMES)
        self._workers = WorkerGroup("live", self._items.abort)

    @property
    def needs_rendered(self) -> bool:
        """True if any sink wants the rendered image."""
        return any(sink.needs_rendered for sink in self._sinks)

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanations: Sequence[Explanation],
        extras: Sequence[Mapping[str, Any]],
    ) -> None:
        """Hand over one frame with the explanations of its parts, waiting for room.

        Raises:
            SinkError: An output failed.
        """
        if not self._sinks:
            return
        try:
            self._items.put((frame, rendered, explanations, extras))
        except ChannelAborted:
            self._workers.reraise()

    def close(self) -> None:
        """Write what waits, then finalise.

        Raises:
            SinkError: An output failed; all the others are finalised.
        """
        with closing_sinks(self._sinks):
            self._items.close()
            self._workers.join()
            self._stop.be_patient()
            self._workers.reraise()
        self._stop.be_patient(0)

    @override
    def __enter__(self) -> Self:
        if self._sinks:
            self._workers.start("write", self._write_items)
        return self

    def _write_items(self) -> None:
        for written in self._items:
            if self._stop.requested:
                self._items.abort()
                return
            began = time.perf_counter()
            self._stop.be_patient()
            for sink in self._sinks:
                sink.write_parts(*written)
            self._stop.be_patient(0)
            self._clock.add("write", (time.perf_counter() - began) * 1000.0)


class Recording:
    """A video of what is shown, encoded in a thread of its own. It never holds the session up.

    Args:
        path: The file; may be there, empty.
        info: Where the frames come from.

    Raises:
        SinkError: The file cannot be created.
    """

    def __init__(self, path: Path, info: SourceInfo) -> None:
        # Sound cannot follow a recording that begins and ends at will.
        self._sink = VideoSink(path, replace(info, path=None))
        self._path = path
        self._items: queue.Queue[tuple[Frame, Image, Explanation] | None] = queue.Queue(
            _WRITE_BEHIND_FRAMES
        )
        self._left_out = 0
        self._workers = WorkerGroup("recording", lambda: None)

    @property
    def seconds(self) -> float:
        """Length of what is in the file."""
        return self._sink.seconds

    @property
    def failed(self) -> bool:
        """True if it ended by itself; `finish` says why."""
        return not self._workers.alive

    def start(self) -> None:
        """Start the thread that encodes."""
        self._workers.start("encode", self._encode)

    def write(self, frame: Frame, rendered: Image, explanation: Explanation) -> None:
        """Hand over one shown frame; left out where the encoder is too slow for it."""
        try:
            self._items.put_nowait((frame, rendered, explanation))
        except queue.Full:
            self._left_out += 1

    def finish(self) -> str:
        """Finalise the file.

        Returns:
            A description of what was recorded, in a few words.

        Raises:
            SinkError: The recording failed; the message says what is left of it.
        """
        while self._workers.alive:
            try:
                self._items.put(None, timeout=0.1)
                break
            except queue.Full:
                continue
        if not self._workers.join(_FINISH_SECONDS):
            raise SinkError("cannot finish recording", str(self._path), "the encoder hangs")
        self._workers.reraise()
        if not self._path.stat().st_size:
            self._path.unlink()
        left_out = f", {self._left_out} frames left out" if self._left_out else ""
        return f"recorded {self._sink.description}{left_out}"

    def _encode(self) -> None:
        with self._sink as sink:
            while (item := self._items.get()) is not None:
                sink.write(*item)


def fresh_paths(
    folder: Path, suffixes: Sequence[str], *, now: Callable[[], datetime] = datetime.now
) -> tuple[Path, ...]:
    """Create files that are named after the time of day, one for each suffix.

    Each file is made, empty, so that nobody else can take its name.

    Raises:
        SinkError: No file can be made there.
    """
    stem = f"{_NAME}-{now():%Y%m%d-%H%M%S}"
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        paths = tuple(folder / f"{name}{suffix}" for suffix in suffixes)
        try:
            for path in paths:
                path.open("xb").close()
        except FileExistsError:
            number += 1
        except OSError as exc:
            raise cannot_write("cannot create file", paths[0], exc) from exc
        else:
            return paths


def save_snapshot(
    folder: Path,
    frame: Frame,
    rendered: Image,
    explanations: Sequence[Explanation],
    extras: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the rendered image as PNG and its record as JSON; a list of them for several parts.

    Returns:
        The image's path; the record has the same name.

    Raises:
        SinkError: They cannot be written.
    """
    path, record_path = fresh_paths(folder, (".png", ".json"))
    write_image(path, rendered)
    records = [
        record(frame, explanation, extra=extra)
        for explanation, extra in zip(explanations, extras, strict=True)
    ]
    content = records if len(records) > 1 else records[0]
    text = json.dumps(content, ensure_ascii=False, indent=2)
    try:
        record_path.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        raise cannot_write("cannot write record", record_path, exc) from exc
    return path


def describe_failure(error: Exception) -> str:
    """Describe an error in one short sentence, for the screen."""
    if isinstance(error, SinkError):
        return f"{error.what}: {error.cause}"
    return str(error)
