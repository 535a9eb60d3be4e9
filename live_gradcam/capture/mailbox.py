"""A mailbox with one slot, in which the newest image replaces the one before."""

from __future__ import annotations

import threading
import time

from live_gradcam.values import Frame, Image


class Mailbox:
    """A slot into which one thread puts images, and from which any takes the newest `Frame`.

    Frames are numbered as they are taken, and their times count from the first image.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._slot: tuple[Image, float, str] | None = None
        self._first_captured: float | None = None
        self._last_pts = -1.0
        self._taken = 0
        self._ended = False
        self._failure: BaseException | None = None
        self.replaced = 0
        """Number of images that were replaced before they were taken."""

    @property
    def ended(self) -> bool:
        """True if no image will come any more."""
        return self._ended

    def put(self, image: Image, captured_seconds: float, source: str) -> None:
        """Put an image into the slot, in place of one that was not taken."""
        with self._changed:
            if self._ended:
                return
            if self._first_captured is None:
                self._first_captured = captured_seconds
            elif self._slot is not None:
                self.replaced += 1
            self._slot = (image, captured_seconds, source)
            self._changed.notify_all()

    def take(self, timeout_seconds: float) -> Frame | None:
        """Take the newest image as a frame; ``None`` if none came in time or none will come.

        Raises:
            SourceError: What `end` was given.
        """
        with self._changed:
            self._wait_for_slot(timeout_seconds)
            if self._slot is None:
                self._raise_failure()
                return None
            (image, captured, source), self._slot = self._slot, None
            assert self._first_captured is not None
            pts = captured - self._first_captured
            if pts <= self._last_pts:
                pts = self._last_pts + 1e-6
            index, self._taken, self._last_pts = self._taken, self._taken + 1, pts
        return Frame(image, index, pts, source, captured)

    def await_first(self, timeout_seconds: float) -> bool:
        """Wait for an image without taking it, and return whether there is one.

        Raises:
            SourceError: What `end` was given.
        """
        with self._changed:
            self._wait_for_slot(timeout_seconds)
            if self._slot is None:
                self._raise_failure()
            return self._slot is not None

    def end(self, failure: BaseException | None = None) -> None:
        """End the mailbox: no image will come any more, and waiting threads return at once.

        Args:
            failure: Raised by `take` once the last image is taken. Ending without one is final:
                the last image and an earlier failure are forgotten, a later one is ignored.
        """
        with self._changed:
            if failure is None:
                self._slot = self._failure = None
            elif not self._ended:
                self._failure = failure
            self._ended = True
            self._changed.notify_all()

    def _wait_for_slot(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while self._slot is None and not self._ended:
            left = deadline - time.monotonic()
            # In slices, so that a signal is handled at once on systems where a wait hides it.
            if left <= 0 or (not self._changed.wait(min(left, 0.5)) and left <= 0.5):
                return

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
