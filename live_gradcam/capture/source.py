"""The contract of sources, which frames come from.

A source is a context manager and an iterator of `Frame`s. Its end is the end of iteration, never a
``False`` or ``None`` in place of a frame. `close` may be called any number of times and from any
thread, and never masks an exception that is already on its way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, TypeAlias

from live_gradcam.closeable import Closeable
from live_gradcam.values import Frame, SourceInfo

LiveState: TypeAlias = Literal["connecting", "running", "stalled", "reconnecting", "ended"]


class Source(Closeable, ABC):
    """Frames in order. Iterating a second time continues; it does not rewind."""

    @property
    @abstractmethod
    def info(self) -> SourceInfo:
        """Properties of the source; constant while it is open."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know (skipped frames, an odd format)."""
        return ()

    @property
    def skipped(self) -> int:
        """Number of frames that could not be decoded so far."""
        return 0

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is left.

        Raises:
            SourceError: The source broke; frames that were yielded before are good.
        """

    def interrupt(self) -> None:
        """End a wait for data that may never come, from any thread; the iteration then ends."""

    @abstractmethod
    def close(self) -> None:
        """Release everything. Idempotent; never raises."""


class LiveSource(Source):
    """A source in real time: a thread keeps the newest frame, older ones are dropped and counted.

    Iterating yields the newest frame each time and waits for one where there is none yet.
    """

    @abstractmethod
    def newest(self, timeout_seconds: float) -> Frame | None:
        """Return the newest frame not returned before, or ``None`` if none came within the time.

        Never returns the same frame twice. Returns at once when the source has ended or is
        closed from another thread.

        Raises:
            SourceError: The source gave up for good.
        """

    @property
    @abstractmethod
    def state(self) -> LiveState:
        """Present state of the connection."""

    @property
    @abstractmethod
    def banner(self) -> str:
        """A sentence to show over the image while something is wrong; else empty."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """Number of frames that were replaced by a newer one before they were taken."""
