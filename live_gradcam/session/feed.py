"""The contract of feeds, which a session takes its frames from."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from live_gradcam.values import Frame, SourceInfo


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
    def slideshow(self) -> bool:
        """True if images advance by themselves."""
        return False

    def pause(self, paused: bool) -> None:  # noqa: B027 - most feeds have nothing to pause
        """Stop the slide show, or let it go on. Any thread may call this and the following."""

    def turn(self, steps: int) -> None:  # noqa: B027 - or to turn
        """Ask for an image that lies so many further on; back where negative."""

    def turn_to(self, end: Literal["first", "last"]) -> None:  # noqa: B027
        """Ask for the first or the last image."""

    def take_message(self) -> str:
        """What should be said about the last turn, in a few words; once, then nothing."""
        return ""

    @property
    @abstractmethod
    def report(self) -> FeedReport:
        """Losses and notes so far; still there after `close`."""

    @abstractmethod
    def close(self) -> None:
        """Stop taking frames. The source itself stays its owner's. Idempotent."""
