"""The newest records, in order, for receivers that follow them."""

from __future__ import annotations

import threading
from collections import deque

_KEPT = 1000


class RecordsFeed:
    """Records with numbers, from 1 on; the newest thousand are kept.

    Each receiver asks for what follows the last one that it has, so that one that comes back after
    a loss misses nothing that is still kept, and one that is slow holds nobody up.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._changed = threading.Condition()
        self._records: deque[str] = deque(maxlen=kept)
        self._last = 0
        self._ended = False

    @property
    def last(self) -> int:
        """Number of the newest record; 0 before the first."""
        return self._last

    @property
    def ended(self) -> bool:
        """True if no record will come any more."""
        return self._ended

    def put(self, record: str) -> None:
        """Add a record. Never waits."""
        with self._changed:
            self._records.append(record)
            self._last += 1
            self._changed.notify_all()

    def after(self, number: int, timeout_seconds: float) -> list[tuple[int, str]]:
        """Wait for records that follow the one of that number.

        Args:
            number: Of the last one that the receiver has; 0 for none.
            timeout_seconds: Time to wait.

        Returns:
            Number and record of all that follow and are still kept, in order; empty if none came
            in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._last > number, timeout_seconds)
            first = self._last - len(self._records) + 1
            start = max(number + 1, first)
            return list(enumerate(list(self._records)[start - first :], start))

    def end(self) -> None:
        """Let all who wait return once they have the last record."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
