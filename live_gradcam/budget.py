"""Numbers of threads that each kind of work may use: the one place that decides them.

Stages overlap: while the network computes one frame, another is decoded, drawn and encoded. On two
cores every further pool of threads only takes time from the network, so each of the others gets
one; where cores are plenty, all of them are used.
"""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

# Fewest cores that are shared out; with fewer the network gets all there are.
_PLENTY = 4
# Some 20 microseconds: longer than most waits between the threads of a network on a calm machine.
_SPINS = "2000"
# Cores that this process was given as its share of the machine; None for all.
_share: int | None = None


@dataclass(frozen=True, slots=True)
class ThreadBudget:
    """Threads for each kind of work.

    Attributes:
        network: For one operation of the network on the CPU (torch).
        drawing: For one operation on an image (OpenCV).
        decoding: For one video (FFmpeg).
        encoding: For one recording (x264).
        reason: A short sentence why the network gets its number.
        fixed: The user has said that number; it is not chosen anew when the machine is busy.
    """

    network: int
    drawing: int
    decoding: int
    encoding: int
    reason: str
    fixed: bool = False


@functools.cache
def thread_budget() -> ThreadBudget:
    """Return the budget of this process, decided once.

    Hyper-threads share one arithmetic unit, so physical cores count; only those that this process
    may use, and no more than the container's share of time. ``OMP_NUM_THREADS`` wins.
    """
    network, reason = _network_threads()
    cores = _usable_cores()
    return ThreadBudget(
        network=network,
        drawing=1 if cores < _PLENTY else min(8, cores // 2),
        # One thread decodes H.264 at 1280x720 as fast as cv2.VideoCapture does with all of them,
        # for a fifth less work.
        decoding=1 if cores < _PLENTY else min(4, cores // 2),
        encoding=1 if cores < _PLENTY else min(4, cores // 2),
        reason=reason,
        fixed=_asked_threads() is not None,
    )


def limit_cores(count: int) -> None:
    """Let this process use no more cores than its share, where several share the machine.

    To be called before anything asks for the budget.
    """
    global _share  # a process has one share
    _share = count
    thread_budget.cache_clear()


def wait_asleep() -> None:
    """Have torch's threads wait asleep, but for a moment; to be called before torch is loaded.

    GNU OpenMP, which torch computes with on Linux, lets threads that wait for each other spin for
    milliseconds. On a busy machine that takes the time of the very thread that is waited for:
    ResNet-18 takes 7 to 10 times as long beside two other processes on two cores.
    ``OMP_WAIT_POLICY`` and ``GOMP_SPINCOUNT`` win.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def limit_drawing() -> None:
    """Give OpenCV its share of threads, unless ``OPENCV_FOR_THREADS_NUM`` says otherwise."""
    from live_gradcam.native import cv2

    if "OPENCV_FOR_THREADS_NUM" not in os.environ:
        cv2.setNumThreads(thread_budget().drawing)


def _asked_threads() -> int | None:
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) > 0 else None


def _network_threads() -> tuple[int, str]:
    asked = _asked_threads()
    if asked is not None:
        return asked, f"{asked} threads, as OMP_NUM_THREADS asks for"
    cores = _physical_cores()
    if _share is not None and _share < cores:
        return _share, f"{_share} threads, this worker's share of {cores} cores"
    quota = _container_quota()
    if quota is not None and quota < cores:
        count = max(1, int(quota))
        return count, f"{count} threads, the container's share of {cores} cores"
    return cores, f"{cores} threads, one for each physical core of {platform.machine()}"


def _usable_cores() -> int:
    cores, quota = _physical_cores(), _container_quota()
    usable = cores if quota is None else max(1, min(cores, int(quota)))
    return usable if _share is None else min(usable, _share)


def _physical_cores() -> int:
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # macOS and Windows have no affinity
        return _logical_cores()
    return len({_core_of(cpu) for cpu in usable})


def _logical_cores() -> int:
    """Count cores where only the number of processors is known; hyper-threads come in pairs."""
    count = os.cpu_count() or 1
    paired = platform.machine().lower() in ("x86_64", "amd64") and count > 1
    return count // 2 if paired else count


def _core_of(cpu: int) -> str:
    """Return a name that the hyper-threads of one core share."""
    try:
        place = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        return place.read_text(encoding="utf-8").strip()
    except OSError:
        return str(cpu)


def _container_quota() -> float | None:
    """Return the number of cores' worth of time the container may use; ``None`` for no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None
