"""Few threads, each with a name and an owner: bounded channels and a group that fails as one.

Everything that waits here can be interrupted: aborting a channel wakes whoever waits on it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from typing_extensions import Self

T = TypeVar("T")

_WAIT_SECONDS = 0.05


class ChannelClosed(Exception):
    """The end of a channel: it is closed and every item was taken."""


class ChannelAborted(Exception):
    """The end of all work on a channel: the other side is gone."""


class Channel(Generic[T]):
    """A bounded queue between two threads that can be closed (no more items) or aborted.

    Args:
        capacity: Number of items that may wait; `put` blocks beyond that.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False

    def put(self, item: T) -> None:
        """Append an item, waiting for room.

        Raises:
            ChannelAborted: The channel was aborted, so nothing would take the item.
        """
        with self._changed:
            while len(self._items) >= self._capacity and not self._aborted:
                self._changed.wait()
            if self._aborted:
                raise ChannelAborted
            self._items.append(item)
            self._changed.notify_all()

    def get(self, timeout_seconds: float | None = None) -> T:
        """Take the oldest item.

        Raises:
            ChannelClosed: The channel is closed and empty.
            TimeoutError: Nothing came within the time.
            ChannelAborted: The channel was aborted.
        """
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: self._items or self._closed or self._aborted, timeout_seconds
            )
            if self._aborted:
                raise ChannelAborted
            if not arrived:
                raise TimeoutError
            if not self._items:
                raise ChannelClosed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def get_ready(self, limit: int) -> list[T]:
        """Wait for one item, then take up to ``limit`` that are there; ``[]`` at the end."""
        try:
            items = [self.get()]
        except ChannelClosed:
            return []
        with self._changed:
            while self._items and len(items) < limit:
                items.append(self._items.popleft())
            self._changed.notify_all()
        return items

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self.get()
            except ChannelClosed:
                return
            yield item

    def close(self) -> None:
        """Declare that no more items will come; those that wait are still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Drop the items that wait and wake every thread that does."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()


class WorkerGroup:
    """Threads that belong together: the first exception in one of them stops all of them.

    Args:
        name: Prefix of the threads' names.
        on_abort: Called once when a worker failed or `abort` was called; wakes what waits.
    """

    def __init__(self, name: str, on_abort: Callable[[], None]) -> None:
        self._name = name
        self._on_abort = on_abort
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._aborted = False

    def start(self, role: str, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread of its own."""

        def guarded() -> None:
            try:
                work()
            except ChannelAborted:
                pass
            except BaseException as error:  # carried to the owner by `join`
                with self._lock:
                    if self._error is None:
                        self._error = error
                self.abort()

        thread = threading.Thread(target=guarded, name=f"{self._name}-{role}", daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def alive(self) -> bool:
        """True while any worker runs."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def failed(self) -> bool:
        """True if a worker ended with an exception."""
        return self._error is not None

    def abort(self) -> None:
        """Wake and stop every worker; idempotent."""
        with self._lock:
            if self._aborted:
                return
            self._aborted = True
        self._on_abort()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for all workers, each for at most the time given.

        Returns:
            ``True`` if all of them have ended.
        """
        for thread in self._threads:
            thread.join(timeout_seconds)
        return not self.alive

    def reraise(self) -> None:
        """Raise the first exception that a worker ended with, in the caller."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abort()
        self.join(timeout_seconds=5.0)


def run_in_thread(name: str, work: Callable[[], T]) -> Future[T]:
    """Run ``work`` in a thread of its own.

    Unlike a thread of an executor, it never holds up the end of the process, even where it hangs
    in a driver.

    Args:
        name: Name of the thread.
        work: Makes the result.

    Returns:
        The future of what ``work`` returns or raises; its owner waits for it.
    """
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:  # carried to the owner by `Future.result`
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def wait_for(future: Future[T]) -> T:
    """Return a future's result, waiting in small steps, so that any system obeys a signal.

    Raises:
        Exception: What made it fail.
    """
    while not wait([future], _WAIT_SECONDS).done:
        continue
    return future.result()


def release_when_done(future: Future[T], release: Callable[[T], None]) -> None:
    """Release a result that nobody waits for, as soon as it is there."""

    def done(ended: Future[T]) -> None:
        if not ended.cancelled() and ended.exception() is None:
            release(ended.result())

    future.add_done_callback(done)
