"""A forward with the durations of its stages, as explanations tell them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from live_gradcam.explain.engine.fused import BatchResult, Selection
from live_gradcam.explain.engine.runner import Runner


class TimedResult(NamedTuple):
    """What a forward found.

    Attributes:
        pixels: What the network was shown, ``uint8 (N, H, W, 3)``, BGR.
        result: Of the forward.
        timings_ms: Milliseconds for each image: ``preprocess``, ``network``, and ``explain`` for
            both.
    """

    pixels: Tensor
    result: BatchResult
    timings_ms: Mapping[str, float]


def begin_timed(
    runner: Runner, prepare: Callable[[], Tensor], selection: Selection
) -> Callable[[], TimedResult]:
    """Begin with a forward, see `Runner.start`; return what waits for it.

    Args:
        runner: Runs the network.
        prepare: Makes the pixels.
        selection: Classes to explain.
    """
    began = time.perf_counter()
    pixels = prepare()
    prepared = time.perf_counter()
    pending = runner.start(pixels, selection)
    begun = time.perf_counter()

    def finish() -> TimedResult:
        resumed = time.perf_counter()
        result = pending()
        # What was done between beginning and waiting was for other images.
        network = begun - prepared + time.perf_counter() - resumed
        share = 1000.0 / len(pixels)
        timings = {
            "preprocess": (prepared - began) * share,
            "network": network * share,
            "explain": (prepared - began + network) * share,
        }
        return TimedResult(pixels, result, MappingProxyType(timings))

    return finish
