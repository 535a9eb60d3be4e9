"""Measure what a live session promises: calm pictures, fresh pictures, and a quick return.

    python scripts/measure_live.py [--seconds 20] [--explain-ms 20 100 400] [--json live.json]

- Flicker: a still scene with sensor noise; mean absolute change of the heatmap (0..1) from frame to
  frame, ours against every map stretched between its own minimum and maximum.
- Latency: a camera of 30 fps and networks of any slowness; from capture to show, against one camera
  interval plus 1.3 times the time that explaining takes, and whether it grows.
- Reconnecting: a loopback MJPEG stream that goes away and comes back.

With a display the session opens its real window; without one the pictures are drawn all the same.
``--seconds 600`` shows the latency over ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from live_gradcam.capture.scene import render_scene
from live_gradcam.capture.stream import StreamSource
from live_gradcam.explain.classifier import load_classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.pipeline import RunOptions
from live_gradcam.session import run_session
from live_gradcam.session.steady import SteadyLabels, SteadyMaps
from live_gradcam.show.heat import normalise
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Image
from tests.helpers.live import LiveScene
from tests.helpers.servers import MjpegServer

CAMERA_FPS = 30.0
NOISE_LEVELS = (5.0, 15.0)
FLICKER_FRAMES = 60
FLICKER_SCENES = 8
FLICKER_TARGET = 3.0
SLACK = 1.3


def measure_flicker(explainer: Explainer, noise_levels: float) -> dict[str, Any]:
    """Flicker of ours and of per-frame min-max on still scenes with sensor noise.

    Args:
        explainer: Explains the frames.
        noise_levels: Standard deviation of the noise in grey levels.
    """
    ratios, ours, theirs = [], [], []
    for seed in range(FLICKER_SCENES):
        noise = np.random.default_rng(seed)
        still = render_scene(100 + seed, width=640, height=480).image.astype(np.float32)
        labels, maps, scale = SteadyLabels(), SteadyMaps(), HeatScale()
        calm, stretched = [], []
        for _ in range(FLICKER_FRAMES):
            noisy = still + noise.normal(0.0, noise_levels, still.shape)
            picture = np.clip(noisy, 0, 255).astype(np.uint8)
            said = explainer.explain(picture, classes="all")
            top = labels.update(said.predictions)[0].class_index
            smooth = maps.update((top,), said.evidence[top : top + 1])
            value = scale.update(_with_maps(said, smooth))
            calm.append(normalise(smooth[0], value))
            stretched.append(_min_max(said.evidence[said.predictions[0].class_index]))
        # The colour scale needs a moment; so does a person's eye.
        ours.append(_flicker(calm[10:]))
        theirs.append(_flicker(stretched[10:]))
        ratios.append(theirs[-1] / ours[-1])
    return {
        "noise_levels": noise_levels,
        "ours": statistics.median(ours),
        "min_max": statistics.median(theirs),
        "ratio_median": statistics.median(ratios),
        "ratio_worst": min(ratios),
        "target": FLICKER_TARGET,
    }


def _with_maps(said: Explanation, maps: np.ndarray) -> Explanation:
    return Explanation(said.predictions, (0,) * len(maps), maps, said.region)


def _min_max(evidence: np.ndarray) -> np.ndarray:
    """A map as most tools show it: rectified and stretched between its own extremes."""
    positive = np.maximum(evidence, 0.0)
    positive = positive - positive.min()
    return positive / (1e-7 + positive.max())


def _flicker(heats: Sequence[np.ndarray]) -> float:
    return float(np.mean([np.abs(after - before).mean() for before, after in pairwise(heats)]))


class SlowExplainer(Explainer):
    """An explainer that takes at least so long for a picture."""

    at_least_ms = 0.0

    def explain_batch(self, *arguments: Any, **options: Any) -> list[Explanation]:  # noqa: ANN401
        """See `Explainer.explain_batch`."""
        began = time.perf_counter()
        found = super().explain_batch(*arguments, **options)
        time.sleep(max(0.0, self.at_least_ms / 1000.0 - (time.perf_counter() - began)))
        self.took_ms.append((time.perf_counter() - began) * 1000.0)
        return found

    @property
    def took_ms(self) -> list[float]:
        """How long each call took."""
        taken: list[float] = self.__dict__.setdefault("_took_ms", [])
        return taken


class Witness(Sink):
    """Notes the age of every frame right after it was shown."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []

    def write(self, frame: Frame, picture: Image | None, explanation: Explanation) -> None:
        """Note the frame's age."""
        if frame.captured_seconds is not None:
            self.ages_ms.append((time.monotonic() - frame.captured_seconds) * 1000.0)

    def close(self) -> None:
        """Nothing is held."""

    @property
    def description(self) -> str:
        """How many frames were seen."""
        return f"{len(self.ages_ms)} frames"


def measure_latency(at_least_ms: float, seconds: float) -> dict[str, Any]:
    """Capture-to-show latency with an explainer of a given slowness."""
    witness = Witness()
    with (
        SlowExplainer(load_classifier("scenes"), compile="off") as explainer,
        LiveScene(seed=4, width=640, height=480, fps=CAMERA_FPS) as camera,
    ):
        explainer.explain(np.zeros((480, 640, 3), np.uint8), classes="top")
        explainer.took_ms.clear()
        explainer.at_least_ms = at_least_ms
        frames = max(10, round(seconds * min(CAMERA_FPS, 1000.0 / max(at_least_ms, 1.0))))
        summary = run_session(
            camera,
            explainer,
            [witness],
            overlay=OverlayOptions(),
            options=RunOptions(max_frames=frames),
            window_title="live-gradcam: measuring" if os.environ.get("DISPLAY") else None,
        )
    assert summary.latency is not None
    explain_p50 = float(np.percentile(explainer.took_ms, 50))
    explain_p95 = float(np.percentile(explainer.took_ms, 95))
    half = len(witness.ages_ms) // 2
    early, late = (
        float(np.median(part)) for part in (witness.ages_ms[:half], witness.ages_ms[half:])
    )
    return {
        "explain_at_least_ms": at_least_ms,
        "explain_p50_ms": explain_p50,
        "explain_p95_ms": explain_p95,
        "latency_p50_ms": summary.latency.p50_ms,
        "latency_p95_ms": summary.latency.p95_ms,
        "bound_ms": 1000.0 / CAMERA_FPS + SLACK * explain_p95,
        "fps": summary.per_second,
        "dropped": summary.dropped,
        "first_half_p50_ms": early,
        "second_half_p50_ms": late,
    }


def measure_reconnect(away_seconds: float) -> dict[str, Any]:
    """How soon a stream is seen again after its server came back."""
    with ExitStack() as stack:
        server = stack.enter_context(MjpegServer())
        source = stack.enter_context(StreamSource(server.address))
        while source.newest(5.0) is None:
            continue
        gone = time.monotonic()
        server.vanish()
        while not source.banner:
            source.newest(0.005)
        noticed = time.monotonic()
        back: list[float] = []

        def return_() -> None:
            server.listen()
            back.append(time.monotonic())

        timer = threading.Timer(away_seconds, return_)
        timer.start()
        while not back or source.newest(0.005) is None:
            if not back:
                source.newest(0.005)
        seen = time.monotonic()
        timer.join()
        return {
            "away_seconds": away_seconds,
            "banner_after_ms": (noticed - gone) * 1000.0,
            "picture_after_return_ms": (seen - back[0]) * 1000.0,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each latency run")
    parser.add_argument("--explain-ms", type=float, nargs="*", default=[0.0, 100.0, 400.0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()

    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        flickers = [measure_flicker(explainer, levels) for levels in NOISE_LEVELS]
    for row in flickers:
        print(
            f"flicker: noise of {row['noise_levels']:.0f} grey levels; ours {row['ours']:.5f}, "
            f"per-frame min-max {row['min_max']:.5f}: {row['ratio_median']:.1f} times less "
            f"(worst scene {row['ratio_worst']:.1f}), target {FLICKER_TARGET:.0f}"
        )
    latencies = []
    for at_least in options.explain_ms:
        row = measure_latency(at_least, options.seconds)
        latencies.append(row)
        print(
            f"latency: explaining takes {row['explain_p50_ms']:.0f}/{row['explain_p95_ms']:.0f} "
            f"ms (p50/p95), capture to show {row['latency_p50_ms']:.0f}/"
            f"{row['latency_p95_ms']:.0f} ms, "
            f"at most {row['bound_ms']:.0f} allowed; {row['fps']:.1f} FPS, "
            f"{row['dropped']} dropped; first half {row['first_half_p50_ms']:.0f}, "
            f"second half {row['second_half_p50_ms']:.0f} ms"
        )
    reconnects = []
    for away in (1.0, 4.0):
        row = measure_reconnect(away)
        reconnects.append(row)
        print(
            f"reconnect: away for {away:.0f} s; banner after {row['banner_after_ms']:.0f} ms, "
            f"picture {row['picture_after_return_ms']:.0f} ms after the return"
        )
    if options.json is not None:
        figures = {"flicker": flickers, "latency": latencies, "reconnect": reconnects}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
