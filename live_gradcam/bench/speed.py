"""All cases of ``live-gradcam bench``, made and measured in one run."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.bench.int8 import engines_of_int8, open_int8
from live_gradcam.bench.measure import Effort, measure
from live_gradcam.bench.network import (
    SIZE,
    classifier_of,
    network_cases,
    plain_network,
    random_image,
)
from live_gradcam.bench.offline import make_clip, naive_case, offline_cases
from live_gradcam.bench.peers import peer_cases
from live_gradcam.choices import (
    DEFAULT_ENGINE,
    DEFAULT_PRECISION,
    CompileChoice,
    EngineChoice,
    PrecisionChoice,
)
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.graph.explainer import GraphExplainer


@dataclass(frozen=True, slots=True)
class Speed:
    """What one run has measured.

    Attributes:
        medians_ms: Median of milliseconds per frame, by the case's name.
        titles: Descriptions of the cases.
        runtime: Device, precision, engine and threads of ours.
        missing: Names of the peers that are not installed.
    """

    medians_ms: Mapping[str, float]
    titles: Mapping[str, str]
    runtime: str
    missing: tuple[str, ...]


def measure_speed(
    effort: Effort,
    *,
    compile: bool,
    engine: EngineChoice = DEFAULT_ENGINE,
    precision: PrecisionChoice = DEFAULT_PRECISION,
    peers: bool,
    on_round: Callable[[int, int], None],
) -> Speed:
    """Measure the network, the offline pipeline and, where asked, the peers, in turns.

    Args:
        effort: Numbers of repetitions.
        compile: Measure the compiled network.
        engine: Runs ours; ``auto`` is the fastest one there is, torch's compiled network among
            them.
        precision: Of ours; ``int8`` is exported first, and has no forward without its maps.
        peers: Measure the other libraries that are installed, too.
        on_round: Called with the number of rounds done and in all.
    """
    plain = in_short_lived_thread(plain_network)
    classifier = classifier_of(plain)
    missing: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="live-gradcam-bench-") as name,
        _open(classifier, Path(name), precision, engine, compile=compile) as explainer,
    ):
        folder = Path(name)
        exported = isinstance(explainer, GraphExplainer)
        device = "cpu" if exported else explainer.runtime.device
        network = in_short_lived_thread(lambda: copy.deepcopy(plain).to(device))
        in_short_lived_thread(lambda: _warm_up(explainer))
        frames = in_short_lived_thread(lambda: network_cases(network, explainer, classifier))
        if peers:
            frames += in_short_lived_thread(lambda: peer_cases(network, missing.append))
        clip = make_clip(folder, effort.clip_frames)
        films = in_short_lived_thread(lambda: offline_cases(clip, explainer, folder))
        if peers and "pytorch_grad_cam" not in missing:
            films.append(naive_case(clip, network, folder, effort.naive_frames))
        rounds, repeats = effort.rounds, effort.repeats
        medians = in_short_lived_thread(
            lambda: measure(frames, rounds=rounds, repeats=repeats, on_round=on_round)
        )
        longer = measure(films, rounds=effort.offline_rounds, on_round=on_round)
        described = _describe(explainer)
    titles = {case.name: case.title for case in (*frames, *films)}
    return Speed({**medians, **longer}, titles, described, tuple(missing))


def _open(
    classifier: Classifier,
    folder: Path,
    precision: PrecisionChoice,
    engine: EngineChoice,
    *,
    compile: bool,
) -> Explainer | GraphExplainer:
    if precision == "int8":
        first, *_ = engines_of_int8(engine)
        return in_short_lived_thread(lambda: open_int8(classifier, first, folder))
    choice: CompileChoice = "on" if compile else "off"
    return Explainer(classifier, precision=precision, compile=choice, engine=engine)


def _describe(explainer: Explainer | GraphExplainer) -> str:
    if isinstance(explainer, GraphExplainer):
        exported = explainer.runtime
        return f"{exported.device}, {exported.precision}, {exported.engine}"
    used = explainer.runtime
    how = used.state if used.engine == "torch" else used.engine
    return f"{used.device}, {used.precision}, {how}, {used.threads} threads"


def _warm_up(explainer: Explainer | GraphExplainer) -> None:
    """Have every engine that will be measured ready before anything is measured."""
    image = random_image(SIZE, SIZE)
    for count in (1, explainer.preferred_batch_size):
        explainer.explain_batch([image] * count)
