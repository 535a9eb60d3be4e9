"""A file that is good after every commit, whatever happens in between.

A recording must survive a killed process and a full disk. What the muxer writes is therefore held
back until it is a complete piece, and each piece reaches the file with all its new bytes first and
its corrections of old bytes last. A piece that does not fit is taken back entirely.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


class AtomicFile:
    """File whose writes are collected, and applied by `commit`; shaped like a file for PyAV.

    Args:
        path: The file; created where it does not exist, emptied by the first commit otherwise.

    Raises:
        OSError: The file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        existed = path.exists()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(path, flags, 0o666)
        self._path = path
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._created = not existed
        self._emptied = False
        self._size = 0
        self._position = 0
        self._end = 0
        self._staged: list[tuple[int, bytearray]] = []
        self._failed = False

    @property
    def size(self) -> int:
        """Number of bytes that are safely in the file."""
        return self._size

    def write(self, data: bytes) -> int:
        """Stage bytes at the present position. After a failed commit, forget them."""
        if not self._failed:
            start, last = self._staged[-1] if self._staged else (0, bytearray())
            if last and start + len(last) == self._position:
                last += data
            else:
                self._staged.append((self._position, bytearray(data)))
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position at which the next write is staged."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position at which the next write is staged."""
        return self._position

    def commit(self) -> None:
        """Write everything staged to the file.

        Raises:
            OSError: It does not fit or the file is broken. The file is as it was after the commit
                before; later writes are forgotten.
        """
        if not self._staged or self._failed:
            return
        descriptor = self._descriptor
        if descriptor is None:
            raise ValueError("the file is closed")
        staged, self._staged = self._staged, []
        try:
            if not self._emptied:
                if self._regular:
                    os.ftruncate(descriptor, 0)
                self._emptied = True
            # New bytes first: should they not fit, nothing old has been touched yet.
            for start, data in sorted(staged, key=lambda piece: piece[0] < self._size):
                os.lseek(descriptor, start, os.SEEK_SET)
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        except OSError:
            self._failed = True
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, self._size)
            raise
        self._size = max(self._size, *(start + len(data) for start, data in staged))

    def discard(self) -> None:
        """Drop what is staged and all that is written from now on."""
        self._failed = True
        self._staged.clear()

    def close(self) -> None:
        """Close without a commit. A file that this object made and left empty is removed."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        if self._size == 0:
            self.remove()

    def remove(self) -> None:
        """Remove a closed file, unless it still holds what stood there before or is a device."""
        if self._descriptor is None and self._regular and (self._created or self._emptied):
            with contextlib.suppress(OSError):
                self._path.unlink()
