"""What comes through a pipe: a film at its own pace, or the newest of what is live."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from typing_extensions import override

from live_gradcam.capture.source import Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.session.feed import Clock, FeedReport
from live_gradcam.session.player_feed import PlayerFeed
from live_gradcam.values import Frame, SourceInfo

# What has piled up while the network was loaded has to fit, or it is never seen that no more comes.
_READ_AHEAD_FRAMES = 48
_READ_AHEAD_BYTES = 64 * 1024 * 1024
_LEAST_FRAMES = 4
_STRETCH_SECONDS = 0.5
# A film that is converted on its way lets its reader wait as well, but comes faster than it plays;
# a rate that is said of raw video need not be quite that of its camera.
_LIVE_WAITS = 0.2
_LIVE_PACE = 1.3


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The beginning of some time in which frames are watched coming.

    Attributes:
        seconds: When it began.
        pts_seconds: Time of its first frame.
        waited_seconds: How long the pipe had let its reader wait until then.
    """

    seconds: float
    pts_seconds: float
    waited_seconds: float


class PipeFeed(PlayerFeed):
    """Frames of a pipe. It plays like a file until it turns out that whoever writes is live.

    That is so if its reader has to wait, and what comes plays no longer than it takes to come.
    From then on, the newest frame is next, and those before it are dropped.

    Args:
        source: What comes through the pipe; stays its owner's.
        clock: The time that it is played in.
    """

    def __init__(self, source: VideoSource, clock: Clock) -> None:
        frame_bytes = 3 * source.info.width * source.info.height
        ahead = min(_READ_AHEAD_FRAMES, max(_LEAST_FRAMES, _READ_AHEAD_BYTES // frame_bytes))
        super().__init__(source, clock, read_ahead=ahead)
        self._pipe = source
        self._stretch: _Stretch | None = None
        self._live = False
        self._dropped = 0

    @property
    @override
    def report(self) -> FeedReport:
        return replace(super().report, dropped=self._dropped if self._live else None)

    @override
    def next(self, timeout_seconds: float) -> Frame | None:
        if not self._live:
            return super().next(timeout_seconds)
        if not self._arrived(timeout_seconds):
            return None
        frame, self._waiting = self._waiting, None
        return frame

    @override
    def _take(self, frame: Frame) -> None:
        now = self._clock.now()
        if not self._live:
            self._watch(frame, now)
        if self._live:
            self._drop_waiting()
            frame = replace(frame, captured_seconds=now)
        super()._take(frame)
        if self._clock.now() - now > _STRETCH_SECONDS / 100:
            self._stretch = None  # it was us who let the other side wait

    def _drop_waiting(self) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                self._frames.get(0.0)
                self._dropped += 1

    def _watch(self, frame: Frame, now: float) -> None:
        waited, begin = self._pipe.waited_seconds or 0.0, self._stretch
        if begin is not None:
            elapsed = now - begin.seconds
            if elapsed < _STRETCH_SECONDS:
                return
            slow = frame.pts_seconds - begin.pts_seconds <= _LIVE_PACE * elapsed
            self._live = slow and waited - begin.waited_seconds >= _LIVE_WAITS * elapsed
        self._stretch = _Stretch(now, frame.pts_seconds, waited)


class WatchedPipe(Source):
    """A pipe that is read while the network is still being loaded.

    Whoever writes what is live would otherwise stand still meanwhile, and be late ever after.

    Args:
        source: What comes through the pipe; closed with this.
    """

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.feed = PipeFeed(source, Clock())
        """The session's feed of it, which reads already."""
        self.feed.start()

    @property
    @override
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return self._source.notes

    @property
    @override
    def skipped(self) -> int:
        return self._source.skipped

    @override
    def __iter__(self) -> Iterator[Frame]:
        while not self.feed.ended:
            if (frame := self.feed.next(1.0)) is not None:
                yield frame

    @override
    def interrupt(self) -> None:
        self._source.interrupt()

    @override
    def close(self) -> None:
        self._source.interrupt()
        self.feed.close()
        self._source.close()


def watch_pipe(source: Source) -> Source:
    """Begin to read a source for the window, if it is a pipe; any other is returned as it is."""
    piped = isinstance(source, VideoSource) and source.waited_seconds is not None
    return WatchedPipe(source) if isinstance(source, VideoSource) and piped else source
