"""One thread that does one job after the other beside the session, and ends with it."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], None]
    done: threading.Event


class BackgroundJobs:
    """Does jobs one after another, in a thread that lives while there are any.

    Args:
        name: Of the thread.

    Attributes:
        closing: Set when the thread has to end: jobs look at it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running = False
        self.closing = threading.Event()

    def submit(self, work: Callable[[], None]) -> threading.Event:
        """Have a job done, which must not raise.

        Returns:
            An event that is set when the job has been done, or never will be.
        """
        job = _Job(work, threading.Event())
        with self._lock:
            if self.closing.is_set():
                job.done.set()
                return job.done
            self._jobs.append(job)
            if not self._running:
                self._running = True
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                # A thread that is inside a native library when the interpreter ends aborts it.
                atexit.register(self.close)
                self._thread.start()
        return job.done

    def close(self) -> None:
        """End the thread after the job that it is at. Idempotent."""
        with self._lock:
            self.closing.set()
            thread = self._thread  # which may be at its very end, with no job left
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        atexit.unregister(self.close)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    atexit.unregister(self.close)
                    return
                job = self._jobs.popleft()
            try:
                if not self.closing.is_set():
                    job.work()
            finally:
                job.done.set()
