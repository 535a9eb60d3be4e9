"""Measure every promise of a live session, and print a table ready for the README.

    python scripts/measure_live.py [--minutes 10] [--seconds 20] [--json live.json]

- Flicker: a still scene with sensor noise; mean absolute change of the heat (0..1) from frame to
  frame, ours against every map stretched between its own minimum and maximum.
- The sanity check: rank correlation of the maps of the network with scrambled weights with the true
  ones, on generated scenes.
- Latency: a camera of 30 fps and networks of any slowness; from capture to show, against one camera
  interval plus 1.3 times the time that explaining takes; and over ten minutes, whether it grows.
- Reconnecting: a loopback MJPEG stream that goes away and comes back.
- Compiling: the rate while a network is compiled beside the session, with an empty cache, against
  that of the uncompiled network alone.

With a display the session opens its real window; without one the pictures are drawn all the same.
Ends with code 1 where a promise is not kept. On a machine that does something else meanwhile the
times mean little.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_gradcam.bench.live import Promise, measure_flicker, measure_latency, measure_randomization
from live_gradcam.bench.report import machine, promises_markdown, write_promises
from live_gradcam.capture.stream import StreamSource
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.scenes import render_scene
from scripts.faults.servers import MjpegServer

RECONNECT_BAR_SECONDS = 1.0
COMPILING_BAR = 0.5


def measure_reconnect(away_seconds: float) -> Promise:
    """Measure the time until a stream is seen again after its server came back."""
    with ExitStack() as stack:
        server = stack.enter_context(MjpegServer())
        source = stack.enter_context(StreamSource(server.address))
        while source.newest(5.0) is None:
            continue
        gone = time.monotonic()
        server.vanish()
        while not source.banner:
            source.newest(0.005)
        noticed = time.monotonic() - gone
        back: list[float] = []

        def bring_back() -> None:
            server.listen()
            back.append(time.monotonic())

        timer = threading.Timer(away_seconds, bring_back)
        timer.start()
        while not back:
            source.newest(0.005)
        while source.newest(0.005) is None:
            continue
        seen = time.monotonic() - back[0]
        timer.join()
    return Promise(
        f"a stream that is away for {away_seconds:g} s is shown again after its return",
        f"within {RECONNECT_BAR_SECONDS:g} s",
        f"{seen * 1000.0:.0f} ms; its banner stood after {noticed * 1000.0:.0f} ms",
        seen <= RECONNECT_BAR_SECONDS,
        {
            "away_seconds": away_seconds,
            "banner_after_ms": noticed * 1000.0,
            "picture_after_return_ms": seen * 1000.0,
        },
    )


def measure_compiling(seconds: float) -> Promise:
    """Measure the share of the rate that is left while the compiler works beside the network."""
    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        alone = _intervals(explainer, min(seconds, 10.0))
    before = os.environ.get("XDG_CACHE_HOME")
    with TemporaryDirectory() as empty:
        os.environ["XDG_CACHE_HOME"] = empty
        try:
            with Explainer(load_classifier("scenes"), compile="auto") as explainer:
                while explainer.runtime.state == "eager":
                    _intervals(explainer, 0.2)
                beside = _intervals(explainer, seconds, while_state="compiling")
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before
    share = (len(beside) / sum(beside)) / (len(alone) / sum(alone))
    longest = max(beside)
    return Promise(
        "while the network is compiled beside a session, its rate is that of the uncompiled one",
        f"at least {COMPILING_BAR:g} of it",
        f"{share:.2f} of it; the longest frame took {1000.0 * longest:.0f} ms",
        share >= COMPILING_BAR,
        {"share": share, "frames": float(len(beside)), "longest_ms": 1000.0 * longest},
    )


def _intervals(explainer: Explainer, seconds: float, while_state: str | None = None) -> list[float]:
    """Explain an image for some seconds at most; return the seconds that each time took."""
    image = render_scene(1, width=640, height=480).image
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and while_state in (None, explainer.runtime.state):
        began = time.monotonic()
        explainer.explain(image, classes="top")
        taken.append(time.monotonic() - began)
    return taken


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of the long run; 0 skips it")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each short latency run")
    parser.add_argument(
        "--explain-ms", type=float, nargs="*", default=[0.0, 100.0, 400.0], help="at least"
    )
    parser.add_argument("--noise", type=float, nargs="*", default=[5.0, 15.0], help="grey levels")
    parser.add_argument("--scenes", type=int, default=8, help="of each flicker measurement")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()

    promises: list[Promise] = []

    def add(promise: Promise) -> None:
        promises.append(promise)
        print(f"{promise.what}: {promise.measured}", file=sys.stderr, flush=True)

    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        for levels in options.noise:
            add(measure_flicker(explainer, levels, scenes=options.scenes))
        add(measure_randomization(explainer))
    window = bool(os.environ.get("DISPLAY"))
    for at_least in options.explain_ms:
        add(measure_latency(options.seconds, at_least_ms=at_least, window=window))
    if options.minutes > 0:
        add(measure_latency(60.0 * options.minutes, window=window))
    for away in (1.0, 4.0):
        add(measure_reconnect(away))
    add(measure_compiling(options.seconds))
    print(f"{machine()}\n\n{promises_markdown(promises)}")
    if options.json is not None:
        write_promises(options.json, promises)
    return 0 if all(promise.kept for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
