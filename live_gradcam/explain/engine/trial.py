"""Which engine is fastest here: measured on the images that have to be explained anyway.

Nothing is computed for the measurement alone, so no frame waits for it. Each engine has a few
images in a row, because the threads of the one before may still be awake during the first of them;
then comes the next one. Those that are clearly slower are left out when all have had their turn.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping, Sequence

TORCH = "torch"
COMPILED = "torch compiled"

_ROUNDS = 2
_IN_A_ROW = 4
# What is not clearly faster than the one before it in the order of the candidates is not taken.
_GAIN = 0.03
# A candidate that takes so many times as long as the best one gets no second turn.
_HOPELESS = 1.5


class EngineTrial:
    """A measurement of candidates by turns. Safe to use from many threads.

    Args:
        names: Of the candidates, the best guess first; what runs already, torch, is the last, and
            has the first turn.
        rounds: Turns of each.
        in_a_row: Images in a turn; the first of them is not timed.
    """

    def __init__(
        self, names: Sequence[str], *, rounds: int = _ROUNDS, in_a_row: int = _IN_A_ROW
    ) -> None:
        self._names = list(names)
        self._times: dict[str, list[float]] = {name: [] for name in names}
        self._in_a_row = in_a_row
        self._rounds = rounds
        self._turns = self._round()
        self._done = 0
        self._lock = threading.Lock()

    @property
    def next(self) -> str:
        """Name of the candidate whose turn it is; of the winner in the end."""
        with self._lock:
            return self._turns[0] if self._turns else self._best()

    @property
    def winner(self) -> str | None:
        """Name of the fastest candidate; ``None`` as long as it is being measured."""
        with self._lock:
            return None if self._turns else self._best()

    @property
    def table(self) -> Mapping[str, float]:
        """Median of each candidate's milliseconds for an image."""
        with self._lock:
            return {name: statistics.median(times) for name, times in self._times.items() if times}

    def note(self, name: str, milliseconds: float) -> None:
        """Add the time of one image.

        Args:
            name: Of the candidate that computed it; only those whose turn it is count.
            milliseconds: For the image.
        """
        with self._lock:
            if not self._turns or name != self._turns[0]:
                return
            self._done += 1
            if self._done > 1:
                self._times[name].append(milliseconds)
            if self._done == self._in_a_row:
                self._turns.pop(0)
                self._done = 0
                self._next_round()

    def drop(self, name: str) -> None:
        """Leave out a candidate that failed, if it is one."""
        with self._lock:
            if name not in self._names:
                return
            self._turns = [each for each in self._turns if each != name]
            self._names.remove(name)
            self._times.pop(name)
            self._done = 0
            self._next_round()

    def _next_round(self) -> None:
        """Give those that may still win another turn, when all have had theirs."""
        if not self._turns and self._rounds > 1:
            self._rounds -= 1
            self._turns = self._round()

    def _round(self) -> list[str]:
        medians = {name: statistics.median(self._times[name] or [0.0]) for name in self._names}
        limit = _HOPELESS * min(medians.values())
        last, *others = reversed(self._names)
        turns = [last, *reversed(others)]
        left = [name for name in turns if medians[name] <= limit or not self._times[name]]
        return left if len(left) > 1 or not any(self._times.values()) else []

    def _best(self) -> str:
        medians = {name: statistics.median(self._times[name] or [0.0]) for name in self._names}
        limit = min(medians.values()) * (1 + _GAIN)
        return next(name for name in self._names if medians[name] <= limit)
