"""One contract for all engines of graphs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.errors import DeviceError, ModelError, UsageError
from live_gradcam.graph.engine import EngineName, GraphEngine
from live_gradcam.graph.engines import installed_engines, open_engine
from live_gradcam.graph.engines.devices import device_names, parse_device
from tests.graph.support import CLASSES, SIDE, expected, images, make_graph, metadata_of

ENGINES: tuple[EngineName, ...] = ("openvino", "onnxruntime")
BEST = (-1, -2, -3)
ASKED = metadata_of("asked")


def is_close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Equal but for the order in which 64 pixels of up to 255 are added in float32."""
    return bool(np.allclose(ours, theirs, rtol=1e-5, atol=1e-4))


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> EngineName:
    chosen: EngineName = request.param
    if chosen not in installed_engines():
        pytest.skip(f"{chosen} is not installed")
    return chosen


@pytest.fixture
def engine(name: EngineName) -> Iterator[GraphEngine]:
    opened = open_engine(make_graph(), ASKED, name=name)
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("selection", [BEST, (4, 0, -1)])
def test_it_computes_the_graph(engine: GraphEngine, count: int, selection: tuple[int, ...]) -> None:
    pixels = images(count)
    found, right = engine.run(pixels, np.array(selection)), expected(pixels, selection)
    assert found.classes.tolist() == right.classes.tolist()
    assert found.classes.dtype == np.int64
    for ours, theirs in ((found.scores, right.scores), (found.evidence, right.evidence)):
        assert ours.dtype == np.float32
        assert is_close(ours, theirs)


@pytest.mark.parametrize("classes", ["all", (3, 1)])
def test_a_graph_with_fixed_classes_says_whose_maps_they_are(
    name: EngineName, classes: tuple[int, ...] | str
) -> None:
    pixels = images(2)
    numbers = tuple(range(CLASSES)) if isinstance(classes, str) else classes
    opened = open_engine(make_graph(classes), metadata_of(classes), name=name)  # type: ignore[arg-type]
    found, right = opened.run(pixels), expected(pixels, numbers)
    opened.close()
    assert found.classes.tolist() == [list(numbers)] * 2
    assert is_close(found.evidence, right.evidence)


def test_a_graph_for_one_image_takes_several(name: EngineName) -> None:
    pixels = images(3)
    opened = open_engine(make_graph(batch=2), ASKED, name=name)
    found, right = opened.run(pixels, np.array(BEST)), expected(pixels, BEST)
    opened.close()
    assert found.classes.tolist() == right.classes.tolist()
    assert is_close(found.evidence, right.evidence)


def test_results_belong_to_the_caller(engine: GraphEngine) -> None:
    first, second = images(1, seed=2), images(1, seed=3)
    kept = engine.run(first, np.array(BEST))
    engine.run(second, np.array(BEST))
    assert is_close(kept.evidence, expected(first, BEST).evidence)
    kept.evidence[:] = 0  # writable


def test_many_threads_share_one_engine(engine: GraphEngine) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        pixels = images(1 + seed % 3, seed=seed)
        right = expected(pixels, BEST)
        for _ in range(10):
            found = engine.run(pixels, np.array(BEST))
            if not is_close(found.scores, right.scores):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for number in (1, 2, 1):
        engine.set_threads(number)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert engine.threads == 1


def test_it_says_what_it_is(engine: GraphEngine, name: EngineName) -> None:
    assert engine.name == name
    assert engine.version == installed_engines()[name]
    assert engine.device == "CPU"
    assert engine.precision == "fp32"
    assert engine.metadata == ASKED


def test_an_image_of_another_size_is_refused(engine: GraphEngine) -> None:
    with pytest.raises(UsageError, match=f"48x32: its graph was made for {SIDE}x{SIDE}"):
        engine.run(images(1, width=48), np.array(BEST))


def test_closing_twice_is_closing_once(engine: GraphEngine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(DeviceError, match="it was closed"):
        engine.run(images(1), np.array(BEST))


def test_only_what_fails_elsewhere_is_sent_to_the_processor(
    engine: GraphEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who runs an exported file has no torch to go to."""

    def fail(_: object) -> None:
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(engine, "_infer", fail)
    for device, step in (("CPU", ""), ("GPU", "Use --device cpu")):
        monkeypatch.setattr(engine, "device", device)
        with pytest.raises(DeviceError, match="the driver is gone") as caught:
            engine.run(images(1), np.array(BEST))
        assert caught.value.next_step == step


def test_no_thread_is_no_number_of_threads(engine: GraphEngine) -> None:
    with pytest.raises(UsageError, match="so few threads: 0"):
        engine.set_threads(0)


@pytest.mark.parametrize("content", [b"", b"no graph at all"])
def test_what_is_no_graph_is_an_error_of_ours(
    name: EngineName, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"graph\.onnx: .*Export it again"):
        open_engine(path, ASKED, name=name)


def test_a_file_that_is_not_there_is_said(name: EngineName, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        open_engine(tmp_path / "graph.onnx", ASKED, name=name)


def test_a_missing_device_lists_what_is_seen() -> None:
    pytest.importorskip("openvino")
    seen = parse_device("npu")
    assert (seen.kind, seen.index) == ("npu", 0)
    import openvino

    if "NPU" in openvino.Core().available_devices:
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match=r"npu: OpenVINO sees .*CPU.*use --device cpu"):
        open_engine(make_graph(), ASKED, device="npu")


def test_a_device_of_another_engine_names_it(name: EngineName) -> None:
    foreign, other = {
        "openvino": ("coreml", "onnxruntime"),
        "onnxruntime": ("npu", "openvino"),
    }[name]
    with pytest.raises(DeviceError, match=f"has no such device. Use --engine {other}"):
        open_engine(make_graph(), ASKED, name=name, device=foreign)


@pytest.mark.parametrize("text", ["gpu", "cuda:x", "cpu:1", "npu:0", ""])
def test_an_unknown_device_lists_those_that_are_known(text: str) -> None:
    with pytest.raises(UsageError, match="Choose from auto, cpu, intel-gpu, npu, cuda"):
        parse_device(text)
    assert parse_device("cuda:2").index == 2
    assert "directml" in device_names()


def test_an_unknown_engine_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="Did you mean openvino"):
        open_engine(make_graph(), ASKED, name="openvion")  # type: ignore[arg-type]


def test_a_processor_without_a_precision_says_so() -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(DeviceError, match="bf16: ONNX Runtime computes in fp32 on cpu"):
        open_engine(make_graph(), ASKED, name="onnxruntime", precision="bf16")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_that_is_not_installed_is_named_with_its_command(
    name: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_gradcam.graph.engines.opening.find_spec", lambda _: None)
    with pytest.raises(DeviceError, match=r'pip install "live-gradcam\[fast\]"'):
        open_engine(make_graph(), ASKED, name=name)
    with pytest.raises(DeviceError, match="OpenVINO or ONNX Runtime is not installed"):
        open_engine(make_graph(), ASKED)
