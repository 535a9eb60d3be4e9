"""Drop and stall streams again and again, and measure the time until the picture is back.

    python scripts/drop_streams.py --drops 100 --stalls 20

A real MJPEG server over HTTP and a real RTSP server run on loopback. Each drop cuts every
connection and closes the port for a random time; the figure is the time from the server's return
to the first new picture. Each stall keeps the connection and sends nothing; the figure is the time
until the source says so. The exit code is 1 if a bar is missed or threads or handles grow.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from live_gradcam.capture.stream import StreamSource
from scripts.faults.servers import LoopbackServer, MjpegServer, RtspServer

BACK_WITHIN_SECONDS: dict[type[LoopbackServer], float] = {MjpegServer: 1.0, RtspServer: 2.0}
STALL_MARGIN_SECONDS = 0.5
_TIMEOUT_SECONDS = 1.0
_PATIENCE_SECONDS = 20.0


def wait_for_new_image(source: StreamSource, since: float) -> float:
    """Return the seconds from a moment to the capture of the first image after it."""
    while True:
        frame = source.newest(_PATIENCE_SECONDS)
        if frame is None or frame.captured_seconds is None:
            return _PATIENCE_SECONDS
        if frame.captured_seconds > since:
            return frame.captured_seconds - since


def measure_drops(
    server: LoopbackServer, source: StreamSource, count: int, random: Random
) -> Iterator[float]:
    """Yield the time from the server's return to the first image, for each drop."""
    for _ in range(count):
        server.vanish()
        time.sleep(random.choice((0.0, 0.1, 0.3, 0.7, 1.5)) * random.uniform(0.5, 1.5))
        server.listen()
        yield wait_for_new_image(source, time.monotonic())


def measure_stalls(server: LoopbackServer, source: StreamSource, count: int) -> Iterator[float]:
    """Yield the time from the last image to the moment the source says that it stalled."""
    for _ in range(count):
        wait_for_new_image(source, time.monotonic())
        while source.state != "running":
            time.sleep(0.002)
        server.stall()
        began = time.monotonic()
        while source.state == "running" and time.monotonic() - began < _PATIENCE_SECONDS:
            time.sleep(0.002)
        yield time.monotonic() - began
        server.resume()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--drops", type=int, default=100)
    parser.add_argument("--stalls", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    process = psutil.Process()
    count_handles = process.num_fds if hasattr(process, "num_fds") else process.num_handles
    missed = False
    print(f"{'server':12} {'what':6} {'count':>6} {'median s':>9} {'worst s':>8} {'bar s':>6}")
    for server_type, bar in BACK_WITHIN_SECONDS.items():
        with (
            server_type() as server,
            StreamSource(server.address, timeout_seconds=_TIMEOUT_SECONDS) as source,
        ):
            wait_for_new_image(source, time.monotonic())
            before = (count_handles(), threading.active_count())
            rows = (
                (
                    "drop",
                    bar,
                    list(measure_drops(server, source, options.drops, Random(options.seed))),
                ),
                (
                    "stall",
                    _TIMEOUT_SECONDS + STALL_MARGIN_SECONDS,
                    list(measure_stalls(server, source, options.stalls)),
                ),
            )
            for what, limit, seconds in rows:
                if not seconds:
                    continue
                missed |= max(seconds) > limit
                print(
                    f"{server_type.__name__:12} {what:6} {len(seconds):>6} "
                    f"{statistics.median(seconds):>9.3f} {max(seconds):>8.3f} {limit:>6.1f}",
                    flush=True,
                )
            time.sleep(2 * _TIMEOUT_SECONDS)
            after = (count_handles(), threading.active_count())
            grew = after[0] > before[0] + 2 or after[1] > before[1] + 1
            missed |= grew
            print(f"{'':12} handles {before[0]} -> {after[0]}, threads {before[1]} -> {after[1]}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
