"""The video tab's work: one uploaded file becomes one explained file, with progress and an end."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from live_gradcam.capture.source import Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.lifecycle import StopToken
from live_gradcam.painter import Painter
from live_gradcam.pipeline import Progress, RunOptions, Summary, run_offline
from live_gradcam.show.recorder import VideoSink
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.engine import Busy, Seat, SharedEngine
from live_gradcam.web.images import TOP, Look
from live_gradcam.web.layers import LayerShelf
from live_gradcam.web.limits import Limits

if TYPE_CHECKING:
    from live_gradcam.explain.explainer import Explainer

_FRAMES_IN_ONE_FORWARD = 4
# A minute of film is a minute, whatever its last frame's rounding.
_TOLERANCE_SECONDS = 0.5


class Cancelled(Exception):
    """The visitor does not want the video any more."""


class VideoDesk:
    """Explains uploaded videos, one for each visitor at a time.

    Args:
        engine: Shared by all visitors.
        layers: Whose classes and methods may be asked for.
        limits: Length and size of videos.
        cache: Where results are written.
    """

    def __init__(
        self, engine: SharedEngine, layers: LayerShelf, limits: Limits, cache: CacheFolder
    ) -> None:
        self._engine = engine
        self._layers = layers
        self._limits = limits
        self._cache = cache
        self._jobs: dict[str, VideoJob] = {}
        self._lock = threading.Lock()

    def begin(self, visitor: str, path: Path, name: str, look: Look) -> VideoJob:
        """Check a video and start to explain it.

        Args:
            visitor: Whose video it is.
            path: The uploaded file.
            name: What the visitor calls it.
            look: What the controls say.

        Raises:
            SourceError: The file is no video, or exceeds the limits.
            UsageError: The class or the method is unknown.
            Busy: The visitor's last video is still in work.
        """
        wanted = self._layers.classifier.class_index(look.class_name) if look.class_name else None
        explainer = self._layers.explainer("", look.method)
        with self._lock:
            if visitor in self._jobs:
                raise Busy("cannot explain the video", cause="your last one is still in work")
            source = _Bounded(VideoSource(path), name, self._limits)
            folder = self._cache.path / "made" / secrets.token_urlsafe(16)
            folder.mkdir(parents=True)
            output = folder / f"{Path(name).stem or 'video'}-explained.mp4"
            seat = Seat(self._engine, f"video {visitor}", look.view, explainer)
            job = VideoJob(source, seat, output, look, wanted)
            self._jobs[visitor] = job
        return job

    def end(self, visitor: str) -> None:
        """Stop and forget the visitor's job, if there is one."""
        with self._lock:
            job = self._jobs.pop(visitor, None)
        if job is not None:
            job.close()

    def cancel(self, visitor: str) -> bool:
        """Ask the visitor's job to stop; whether there is one."""
        job = self._jobs.get(visitor)
        if job is not None:
            job.cancel()
        return job is not None

    def close(self) -> None:
        """Stop all jobs."""
        for visitor in list(self._jobs):
            self.end(visitor)


class VideoJob:
    """A video in work, in a thread of its own.

    Args:
        source: Where frames come from; closed by the job.
        seat: Explains them.
        output: The file that is written.
        look: What the controls say.
        class_index: The explained class; ``None`` follows the top one.
    """

    def __init__(
        self, source: Source, seat: Seat, output: Path, look: Look, class_index: int | None
    ) -> None:
        self.progress = Progress(0, source.info.frame_count, None)
        self._source = source
        self._seat = seat
        self._output = output
        self._look = look
        self._class_index = class_index
        self._stop = StopToken()
        self._summary: Summary | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="page-video", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with self._source, VideoSink(self._output, self._source.info) as sink:
                self._summary = run_offline(
                    self._source,
                    # The pipeline only ever asks for batches, which a seat answers in turns.
                    cast("Explainer", self._seat),
                    [sink],
                    painter=Painter(self._look.overlay(top_k=TOP), moving=True),
                    options=RunOptions(
                        classes=self._class_index,
                        batch_size=_FRAMES_IN_ONE_FORWARD,
                        show_rate=False,
                    ),
                    stop=self._stop,
                    on_progress=self._keep,
                )
        except BaseException as error:  # carried to the owner by `result`
            self._error = error

    def _keep(self, progress: Progress) -> None:
        self.progress = progress

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end, at most so long; whether it has come."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to stop soon."""
        self._stop.request()

    def result(self) -> tuple[Path, Summary]:
        """The explained video and what was done; waits for the end.

        Raises:
            Cancelled: `cancel` was called.
            LiveGradcamError: The video is broken or exceeds the limits.
        """
        self._thread.join()
        if self._stop.requested:
            raise Cancelled
        if self._error is not None:
            raise self._error
        assert self._summary is not None, "a job ends with a summary or an error"
        return self._output, self._summary

    def close(self) -> None:
        """Stop; what was made is deleted unless it is a result. Idempotent."""
        unfinished = self._thread.is_alive() or self._error is not None or self._stop.requested
        self._stop.request()
        self._thread.join()
        if unfinished:
            with suppress(OSError):
                shutil.rmtree(self._output.parent)


class _Bounded(Source):
    """A video that may not be longer or larger than the page allows."""

    def __init__(self, source: VideoSource, name: str, limits: Limits) -> None:
        self._source = source
        self._name = name
        self._limits = limits
        info = source.info
        try:
            self._check_size(info)
            if info.duration_seconds is not None:
                self._check_length(info.duration_seconds, info.frame_count or 0)
        except SourceError:
            source.close()
            raise

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    def notes(self) -> tuple[str, ...]:
        return self._source.notes

    @property
    def skipped(self) -> int:
        return self._source.skipped

    def __iter__(self) -> Iterator[Frame]:
        first: float | None = None
        for frame in self._source:
            first = frame.pts_seconds if first is None else first
            # What a file says about its length need not be true.
            self._check_length(frame.pts_seconds - first, frame.index)
            yield frame

    def close(self) -> None:
        self._source.close()

    def _check_size(self, info: SourceInfo) -> None:
        long_side, short_side = max(info.width, info.height), min(info.width, info.height)
        most = (self._limits.video_long_side, self._limits.video_short_side)
        if long_side > most[0] or short_side > most[1]:
            cause = f"{info.width}x{info.height} is more than {most[0]}x{most[1]}"
            raise self._refusal(cause, "Scale it down first")

    def _check_length(self, seconds: float, frames: int) -> None:
        limit = self._limits.video_seconds
        if seconds > limit + _TOLERANCE_SECONDS:
            raise self._refusal(f"it is longer than {limit:.0f} s", "Cut it first")
        if frames > self._limits.video_frames:
            cause = f"it has more than {self._limits.video_frames} frames"
            raise self._refusal(cause, "Cut it first")

    def _refusal(self, cause: str, step: str) -> SourceError:
        return SourceError("cannot explain the video", self._name, cause, step)
