"""Folder of uploaded and made files: private, bounded, and deleted with the page."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path


class CacheFolder:
    """A folder of the page's own, bounded in files, bytes and age.

    Args:
        files: Largest number of files.
        size_bytes: Disk space that they may take.
        age_seconds: Time for which a file is kept.
        clock: Returns seconds since the epoch, comparable with the files' times.
    """

    def __init__(
        self,
        *,
        files: int,
        size_bytes: int,
        age_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="live-gradcam-page-")).resolve()
        self._files = files
        self._bytes = size_bytes
        self._age = age_seconds
        self._clock = clock
        self._lock = threading.Lock()

    def holds(self, path: str) -> bool:
        """True if a path, with links and dots resolved, lies inside the folder."""
        if "\0" in path:
            return False
        try:
            return Path(path).resolve().is_relative_to(self.path)
        except (OSError, RuntimeError):  # a loop of links, a name that is too long
            return False

    def sweep(self) -> None:
        """Delete files that are too old, then the oldest until the rest fits."""
        with self._lock:
            found: list[tuple[float, int, Path]] = []
            # os.walk leaves out what another thread deletes meanwhile; Path.rglob stumbles over it.
            for folder, _, names in os.walk(self.path):
                for path in (Path(folder, name) for name in names):
                    with contextlib.suppress(OSError):
                        status = path.lstat()
                        found.append((status.st_mtime, status.st_size, path))
            found.sort(reverse=True)
            oldest = self._clock() - self._age
            total = 0
            for place, (modified, size, path) in enumerate(found):
                total += size
                if place >= self._files or total > self._bytes or modified < oldest:
                    with contextlib.suppress(OSError):
                        path.unlink()
                    if path.parent != self.path:
                        with contextlib.suppress(OSError):  # not empty
                            path.parent.rmdir()

    def close(self) -> None:
        """Delete the folder with everything in it. Idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
