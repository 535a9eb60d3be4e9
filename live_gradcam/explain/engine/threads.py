"""How many threads compute an image: chosen anew when the machine gets busy, or calm again.

With another process on its cores, a thread of ours may be held up in the middle of an operation,
and all others wait for it. Whether fewer threads are faster then depends on the engine and on how
many cores there are, so it is tried: when images suddenly take much longer, or much less time, each
number computes a few of them, and the fastest stays. Only time is looked at, which every system
has, and which counts whatever the competitor is.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Hashable

# Images whose median is compared with that of the last decision.
_WINDOW = 5
# A trial begins where they take more than so many times as long, or less than the inverse of it.
_CHANGE = 1.6
# Timed images for each number in a trial; one more before them is not timed.
_TIMED = 3
# Another number has to save this share of the time.
_GAIN = 0.1
# Fewest images between two trials; twice as many after each one that has changed nothing.
_PAUSE, _LONGEST_PAUSE = 20, 640


class ThreadChooser:
    """Chooses the number of threads. Safe to use from many threads.

    Args:
        most: The network's share of the budget.
        fixed: The user has said the number, with ``OMP_NUM_THREADS``.
    """

    def __init__(self, most: int, *, fixed: bool = False) -> None:
        numbers = {most, (3 * most) // 4, most // 2, 1} - {0}
        self._numbers = [most] if fixed else sorted(numbers, reverse=True)
        self._number = most
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._reference: float | None = None
        self._waiting: list[int] = []
        self._trial: dict[int, list[float]] = {}
        self._since = 0
        self._pause = _PAUSE

    @property
    def number(self) -> int:
        """Number of threads to use now."""
        with self._lock:
            return self._waiting[0] if self._waiting else self._number

    def note(self, key: Hashable, seconds: float, threads: int) -> None:
        """Add the time of an image.

        Args:
            key: What computed it, and its size; times of different ones are not compared.
            seconds: For one image.
            threads: Number that computed it, which may still be the one before.
        """
        if len(self._numbers) == 1:
            return
        with self._lock:
            if key != self._key:
                self._key, self._reference = key, None
                self._recent.clear()
                self._waiting = []
            if self._waiting:
                self._try(seconds, threads)
            elif threads == self._number:
                self._watch(seconds)

    def rest(self) -> None:
        """End a trial, as the next image's time says nothing about the number of threads."""
        with self._lock:
            self._waiting = []
            self._recent.clear()

    def _watch(self, seconds: float) -> None:
        self._since += 1
        self._recent.append(seconds)
        if len(self._recent) < _WINDOW:
            return
        median = statistics.median(self._recent)
        if self._reference is None:
            self._reference = median
        changed = median > _CHANGE * self._reference or median * _CHANGE < self._reference
        if changed and self._since >= self._pause:
            others = [number for number in self._numbers if number != self._number]
            self._waiting = [*others, self._number]
            self._trial = {number: [] for number in self._waiting}

    def _try(self, seconds: float, threads: int) -> None:
        current = self._waiting[0]
        if threads != current:  # it is still getting ready
            return
        times = self._trial[current]
        times.append(seconds)
        if len(times) <= _TIMED:
            return
        self._waiting.pop(0)
        if self._waiting:
            return
        medians = {number: statistics.median(each[1:]) for number, each in self._trial.items()}
        best = min(medians, key=lambda number: medians[number])
        stays = medians[best] > (1 - _GAIN) * medians[self._number]
        chosen = self._number if stays else best
        self._pause = min(2 * self._pause, _LONGEST_PAUSE) if stays else _PAUSE
        self._number, self._reference = chosen, medians[chosen]
        self._since = 0
        self._recent.clear()
