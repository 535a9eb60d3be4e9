"""Feeds of a session: the newest frame of a live source, or a file at its own pace."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Literal

from live_gradcam.capture.images import ImagesSource
from live_gradcam.capture.source import LiveSource, Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import LiveGradcamError
from live_gradcam.session.feed import Clock, Feed, FeedReport
from live_gradcam.session.pipe_feed import PipeFeed, WatchedPipe
from live_gradcam.session.player_feed import PlayerFeed
from live_gradcam.session.slides import SlideFeed
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.workers import release_when_done, run_in_thread

_CLOSE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 5.0


class _LiveFeed(Feed):
    """The newest frame of a live source."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._ended = False

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def banner(self) -> str:
        return self._source.banner

    @property
    def report(self) -> FeedReport:
        source = self._source
        return FeedReport(source.dropped, source.skipped, source.notes)

    def next(self, timeout_seconds: float) -> Frame | None:
        # Asked first: an end that comes while nothing does may have a cause, which is raised by
        # the next look.
        ended = self._source.state == "ended"
        frame = self._source.newest(timeout_seconds)
        self._ended = ended and frame is None
        return frame

    def close(self) -> None:
        pass  # nothing is held


class _EndlessFeed(Feed):
    """The feed of a source that is opened again and again. What each round reports adds up."""

    def __init__(
        self,
        open_source: Callable[[], Source],
        source: Source | None,
        clock: Clock,
        slideshow_seconds: float | None,
    ) -> None:
        self._open = open_source
        self._clock = clock
        self._slideshow_seconds = slideshow_seconds
        self._own: Source | None = None
        self._opening: Future[Source] | None = None
        self._inner = self._feed_of(source) if source is not None else None
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
    def slideshow(self) -> bool:
        inner = self._inner
        return inner is not None and inner.slideshow

    def pause(self, paused: bool) -> None:
        if (inner := self._inner) is not None:
            inner.pause(paused)

    def turn(self, steps: int) -> None:
        if (inner := self._inner) is not None:
            inner.turn(steps)

    def turn_to(self, end: Literal["first", "last"]) -> None:
        if (inner := self._inner) is not None:
            inner.turn_to(end)

    def take_message(self) -> str:
        inner = self._inner
        return inner.take_message() if inner is not None else ""

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
        if opening is not None:
            wait([opening], _CLOSE_SECONDS)
            release_when_done(opening, lambda source: source.close())

    def _feed_of(self, source: Source) -> Feed:
        return make_feed(
            source, clock=self._clock, slideshow_seconds=self._slideshow_seconds, loop=True
        )

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
            self._inner = self._feed_of(self._own)
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


def make_feed(
    source: Source,
    *,
    clock: Clock | None = None,
    slideshow_seconds: float | None = None,
    loop: bool = False,
) -> Feed:
    """Make the feed that suits a source, and start it.

    Args:
        source: Where frames come from; stays its owner's.
        clock: The time that a file is played in; the real one if ``None``.
        slideshow_seconds: Time that each image is shown; ``None`` shows the next one when it is
            asked for.
        loop: The first image follows the last one; so it does where the source loops.
    """
    if isinstance(source, LiveSource):
        return _LiveFeed(source)
    if isinstance(source, ImagesSource) and source.info.kind == "pictures":
        return SlideFeed(
            source, clock or Clock(), seconds=slideshow_seconds, loop=loop or source.loops
        )
    if isinstance(source, WatchedPipe):
        return source.feed
    if isinstance(source, VideoSource) and source.waited_seconds is not None:
        player: PlayerFeed = PipeFeed(source, clock or Clock())
    else:
        player = PlayerFeed(source, clock or Clock())
    player.start()
    return player


def make_endless_feed(
    open_source: Callable[[], Source],
    source: Source | None = None,
    *,
    clock: Clock | None = None,
    slideshow_seconds: float | None = None,
) -> Feed:
    """Make the feed of a source that is opened again whenever it ends or fails, for ever.

    Args:
        open_source: Opens the source; tried again after half a second, doubling to five.
        source: The source that is open already, if one is; it stays its owner's.
        clock: The time that files are played and tries are counted in; the real one if ``None``.
        slideshow_seconds: As for `make_feed`.
    """
    return _EndlessFeed(open_source, source, clock or Clock(), slideshow_seconds)
