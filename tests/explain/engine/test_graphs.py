"""Other engines beside torch: found, measured, swapped in between two frames, and closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from live_gradcam.choices import EngineChoice
from live_gradcam.errors import DeviceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import child_process, decisions, package_cache
from live_gradcam.explain.engine.compile_worker import worker_command
from live_gradcam.explain.engine.compiled import CompiledNetworks
from live_gradcam.explain.engine.decisions import list_decisions
from live_gradcam.explain.engine.fused import BatchResult, FusedNetwork, Shape
from live_gradcam.explain.engine.graph_network import GraphNetwork
from live_gradcam.explain.engine.package_cache import graph_key, open_cache
from live_gradcam.explain.engine.trial import EngineTrial
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.export.worker import GraphExporter
from live_gradcam.explain.methods import require_method
from live_gradcam.graph.engine import EngineName
from live_gradcam.graph.engines import installed_engines, open_engine
from live_gradcam.graph.metadata import ExplainedClasses
from live_gradcam.values import Explanation
from tests.explain import support
from tests.graph.support import metadata_of

pytest.importorskip("onnxscript")
# Exporting takes some ten seconds, and on a busy machine many times as long.
PATIENCE_SECONDS = 800.0
SHAPE: Shape = (1, 64, 64)


@pytest.fixture(params=["openvino", "onnxruntime"])
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    if name not in installed_engines():
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    for module in (package_cache, decisions):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "compiled")
    # On a busy machine a child that gives way would starve.
    monkeypatch.setattr(child_process, "worker_command", lambda **_: worker_command(yielding=False))
    return tmp_path / "compiled"


@lru_cache
def graphs(seed: int = 0) -> Mapping[str, bytes]:
    """Both graphs of the small classifier, by their names in the cache."""
    classifier = support.tiny_classifier(seed=seed)
    network = FusedNetwork(classifier, "fp32").requires_grad_(False).eval()
    exporter = GraphExporter()
    made = {}
    kinds: tuple[tuple[ExplainedClasses, int], ...] = (("asked", 3), ("all", 5))
    for classes, maps in kinds:
        key = graph_key(
            network, classes, maps, SHAPE[1:], modules=exporter.modules, versions=exporter.versions
        )
        model = make_onnx(network, classes=classes, maps=maps, shape=SHAPE)
        made[f"{key}.onnx"] = model.SerializeToString()
    return made


def put_graphs() -> None:
    """Put both graphs into the cache, so that no process has to make them."""
    for name, content in graphs().items():
        (open_cache() / name).write_bytes(content)


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def assert_same(found: Explanation, expected: Explanation) -> None:
    assert found.explained == expected.explained
    support.assert_maps_close(found.evidence, expected.evidence, support.ROUNDING["fp32"])
    for ours, theirs in zip(found.predictions, expected.predictions, strict=True):
        assert ours.class_index == theirs.class_index
        assert ours.logit == pytest.approx(theirs.logit, rel=1e-4, abs=1e-4)


@pytest.fixture
def plain() -> Iterator[Explainer]:
    with Explainer(support.tiny_classifier(), engine="torch", compile="off", precision="fp32") as e:
        yield e


def test_a_named_engine_explains_as_torch_does(engine: EngineName, plain: Explainer) -> None:
    put_graphs()
    images = [support.smooth_image(seed=seed) for seed in range(5)]
    told: list[str] = []
    with Explainer(
        plain.classifier, engine=engine, compile="on", precision="fp32", on_notice=told.append
    ) as explainer:
        for classes in ("top", None, [3, 0], "all", [4, 2, 0, 1]):
            found = explainer.explain_batch(images, classes=classes)
            expected = plain.explain_batch(images, classes=classes)
            for ours, theirs in zip(found, expected, strict=True):
                assert_same(ours, theirs)
        runtime = explainer.runtime
        assert (runtime.engine, runtime.precision) == (engine, "fp32")
        assert not explainer.compiled
    assert told == []
    # What was closed leaves it to torch.
    assert_same(
        explainer.explain(images[0], classes="top"), plain.explain(images[0], classes="top")
    )


def test_a_graph_is_exported_beside_the_session_and_kept(
    engine: EngineName, plain: Explainer, cache: Path
) -> None:
    image = support.smooth_image()
    expected = plain.explain(image, classes="top")
    with Explainer(plain.classifier, engine=engine, precision="fp32") as explainer:

        def runs_it() -> bool:
            assert_same(explainer.explain(image, classes="top"), expected)
            return explainer.runtime.engine == engine

        assert not runs_it(), "no image waits for an engine"
        assert wait_until(runs_it)
    assert [path.suffix for path in cache.iterdir()] == [".onnx"]
    assert not psutil.Process().children(recursive=True)


def auto(classifier: Classifier, **options: Any) -> Explainer:
    return Explainer(classifier, device="cpu", precision="fp32", engine="auto", **options)


@pytest.mark.parametrize("fastest", ["OpenVINO fp32", "ONNX Runtime fp32"])
def test_auto_measures_once_and_keeps_its_decision(
    fastest: str, plain: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    put_graphs()
    note = EngineTrial.note

    def injected(trial: EngineTrial, name: str, milliseconds: float) -> None:
        note(trial, name, 1.0 if name == fastest else 30.0)

    monkeypatch.setattr(EngineTrial, "note", injected)
    image = support.smooth_image()
    expected = plain.explain(image, classes="top")
    seen = set()
    with auto(plain.classifier) as explainer:

        def is_decided() -> bool:
            assert_same(explainer.explain(image, classes="top"), expected)
            seen.add(explainer.runtime.engine)
            return bool(list_decisions())

        assert wait_until(is_decided)
        is_decided()
        assert explainer.runtime.engine == engine_of(fastest)
    assert seen == {"torch", "openvino", "onnxruntime"}, "each had its turn, on real images"
    (kept,) = list_decisions()
    assert kept.winner == fastest
    assert set(kept.milliseconds) == {"torch", "OpenVINO fp32", "ONNX Runtime fp32"}
    assert kept.network == "tiny last gradcam 64x64"
    monkeypatch.setattr(EngineTrial, "__init__", lambda *_: pytest.fail("it was measured again"))
    with auto(plain.classifier) as again:
        assert wait_until(
            lambda: bool(again.explain(image)) and again.runtime.engine == engine_of(fastest)
        )


def test_a_film_after_single_images_is_measured_and_its_decision_is_kept(
    plain: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    put_graphs()
    monkeypatch.setattr("live_gradcam.explain.engine.batching._SIZES", {"cpu": (4,)})
    note = EngineTrial.note

    def injected(trial: EngineTrial, name: str, milliseconds: float) -> None:
        note(trial, name, 1.0 if name == "ONNX Runtime fp32" else 30.0)

    monkeypatch.setattr(EngineTrial, "note", injected)
    image = support.smooth_image()
    film = [image] * 4
    with auto(plain.classifier) as explainer:
        assert wait_until(
            lambda: bool(explainer.explain(image)) and explainer.runtime.engine != "torch"
        ), "an engine has its turn"
        for _ in range(40):  # two rounds of three, four batches each, and those that begin it
            explainer.explain_batch(film)
        assert explainer.runtime.engine == "onnxruntime"
        assert wait_until(lambda: bool(list_decisions())), "it is kept beside the session"
    (kept,) = list_decisions()
    assert kept.winner == "ONNX Runtime fp32"
    monkeypatch.setattr(EngineTrial, "__init__", lambda *_: pytest.fail("it was measured again"))
    with auto(plain.classifier) as again:
        assert wait_until(
            lambda: bool(again.explain_batch(film)) and again.runtime.engine == "onnxruntime"
        )
    # A session that begins as the first one did finds what was measured on what came after.
    with auto(plain.classifier) as alike:
        assert wait_until(
            lambda: bool(alike.explain(image)) and alike.runtime.engine == "onnxruntime"
        )


@pytest.fixture
def at_once(plain: Explainer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Explainer]:
    """The first image waits for the measurement of the engines, and for no compiler."""
    pytest.importorskip("onnxruntime")
    put_graphs()
    monkeypatch.setattr(CompiledNetworks, "consider", lambda *_: None)
    with auto(plain.classifier, compile="on") as explainer:
        yield explainer


def test_an_engine_that_fails_while_it_is_measured_is_named_and_left_out(
    plain: Explainer, at_once: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    run = GraphNetwork.run

    def fail(network: GraphNetwork, *given: Any) -> BatchResult | None:
        if network.engine.name == "onnxruntime":
            raise DeviceError("cannot run the graph", "ONNX Runtime", "the device is lost")
        return run(network, *given)

    assert at_once._runner.graphs is not None
    monkeypatch.setattr(at_once._runner.graphs, "_on_failure", told.append)
    monkeypatch.setattr(GraphNetwork, "run", fail)
    monkeypatch.setattr("live_gradcam.explain.engine.graphs.check_equal", lambda *_, **__: None)
    for image in (support.smooth_image(), support.smooth_image(seed=1)):
        assert_same(at_once.explain(image, classes="top"), plain.explain(image, classes="top"))
    assert at_once.runtime.engine != "onnxruntime"
    (sentence,) = told
    assert "ONNX Runtime fp32 failed, torch goes on" in sentence
    assert "the device is lost" in sentence


def test_closing_in_the_middle_of_a_measurement_ends_it(
    plain: Explainer, at_once: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineTrial, "note", lambda *_: at_once.close())
    image = support.smooth_image()
    assert_same(at_once.explain(image, classes="top"), plain.explain(image, classes="top"))


def engine_of(label: str) -> EngineName:
    return "openvino" if label.startswith("OpenVINO") else "onnxruntime"


def test_where_torch_wins_it_stays_and_may_compile(
    plain: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    put_graphs()
    note = EngineTrial.note

    def injected(trial: EngineTrial, name: str, milliseconds: float) -> None:
        note(trial, name, 1.0 if name == "torch" else 30.0)

    monkeypatch.setattr(EngineTrial, "note", injected)
    compiled: list[Shape] = []
    with auto(plain.classifier) as explainer:
        runner = explainer._runner
        assert runner.compiled is not None
        monkeypatch.setattr(runner.compiled, "consider", compiled.append)
        image = support.smooth_image()
        assert wait_until(lambda: bool(explainer.explain(image)) and bool(compiled))
        assert explainer.runtime.engine == "torch"
        assert wait_until(lambda: bool(list_decisions())), "it is kept beside the session"
    (kept,) = list_decisions()
    assert kept.winner == "torch"


@pytest.mark.parametrize(
    ("eager", "compiled", "winner"),
    [(13.0, 20.0, "ONNX Runtime fp32"), (13.0, 6.0, "torch"), (30.0, 6.0, "ONNX Runtime fp32")],
    ids=["slower", "faster", "not-tried"],
)
def test_torch_is_compiled_and_compared_where_it_was_nearly_as_fast(
    eager: float, compiled: float, winner: str, plain: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    put_graphs()
    note = EngineTrial.note
    times = {"torch": eager, "torch compiled": compiled, "ONNX Runtime fp32": 10.0}

    def injected(trial: EngineTrial, name: str, milliseconds: float) -> None:
        note(trial, name, times.get(name, 50.0))

    monkeypatch.setattr(EngineTrial, "note", injected)
    image = support.smooth_image()
    expected = plain.explain(image, classes="top")
    near = eager < 20

    def explain(explainer: Explainer) -> bool:
        """Explain an image; the compiler, once it is asked, is ready at once."""
        assert_same(explainer.explain(image, classes="top"), expected)
        return True

    def with_compiler(explainer: Explainer) -> list[Shape]:
        runner, asked = explainer._runner, list[Shape]()
        networks = runner.compiled
        assert networks is not None

        def consider(shape: Shape) -> None:
            asked.append(shape)
            networks.add(shape, runner.network)

        monkeypatch.setattr(networks, "consider", consider)
        return asked

    def measured() -> set[str]:
        return {name for each in list_decisions() for name in each.milliseconds}

    with auto(plain.classifier) as explainer:
        asked = with_compiler(explainer)
        assert wait_until(lambda: explain(explainer) and bool(measured()))
        for _ in range(30):
            explain(explainer)
        assert bool(asked) == near
        if near:
            assert wait_until(lambda: explain(explainer) and "torch compiled" in measured())
        explain(explainer)
        assert explainer.runtime.engine == ("torch" if winner == "torch" else "onnxruntime")
    (kept,) = list_decisions()
    assert kept.winner == winner
    assert kept.milliseconds["torch"] == eager
    assert kept.milliseconds.get("torch compiled") == (compiled if near else None)
    # It is not measured again.
    monkeypatch.setattr(EngineTrial, "__init__", lambda *_: pytest.fail("it was measured again"))
    with auto(plain.classifier) as again:
        asked = with_compiler(again)
        engine = "torch" if winner == "torch" else "onnxruntime"
        graphs = again._runner.graphs
        assert graphs is not None
        assert wait_until(lambda: explain(again) and graphs.is_settled(SHAPE))
        for _ in range(10):
            explain(again)
        assert again.runtime.engine == engine
        assert bool(asked) == (winner == "torch")


def test_swapping_is_not_noticed_by_many_threads(plain: Explainer) -> None:
    pytest.importorskip("openvino")
    put_graphs()
    images = [support.smooth_image(seed=seed) for seed in range(4)]
    expected = plain.explain_batch(images, classes="top")
    wrong: list[BaseException] = []
    with auto(plain.classifier) as explainer:
        ended = threading.Event()

        def work(place: int) -> None:
            try:
                while not ended.is_set():
                    assert_same(explainer.explain(images[place], classes="top"), expected[place])
            except BaseException as exc:
                wrong.append(exc)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        decided = wait_until(lambda: bool(list_decisions()) or bool(wrong))
        ended.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert decided


def test_closing_in_the_middle_leaves_no_process(plain: Explainer) -> None:
    with Explainer(plain.classifier, engine="onnxruntime", precision="fp32") as explainer:
        runner = explainer._runner
        assert runner.graphs is not None
        assert wait_until(
            lambda: (
                bool(explainer.explain(support.smooth_image()))
                and bool(psutil.Process().children())
            )
        )
    assert not psutil.Process().children(recursive=True)
    assert "graph-engines" not in {thread.name for thread in threading.enumerate()}


def test_an_engine_that_fails_leaves_it_to_torch_and_is_named(
    plain: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    put_graphs()
    told: list[str] = []
    image = support.smooth_image()
    with Explainer(
        plain.classifier,
        engine="onnxruntime",
        compile="on",
        precision="fp32",
        on_notice=told.append,
    ) as explainer:
        explainer.explain(image)

        def fail(*_: object) -> None:
            raise DeviceError("cannot run the graph", "ONNX Runtime", "the device is lost")

        monkeypatch.setattr(GraphNetwork, "run", fail)
        assert_same(explainer.explain(image, classes="top"), plain.explain(image, classes="top"))
        assert explainer.runtime.engine == "torch"
        explainer.explain(image)
    (sentence,) = told
    assert "ONNX Runtime fp32 failed, torch goes on" in sentence
    assert "the device is lost" in sentence


def test_a_graph_that_is_not_the_network_is_not_used(plain: Explainer) -> None:
    pytest.importorskip("onnxruntime")
    for name, content in zip(graphs(), graphs(seed=1).values(), strict=True):
        (open_cache() / name).write_bytes(content)
    told: list[str] = []
    with Explainer(
        plain.classifier, engine="onnxruntime", compile="on", on_notice=told.append
    ) as explainer:
        explainer.explain(support.smooth_image())
        assert explainer.runtime.engine == "torch"
    assert len(told) == 1
    assert "cannot run the network" in told[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "scorecam", "engine": "onnxruntime"}, "many forwards"),
        ({"method": "scorecam", "engine": "auto"}, ""),
    ],
)
def test_what_is_no_graph_says_so_only_where_an_engine_was_named(
    options: dict[str, Any], words: str
) -> None:
    told: list[str] = []
    with Explainer(support.tiny_classifier(), on_notice=told.append, **options) as explainer:
        assert explainer.runtime.engine == "torch"
    assert [words in sentence for sentence in told] == [True] * bool(words)


@pytest.mark.parametrize("choice", ["openvino", "onnxruntime"])
def test_an_engine_that_is_not_installed_names_its_command(
    choice: EngineChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_gradcam.graph.engines.opening.find_spec", lambda _: None)
    with pytest.raises(DeviceError, match=r'pip install "live-gradcam\[fast\]"'):
        Explainer(support.tiny_classifier(), engine=choice)
    with Explainer(support.tiny_classifier(), engine="auto") as explainer:
        assert explainer.runtime.candidates == ()


def test_only_what_is_fp32_everywhere_is_a_candidate_for_fp32() -> None:
    with Explainer(support.tiny_classifier(), device="cpu", precision="fp32") as explainer:
        assert {each.precision for each in explainer.runtime.candidates} <= {"fp32"}
    with Explainer(support.tiny_classifier(), device="cpu", compile="off") as explainer:
        assert explainer.runtime.engine_choice == "torch", "nothing is prepared beside"


@pytest.mark.parametrize(
    ("device", "engine", "words"),
    [
        ("npu", "torch", "torch has no such device. Use --engine openvino or auto"),
        ("directml", "torch", "Use --engine onnxruntime or auto"),
        ("intel-gpu", "onnxruntime", "ONNX Runtime has no such device. Use --engine openvino"),
    ],
)
def test_a_device_and_an_engine_that_do_not_fit_say_what_does(
    device: str, engine: EngineChoice, words: str
) -> None:
    with pytest.raises(DeviceError, match=words):
        Explainer(support.tiny_classifier(), device=device, engine=engine)


@pytest.mark.parametrize(
    ("make", "methods"),
    [
        (support.tiny_classifier, ["layercam", "xgradcam"]),
        (support.gradient_classifier, ["gradcam", "gradcam++"]),
        (lambda: support.classifier("squeezenet1_1", 10), ["hirescam"]),
        (lambda: support.classifier("resnet18", 10), ["gradcam"]),
    ],
    ids=["linear", "gradient", "squeezenet", "resnet"],
)
def test_engines_compute_what_torch_computes(
    make: Callable[[], Classifier], methods: list[str]
) -> None:
    """Scores and maps are within a thousandth of the largest, in all engines."""
    classifier = make()
    for method in methods:
        head = require_method(method, classifier.head).make_head(classifier.head)
        compare_engines(replace(classifier, head=head))


def compare_engines(classifier: Classifier) -> None:
    network = FusedNetwork(classifier, "fp32").requires_grad_(False).eval()
    size = 64 if classifier.preprocessing.crop_size == 64 else 96
    model = make_onnx(network, classes="asked", maps=2, shape=(1, size, size))
    content = model.SerializeToString()
    coarse = support.smooth_image(size, size)
    pixels = torch.from_numpy(np.stack([coarse, coarse[::-1], coarse[:, ::-1]]))
    for selection in ((-1, -2), (3, 0)):
        with torch.no_grad():
            logits, classes, evidence, _ = network(pixels, torch.tensor(selection))
        for name in installed_engines():
            opened = open_engine(content, metadata_of("asked"), name=name)
            found = GraphNetwork(opened, 2).run(pixels, selection)
            opened.close()
            assert found is not None
            assert found.classes.tolist() == classes.tolist()
            support.assert_maps_close(found.logits.numpy(), logits.numpy(), 1e-3)
            support.assert_maps_close(found.evidence.numpy(), evidence.numpy(), 1e-3)
