"""Measure what several parts of one frame cost, against a batch of as many whole frames.

    python scripts/roi_cost.py [--model NAME] [--weights FILE] [--parts 4] [--rounds 40]

Both are explained by turns, so that whatever else the machine does meets both; the figures are
medians. Parts are cut from a frame without a copy, so they are to cost what a batch costs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import live_gradcam as lg
from live_gradcam.images.parts import explain_parts
from live_gradcam.scenes import render_scene
from live_gradcam.values import Region

SIZE = (1280, 720)
_WARM_UP = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="scenes")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--compile", default="off", choices=("auto", "on", "off"))
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args(arguments)
    width, height = SIZE
    frames = [render_scene(seed, width=width, height=height).image for seed in range(given.parts)]
    side = height // 2
    steps = [
        round(number * (width - side) / max(1, given.parts - 1)) for number in range(given.parts)
    ]
    parts = [Region(x, height // 4, side, side) for x in steps]
    classifier = lg.load_classifier(given.model, weights=given.weights)
    with lg.Explainer(classifier, compile=given.compile, engine="torch") as explainer:

        def in_parts() -> None:
            explain_parts(explainer, [frames[0]], [parts])

        def whole() -> None:
            explainer.explain_batch(frames)

        figures = _measure({"parts": in_parts, "batch": whole}, given.rounds)
    figures["ratio"] = figures["parts"] / figures["batch"]
    print(
        f"{given.parts} parts of one frame {figures['parts']:.1f} ms, {given.parts} frames "
        f"{figures['batch']:.1f} ms: {figures['ratio']:.3f}"
    )
    if given.json is not None:
        given.json.write_text(json.dumps({"model": given.model, **figures}) + "\n")
    return 0


def _measure(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median time of each way in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_WARM_UP + rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number >= _WARM_UP:
                times[name].append((time.perf_counter() - began) * 1000.0)
    return {name: median(each) for name, each in times.items()}


if __name__ == "__main__":
    raise SystemExit(main())
