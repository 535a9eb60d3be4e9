"""Computing that leaves no idle OpenMP team behind, which would slow the network down.

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

_this_thread = threading.local()


def in_short_lived_thread(work: Callable[[], T]) -> T:
    """Return what some work returns, computed in a thread that ends with it.

    Torch's modes, such as ``no_grad``, are those of a new thread. Nested calls share one thread.

    Raises:
        BaseException: Whatever the work raises.
    """
    if getattr(_this_thread, "is_short_lived", False):
        return work()
    # Leaving the block joins the thread, after Ctrl-C too: the interpreter must not end while
    # native code runs.
    with ThreadPoolExecutor(1, "short-lived", _mark_as_short_lived) as executor:
        return executor.submit(work).result()


def _mark_as_short_lived() -> None:
    _this_thread.is_short_lived = True


def short_lived_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Run all calls of a function by `in_short_lived_thread`."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return in_short_lived_thread(lambda: function(*args, **kwargs))

    return run


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Have torch use this number of threads for what this thread computes in the block.

    One is for work that cannot be done by `in_short_lived_thread`, because it also waits, for a
    download say.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_to_one_thread() -> None:
    """Have torch never use more than one thread for what this thread computes, as long as it lives.

    A second team beside that of the thread that explains costs it more than the work itself.
    """
    _this_thread.most = 1
    use_threads(1)


def use_threads(number: int) -> None:
    """Have torch use this number of threads for what this thread computes."""
    number = min(number, getattr(_this_thread, "most", number))
    # Torch keeps the number for each thread by itself, and asking for it is not free.
    if getattr(_this_thread, "number", None) != number:
        torch.set_num_threads(number)
        _this_thread.number = number
