"""The video tab's work: one uploaded file becomes one explained file, with progress and an end."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from live_gradcam.capture.source import Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.lifecycle import StopToken
from live_gradcam.painter import Painter
from live_gradcam.pipeline import Progress, RunOptions, Summary, run_offline
from live_gradcam.show.recorder import VideoSink
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.web.cache import CacheFolder
from live_gradcam.web.engine import Busy, SharedEngine, VisitorExplainer
from live_gradcam.web.images import TOP
from live_gradcam.web.limits import Limits
from live_gradcam.web.settings import ViewSettings, explainer_key
from live_gradcam.web.timeline import TimelineSink

_FRAMES_IN_ONE_FORWARD = 4
# A minute of film is a minute, whatever its last frame's rounding.
_TOLERANCE_SECONDS = 0.5


class Cancelled(Exception):
    """The visitor does not want the video any more."""


@dataclass(slots=True, eq=False)
class VideoJob:
    """A video that is being explained.

    Attributes:
        output: The file that is written.
        progress: Frames that are finished.
        seen: What was seen when.
        future: Summary of the run, once it has ended.
        stop: Ends the run before its time.
    """

    output: Path
    progress: Progress
    seen: TimelineSink = field(default_factory=TimelineSink)
    future: Future[Summary] = field(init=False)
    stop: StopToken = field(default_factory=StopToken)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end, at most so long; ``True`` if it has come."""
        return bool(wait([self.future], timeout_seconds).done)

    def result(self) -> Summary:
        """Summary of the run; waits for the end.

        Raises:
            Cancelled: The job was asked to stop.
            LiveGradcamError: The video is broken or exceeds the limits.
        """
        wait([self.future])
        if self.stop.requested:
            raise Cancelled
        return self.future.result()

    def close(self) -> None:
        """Stop; what was made is deleted unless it is a result. Idempotent."""
        finished = self.future.done() and self.future.exception() is None
        unfinished = not finished or self.stop.requested
        self.stop.request()
        wait([self.future])
        if unfinished:
            with suppress(OSError):
                shutil.rmtree(self.output.parent)


class VideoService:
    """Explains uploaded videos, one for each visitor at a time.

    Args:
        engine: Shared by all visitors.
        limits: Length, size and number of videos.
        cache: Folder in which results are written.
    """

    def __init__(self, engine: SharedEngine, limits: Limits, cache: CacheFolder) -> None:
        self._engine = engine
        self._limits = limits
        self._cache = cache
        self._jobs: dict[str, VideoJob] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(limits.concurrency, thread_name_prefix="page-video")

    def begin(self, visitor: str, path: Path, name: str, settings: ViewSettings) -> VideoJob:
        """Check a video and start to explain it.

        Args:
            visitor: Owner of the video.
            path: The uploaded file.
            name: Its name on the visitor's machine.
            settings: Values of the controls; the layer is always the page's own.

        Raises:
            SourceError: The file is no video, or exceeds the limits.
            UsageError: The class or the method is unknown.
            Busy: The visitor's last video is still being explained.
        """
        pool = self._engine.pool
        key = explainer_key(pool, method=settings.method)
        explainer = VisitorExplainer(self._engine, f"video {visitor}", settings.view, key)
        options = RunOptions(
            classes=settings.class_index(pool.classifier),
            batch_size=_FRAMES_IN_ONE_FORWARD,
            show_rate=False,
        )
        painter = Painter(settings.overlay_options(top_k=TOP), moving=True)
        with self._lock:
            if visitor in self._jobs:
                raise Busy("cannot explain the video", cause="your last one is still in work")
            source = _Bounded(VideoSource(path), name, self._limits)
            folder = self._cache.path / "made" / secrets.token_urlsafe(16)
            folder.mkdir(parents=True)
            output = folder / f"{Path(name).stem or 'video'}-explained.mp4"
            job = VideoJob(output, Progress(0, source.info.frame_count, None))
            job.future = self._threads.submit(_explain, job, source, explainer, painter, options)
            self._jobs[visitor] = job
        return job

    def end(self, visitor: str) -> None:
        """Stop and forget the visitor's job, if there is one."""
        with self._lock:
            job = self._jobs.pop(visitor, None)
        if job is not None:
            job.close()

    def cancel(self, visitor: str) -> bool:
        """Ask the visitor's job to stop; ``True`` if there is one."""
        job = self._jobs.get(visitor)
        if job is not None:
            job.stop.request()
        return job is not None

    def close(self) -> None:
        """Stop all jobs. Idempotent."""
        for visitor in list(self._jobs):
            self.cancel(visitor)
        for visitor in list(self._jobs):
            self.end(visitor)
        self._threads.shutdown()


def _explain(
    job: VideoJob,
    source: Source,
    explainer: VisitorExplainer,
    painter: Painter,
    options: RunOptions,
) -> Summary:
    def keep(progress: Progress) -> None:
        job.progress = progress

    with source, VideoSink(job.output, source.info) as sink:
        return run_offline(
            source,
            explainer,
            [sink, job.seen],
            painter=painter,
            options=options,
            stop=job.stop,
            on_progress=keep,
        )


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
