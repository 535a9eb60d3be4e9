"""A value that one thread replaces, and that any number of others wait for."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """The newest of values that follow one another; each reader takes the newest, none queues.

    A reader that is slow misses what was replaced meanwhile, and holds nobody up.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._number = 0
        self._ended = False

    @property
    def ended(self) -> bool:
        """True if no value will come any more."""
        return self._ended

    def put(self, value: T) -> None:
        """Put a value in the place of the one before. Never waits."""
        with self._changed:
            self._value, self._number = value, self._number + 1
            self._changed.notify_all()

    def after(self, number: int, timeout_seconds: float) -> tuple[int, T] | None:
        """Wait for a value newer than the one of that number.

        Args:
            number: Of the last value taken; 0 before the first.
            timeout_seconds: Time to wait.

        Returns:
            Its number and the value; ``None`` if none came in time or none will come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._number > number, timeout_seconds)
            if self._ended or self._number <= number or self._value is None:
                return None
            return self._number, self._value

    def end(self) -> None:
        """Let all who wait return, now and later."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
