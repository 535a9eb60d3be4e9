"""``live-gradcam bench``: one table, made in one run."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from live_gradcam.cli.console import Console
from live_gradcam.cli.options import option

if TYPE_CHECKING:
    from torch import nn

    from live_gradcam.bench.measure import Case
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.explainer import Explainer

_SENSOR_NOISE = 5.0  # grey levels: a webcam in a lit room


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchArguments:
    """Everything that can be typed after ``live-gradcam bench``."""

    json: Annotated[Path | None, option("Write the results.", metavar="FILE")] = None
    peers: Annotated[bool, option("Compare with other libraries where installed.")] = False
    quick: Annotated[bool, option("Few repetitions.")] = False
    compile: Annotated[bool, option("Measure the compiled network.")] = True
    live: Annotated[
        bool, option("Measure flicker, latency and the sanity check of live sessions instead.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """Numbers of repetitions.

    Attributes:
        repeats: Of a case in a row, as frames are: the first one of a row finds cold caches, the
            median does not.
    """

    rounds: int = 9
    repeats: int = 7
    offline_rounds: int = 5
    clip_frames: int = 90
    naive_frames: int = 12
    live_seconds: float = 30.0
    flicker_scenes: int = 8
    scramble_scenes: int = 40


_QUICK = _Effort(
    rounds=2,
    repeats=1,
    offline_rounds=1,
    clip_frames=24,
    naive_frames=3,
    live_seconds=3.0,
    flicker_scenes=2,
    scramble_scenes=8,
)


def bench_command(arguments: BenchArguments, console: Console) -> None:
    """Measure, print the table and the ratios, and write them where asked.

    Raises:
        SinkError: The JSON file cannot be written; said before anything is measured.
    """
    if arguments.json is not None:
        _refuse_unwritable(arguments.json)
    effort = _QUICK if arguments.quick else _Effort()
    if arguments.live:
        _measure_live(arguments, effort, console)
    else:
        _measure_speed(arguments, effort, console)


def _refuse_unwritable(path: Path) -> None:
    from live_gradcam.os_errors import cannot_write
    from live_gradcam.show.images import check_writable

    try:
        if not path.exists():
            check_writable(path.resolve().parent)
    except OSError as exc:
        raise cannot_write("cannot write the results", path, exc) from exc


def _measure_speed(arguments: BenchArguments, effort: _Effort, console: Console) -> None:
    from live_gradcam.bench.network import classifier_of, plain_network
    from live_gradcam.bench.report import machine, ratio_title, ratios_of, write_json
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.omp import in_short_lived_thread

    network = in_short_lived_thread(plain_network)
    classifier = classifier_of(network)
    missing: list[str] = []
    if arguments.compile:
        console.note("Compiling; without a warm cache this takes a minute or two ...")
    with (
        Explainer(classifier, compile="on" if arguments.compile else "off") as explainer,
        tempfile.TemporaryDirectory(prefix="live-gradcam-bench-") as name,
    ):
        plain = network
        network = in_short_lived_thread(lambda: copy.deepcopy(plain).to(explainer.runtime.device))
        in_short_lived_thread(lambda: _warm_up(explainer))
        frames = _frame_cases(arguments, network, explainer, classifier, missing)
        films = _film_cases(arguments, effort, network, explainer, Path(name), missing)
        medians = _take_turns(frames, films, effort, console)
        runtime = explainer.runtime
    ratios = ratios_of(medians)
    described = f"{runtime.device}, {runtime.precision}, {runtime.state}, {runtime.threads} threads"
    console.out(f"{machine()}; ours: {described}\n")
    titles = {case.name: case.title for case in (*frames, *films)}
    console.table(
        ("ms per frame", "median"),
        [(titles[name], f"{value:.2f}") for name, value in medians.items()],
    )
    console.out("")
    console.table(
        ("ratio", "value"), [(ratio_title(name), f"{value:.2f}") for name, value in ratios.items()]
    )
    for peer in missing:
        console.note(f"{peer} is not installed: python scripts/install_peers.py --openvino")
    if arguments.json is not None:
        write_json(arguments.json, medians_ms=medians, ratios=ratios, runtime=described)
        console.note(f"wrote {arguments.json}")


def _frame_cases(
    arguments: BenchArguments,
    network: nn.Module,
    explainer: Explainer,
    classifier: Classifier,
    missing: list[str],
) -> Sequence[Case]:
    from live_gradcam.bench.network import network_cases
    from live_gradcam.bench.peers import peer_cases
    from live_gradcam.explain.omp import in_short_lived_thread

    cases = in_short_lived_thread(lambda: network_cases(network, explainer, classifier))
    if arguments.peers:
        cases += in_short_lived_thread(lambda: peer_cases(network, missing.append))
    return cases


def _film_cases(
    arguments: BenchArguments,
    effort: _Effort,
    network: nn.Module,
    explainer: Explainer,
    folder: Path,
    missing: Sequence[str],
) -> Sequence[Case]:
    from live_gradcam.bench.offline import make_clip, naive_case, offline_cases
    from live_gradcam.explain.omp import in_short_lived_thread

    clip = make_clip(folder, effort.clip_frames)
    cases = in_short_lived_thread(lambda: offline_cases(clip, explainer, folder))
    if arguments.peers and "pytorch_grad_cam" not in missing:
        cases.append(naive_case(clip, network, folder, effort.naive_frames))
    return cases


def _take_turns(
    frames: Sequence[Case], films: Sequence[Case], effort: _Effort, console: Console
) -> Mapping[str, float]:
    from live_gradcam.bench.measure import measure
    from live_gradcam.explain.omp import in_short_lived_thread

    with console.progress("measuring") as line:

        def on_round(done: int, total: int) -> None:
            line.update(done, total, None)

        medians = in_short_lived_thread(
            lambda: measure(
                [*frames], rounds=effort.rounds, repeats=effort.repeats, on_round=on_round
            )
        )
        longer = measure([*films], rounds=effort.offline_rounds, on_round=on_round)
    return {**medians, **longer}


def _measure_live(arguments: BenchArguments, effort: _Effort, console: Console) -> None:
    """Measure what a live session promises, and print it as a table."""
    from live_gradcam.bench.live import measure_flicker, measure_latency, measure_randomization
    from live_gradcam.bench.report import machine, promises_markdown, write_promises
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.load import load_classifier

    console.note("measuring; this takes a minute or two ...")
    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        promises = [
            measure_flicker(explainer, _SENSOR_NOISE, scenes=effort.flicker_scenes),
            measure_randomization(explainer, scenes=effort.scramble_scenes),
        ]
    promises.append(measure_latency(effort.live_seconds))
    console.out(f"{machine()}\n\n{promises_markdown(promises)}")
    if arguments.json is not None:
        write_promises(arguments.json, promises)
        console.note(f"wrote {arguments.json}")


def _warm_up(explainer: Explainer) -> None:
    """Have every engine that will be measured ready before anything is measured."""
    from live_gradcam.bench.network import SIZE, random_image

    image = random_image(SIZE, SIZE)
    for count in (1, explainer.preferred_batch_size):
        explainer.explain_batch([image] * count)
