"""``live-gradcam bench``: one table, made in one run."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

from live_gradcam.cli.console import Console

_ROUNDS, _QUICK_ROUNDS = 9, 2
# In a row, as frames are: the first one of a row finds cold caches, the median does not.
_REPEATS, _QUICK_REPEATS = 7, 1
_OFFLINE_ROUNDS, _QUICK_OFFLINE_ROUNDS = 5, 1
_CLIP_FRAMES, _QUICK_CLIP_FRAMES = 90, 24
_NAIVE_FRAMES, _QUICK_NAIVE_FRAMES = 12, 3
_LIVE_SECONDS, _QUICK_LIVE_SECONDS = 30.0, 3.0
_SENSOR_NOISE = 5.0  # grey levels: a webcam in a lit room


def execute(
    console: Console, *, json_path: Path | None, peers: bool, quick: bool, compiled: bool
) -> None:
    """Measure, print the table and the ratios, and write them where asked.

    Raises:
        SinkError: The JSON file cannot be written.
    """
    from live_gradcam.bench.measure import measure
    from live_gradcam.bench.network import classifier_of, network_cases, plain_network
    from live_gradcam.bench.offline import make_clip, naive_case, offline_cases
    from live_gradcam.bench.peers import peer_cases
    from live_gradcam.bench.report import machine, ratio_title, ratios_of, write_json
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.omp import in_short_lived_thread

    network = in_short_lived_thread(plain_network)
    classifier = classifier_of(network)
    missing: list[str] = []
    if compiled:
        console.note("Compiling; without a warm cache this takes a minute or two ...")
    with (
        Explainer(classifier, compile="on" if compiled else "off") as explainer,
        tempfile.TemporaryDirectory(prefix="live-gradcam-bench-") as name,
    ):
        plain = network
        network = in_short_lived_thread(lambda: copy.deepcopy(plain).to(explainer.runtime.device))
        folder = Path(name)
        clip = make_clip(folder, _QUICK_CLIP_FRAMES if quick else _CLIP_FRAMES)
        in_short_lived_thread(lambda: _warm(explainer))
        cases = in_short_lived_thread(lambda: network_cases(network, explainer, classifier))
        if peers:
            cases += in_short_lived_thread(lambda: peer_cases(network, missing.append))
        longer = in_short_lived_thread(lambda: offline_cases(clip, explainer, folder))
        if peers and "pytorch_grad_cam" not in missing:
            frames = _QUICK_NAIVE_FRAMES if quick else _NAIVE_FRAMES
            longer.append(naive_case(clip, network, folder, frames))
        with console.progress("measuring") as line:
            medians = dict(
                in_short_lived_thread(
                    lambda: measure(
                        cases,
                        rounds=_QUICK_ROUNDS if quick else _ROUNDS,
                        repeats=_QUICK_REPEATS if quick else _REPEATS,
                        on_round=lambda n, of: line.update(n, of, None),
                    )
                )
            )
            rounds = _QUICK_OFFLINE_ROUNDS if quick else _OFFLINE_ROUNDS
            medians.update(
                measure(longer, rounds=rounds, on_round=lambda n, of: line.update(n, of, None))
            )
        runtime = explainer.runtime
    ratios = ratios_of(medians)
    described = f"{runtime.device}, {runtime.precision}, {runtime.state}, {runtime.threads} threads"
    console.out(f"{machine()}; ours: {described}\n")
    titles = {case.name: case.title for case in (*cases, *longer)}
    console.table(
        ("ms per frame", "median"),
        [(titles[name], f"{value:.2f}") for name, value in medians.items()],
    )
    console.out("")
    console.table(
        ("ratio", "value"),
        [(ratio_title(name), f"{value:.2f}") for name, value in ratios.items()],
    )
    for peer in missing:
        console.note(f"{peer} is not installed: python scripts/install_peers.py --openvino")
    if json_path is not None:
        write_json(json_path, medians_ms=medians, ratios=ratios, runtime=described)
        console.note(f"wrote {json_path}")


def execute_live(console: Console, *, json_path: Path | None, quick: bool) -> None:
    """Measure what a live session promises, and print it as a table.

    Raises:
        SinkError: The JSON file cannot be written.
    """
    from live_gradcam.bench.live import measure_flicker, measure_latency, measure_randomization
    from live_gradcam.bench.report import machine, promises_markdown, write_promises
    from live_gradcam.explain.classifier import load_classifier
    from live_gradcam.explain.explainer import Explainer

    console.note("measuring; this takes a minute or two ...")
    with Explainer(load_classifier("scenes"), compile="off") as explainer:
        promises = [
            measure_flicker(explainer, _SENSOR_NOISE, scenes=2 if quick else 8),
            measure_randomization(explainer, scenes=8 if quick else 40),
        ]
    promises.append(measure_latency(_QUICK_LIVE_SECONDS if quick else _LIVE_SECONDS))
    console.out(f"{machine()}\n\n{promises_markdown(promises)}")
    if json_path is not None:
        write_promises(json_path, promises)
        console.note(f"wrote {json_path}")


def _warm(explainer: object) -> None:
    """Have every engine that will be measured ready before anything is measured."""
    from live_gradcam.bench.network import SIZE, random_image
    from live_gradcam.explain.explainer import Explainer

    assert isinstance(explainer, Explainer), "made by execute"
    image = random_image(SIZE, SIZE)
    for count in (1, explainer.preferred_batch_size):
        explainer.explain_batch([image] * count)
