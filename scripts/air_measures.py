"""Measure every promise of what is sent on air, and print a table ready for the README.

    python scripts/air_measures.py                       # all of them, in about 16 minutes
    python scripts/air_measures.py --only mjpeg rtsp --seconds 20
    python scripts/air_measures.py --only receivers --minutes 10 --model resnet18 --weights R.pth
    python scripts/air_measures.py --only returns --returns 100

- ``mjpeg``, ``rtsp``, ``rtmp``, ``tcp``: a camera draws its time into its images; a window shows
  them, explained; a receiver in a process of its own decodes what it gets and reads the time. What
  is compared is when the one and the other had the same image.
- ``receivers``: the window's rate and this process's memory with 20 receivers, 5 of which read
  nothing.
- ``returns``: receivers that are killed and come back, of every kind.
- ``screen``: a screen under Xvfb, read on one core.
- ``events``: records over server-sent events against the file of the same session.

The session has its real window, on a screen of its own (Xvfb and openbox). Ends with code 1 where a
promise is not kept. On a machine that does something else meanwhile the times mean little: the
table says how busy it was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_gradcam.bench.live import Promise
from live_gradcam.bench.report import machine, promises_markdown, write_promises
from scripts.air.bars import (
    Setting,
    measure_events,
    measure_many_receivers,
    measure_mjpeg_latency,
    measure_push_latency,
    measure_returns,
)
from scripts.air.screen_bar import measure_screen
from tests.helpers.screen import VirtualScreen

BARS = ("mjpeg", "rtsp", "rtmp", "tcp", "receivers", "returns", "screen", "events")
_RETURNING = ("mjpeg", "events", "rtsp", "rtmp", "tcp")
_SCREEN = (1280, 720)


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=BARS, default=BARS, help="what to measure")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each short run")
    parser.add_argument("--minutes", type=float, default=10.0, help="with many receivers")
    parser.add_argument("--size", default="640x480", help="of the camera's images")
    parser.add_argument("--fps", type=float, default=30.0, help="of the camera")
    parser.add_argument("--model", default="scenes", help="the network")
    parser.add_argument("--weights", type=Path, help="its file")
    parser.add_argument("--receivers", type=int, default=20, help="how many watch")
    parser.add_argument("--idle", type=int, default=5, help="how many of them read nothing")
    parser.add_argument("--returns", type=int, default=100, help="of each kind of receiver")
    parser.add_argument("--kinds", nargs="*", choices=_RETURNING, default=_RETURNING)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    setting = Setting(
        seconds=options.seconds,
        size=(width, height),
        fps=options.fps,
        model=options.model,
        weights=options.weights,
        receivers=options.receivers,
        idle=options.idle,
        returns=options.returns,
    )
    promises: list[Promise] = []

    def add(measure: Callable[[], Promise]) -> None:
        before = os.getloadavg()[0]
        promise = measure()
        promises.append(promise)
        kept = "kept" if promise.kept else "NOT KEPT"
        load = f"load before {before:.1f}"
        print(f"{kept}: {promise.what}: {promise.measured} ({load})", file=sys.stderr, flush=True)

    load = os.getloadavg()
    with VirtualScreen(*_SCREEN) as screen:
        os.environ["DISPLAY"] = screen.name
        os.environ.pop("WAYLAND_DISPLAY", None)
        if "mjpeg" in options.only:
            add(lambda: measure_mjpeg_latency(setting))
        for scheme in ("rtsp", "rtmp", "tcp"):
            if scheme in options.only:
                add(lambda scheme=scheme: measure_push_latency(setting, scheme))  # type: ignore[misc]
        if "receivers" in options.only:
            long = replace(setting, seconds=60.0 * options.minutes)
            add(lambda: measure_many_receivers(long))
        if "events" in options.only:
            add(lambda: measure_events(setting))
        if "screen" in options.only:
            add(lambda: measure_screen(screen, _SCREEN, min(options.seconds, 20.0)))
        if "returns" in options.only:
            for kind in options.kinds:
                add(lambda kind=kind: measure_returns(setting, kind))  # type: ignore[misc]
    loads = ", ".join(f"{each:.1f}" for each in load)
    print(f"{machine()}; load of 1, 5 and 15 minutes at the beginning: {loads}\n")
    print(promises_markdown(promises))
    if options.json is not None:
        write_promises(options.json, promises)
    return 0 if all(promise.kept for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
