"""Every pool of threads gets its share of the cores, decided in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from live_gradcam import budget as module
from live_gradcam.budget import limit_drawing, thread_budget
from live_gradcam.native import cv2


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Pretends to be a machine with a number of logical processors, two of them to a core."""

    def pretend(processors: int, quota: float | None = None) -> None:
        thread_budget.cache_clear()
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        usable = set(range(processors))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: usable, raising=False)
        monkeypatch.setattr(module, "_core_of", lambda cpu: str(cpu // 2))
        monkeypatch.setattr(module, "_container_quota", lambda: quota)

    yield pretend
    thread_budget.cache_clear()


def test_two_cores_are_not_oversubscribed(machine: Callable[..., None]) -> None:
    machine(4)
    found = thread_budget()
    assert (found.network, found.drawing, found.decoding, found.encoding) == (2, 1, 1, 1)


def test_sixteen_cores_are_used(machine: Callable[..., None]) -> None:
    machine(32)
    found = thread_budget()
    assert (found.network, found.drawing, found.decoding, found.encoding) == (16, 8, 4, 4)
    assert "16 threads" in found.reason


def test_a_container_gets_its_share(machine: Callable[..., None]) -> None:
    machine(32, quota=1.5)
    found = thread_budget()
    assert (found.network, found.decoding) == (1, 1)
    assert "share" in found.reason


def test_threads_follow_the_environment(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(8)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert thread_budget().network == 5


def test_opencv_gets_its_share_unless_the_user_says_otherwise(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cv2.getNumThreads()
    try:
        machine(4)
        monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
        cv2.setNumThreads(2)
        limit_drawing()
        assert cv2.getNumThreads() == 1
        cv2.setNumThreads(2)
        monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "2")
        limit_drawing()
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
