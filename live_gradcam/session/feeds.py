"""Feeds of a session: the newest frame of a live source, or a file at its own pace."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from live_gradcam.capture.source import LiveSource, Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup, run_in_thread

_READ_AHEAD_FRAMES = 4
_CLOSE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that feeds live in.

    Attributes:
        now: Returns monotonic seconds.
        sleep: Lets so many seconds pass.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class FeedReport:
    """The part of a feed that a session's summary tells. Reports of several feeds add up.

    Attributes:
        dropped: Number of frames that were replaced by newer ones; ``None`` where none ever are.
        skipped: Number of frames that could not be decoded.
        notes: One sentence for each thing that the user should know, each of them once.
    """

    dropped: int | None = None
    skipped: int = 0
    notes: tuple[str, ...] = ()

    def __add__(self, other: FeedReport) -> FeedReport:
        drops = [each for each in (self.dropped, other.dropped) if each is not None]
        return FeedReport(
            dropped=sum(drops) if drops else None,
            skipped=self.skipped + other.skipped,
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


class Feed(ABC):
    """Frames for one session, asked for by one thread; the other members may be read by any."""

    @property
    def by_hand(self) -> bool:
        """True if frames are asked for one by one: an image stays until the next one is wanted."""
        return False

    @property
    @abstractmethod
    def info(self) -> SourceInfo | None:
        """Description of the source; ``None`` while there is none."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """True if no frame will come any more."""

    @abstractmethod
    def next(self, timeout_seconds: float) -> Frame | None:
        """Return the frame to show next, ``None`` if there is none within the time.

        Raises:
            SourceError: The source gave up for good.
        """

    @property
    def banner(self) -> str:
        """A sentence that must be seen, or nothing."""
        return ""

    @property
    @abstractmethod
    def report(self) -> FeedReport:
        """Losses and notes so far; still there after `close`."""

    @abstractmethod
    def close(self) -> None:
        """Stop taking frames. The source itself stays its owner's. Idempotent."""


class _LiveFeed(Feed):
    """The newest frame of a live source."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    def ended(self) -> bool:
        return self._source.state == "ended"

    @property
    def banner(self) -> str:
        return self._source.banner

    @property
    def report(self) -> FeedReport:
        source = self._source
        return FeedReport(source.dropped, source.skipped, source.notes)

    def next(self, timeout_seconds: float) -> Frame | None:
        return self._source.newest(timeout_seconds)

    def close(self) -> None:
        pass  # nothing is held


class _PlayerFeed(Feed):
    """Frames of a file in order, each when it is due; images, each when it is asked for.

    A slow network plays slower; it does not race to catch up afterwards.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._frames: Channel[Frame] = Channel(_READ_AHEAD_FRAMES)
        self._workers = WorkerGroup("player", self._frames.abort)
        self._waiting: Frame | None = None
        self._offset_seconds: float | None = None
        self._ended = False
        self._failure: Exception | None = None

    @property
    def by_hand(self) -> bool:
        return self._source.info.kind == "pictures"

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def report(self) -> FeedReport:
        return FeedReport(None, self._source.skipped, self._source.notes)

    def start(self) -> None:
        """Start the thread that reads ahead."""
        self._workers.start("read", self._read)

    def next(self, timeout_seconds: float) -> Frame | None:
        if self._waiting is None:
            try:
                self._waiting = self._frames.get(timeout_seconds)
            except TimeoutError:
                return None
            except (ChannelClosed, ChannelAborted):
                self._ended = True
                if self._failure is not None:
                    raise self._failure from None
                return None
        if not self.by_hand:
            early = self._seconds_early(self._waiting)
            self._clock.sleep(min(timeout_seconds, max(0.0, early)))
            if early > timeout_seconds:
                return None
        frame, self._waiting = self._waiting, None
        return frame

    def close(self) -> None:
        self._workers.abort()
        self._workers.join(_CLOSE_SECONDS)

    def _seconds_early(self, frame: Frame) -> float:
        """Time that the frame has to wait until it is due."""
        now = self._clock.now()
        if self._offset_seconds is None:
            self._offset_seconds = now - frame.pts_seconds
        early = self._offset_seconds + frame.pts_seconds - now
        if early < 0:
            self._offset_seconds -= early
        return early

    def _read(self) -> None:
        try:
            for frame in self._source:
                self._frames.put(frame)
        except Exception as error:
            # The frames before it are shown first.
            if not isinstance(error, ChannelAborted):
                self._failure = error
        finally:
            self._frames.close()


class _EndlessFeed(Feed):
    """The feed of a source that is opened again and again. What each round reports adds up."""

    def __init__(
        self, open_source: Callable[[], Source], source: Source | None, clock: Clock
    ) -> None:
        self._open = open_source
        self._clock = clock
        self._own: Source | None = None
        self._opening: Future[Source] | None = None
        self._inner = make_feed(source, clock=clock) if source is not None else None
        self._earlier = FeedReport()
        self._banner = "" if source is not None else "opening the source"
        self._wait_seconds = _FIRST_RETRY_SECONDS
        self._next_try = 0.0

    @property
    def info(self) -> SourceInfo | None:
        inner = self._inner
        return inner.info if inner is not None else None

    @property
    def by_hand(self) -> bool:
        inner = self._inner
        return inner is not None and inner.by_hand

    @property
    def ended(self) -> bool:
        return False

    @property
    def banner(self) -> str:
        inner = self._inner
        return self._banner or (inner.banner if inner is not None else "")

    @property
    def report(self) -> FeedReport:
        inner = self._inner
        return self._earlier + inner.report if inner is not None else self._earlier

    def next(self, timeout_seconds: float) -> Frame | None:
        if self._inner is None:
            self._try_again(timeout_seconds)
            return None
        try:
            frame = self._inner.next(timeout_seconds)
            if frame is None and self._inner.ended:
                self._end_round()
        except LiveGradcamError as error:
            self._fail(error)
            return None
        if frame is not None:
            self._banner, self._wait_seconds = "", _FIRST_RETRY_SECONDS
        return frame

    def close(self) -> None:
        self._end_round()
        opening, self._opening = self._opening, None
        if opening is not None and wait([opening], _CLOSE_SECONDS).done:
            with contextlib.suppress(Exception):
                opening.result().close()

    def _try_again(self, timeout_seconds: float) -> None:
        if self._opening is None:
            left = self._next_try - self._clock.now()
            if left > 0:
                self._clock.sleep(min(left, timeout_seconds))
                return
            self._opening = run_in_thread("open source", self._open)
        if not wait([self._opening], timeout_seconds).done:
            return
        opening, self._opening = self._opening, None
        try:
            self._own = opening.result()
            self._inner = make_feed(self._own, clock=self._clock)
        except LiveGradcamError as error:
            self._fail(error)

    def _fail(self, error: LiveGradcamError) -> None:
        self._end_round()
        self._banner = f"{error.where or error.what}: {error.cause}, trying again"
        self._next_try = self._clock.now() + self._wait_seconds
        self._wait_seconds = min(2 * self._wait_seconds, _LONGEST_RETRY_SECONDS)

    def _end_round(self) -> None:
        inner, own, self._own = self._inner, self._own, None
        if inner is not None:
            inner.close()
            self._inner, self._earlier = None, self._earlier + inner.report
        if own is not None:
            own.close()


def make_feed(source: Source, *, clock: Clock | None = None) -> Feed:
    """Make the feed that suits a source, and start it.

    Args:
        source: Where frames come from; stays its owner's.
        clock: The time that a file is played in; the real one if ``None``.
    """
    if isinstance(source, LiveSource):
        return _LiveFeed(source)
    player = _PlayerFeed(source, clock or Clock())
    player.start()
    return player


def make_endless_feed(
    open_source: Callable[[], Source], source: Source | None = None, *, clock: Clock | None = None
) -> Feed:
    """Make the feed of a source that is opened again whenever it ends or fails, for ever.

    Args:
        open_source: Opens the source; tried again after half a second, doubling to five.
        source: The source that is open already, if one is; it stays its owner's.
        clock: The time that files are played and tries are counted in; the real one if ``None``.
    """
    return _EndlessFeed(open_source, source, clock or Clock())
