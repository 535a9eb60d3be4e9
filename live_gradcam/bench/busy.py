"""Every engine on the quiet machine and beside other processes, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from live_gradcam.bench.competitors import competitors
from live_gradcam.bench.int8 import engines_of_int8, open_int8
from live_gradcam.bench.measure import Effort
from live_gradcam.bench.network import classifier_of, plain_network, random_image
from live_gradcam.choices import CompileChoice, EngineChoice, PrecisionChoice
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.graph.engine import EngineName
from live_gradcam.graph.engines.opening import installed_engines
from live_gradcam.graph.explainer import GraphExplainer


@dataclass(frozen=True, slots=True)
class BusyRow:
    """What one engine takes for a frame.

    Attributes:
        name: Of the engine, and its precision.
        quiet_ms: Median on the machine as it is.
        busy_ms: Median beside the competing processes.
    """

    name: str
    quiet_ms: float
    busy_ms: float

    @property
    def slower(self) -> float:
        """How many times as long it takes when the machine is busy."""
        return self.busy_ms / self.quiet_ms


def measure_busy(
    effort: Effort,
    *,
    processes: int,
    precision: PrecisionChoice,
    compile: bool,
    on_round: Callable[[int, int], None],
) -> list[BusyRow]:
    """Explain the top 3 classes of a 1280x720 frame with every engine, quiet and busy by turns.

    Args:
        effort: Numbers of repetitions.
        processes: Number of competing processes.
        precision: Of the networks; ``int8`` adds them in 8 bits to those in the best precision.
        compile: Measure what torch compiles, too.
        on_round: Called with the number of rounds done and in all.
    """
    kinds: list[tuple[EngineChoice, CompileChoice]] = [("torch", "off")]
    kinds += [("torch", "on")] if compile else []
    kinds += [(name, "on") for name in get_args(EngineName) if name in installed_engines()]
    classifier = classifier_of(in_short_lived_thread(plain_network))
    frame = random_image(1280, 720)
    quantised = precision == "int8"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="live-gradcam-bench-")))
        explainers: dict[str, Explainer | GraphExplainer] = {}
        for engine, choice in kinds:
            exact: PrecisionChoice = "auto" if quantised else precision
            exact = "fp32" if engine == "onnxruntime" else exact
            explainer = stack.enter_context(
                Explainer(classifier, precision=exact, compile=choice, engine=engine)
            )
            run = _run(explainer, frame)
            in_short_lived_thread(run)
            runtime = explainer.runtime
            state = f" {runtime.state}" if engine == "torch" else ""
            explainers[f"{runtime.engine}{state.replace(' off', ' eager')} {runtime.precision}"] = (
                explainer
            )
        for name in engines_of_int8("auto") if quantised else ():
            opened = in_short_lived_thread(partial(open_int8, classifier, name, folder))
            explainers[f"{name} int8"] = stack.enter_context(opened)
        runs = {name: _run(each, frame) for name, each in explainers.items()}
        return in_short_lived_thread(lambda: _measure(runs, effort, processes, on_round))


def _run(explainer: Explainer | GraphExplainer, frame: object) -> Callable[[], object]:
    return lambda: explainer.explain(frame, classes="top")  # type: ignore[arg-type]


def _measure(
    runs: Mapping[str, Callable[[], object]],
    effort: Effort,
    processes: int,
    on_round: Callable[[int, int], None],
) -> list[BusyRow]:
    quiet: dict[str, list[float]] = {name: [] for name in runs}
    busy: dict[str, list[float]] = {name: [] for name in runs}
    for done in range(effort.rounds):
        _turn(runs, quiet, effort.repeats)
        with competitors(processes):
            _turn(runs, busy, effort.repeats)
        on_round(done + 1, effort.rounds)
    return [
        BusyRow(name, statistics.median(quiet[name]), statistics.median(busy[name]))
        for name in runs
    ]


def _turn(
    runs: Mapping[str, Callable[[], object]], times: Mapping[str, list[float]], repeats: int
) -> None:
    for name, run in runs.items():
        run()  # threads of the engine before may still be awake
        for _ in range(repeats):
            began = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - began) * 1000.0)


def busy_table(rows: Sequence[BusyRow]) -> list[tuple[str, ...]]:
    """Format the rows: engine, ms quiet, ms busy, their ratio, and busy torch's multiple of it.

    Torch is compiled where that was measured.
    """
    compiled = [row for row in rows if row.name.startswith("torch compiled")]
    base = (compiled or list(rows))[0]
    return [
        (
            row.name,
            f"{row.quiet_ms:.1f}",
            f"{row.busy_ms:.1f}",
            f"{row.slower:.1f}",
            f"{base.busy_ms / row.busy_ms:.2f}",
        )
        for row in rows
    ]
