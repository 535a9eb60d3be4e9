"""Tasks that a key press starts beside the session: snapshots, recordings, the next camera."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from live_gradcam.capture.source import Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.session.outputs import Recording, describe_failure, fresh_paths, save_snapshot
from live_gradcam.session.request import ExplainedFrame
from live_gradcam.values import Image, SourceInfo
from live_gradcam.workers import release_when_done, run_in_thread

_logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 1.0  # as far as a signal leaves time
_FINISH_SECONDS = 60.0

NextSource = Callable[[], "Source | None"]
"""Opens the next camera; returns ``None`` where there is no other."""


class BackgroundTasks:
    """Runs tasks and reports, in few words, how they went.

    Args:
        folder: Where snapshots and recordings go.
        next_source: Opens the next camera, where there may be one.
        on_notice: Called with what was written, with the whole path.
    """

    def __init__(
        self, folder: Path, next_source: NextSource | None, on_notice: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._next_source = next_source
        self._on_notice = on_notice
        self._recording: Recording | None = None
        self._tasks: list[Future[str]] = []
        self._opening: Future[Source | None] | None = None

    @property
    def recording_seconds(self) -> float | None:
        """Length of the recording under way."""
        return self._recording.seconds if self._recording is not None else None

    @property
    def recording_failed(self) -> bool:
        """True if the recording ended by itself."""
        return self._recording is not None and self._recording.failed

    def save_snapshot(
        self, explained: ExplainedFrame, rendered: Image, extras: Sequence[Mapping[str, Any]]
    ) -> None:
        """Save what is shown, and its record."""

        def save() -> str:
            frame, written = explained.frame, explained.written
            return f"saved {save_snapshot(self._folder, frame, rendered, written, extras)}"

        self._tasks.append(run_in_thread("snapshot", save))

    def begin_recording(self, info: SourceInfo) -> str:
        """Begin a recording.

        Returns:
            A message for the screen.

        Raises:
            SinkError: No file can be made.
        """
        (path,) = fresh_paths(self._folder, (".mp4",))
        self._recording = Recording(path, info)
        self._recording.start()
        self._on_notice(f"recording to {path}")
        return "recording"

    def record_frame(self, explained: ExplainedFrame, rendered: Image) -> None:
        """Add a frame to the recording under way, if there is one."""
        if self._recording is not None:
            self._recording.write(explained.frame, rendered, explained.selected)

    def end_recording(self) -> None:
        """Finalise the recording in the background."""
        recording, self._recording = self._recording, None
        if recording is not None:
            self._tasks.append(run_in_thread("finish recording", recording.finish))

    def open_next_source(self) -> None:
        """Open the next camera in the background; `opened_source` hands it out."""
        if self._opening is None and self._next_source is not None:
            self._opening = run_in_thread("open camera", self._next_source)

    def opened_source(self) -> Source | None:
        """Return the camera that was asked for, once it is open.

        Raises:
            LiveGradcamError: It cannot be opened, or there is no other.
        """
        if self._opening is None or not self._opening.done():
            return None
        opening, self._opening = self._opening, None
        source = opening.result()
        if source is None:
            raise LiveGradcamError("there is no other camera")
        return source

    def report(self) -> str:
        """Describe how a task went that has ended since the last call; empty if none has."""
        ended = next((task for task in self._tasks if task.done()), None)
        if ended is None:
            return ""
        self._tasks.remove(ended)
        # The whole path is for the terminal; on the screen it would hide what is to be seen.
        return self._describe(ended).replace(f"{self._folder}{os.sep}", "")

    def close(self, *, hurried: bool = False) -> None:
        """Finish what is under way: what was asked for is written, however busy the machine is.

        Args:
            hurried: A signal leaves little time. A recording can be played at any moment, finished
                or not.
        """
        self.end_recording()
        for task in self._tasks:
            if wait([task], _CLOSE_SECONDS if hurried else _FINISH_SECONDS).done:
                self._describe(task)
        self._tasks.clear()
        opening, self._opening = self._opening, None
        if opening is not None:
            wait([opening], _CLOSE_SECONDS)
            release_when_done(
                opening, lambda source: source.close() if source is not None else None
            )

    def _describe(self, task: Future[str]) -> str:
        try:
            message = task.result()
        except Exception as error:  # a snapshot that fails must not end the session
            _logger.warning("an output of the session failed", exc_info=error)
            message = describe_failure(error)
        self._on_notice(message)
        return message
