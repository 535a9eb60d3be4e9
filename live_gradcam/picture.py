"""What an explanation remembers of its picture: where it lies, never a copy of it.

A file is remembered by its path. Pixels are remembered weakly, so that a list of a thousand
explanations holds no thousand pictures; the newest ones are kept for a while, so that what was
explained in one line can be drawn in the next.
"""

from __future__ import annotations

import threading
import weakref
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of pixels that are kept for explanations that nobody else keeps them for."""

_SAMPLES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The picture that was explained.

    Attributes:
        width: In pixels.
        height: In pixels.
        name: What may be shown: the path, the address without passwords, or empty.
        path: The whole path of an image file that can be read again; empty if it is none.
        file_bytes: Size of that file.
    """

    width: int
    height: int
    name: str = ""
    path: str = ""
    file_bytes: int = 0
    _pixels: Callable[[], NDArray[np.uint8] | None] | None = None
    _fingerprint: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def pixels(self) -> NDArray[np.uint8] | None:
        """``uint8 (H, W, 3)`` BGR, where it is still in memory."""
        return None if self._pixels is None else self._pixels()

    def is_unchanged(self, pixels: NDArray[np.uint8]) -> bool:
        """Return whether an array holds what it held when it was explained, by a sample of it."""
        return _fingerprint(pixels) == self._fingerprint

    def __reduce__(self) -> tuple[Any, ...]:
        # Pixels stay where they are: another process knows the picture by its path.
        return Picture, (self.width, self.height, self.name, self.path, self.file_bytes)

    def __copy__(self) -> Picture:
        return self

    def __deepcopy__(self, memo: object) -> Picture:
        return self


def remember(
    pixels: NDArray[np.uint8],
    *,
    name: str = "",
    path: str = "",
    file_bytes: int = 0,
    keep: bool = False,
) -> Picture:
    """Remember a picture.

    Args:
        pixels: ``uint8 (H, W, 3)`` BGR.
        name: As in `Picture`.
        path: As in `Picture`.
        file_bytes: As in `Picture`.
        keep: Keep the pixels for a while, for nobody else may.
    """
    if keep:
        _newest.add(pixels)
    height, width = pixels.shape[:2]
    own = _weakly(pixels)
    return Picture(width, height, name, path, file_bytes, own, _fingerprint(pixels))


def _weakly(pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8] | None]:
    """Return a function that gives the pixels for as long as somebody has them.

    A part of an array, such as a row of a batch, is there while the array is: nobody else may have
    the part itself.
    """
    whole = pixels.base
    if not isinstance(whole, np.ndarray) or not whole.flags.c_contiguous:
        return weakref.ref(pixels)
    shape, strides = pixels.shape, pixels.strides
    offset, alive = pixels.ctypes.data - whole.ctypes.data, weakref.ref(whole)

    def part() -> NDArray[np.uint8] | None:
        known = alive()
        return None if known is None else np.ndarray(shape, np.uint8, known, offset, strides)

    return part


def _fingerprint(pixels: NDArray[np.uint8]) -> int:
    rows, columns = (max(1, length // _SAMPLES) for length in pixels.shape[:2])
    return zlib.crc32(pixels[::rows, ::columns].tobytes())


class _Newest:
    """The newest pictures, up to a number of bytes; always the last one."""

    def __init__(self) -> None:
        self._kept: deque[NDArray[np.uint8]] = deque()
        self._lock = threading.Lock()

    def add(self, pixels: NDArray[np.uint8]) -> None:
        with self._lock:
            if any(each is pixels for each in self._kept):
                return
            self._kept.append(pixels)
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept) > KEPT_BYTES:
                self._kept.popleft()


_newest = _Newest()
