"""Verdicts on how something ended: sentences about what is wrong, none where nothing is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TypeAlias

import numpy as np

import live_gradcam as lg
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Image
from scripts.faults.odd_films import decodable
from scripts.faults.runs import Run, playable_times

Task: TypeAlias = "tuple[Image, ClassChoice]"
"""An image and the classes that are to be explained."""


def ending(run: Run, seconds: float | None, kind: signal.Signals, output: Path) -> list[str]:
    """Judge how a run ended that was interrupted by a signal."""
    if seconds is None:
        return [f"{kind.name}: it did not end"]
    wrong = []
    if run.exit_code != 128 + kind:
        wrong.append(f"{kind.name}: exit code {run.exit_code}: {run.errors[-300:]}")
    if "Traceback" in run.errors or run.error_lines:
        wrong.append(f"{kind.name}: it says {run.errors[-300:]!r}")
    played = len(playable_times(output))
    if played < len(run.times):
        wrong.append(f"{kind.name}: {len(run.times)} frames were done, {played} are playable")
    return wrong


def through_pipeline(path: Path, explainer: lg.Explainer, folder: Path) -> tuple[int, list[str]]:
    """Explain one film into a film; return its number of frames and the faults of the result."""
    folder.mkdir(exist_ok=True)
    output = folder / f"{path.stem}.{path.suffix[1:]}.mp4"
    expected = decodable(path)
    try:
        with lg.open_source(path) as source:
            tick = float(source.info.time_base or 0)
            begins = source.info.start_seconds  # recordings begin at 0
            sink = lg.open_sink(output, source.info, overwrite=True)
            painter = lg.Painter(lg.OverlayOptions(), moving=True)
            lg.run_offline(source, explainer, [sink], painter=painter)
    except lg.LiveGradcamError as error:
        return len(expected), [str(error)]
    found = playable_times(output)
    if len(found) != len(expected):
        return len(expected), [f"{len(expected)} frames in, {len(found)} out"]
    # The reference prints microseconds.
    off = max(abs(begins + one - two) for one, two in zip(found, expected, strict=True)) - 1e-6
    return len(expected), [f"a time is off by {off:.6f} s"] if off > tick else []


def compare_in_threads(
    explainer: lg.Explainer, tasks: Sequence[Task], *, calls: int, seed: int
) -> list[str]:
    """Explain the same images in eight threads; name every map that is not as it is alone."""
    expected = [explainer.explain(image, classes=choice) for image, choice in tasks]
    wrong: list[str] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        chance = Random(f"{seed}/{number}")
        barrier.wait()
        for _ in range(calls):
            place = chance.randrange(len(tasks))
            image, choice = tasks[place]
            sentence = _difference(explainer.explain(image, classes=choice), expected[place])
            if sentence:
                wrong.append(f"task {place}: {sentence}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def _difference(found: lg.Explanation, expected: lg.Explanation) -> str:
    """Describe a difference beyond rounding, as the compiler may step in between."""
    if found.explained != expected.explained:
        return "other classes are explained"
    for first, second in zip(found.evidence, expected.evidence, strict=True):
        scale = float(np.abs(second).max())
        share = float(np.abs(first - second).max()) / scale
        if share > 0.05:
            return f"a map differs by {share:.1%} of its maximum"
    return ""
