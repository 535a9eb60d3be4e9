"""What a session takes its frames from: the newest of a live source, or a file at its own pace."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from live_gradcam.capture.source import LiveSource, Source
from live_gradcam.errors import LiveGradcamError
from live_gradcam.session.errand import Errand
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup

_READ_AHEAD_FRAMES = 4
_CLOSE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 5.0


class Feed(ABC):
    """Frames for one session, asked for by one thread; the other members may be read by any."""

    @property
    def by_hand(self) -> bool:
        """Frames are asked for one by one: a picture stays until the next one is wanted."""
        return False

    @property
    @abstractmethod
    def info(self) -> SourceInfo | None:
        """What is known about the source; ``None`` while there is none."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether no frame will come any more."""

    @abstractmethod
    def next(self, timeout_seconds: float) -> Frame | None:
        """The frame to show next, ``None`` if there is none within the time.

        Raises:
            SourceError: The source gave up for good.
        """

    @property
    def banner(self) -> str:
        """A sentence that must be seen, or nothing."""
        return ""

    @property
    def dropped(self) -> int | None:
        """Frames that were replaced by newer ones; ``None`` where none ever are."""
        return None

    @property
    def skipped(self) -> int:
        """Frames that could not be decoded."""
        return 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        return ()

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
    def dropped(self) -> int:
        return self._source.dropped

    @property
    def skipped(self) -> int:
        return self._source.skipped

    @property
    def notes(self) -> tuple[str, ...]:
        return self._source.notes

    def next(self, timeout_seconds: float) -> Frame | None:
        return self._source.newest(timeout_seconds)

    def close(self) -> None:
        pass  # nothing is held


class _PlayerFeed(Feed):
    """Frames of a file in order, each when it is due; of pictures, each when it is asked for.

    A slow network plays slower; it does not race to catch up afterwards.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: Channel[Frame] = Channel(_READ_AHEAD_FRAMES)
        self._workers = WorkerGroup("player", self._frames.abort)
        self._waiting: Frame | None = None
        self._offset_seconds: float | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._workers.start("read", self._read)

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
    def skipped(self) -> int:
        return self._source.skipped

    @property
    def notes(self) -> tuple[str, ...]:
        return self._source.notes

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
            early = self._early(self._waiting)
            if early > timeout_seconds:
                time.sleep(timeout_seconds)
                return None
            time.sleep(max(0.0, early))
        frame, self._waiting = self._waiting, None
        return frame

    def close(self) -> None:
        self._workers.abort()
        self._workers.join(_CLOSE_SECONDS)

    def _early(self, frame: Frame) -> float:
        """How long the frame has to wait until it is due."""
        now = time.monotonic()
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
    def __init__(self, open_source: Callable[[], Source], source: Source | None = None) -> None:
        self._open = open_source
        self._own: Source | None = None
        self._inner = make_feed(source) if source is not None else None
        self._errand: Errand[Source] | None = None
        self._banner = "" if source is not None else "opening the source"
        self._wait_seconds = _FIRST_RETRY_SECONDS
        self._next_try = 0.0

    @property
    def info(self) -> SourceInfo | None:
        return self._inner.info if self._inner is not None else None

    @property
    def by_hand(self) -> bool:
        return self._inner is not None and self._inner.by_hand

    @property
    def ended(self) -> bool:
        return False

    @property
    def banner(self) -> str:
        return self._banner or (self._inner.banner if self._inner is not None else "")

    @property
    def dropped(self) -> int | None:
        return self._inner.dropped if self._inner is not None else None

    def next(self, timeout_seconds: float) -> Frame | None:
        if self._inner is None:
            self._try_again(timeout_seconds)
            return None
        try:
            frame = self._inner.next(timeout_seconds)
            if frame is None and self._inner.ended:
                self._let_go()
        except LiveGradcamError as error:
            self._fail(error)
            return None
        if frame is not None:
            self._banner, self._wait_seconds = "", _FIRST_RETRY_SECONDS
        return frame

    def close(self) -> None:
        self._let_go()
        errand, self._errand = self._errand, None
        if errand is not None and errand.join(_CLOSE_SECONDS):
            with contextlib.suppress(Exception):
                errand.result().close()

    def _try_again(self, timeout_seconds: float) -> None:
        if self._errand is None:
            left = self._next_try - time.monotonic()
            if left > 0:
                time.sleep(min(left, timeout_seconds))
                return
            self._errand = Errand("open source", self._open)
        self._errand.join(timeout_seconds)
        if not self._errand.done:
            return
        errand, self._errand = self._errand, None
        try:
            self._own = errand.result()
            self._inner = make_feed(self._own)
        except LiveGradcamError as error:
            self._fail(error)

    def _fail(self, error: LiveGradcamError) -> None:
        self._let_go()
        self._banner = f"{error.where or error.what}: {error.cause}, trying again"
        self._next_try = time.monotonic() + self._wait_seconds
        self._wait_seconds = min(2 * self._wait_seconds, _LONGEST_RETRY_SECONDS)

    def _let_go(self) -> None:
        inner, self._inner = self._inner, None
        own, self._own = self._own, None
        if inner is not None:
            inner.close()
        if own is not None:
            own.close()


def make_feed(source: Source) -> Feed:
    """The feed that suits a source."""
    return _LiveFeed(source) if isinstance(source, LiveSource) else _PlayerFeed(source)


def make_endless_feed(open_source: Callable[[], Source], source: Source | None = None) -> Feed:
    """The feed of a source that is opened again whenever it ends or fails, for ever.

    Args:
        open_source: Opens the source; tried again after half a second, doubling to five.
        source: The source that is open already, if one is; it stays its owner's.
    """
    return _EndlessFeed(open_source, source)
