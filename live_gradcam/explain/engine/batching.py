"""Which images share one forward: how many is found out from the work itself.

The cheapest size depends on the processor's caches, the network and the input's size. So the first
forwards of a long run are made in several sizes, each timed on real images that had to be explained
anyway, and the run stays with the smallest size that is as cheap as the best. Memory bounds the
sizes before anything is tried, and one that did not fit is not tried again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch

from live_gradcam.explain.engine.failures import OutOfMemory

T = TypeVar("T")

Size: TypeAlias = "tuple[int, int]"
"""Height and width of the network's input."""

Finish: TypeAlias = "Callable[[], list[T]]"
"""Waits for a forward that was begun, and returns what it found, one for each image."""

# In the order in which they are tried: a good guess first, then larger, then smaller ones.
_SIZES: Mapping[str, tuple[int, ...]] = {
    "cpu": (4, 8, 2, 1),
    "cuda": (16, 32, 8, 4),
    "mps": (8, 16, 4, 2, 1),
}
# The first forward of a size builds what the later ones use: it is not timed.
_WARM_UP = 1
_TIMED = 3
# A larger size has to save more than this share of the time for an image.
_GAIN = 0.03
# The activations that are alive at once, in multiples of the float32 input: 42 for VGG, the
# largest of torchvision's networks in this respect, and as much again for the library's copies.
_ACTIVATIONS = 84
_BYTES_OF_PIXEL = 3 * 4
# Share of the free memory that one batch may take.
_MEMORY_SHARE = 0.5


@dataclass(slots=True)
class _Trial:
    """The sizes of batches tried for one input size, and the seconds for an image in each."""

    untried: list[int]
    forwards: int = 0
    seconds: dict[int, float] = field(default_factory=dict)
    chosen: int | None = None

    @property
    def size(self) -> int:
        """The size of the next full forward."""
        return self.chosen or self.untried[0]

    def conclude(self) -> None:
        """Go on to the next size, or choose."""
        tried, first = self.untried.pop(0), next(iter(self.seconds))
        self.forwards = 0
        limit = min(self.seconds.values()) * (1 + _GAIN)
        if self.seconds[tried] > limit:  # what lies beyond it is dearer still
            larger = tried > first
            self.untried = [size for size in self.untried if (size > tried) != larger]
        if not self.untried:
            self.chosen = min(size for size, each in self.seconds.items() if each <= limit)


class BatchSizer:
    """Chooses the size of the next forward. Safe to use from many threads.

    Args:
        device_type: ``cpu``, ``cuda`` or ``mps``.
        fixed: The one size, where as many images wait; nothing is tried.
        steady: Nothing is tried: the good guess is the size, or the first one that memory allows.
        free_memory: Returns the bytes that are free on the device, ``None`` where unknown.
    """

    def __init__(
        self,
        device_type: str,
        *,
        fixed: int | None = None,
        steady: bool = False,
        free_memory: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._sizes = _SIZES[device_type]
        self._fixed = fixed
        self._steady = steady
        self._free_memory = free_memory
        self._trials: dict[Size, _Trial] = {}
        self._lock = threading.Lock()

    @property
    def largest(self) -> int:
        """Number of images that are worth handing over together."""
        return self._fixed or max(self._sizes)

    def chosen(self, height: int, width: int) -> int | None:
        """Return the size that was found to be cheapest; ``None`` while it is being found out."""
        if self._fixed is not None:
            return self._fixed
        with self._lock:
            return self._trial(height, width).chosen

    def next_size(self, waiting: int, height: int, width: int) -> int:
        """Return the size of the next forward.

        Args:
            waiting: Number of images that are there, at least 1.
            height: Height of the network's input.
            width: Width of the network's input.
        """
        if self._fixed is not None:
            return min(waiting, self._fixed)
        with self._lock:
            return min(waiting, self._trial(height, width).size)

    def note(self, batch: int, height: int, width: int, seconds: float) -> None:
        """Add the measured time of a forward."""
        if self._fixed is not None:
            return
        with self._lock:
            trial = self._trial(height, width)
            if trial.chosen is not None or batch != trial.size:
                return
            trial.forwards += 1
            if trial.forwards > _WARM_UP:
                each = seconds / batch
                trial.seconds[batch] = min(each, trial.seconds.get(batch, each))
            if trial.forwards == _WARM_UP + _TIMED:
                trial.conclude()

    def note_too_large(self, batch: int, height: int, width: int) -> None:
        """Rule out a size that did not fit into memory: half of it is the most from now on."""
        half = max(1, batch // 2)
        if self._fixed is not None:
            self._fixed = min(self._fixed, half)
            return
        with self._lock:
            trial = self._trial(height, width)
            trial.seconds = {size: each for size, each in trial.seconds.items() if size <= half}
            trial.untried = [size for size in trial.untried if size <= half]
            trial.forwards = 0
            if trial.chosen is not None or not trial.untried:
                trial.chosen = min(trial.chosen or half, half)

    def _trial(self, height: int, width: int) -> _Trial:
        trial = self._trials.get((height, width))
        if trial is None:
            most = max(self._sizes)
            free = self._free_memory()
            if free is not None:
                each = height * width * _BYTES_OF_PIXEL * _ACTIVATIONS
                most = min(most, max(1, int(_MEMORY_SHARE * free / each)))
            fitting = [size for size in self._sizes if size <= most]
            trial = self._trials[height, width] = _Trial(fitting)
            if fitting in ([], [1]):
                trial.chosen = 1
            elif self._steady:
                trial.chosen = fitting[0]
        return trial


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that a batch could use; ``None`` where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on Windows and macOS
        return None


def run_in_parts(
    sizes: Sequence[Size],
    next_batch: Callable[[int, int, int], int],
    begin: Callable[[slice], Finish[T]],
) -> list[T]:
    """Run many images in forwards of several; what does not fit into memory is run in halves.

    A device that works by itself computes one part while the next one is prepared.

    Args:
        sizes: Of each image's input.
        next_batch: Returns the size of the next forward, from the number of images of one size
            that wait, and their height and width.
        begin: Begins with a part of the images, all of one size.

    Returns:
        What was found, one for each image, in order.

    Raises:
        OutOfMemory: Not even one image fits.
    """
    found: list[T] = []
    finish: Finish[T] = list
    for part in _parts(sizes, next_batch):
        finish_before, finish = finish, _begin(begin, part)
        found += finish_before()
    return found + finish()


def _parts(sizes: Sequence[Size], next_batch: Callable[[int, int, int], int]) -> Iterator[slice]:
    """Cut runs of neighbours with one input size into forwards."""
    start = 0
    while start < len(sizes):
        stop = start + 1
        while stop < len(sizes) and sizes[stop] == sizes[start]:
            stop += 1
        while start < stop:
            batch = next_batch(stop - start, *sizes[start])
            yield slice(start, start + batch)
            start += batch


def _begin(begin: Callable[[slice], Finish[T]], part: slice) -> Finish[T]:
    try:
        pending = begin(part)
    except OutOfMemory as exc:
        return partial(_in_halves, begin, part, exc)

    def finish() -> list[T]:
        try:
            return pending()
        except OutOfMemory as exc:
            return _in_halves(begin, part, exc)

    return finish


def _in_halves(begin: Callable[[slice], Finish[T]], part: slice, reason: OutOfMemory) -> list[T]:
    middle = (part.start + part.stop) // 2
    if middle == part.start:
        raise reason
    first = _begin(begin, slice(part.start, middle))()
    return first + _begin(begin, slice(middle, part.stop))()
