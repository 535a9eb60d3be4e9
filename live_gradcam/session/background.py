"""What happens beside the show at a key press: snapshots, recordings, the next camera."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from live_gradcam.capture.source import Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.session.errand import Errand
from live_gradcam.session.outputs import Recording, failure_words, fresh_paths, save_snapshot
from live_gradcam.session.worker import ExplainedFrame
from live_gradcam.values import Image, SourceInfo

_logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 1.0

NextSource = Callable[[], "Source | None"]
"""Opens the next camera; ``None`` where there is no other."""


class BackgroundTasks:
    """Runs errands and says, in few words, how they went.

    Args:
        folder: Where snapshots and recordings go.
        next_source: Opens the next camera, where there may be one.
        on_notice: Told what was written, with the whole path.
    """

    def __init__(
        self, folder: Path, next_source: NextSource | None, on_notice: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._next_source = next_source
        self._on_notice = on_notice
        self._recording: Recording | None = None
        self._errands: list[Errand[str]] = []
        self._switch: Errand[Source | None] | None = None

    @property
    def recording_seconds(self) -> float | None:
        """Length of the recording under way."""
        return self._recording.seconds if self._recording is not None else None

    @property
    def recording_failed(self) -> bool:
        """Whether the recording ended by itself."""
        return self._recording is not None and self._recording.failed

    def snapshot(self, finding: ExplainedFrame, picture: Image, extra: Mapping[str, Any]) -> None:
        """Save what is shown, and its record."""

        def save() -> str:
            path = save_snapshot(self._folder, finding.frame, picture, finding.told, extra)
            return f"saved {path}"

        self._errands.append(Errand("snapshot", save))

    def begin_recording(self, info: SourceInfo) -> str:
        """Begin a recording.

        Returns:
            Words for the picture.

        Raises:
            SinkError: No file can be made.
        """
        (path,) = fresh_paths(self._folder, (".mp4",))
        self._recording = Recording(path, info)
        self._on_notice(f"recording to {path}")
        return "recording"

    def record(self, finding: ExplainedFrame, picture: Image) -> None:
        """Add a frame to the recording under way, if there is one."""
        if self._recording is not None:
            self._recording.write(finding.frame, picture, finding.told)

    def end_recording(self) -> None:
        """Finalise the recording, beside the show."""
        recording, self._recording = self._recording, None
        if recording is not None:
            self._errands.append(Errand("finish recording", recording.finish))

    def open_next_source(self) -> None:
        """Open the next camera, beside the show; `next_source` hands it out."""
        if self._switch is None and self._next_source is not None:
            self._switch = Errand("open camera", self._next_source)

    def next_source(self) -> Source | None:
        """The camera that was asked for, once it is open.

        Raises:
            LiveGradcamError: It cannot be opened, or there is no other.
        """
        if self._switch is None or not self._switch.done:
            return None
        errand, self._switch = self._switch, None
        source = errand.result()
        if source is None:
            raise LiveGradcamError("there is no other camera")
        return source

    def news(self) -> str:
        """How an errand went that has ended since the last call; empty where none has."""
        ended = next((errand for errand in self._errands if errand.done), None)
        if ended is None:
            return ""
        self._errands.remove(ended)
        # The whole path is for the terminal; on the picture it would hide what is to be seen.
        return self._report(ended).replace(f"{self._folder}{os.sep}", "")

    def close(self) -> None:
        """Finish what is under way, as far as a signal leaves time for.

        A recording can be played at any moment, finished or not.
        """
        self.end_recording()
        for errand in self._errands:
            if errand.join(_CLOSE_SECONDS):
                self._report(errand)
        self._errands.clear()
        if self._switch is not None and self._switch.join(_CLOSE_SECONDS):
            try:
                source = self.next_source()
            except LiveGradcamError:
                return
            if source is not None:
                source.close()

    def _report(self, errand: Errand[str]) -> str:
        try:
            words = errand.result()
        except Exception as error:  # a snapshot that fails must not end the show
            _logger.warning("an output of the session failed", exc_info=error)
            words = failure_words(error)
        self._on_notice(words)
        return words
