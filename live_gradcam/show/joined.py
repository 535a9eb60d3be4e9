"""Outputs that several sources share: their frames follow each other in number and in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

_FALLBACK_STEP_SECONDS = 0.04


class JoinedClock:
    """Number and time of frames of sources that follow each other.

    The first frame of a source comes as long after the last one before it as that came after its
    own predecessor.
    """

    def __init__(self) -> None:
        self._first_index = 0
        self._offset_seconds = 0.0
        self._next_index = 0
        self._last_seconds: float | None = None
        self._step_seconds = _FALLBACK_STEP_SECONDS
        self._nominal_step = _FALLBACK_STEP_SECONDS
        self._source_begins = False

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return self._next_index

    def next_source(self, fps: float | None) -> None:
        """Begin the next source.

        Args:
            fps: Its nominal rate in frames per second, where it is known.
        """
        self._first_index = self._next_index
        self._source_begins = True
        self._nominal_step = 1 / fps if fps else _FALLBACK_STEP_SECONDS

    def place(self, frame: Frame) -> Frame:
        """Return a source's frame as the one of the whole; the same for every output."""
        if self._source_begins:
            self._source_begins = False
            begins = 0.0
            if self._last_seconds is not None:
                begins = self._last_seconds + self._step_seconds
            self._offset_seconds = begins - frame.pts_seconds
            self._step_seconds = self._nominal_step
        index = self._first_index + frame.index
        seconds = frame.pts_seconds + self._offset_seconds
        if index >= self._next_index:
            if self._last_seconds is not None and index > self._first_index:
                self._step_seconds = seconds - self._last_seconds
            self._next_index = index + 1
            self._last_seconds = seconds
        return replace(
            frame,
            index=index,
            pts_seconds=seconds,
            start_seconds=frame.start_seconds - self._offset_seconds,
        )


class JoinedSink(Sink):
    """Sink for one of several sources that goes on in a shared one, which stays open.

    Args:
        sink: The shared output; its owner closes it.
        clock: Of the whole; ``None`` leaves frames the number and time they have.
        rename: Makes of a frame's name the one in the whole.
    """

    def __init__(
        self,
        sink: Sink,
        clock: JoinedClock | None,
        rename: Callable[[str], str] = str,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._rename = rename
        self.needs_rendered = sink.needs_rendered

    @property
    def path(self) -> Path | None:
        """The shared file."""
        return self._sink.path

    @property
    def description(self) -> str:
        """The shared output."""
        return self._sink.description

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one frame behind those of the sources before.

        Raises:
            SinkError: The shared output failed.
        """
        self.write_parts(frame, rendered, [explanation], [extra])

    @override
    def write_parts(
        self,
        frame: Frame,
        rendered: Image | None,
        explanations: Sequence[Explanation],
        extras: Sequence[Extra],
    ) -> None:
        placed = self._clock.place(frame) if self._clock is not None else frame
        placed = replace(placed, source=self._rename(placed.source))
        self._sink.write_parts(placed, rendered, explanations, extras)

    def close(self) -> None:
        """Leave the shared output open."""
