"""The promises of teaching, measured: how soon there is a head, and what that costs the live rate.

Examples are those of a session: bursts of near-copies, of nine classes, a thousand in all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from live_gradcam.bench.live import Promise
from live_gradcam.bench.measure import Effort
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.scenes import render_scene
from live_gradcam.teaching import (
    Burst,
    Examples,
    FeatureExtractor,
    Fitter,
    FrameFeatures,
    LessonState,
    learn,
    refit,
)
from live_gradcam.teaching.fit import ROUGH, warm_up
from live_gradcam.values import Image

REFIT_BAR_MS = 300.0
"""Longest time that a head may take after a new burst."""
RATE_BAR = 0.6
"""Least share of its own rate that a session has left while it is taught."""

_CLASSES, _BURSTS, _FRAMES = 9, 8, 14
# From one frame of a burst to the next a feature changes by about this share of itself.
_CHANGE = 0.03
_SIZE = (640, 480)
_WINDOW_SECONDS = 1.0


def measure_teaching(effort: Effort) -> list[Promise]:
    """Measure what teaching promises, with the bundled network."""
    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        return measure_teaching_of(explainer, effort.teach_seconds, effort.teach_rounds)


def measure_teaching_of(explainer: Explainer, seconds: float, rounds: int) -> list[Promise]:
    """Measure what teaching promises, with any network.

    Args:
        explainer: Runs it; its rate is the session's own.
        seconds: How long frames are explained in a row, with and without teaching.
        rounds: How often, in turns.
    """
    images = [
        render_scene(900 + seed, width=_SIZE[0], height=_SIZE[1]).image
        for seed in range(_CLASSES * _BURSTS)
    ]
    with FeatureExtractor.like(explainer) as extractor:
        shown = extractor.extract(images)
        examples = _examples(shown)
        warm_up()
        promises = [_measure_refit(examples)]
        promises.append(_measure_rate(explainer, extractor, images, shown, seconds, rounds))
    return promises


def _copies(frame: FrameFeatures, seed: int) -> list[FrameFeatures]:
    """Return what the next frames of a burst would be."""
    factors = np.random.default_rng(seed).normal(1, _CHANGE, (_FRAMES, *frame.pooled.shape))
    return [
        FrameFeatures(
            (frame.pooled * each).astype(np.float32), frame.maps, frame.pixels, frame.region
        )
        for each in factors
    ]


def _examples(shown: list[FrameFeatures]) -> Examples:
    made = Examples()
    for index, frame in enumerate(shown):
        features = np.stack([each.pooled for each in _copies(frame, index)])
        made = made.with_burst(Burst(_name(index), features, f"burst {index}"))
    return made


def _name(index: int) -> str:
    return f"class {index % _CLASSES}"


def _measure_refit(examples: Examples) -> Promise:
    """Measure the time from the end of a burst to its head, and to what it has learned."""
    began = time.perf_counter()
    strength = learn(examples).head.strength
    learning = 1000.0 * (time.perf_counter() - began)
    times = []
    for label in examples.labels:
        start = refit(examples.without_last(label), strength).start
        began = time.perf_counter()
        refit(examples, strength, start, exactness=ROUGH)
        times.append(1000.0 * (time.perf_counter() - began))
    count = len(examples.features())
    median = statistics.median(times)
    return Promise(
        f"a head after a new burst, {len(examples.labels)} classes, {count} examples",
        f"at most {REFIT_BAR_MS:.0f} ms",
        f"{median:.0f} ms (longest of {len(times)}: {max(times):.0f}); what it has learned "
        f"{learning:.0f} ms",
        median <= REFIT_BAR_MS,
        {"refit_ms": median, "refit_longest_ms": max(times), "learn_ms": learning},
    )


def _measure_rate(
    explainer: Explainer,
    extractor: FeatureExtractor,
    images: list[Image],
    shown: list[FrameFeatures],
    seconds: float,
    rounds: int,
) -> Promise:
    """Measure how many frames a second are explained while every second has a burst to learn."""
    own, worst, mean = [], [], []
    for _ in range(rounds):
        stamps = _explain(images, seconds, lambda image, _: explainer.explain(image, classes="top"))
        own.append(statistics.median(_rates(stamps)))
        state = LessonState()
        for index, frame in enumerate(shown):
            state.begin(_name(index))
            for each in _copies(frame, index):
                state.add(each)
        state.end()
        with Fitter(extractor) as fitter:
            fitter.submit(state)

            def teach(
                image: Image, second: int, state: LessonState = state, fitter: Fitter = fitter
            ) -> None:
                if state.showing != _name(second):
                    state.begin(_name(second))
                ((_, features),) = extractor.explain_kept([image], classes="top")
                state.add(features)
                fitter.submit(state)

            rates = _rates(_explain(images, seconds, teach))
        worst.append(min(rates) / own[-1])
        mean.append(statistics.fmean(rates) / own[-1])
    ratio = statistics.median(worst)
    return Promise(
        f"frames explained a second while it is taught, of those without (in {rounds} turns of "
        f"{seconds:g} s)",
        f"never below {RATE_BAR:g}",
        f"{ratio:.2f} in the worst second, {statistics.median(mean):.2f} on average; its own rate "
        f"{statistics.median(own):.1f} FPS",
        ratio >= RATE_BAR,
        {
            "worst_ratio": ratio,
            "mean_ratio": statistics.median(mean),
            "own_fps": statistics.median(own),
        },
    )


def _explain(
    images: list[Image], seconds: float, work: Callable[[Image, int], object]
) -> list[float]:
    """Do some work with one image after the other; return when each one was begun, and the end."""
    began = time.perf_counter()
    stamps = [0.0]
    while stamps[-1] < seconds:
        work(images[len(stamps) % len(images)], int(stamps[-1]))
        stamps.append(time.perf_counter() - began)
    return stamps


def _rates(stamps: list[float]) -> list[float]:
    """Return the images a second in each window of a second, or in all of it where it is shorter.

    What does not fill a window is left out.
    """
    whole = int(stamps[-1] / _WINDOW_SECONDS)
    if not whole:
        return [(len(stamps) - 1) / stamps[-1]]
    # A part of an image counts as a part.
    places = np.interp(
        np.arange(whole + 1) * _WINDOW_SECONDS, stamps, np.arange(len(stamps), dtype=float)
    )
    return [float(after - before) / _WINDOW_SECONDS for before, after in pairwise(places)]
