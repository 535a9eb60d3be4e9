"""Work beside the session that must not hold the window up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """One piece of work in a thread of its own, whose result is picked up later.

    Args:
        name: Of the thread.
        work: Makes the result.
    """

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._work = work
        self._value: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether there is a result or an error."""
        return bool(self._value) or self._error is not None

    def result(self) -> T:
        """What the work returned.

        Raises:
            Exception: What the work raised.
        """
        if self._error is not None:
            raise self._error
        return self._value[0]

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end, at most so long; whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except Exception as error:  # carried to whoever asks for the result
            self._error = error
