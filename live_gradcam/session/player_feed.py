"""A file at its own pace; pictures, each when it is asked for."""

from __future__ import annotations

from typing_extensions import override

from live_gradcam.capture.source import Source
from live_gradcam.session.feed import Clock, Feed, FeedReport
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup

_READ_AHEAD_FRAMES = 4
_CLOSE_SECONDS = 1.0


class PlayerFeed(Feed):
    """Frames of a file in order, each when it is due; images, each when it is asked for.

    A slow network plays slower; it does not race to catch up afterwards.

    Args:
        source: Where frames come from; stays its owner's.
        clock: The time that it is played in.
        read_ahead: Number of frames that are decoded before they are due.
    """

    def __init__(
        self, source: Source, clock: Clock, *, read_ahead: int = _READ_AHEAD_FRAMES
    ) -> None:
        self._source = source
        self._clock = clock
        self._frames: Channel[Frame] = Channel(read_ahead)
        self._workers = WorkerGroup("player", self._frames.abort)
        self._waiting: Frame | None = None
        self._offset_seconds: float | None = None
        self._asked = 1
        self._message = ""
        self._ended = False
        self._failure: Exception | None = None

    @property
    @override
    def by_hand(self) -> bool:
        return self._source.info.kind == "pictures"

    @property
    @override
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    @override
    def ended(self) -> bool:
        return self._ended

    @property
    @override
    def report(self) -> FeedReport:
        return FeedReport(None, self._source.skipped, self._source.notes)

    def start(self) -> None:
        """Start the thread that reads ahead."""
        self._workers.start("read", self._read)

    @override
    def turn(self, steps: int) -> None:
        if steps > 0:
            self._asked += steps
        else:
            self._message = "what was shown is not kept: only forwards here"

    @override
    def take_message(self) -> str:
        message, self._message = self._message, ""
        return message

    @override
    def next(self, timeout_seconds: float) -> Frame | None:
        if self.by_hand and self._asked <= 0:
            self._clock.sleep(timeout_seconds)
            return None
        if not self._arrived(timeout_seconds):
            return None
        assert self._waiting is not None, "it has arrived"
        if not self.by_hand:
            early = self._seconds_early(self._waiting)
            self._clock.sleep(min(timeout_seconds, max(0.0, early)))
            if early > timeout_seconds:
                return None
        frame, self._waiting = self._waiting, None
        self._asked -= 1
        return frame

    @override
    def close(self) -> None:
        self._workers.abort()
        self._workers.join(_CLOSE_SECONDS)

    def _arrived(self, timeout_seconds: float) -> bool:
        """Wait for a frame, and let it wait; ``False`` if none comes in time, or at the end.

        Raises:
            SourceError: The source gave up, behind its last frame.
        """
        if self._waiting is not None:
            return True
        try:
            self._waiting = self._frames.get(timeout_seconds)
        except TimeoutError:
            return False
        except (ChannelClosed, ChannelAborted):
            self._ended = True
            if self._failure is not None:
                raise self._failure from None
            return False
        return True

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
                self._take(frame)
        except Exception as error:
            # The frames before it are shown first.
            if not isinstance(error, ChannelAborted):
                self._failure = error
        finally:
            self._frames.close()

    def _take(self, frame: Frame) -> None:
        """Keep a frame that was read, waiting for room. Runs in the thread that reads."""
        self._frames.put(frame)
