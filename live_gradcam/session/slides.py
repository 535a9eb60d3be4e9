"""Pictures as a feed: turned by hand or by the clock, forwards and backwards."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from live_gradcam.capture.images import ImagesSource
from live_gradcam.errors import SourceError
from live_gradcam.session.feed import Clock, Feed, FeedReport
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.workers import run_in_thread

_CLOSE_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 1.0
_KEPT_PICTURES = 3
# One picture may be larger; it is then the only one that is kept.
_KEPT_BYTES = 192 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Turned:
    """Outcome of a turn.

    Attributes:
        frame: The picture that was turned to; ``None`` where there is none to turn to.
        message: What should be said about it, in a few words.
        is_end: The slide show has come to its end.
    """

    frame: Frame | None = None
    message: str = ""
    is_end: bool = False


class SlideFeed(Feed):
    """The pictures of a source, one at a time, each until it is turned away from.

    A broken picture is stepped over, in the direction of the turn, and named. A folder or a pattern
    is read anew when a picture is turned, so that pictures that were added are shown. At most a few
    pictures are kept in memory, however many there are; the one that will probably be wanted next
    is decoded beside the others.

    Args:
        source: The pictures; stays its owner's.
        clock: The time that the slide show runs in.
        seconds: Time that each picture is shown; ``None`` turns by hand only.
        loop: The first picture follows the last one.

    Attributes:
        most_kept: Largest number of pictures that were in memory at the same time.
    """

    def __init__(
        self, source: ImagesSource, clock: Clock, *, seconds: float | None, loop: bool
    ) -> None:
        self._source = source
        self._clock = clock
        self._seconds = seconds
        self._loop = loop
        self._lock = threading.Lock()
        self._steps = 0
        self._jump: Literal["first", "last"] | None = "first"
        self._message = ""
        self._paused = False
        self._due: float | None = None
        self._shown: Path | None = None
        self._place = 0
        self._direction = 1
        self._kept: OrderedDict[tuple[Path, float], Frame] = OrderedDict()
        self._looked = clock.now()
        self._turning: Future[_Turned] | None = None
        self._ahead: Future[None] | None = None
        self._closed = False
        self.most_kept = 0

    @property
    @override
    def by_hand(self) -> bool:
        return True

    @property
    @override
    def info(self) -> SourceInfo:
        return self._source.info

    @property
    @override
    def ended(self) -> bool:
        return self._closed

    @property
    @override
    def report(self) -> FeedReport:
        return FeedReport(None, self._source.skipped, self._source.notes)

    @property
    @override
    def slideshow(self) -> bool:
        return self._seconds is not None

    @override
    def pause(self, paused: bool) -> None:
        with self._lock:
            if self._paused and not paused and self._seconds is not None:
                self._due = self._clock.now() + self._seconds
            self._paused = paused

    @override
    def turn(self, steps: int) -> None:
        with self._lock:
            self._steps += steps

    @override
    def turn_to(self, end: Literal["first", "last"]) -> None:
        with self._lock:
            self._jump, self._steps = end, 0

    @override
    def take_message(self) -> str:
        with self._lock:
            message, self._message = self._message, ""
        return message

    @override
    def next(self, timeout_seconds: float) -> Frame | None:
        if self._turning is None and not self._begin_turn():
            self._clock.sleep(timeout_seconds)
            return None
        assert self._turning is not None, "a turn has begun"
        if not wait([self._turning], timeout_seconds).done:
            return None
        turning, self._turning = self._turning, None
        turned = turning.result()
        with self._lock:
            self._message = turned.message or self._message
            if turned.is_end:
                self._due = None
            elif turned.frame is not None and self._seconds is not None:
                self._due = self._clock.now() + self._seconds
        if turned.frame is not None:
            self._ahead = run_in_thread("read picture ahead", self._read_ahead)
        return turned.frame

    @override
    def close(self) -> None:
        self._closed = True
        left: list[Future[Any]] = [
            each for each in (self._turning, self._ahead) if each is not None
        ]
        wait(left, _CLOSE_SECONDS)
        self._kept.clear()

    def _begin_turn(self) -> bool:
        """Begin what was asked for or is due; ``False`` if nothing is."""
        with self._lock:
            steps, jump, by_clock = self._steps, self._jump, False
            if not steps and jump is None:
                is_due = self._due is not None and self._clock.now() >= self._due
                if self._paused or self._closed or not is_due:
                    return False
                steps, by_clock = 1, True
            self._steps, self._jump = 0, None
        ahead = self._ahead

        def turn() -> _Turned:
            if ahead is not None:
                ahead.exception()
            turned = self._turn(steps, jump)
            if by_clock and turned.frame is None:
                return _Turned(message="that was the last picture", is_end=True)
            return turned

        self._turning = run_in_thread("read picture", turn)
        return True

    # In a thread of its own, one after the other

    def _turn(self, steps: int, jump: Literal["first", "last"] | None) -> _Turned:
        if self._shown is not None:
            self._look_again()
        paths = self._source.paths
        self._direction = 1 if jump == "first" or (jump is None and steps > 0) else -1
        start = steps
        if jump is None:
            start += self._place_before_turn(paths)
        elif jump == "last":
            start += len(paths) - 1
        if not self._loop:
            if abs(steps) == 1 and not 0 <= start < len(paths):
                return _Turned(message=self._edge())
            start = min(max(start, 0), len(paths) - 1)
        message = ""
        for step in range(len(paths)):
            place = start + step * self._direction
            if self._loop:
                place %= len(paths)
            elif not 0 <= place < len(paths):
                break
            try:
                frame = self._read(place, paths)
            except SourceError as error:
                if self._source.strict and len(paths) > 1:
                    raise
                message = f"left out: {paths[place].name}: {error.cause}"
                continue
            self._shown, self._place = paths[place], place
            return _Turned(frame, message)
        return _Turned(message=message or self._edge())

    def _edge(self) -> str:
        return f"this is the {'last' if self._direction > 0 else 'first'} picture"

    def _look_again(self) -> None:
        now = self._clock.now()
        if now - self._looked >= _LOOK_AGAIN_SECONDS:
            self._looked = now
            self._source.look_again()

    def _place_before_turn(self, paths: tuple[Path, ...]) -> int:
        """Place of the shown picture; between its neighbours where it is gone."""
        if self._shown in paths:
            return paths.index(self._shown)
        return min(self._place, len(paths)) - (self._direction > 0)

    def _read(self, place: int, paths: tuple[Path, ...]) -> Frame:
        key, number = (paths[place], _changed_at(paths[place])), (place + 1, len(paths))
        frame = self._kept.pop(key, None) or self._source.read_at(place)
        if frame.place != number:
            frame = replace(frame, place=number)
        self._kept[key] = frame
        while len(self._kept) > 1 and (
            len(self._kept) > _KEPT_PICTURES
            or sum(each.image.nbytes for each in self._kept.values()) > _KEPT_BYTES
        ):
            self._kept.popitem(last=False)
        self.most_kept = max(self.most_kept, len(self._kept))
        return frame

    def _read_ahead(self) -> None:
        """Decode the picture that will probably be wanted next."""
        paths = self._source.paths
        place = self._place + self._direction
        if self._loop:
            place %= len(paths)
        if 0 <= place < len(paths) and not self._closed:
            with contextlib.suppress(SourceError):  # said when it is turned to
                self._read(place, paths)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
