"""A network whose graph an earlier run has kept: explained at once, before torch is loaded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

from live_gradcam.choices import DEFAULT_COMPILE
from live_gradcam.cli.run_values import Run
from live_gradcam.errors import LiveGradcamError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.graph.late import LateExplainer
    from live_gradcam.protocol import LiveExplainer

_LIBRARIES = (
    *("live-gradcam", "torch", "torchvision", "timm", "transformers", "onnx", "onnxscript"),
    *("openvino", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
)
# Where what makes a graph, and what is shown of it, stands in this package.
_CODE = ("explain", "graph", "preprocessing", "predictions.py", "values.py")


def open_kept(run: Run, load: Callable[[], LiveExplainer]) -> LateExplainer | None:
    """Open the graph that an earlier run with the same network has kept, if it has.

    Args:
        run: What was typed.
        load: Loads the network itself, for what the graph cannot answer.

    Raises:
        UsageError: There is no such class.
    """
    if not _may_start(run):
        return None
    from live_gradcam.graph.engines.devices import TITLES
    from live_gradcam.graph.engines.opening import open_engine
    from live_gradcam.graph.late import LateExplainer
    from live_gradcam.graph.starts import read_start

    arguments, console = run.arguments, run.console
    start = read_start(_key(run))
    if start is None:
        return None
    try:
        engine = open_engine(
            start.graph.path,
            start.metadata,
            name=start.engine,
            device="cpu",
            precision=start.precision,
        )
    except LiveGradcamError:  # the network is loaded, as the first time
        return None

    try:
        explainer = LateExplainer(
            engine,
            start.facts,
            load,
            top_k=arguments.top_k,
            view=arguments.view,
            takes_over=start.torch_is_faster,
            on_notice=console.note,
        )
        if arguments.class_name is not None:
            explainer.require_maps(arguments.class_name)
    except BaseException:
        engine.close()
        raise
    for note in start.metadata.notes:
        console.note(note)
    console.note(
        f"{TITLES[start.engine]} {engine.precision} explains by the graph that an earlier run has "
        "kept; PyTorch "
        + ("takes over in a longer run" if start.torch_is_faster else "waits until it is needed")
    )
    return explainer


@contextlib.contextmanager
def keeping_graph(run: Run, explainer: object) -> Iterator[None]:
    """Keep the graph of the network at the end, if one explains, for the next run to begin with."""
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # the next run loads the network then
            _keep(run, explainer)


def _may_start(run: Run) -> bool:
    """Return whether a graph alone could do what was typed."""
    arguments = run.arguments
    return (
        arguments.engine != "torch"
        and arguments.compile == DEFAULT_COMPILE
        and arguments.view != "full"
        and arguments.teach is None
        and arguments.network.device in ("auto", "cpu")
        and arguments.network.precision != "int8"
        and run.exported is None
    )


def _keep(run: Run, explainer: object) -> None:
    if not _may_start(run):
        return
    from live_gradcam.graph.explainer import GraphExplainer

    if isinstance(explainer, GraphExplainer):
        return
    from live_gradcam.explain.explainer import Explainer

    if not isinstance(explainer, Explainer):
        return
    chosen = explainer.made_graph
    if chosen is None or chosen.candidate.device != "cpu":
        return
    from live_gradcam.graph.starts import FileState, GraphStart, write_start

    files = [FileState.of(each) for each in _files(run)]
    if not files or any(each.newer_than(run.began) for each in files):
        return
    from live_gradcam.explain.methods import METHOD_FACTS, require_method
    from live_gradcam.exports.description import describe
    from live_gradcam.graph.late import NetworkFacts

    classifier = explainer.classifier
    metadata = describe(
        classifier,
        require_method(explainer.method, classifier.head),
        classes="asked",
        maps=explainer.top_k,
        precision="fp32",
        any_size=False,
    )
    start = GraphStart(
        graph=FileState.of(chosen.path),
        metadata=replace(metadata, versions={}),
        engine=chosen.candidate.engine,
        precision=chosen.candidate.precision,
        torch_is_faster=chosen.torch_is_faster,
        files=tuple(files),
        facts=NetworkFacts(_layer_names(classifier), METHOD_FACTS, explainer.all_maps_are_cheap),
    )
    write_start(_key(run), start)


def _layer_names(classifier: Classifier) -> tuple[str, ...]:
    from live_gradcam.explain.layers import list_layers

    try:
        return tuple(layer.name for layer in list_layers(classifier))
    except Exception:  # tracing runs code of strangers
        return (classifier.layer,)


def _files(run: Run) -> list[Path]:
    """Return the files that the network was made of; none where they are not known."""
    from live_gradcam.explain.networks.find import files_of
    from live_gradcam.explain.taught_facts import read_facts

    network = run.arguments.network
    given = network.weights if network.weights is not None else Path(network.model)
    if read_facts(given) is not None:  # which names the trunk's file, and that may name others
        return []
    weights = network.weights
    made_of = list(files_of(network.model, None if weights is None else str(weights)))
    others = (network.labels, network.preprocessing)
    return [*made_of, *(each for each in others if each is not None)] if made_of else []


def _key(run: Run) -> str:
    """Return the name of a start: a hash of what was typed, the machine, versions and code."""
    from live_gradcam.budget import thread_budget
    from live_gradcam.explain.engine.decisions import processor_name

    arguments = run.arguments
    network = {
        name: value.absolute() if isinstance(value, Path) else value
        for name, value in asdict(arguments.network).items()
    }
    facts: tuple[Any, ...] = (
        *sorted(network.items()),
        Path.cwd() if Path(arguments.network.model).exists() else "",
        *(arguments.method, arguments.engine, arguments.top_k, run.meaning),
        *(f"{name} {_version(name)}" for name in _LIBRARIES),
        _code(),
        *(
            platform.system(),
            platform.machine(),
            platform.python_version(),
            processor_name(),
            os.cpu_count(),
        ),
        # With a GPU, torch may be the faster one.
        *(shutil.which("nvidia-smi"), os.environ.get("CUDA_VISIBLE_DEVICES")),
        *(thread_budget().network, os.environ.get("TORCH_HOME")),
    )
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def _code() -> str:
    """Return a hash of the sizes and times of the modules that make and read graphs."""
    home = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in _CODE:
        part = home / name
        for path in sorted(part.rglob("*.py")) if part.is_dir() else [part]:
            facts = path.stat()
            digest.update(f"{path.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return packages.version(name)
    except packages.PackageNotFoundError:
        return ""
