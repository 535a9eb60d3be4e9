"""Devices that do what they are told when they get to it, as a GPU does.

`LateDevice` stands in for CUDA where there is none: each stream is a thread that works through its
queue with random delays, "device memory" is filled with junk until something is written to it, and
a graph runs again on the memory that it was captured with. What forgets to wait reads junk.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor


class LateStream:
    """Runs its work in order, on a thread of its own, some time later."""

    def __init__(self, seed: int, delay_seconds: float) -> None:
        self._random = random.Random(seed)
        self._delay_seconds = delay_seconds
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def run(self, work: Callable[[], object]) -> None:
        self._queue.put(work)

    def follow(self, other: LateStream) -> None:
        reached = threading.Event()
        other._queue.put(reached.set)
        self._queue.put(lambda: reached.wait(60))

    def finish(self) -> Callable[[], None]:
        reached = threading.Event()
        self._queue.put(reached.set)

        def wait() -> None:
            assert reached.wait(60), "nothing ever waits for itself"

        return wait

    def close(self) -> None:
        self._queue.put(None)

    def _work(self) -> None:
        with torch.no_grad():
            while (work := self._queue.get()) is not None:
                time.sleep(self._random.random() * self._delay_seconds)
                work()


class LateDevice:
    """An `Accelerator` in the CPU's memory.

    Args:
        seed: Of the delays.
        delay_seconds: The longest one.
        spoil: Changes the result of a graph, as a broken one would.
    """

    made: ClassVar[list[LateDevice]] = []

    def __init__(
        self,
        seed: int = 0,
        delay_seconds: float = 0.002,
        spoil: Callable[[Tensor], Tensor] = lambda result: result,
    ) -> None:
        self.captures = 0
        self.replays = 0
        self._spoil = spoil
        self.streams = (
            LateStream(seed, delay_seconds),
            LateStream(seed + 1, delay_seconds),
            LateStream(seed + 2, delay_seconds),
        )
        self.made.append(self)

    @classmethod
    def close_all(cls) -> None:
        """End the threads of all there are."""
        while cls.made:
            for stream in cls.made.pop().streams:
                stream.close()

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return self.empty(shape, dtype)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.full(shape, 77, dtype=dtype)

    def capture(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        self.captures += 1
        with torch.no_grad():
            out = torch.full_like(work(), 77)

        def replay() -> None:
            self.replays += 1
            out.copy_(self._spoil(work()))

        return out, replay


class BrokenDevice(LateDevice):
    """A device that cannot capture anything."""

    def capture(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")
