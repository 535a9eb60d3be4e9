"""Computing that leaves nothing behind which would slow the network down.

GNU OpenMP, which torch computes with on Linux, keeps a team of threads for each thread that ever
computed, for as long as that thread lives. Where the teams together have more threads than there
are processors, none of them waits awake any more: each of the hundreds of hand-overs in a forward
becomes a sleep and a wake-up. One idle team beside the one that explains costs ResNet-18 a third
of its rate on two cores. So whatever a process computes once (loading, proving, checking) is
computed in a thread that ends with it, and its team with the thread.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

_aside = threading.local()


def aside(work: Callable[[], T]) -> T:
    """Do some work in a thread that ends with it, and wait for it.

    Torch's modes, such as ``no_grad``, are those of a new thread. Calls in each other share one.

    Raises:
        BaseException: Whatever the work raises.
    """
    if getattr(_aside, "here", False):
        return work()
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        _aside.here = True
        try:
            found.append(work())
        except BaseException as exc:
            failed.append(exc)

    thread = threading.Thread(target=run, name="aside", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:  # Ctrl-C: the interpreter must not end while native code runs
        thread.join()
        raise
    if failed:
        raise failed.pop()
    return found.pop()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Have what this thread computes meanwhile computed by it alone.

    For work that cannot be done `aside`, because it also waits, for a download say.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def short_lived_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Have all calls of a function done by `aside`."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return aside(lambda: function(*args, **kwargs))

    return run
