"""The promises of a live session, measured: calm images, fresh images, and maps that fall apart.

Each measurement is a `Promise`: the bar, what was measured, and whether it was kept.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.bench.measure import Effort
from live_gradcam.capture.live_scene import LiveScene
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.randomize import randomize_weights
from live_gradcam.faithfulness.removal import rank_correlation
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions
from live_gradcam.scenes import render_scene
from live_gradcam.session import run_session
from live_gradcam.session.smoothing import SteadyLabels, SteadyMaps
from live_gradcam.show.heat import normalise
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.scale import HeatScale
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

CAMERA_FPS = 30.0
FLICKER_BAR = 3.0
"""Least ratio of the changes of maps that are stretched frame by frame to those of our heat."""
SLACK = 1.3
"""Latency may be one camera interval plus this multiple of the time that explaining takes."""
GROWTH_BAR = 1.1
"""Largest ratio of the latency in the last tenth of a run to that in the first."""
CORRELATION_BAR = 0.3
"""Largest rank correlation of a randomised network's map with the true one."""

_FLICKER_FRAMES = 60
_SETTLING_FRAMES = 10
_SENSOR_NOISE = 5.0  # grey levels: a webcam in a lit room
_SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise and its measurement.

    Attributes:
        what: The promise, as a phrase.
        bar: Limit that it is measured against.
        measured: Result in words, with its unit.
        kept: True if it holds.
        numbers: Everything that was measured, by name.
    """

    what: str
    bar: str
    measured: str
    kept: bool
    numbers: Mapping[str, float]


def measure_promises(effort: Effort) -> list[Promise]:
    """Measure what a live session promises, with the bundled network."""
    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        promises = [
            measure_flicker(explainer, _SENSOR_NOISE, scenes=effort.flicker_scenes),
            measure_randomization(explainer, scenes=effort.scramble_scenes),
        ]
    return [*promises, measure_latency(effort.live_seconds)]


def measure_flicker(explainer: Explainer, noise_levels: float, *, scenes: int = 8) -> Promise:
    """Measure the change of the heat (0..1) from frame to frame on still scenes with sensor noise.

    Ours is what a session shows: steady label, steady map, steady scale. It is compared with what
    most tools show: the top class's map, rectified and stretched between its own extremes.

    Args:
        explainer: Explains the frames.
        noise_levels: Standard deviation of the noise in grey levels of 255.
        scenes: Number of scenes.
    """
    ours, theirs = [], []
    for seed in range(scenes):
        noise = np.random.default_rng(seed)
        still = render_scene(100 + seed, width=_SIZE[0], height=_SIZE[1]).image.astype(np.float32)
        labels, maps, scale = SteadyLabels(), SteadyMaps(), HeatScale()
        calm, stretched = [], []
        for _ in range(_FLICKER_FRAMES):
            noisy = still + noise.normal(0.0, noise_levels, still.shape)
            image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
            explanation = explainer.explain(image, classes="all")
            best = explanation.predictions[0].class_index
            top = labels.update(explanation.predictions)[0].class_index
            smooth = maps.update((top,), explanation.evidence[top : top + 1])
            shown = Explanation(explanation.predictions, (top,), smooth, explanation.region)
            calm.append(normalise(smooth[0], scale.update(shown)))
            stretched.append(min_max(explanation.evidence[best]))
        # The colour scale needs a moment; so does a person's eye.
        ours.append(flicker(calm[_SETTLING_FRAMES:]))
        theirs.append(flicker(stretched[_SETTLING_FRAMES:]))
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    return Promise(
        f"a still scene with sensor noise of {noise_levels:g} grey levels flickers less than maps "
        "stretched frame by frame",
        f"{FLICKER_BAR:g} times",
        f"{statistics.median(ratios):.1f} times (worst of {scenes} scenes {min(ratios):.1f})",
        min(ratios) >= FLICKER_BAR,
        {
            "noise_levels": noise_levels,
            "ours": statistics.median(ours),
            "min_max": statistics.median(theirs),
            "ratio_median": statistics.median(ratios),
            "ratio_worst": min(ratios),
        },
    )


def min_max(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rectify a map and stretch it between its own extremes, as most tools do."""
    positive = np.maximum(evidence, 0.0)
    positive = positive - positive.min()
    stretched: NDArray[np.float32] = positive / (1e-7 + positive.max())
    return stretched


def flicker(heats: Sequence[NDArray[np.float32]]) -> float:
    """Return the mean absolute change from each map to the next."""
    return float(np.mean([np.abs(after - before).mean() for before, after in pairwise(heats)]))


def measure_randomization(explainer: Explainer, *, scenes: int = 40) -> Promise:
    """Measure the rank correlation of maps with those of the same network with random weights.

    Args:
        explainer: With the trained weights.
        scenes: Number of scenes.
    """
    correlations = []
    with Explainer(randomize_weights(explainer.classifier), compile="off") as randomized:
        for seed in range(scenes):
            image = render_scene(500 + seed, width=_SIZE[0], height=_SIZE[1]).image
            trained = explainer.explain(image, classes="top")
            random = randomized.explain(image, classes=trained.explained[0])
            correlations.append(rank_correlation(trained.evidence[0], random.evidence[0]))
    mean = statistics.fmean(correlations)
    return Promise(
        "with scrambled weights the explanation falls apart: rank correlation with the true map",
        f"below {CORRELATION_BAR:g}",
        f"{mean:+.2f} (mean of {scenes} scenes; the middle half "
        f"{np.percentile(correlations, 25):+.2f} to {np.percentile(correlations, 75):+.2f})",
        abs(mean) < CORRELATION_BAR,
        {
            "mean": mean,
            "median": statistics.median(correlations),
            "p25": float(np.percentile(correlations, 25)),
            "p75": float(np.percentile(correlations, 75)),
            "largest": max(correlations),
        },
    )


class _TimedExplainer(Explainer):
    """An explainer that takes at least a given time for a batch, and keeps the times it took."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier, compile="off")
        self.at_least_ms = 0.0
        self.took_ms: list[float] = []

    def explain_batch(self, *arguments: Any, **options: Any) -> list[Any]:  # noqa: ANN401
        """See `Explainer.explain_batch`."""
        began = time.perf_counter()
        explanations = super().explain_batch(*arguments, **options)
        time.sleep(max(0.0, self.at_least_ms / 1000.0 - (time.perf_counter() - began)))
        self.took_ms.append((time.perf_counter() - began) * 1000.0)
        return explanations


class AgeSink(Sink):
    """Keeps the age of every frame right after it was drawn and shown.

    Args:
        on_first: Called with the first one.
    """

    def __init__(self, on_first: Callable[[], object] = lambda: None) -> None:
        self.ages_ms: list[float] = []
        self._on_first = on_first

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Add the frame's age."""
        assert frame.captured_seconds is not None, "a live source's"
        self.ages_ms.append((time.monotonic() - frame.captured_seconds) * 1000.0)
        if len(self.ages_ms) == 1:
            self._on_first()

    def close(self) -> None:
        """Do nothing: nothing is held."""

    @property
    def description(self) -> str:
        """Number of frames that were shown."""
        return f"{len(self.ages_ms)} frames"


def measure_latency(seconds: float, *, at_least_ms: float = 0.0, window: bool = False) -> Promise:
    """Measure the time from capture to show, with a camera of 30 fps and the bundled network.

    Args:
        seconds: Length of the run, from its first frame on.
        at_least_ms: Least time that explaining takes.
        window: Show the images in a window; without one they are drawn all the same.
    """
    stop = StopToken()
    timer = threading.Timer(seconds, stop.request)
    timer.name = "end of measuring"
    # However long the session takes to begin, there is something to judge.
    ages = AgeSink(timer.start)
    with ExitStack() as stack:
        explainer = stack.enter_context(_TimedExplainer(load_classifier("scenes")))
        camera = stack.enter_context(
            LiveScene(seed=4, width=_SIZE[0], height=_SIZE[1], fps=CAMERA_FPS)
        )
        explainer.explain(np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8), classes="top")
        explainer.took_ms.clear()
        explainer.at_least_ms = at_least_ms
        stack.callback(lambda: timer.join() if ages.ages_ms else None)
        stack.callback(timer.cancel)
        summary = run_session(
            camera,
            explainer,
            [ages],
            overlay=OverlayOptions(),
            options=RunOptions(),
            window_title="live-gradcam: measuring" if window else None,
            stop=stop,
        )
    return judge_latency(
        ages.ages_ms, explainer.took_ms, seconds, fps=summary.per_second, dropped=summary.dropped
    )


def judge_latency(
    ages_ms: Sequence[float],
    took_ms: Sequence[float],
    seconds: float,
    *,
    fps: float = 0.0,
    dropped: int | None = None,
) -> Promise:
    """Compare the ages of the frames shown with the time that explaining took.

    Args:
        ages_ms: From capture to show, frame by frame.
        took_ms: Explaining, call by call.
        seconds: Length of the run.
        fps: Frames shown a second.
        dropped: Frames that were replaced by newer ones.
    """
    latency, explaining = np.percentile(ages_ms, [50, 95]), np.percentile(took_ms, [50, 95])
    bound = 1000.0 / CAMERA_FPS + SLACK * explaining[1]
    tenth = max(5, len(ages_ms) // 10)
    first, last = (float(np.median(part)) for part in (ages_ms[:tenth], ages_ms[-tenth:]))
    grown = last > GROWTH_BAR * first + 1.0
    return Promise(
        f"capture to show over {seconds:g} s, where explaining takes "
        f"{explaining[0]:.0f}/{explaining[1]:.0f} ms (p50/p95)",
        f"p95 at most {bound:.0f} ms, not growing",
        f"p50 {latency[0]:.0f} ms, p95 {latency[1]:.0f} ms; first tenth {first:.0f} ms, last "
        f"tenth {last:.0f} ms; {fps:.1f} FPS",
        bool(latency[1] <= bound) and not grown,
        {
            "seconds": seconds,
            "explain_p50_ms": float(explaining[0]),
            "explain_p95_ms": float(explaining[1]),
            "latency_p50_ms": float(latency[0]),
            "latency_p95_ms": float(latency[1]),
            "bound_ms": float(bound),
            "bound_from_median_ms": float(1000.0 / CAMERA_FPS + SLACK * explaining[0]),
            "first_tenth_p50_ms": first,
            "last_tenth_p50_ms": last,
            "fps": fps,
            "dropped": float(dropped or 0),
        },
    )
