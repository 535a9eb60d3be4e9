"""What a session leaves behind: its outputs, recordings that begin and end at will, snapshots."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from live_gradcam.errors import SinkError
from live_gradcam.os_errors import cannot_write
from live_gradcam.session.errand import Errand
from live_gradcam.show.images import write_image
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.records import RecordSink, record
from live_gradcam.show.sink import Sink
from live_gradcam.timing import StageClock
from live_gradcam.values import Explanation, Frame, Image, SourceInfo
from live_gradcam.workers import Channel, ChannelAborted, WorkerGroup

_WRITE_BEHIND_FRAMES = 8
_NAME = "live-gradcam"


class Writer:
    """Writes every frame to sinks beside the session, in order and without loss.

    Args:
        sinks: Closed, and thereby finalised, by `close`.
        clock: Told how long each frame took, under ``write``.
    """

    def __init__(self, sinks: Sequence[Sink], clock: StageClock) -> None:
        self._sinks = sinks
        self._clock = clock
        self._items: Channel[tuple[Frame, Image | None, Explanation, Mapping[str, Any]]] = Channel(
            _WRITE_BEHIND_FRAMES
        )
        self._workers = WorkerGroup("live", self._items.abort)
        if sinks:
            self._workers.start("write", self._write)

    @property
    def needs_picture(self) -> bool:
        """Whether any sink wants the drawn picture."""
        return any(sink.needs_rendered for sink in self._sinks)

    def write(
        self,
        frame: Frame,
        picture: Image | None,
        explanation: Explanation,
        extra: Mapping[str, Any],
    ) -> None:
        """Hand over one frame, waiting for room.

        Raises:
            SinkError: An output failed.
        """
        if not self._sinks:
            return
        try:
            self._items.put((frame, picture, explanation, extra))
        except ChannelAborted:
            self._workers.reraise()

    def close(self) -> None:
        """Write what waits, then finalise.

        Raises:
            SinkError: An output failed; all the others are finalised.
        """
        self._items.close()
        self._workers.join()
        failure: Exception | None = None
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # the other outputs come first
                failure = failure or error
        self._workers.reraise()
        if failure is not None:
            raise failure

    def close_quietly(self) -> None:
        """Finalise while another exception is on its way: that one is to be reported."""
        try:
            self.close()
        except Exception:
            return

    def _write(self) -> None:
        for frame, picture, explanation, extra in self._items:
            began = time.perf_counter()
            for sink in self._sinks:
                if isinstance(sink, RecordSink):
                    sink.write(frame, picture, explanation, extra=extra)
                else:
                    sink.write(frame, picture, explanation)
            self._clock.add("write", (time.perf_counter() - began) * 1000.0)


class Recording:
    """A video of what is shown, encoded in a thread of its own. It never holds the show up.

    Args:
        path: The file; must not exist.
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
        self._errand: Errand[None] = Errand("recording", self._encode)

    @property
    def seconds(self) -> float:
        """Length of what is in the file."""
        return self._sink.seconds

    @property
    def failed(self) -> bool:
        """Whether it ended by itself; `finish` says why."""
        return self._errand.done

    def write(self, frame: Frame, picture: Image, explanation: Explanation) -> None:
        """Hand over one shown frame; left out where the encoder is too slow for it."""
        try:
            self._items.put_nowait((frame, picture, explanation))
        except queue.Full:
            self._left_out += 1

    def finish(self) -> str:
        """Finalise the file.

        Returns:
            What was recorded, in a few words.

        Raises:
            SinkError: The recording failed; the message says what is left of it.
        """
        while self._errand.join(0.0) is False:
            try:
                self._items.put(None, timeout=0.1)
                break
            except queue.Full:
                continue
        self._errand.join(timeout_seconds=60.0)
        self._errand.result()
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
    """Names with the time of day that no file has yet, one for each suffix.

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
    picture: Image,
    explanation: Explanation,
    extra: Mapping[str, Any],
) -> Path:
    """Write the picture as PNG and its record as JSON.

    Returns:
        The picture's path; the record has the same name.

    Raises:
        SinkError: They cannot be written.
    """
    path, record_path = fresh_paths(folder, (".png", ".json"))
    write_image(path, picture)
    text = json.dumps(record(frame, explanation, extra=extra), ensure_ascii=False, indent=2)
    try:
        record_path.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        raise cannot_write("cannot write record", record_path, exc) from exc
    return path


def failure_words(error: Exception) -> str:
    """An error for the picture: one short sentence."""
    if isinstance(error, SinkError):
        return f"{error.what}: {error.cause}"
    return str(error)
