"""Graphs of forwards: the same results from buffers that never move, whatever is late.

The schedule is tested on a device that is late on purpose; CUDA itself where there is a GPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from live_gradcam.choices import CompileChoice
from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine import cuda_graphs as module
from live_gradcam.explain.engine.cuda_graphs import GraphedNetwork, GraphedNetworks, Pending
from live_gradcam.explain.engine.fused import BatchResult, FusedNetwork, Output, Selection, Shape
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import choose_runtime
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import METHODS
from live_gradcam.preprocessing.settings import Preprocessing
from tests.explain import support
from tests.helpers.accelerators import BrokenDevice, LateDevice, LateStream

CPU = torch.device("cpu")
SHAPE: Shape = (2, 64, 64)
TOP: Selection = (-1, -2, -3)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")


@pytest.fixture(autouse=True)
def _close_devices() -> Iterator[None]:
    yield
    LateDevice.close_all()


def make_network(classifier: Classifier | None = None) -> FusedNetwork:
    network = FusedNetwork(classifier or support.tiny_classifier(), "fp32")
    return network.requires_grad_(False).eval()


def batches(count: int, shape: Shape = SHAPE) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    size = (count, *shape, 3)
    return list(torch.randint(0, 256, size, dtype=torch.uint8, generator=generator))


def assert_equal(
    result: BatchResult, network: FusedNetwork, pixels: Tensor, selection: Selection
) -> None:
    with torch.no_grad():
        expected = Output(*network(pixels, torch.tensor(selection)))
    torch.testing.assert_close(result.logits, expected.logits)
    torch.testing.assert_close(result.classes, expected.classes)
    torch.testing.assert_close(result.evidence, expected.evidence)


def make_runner(
    device: LateDevice,
    told: list[str] | None = None,
    *,
    classifier: Classifier | None = None,
    compile: CompileChoice = "auto",
) -> Runner:
    return Runner(
        classifier or support.tiny_classifier(),
        choose_runtime("cpu", "fp32", compile),
        depth=3,
        method=METHODS["gradcam"],
        on_notice=(told if told is not None else []).append,
        accelerator=device,
    )


@pytest.mark.parametrize("seed", range(3))
def test_batches_on_their_way_do_not_touch_each_other(seed: int) -> None:
    network = make_network()
    graphed = GraphedNetwork(network, LateDevice(seed), SHAPE, depth=3)
    work = [(pixels, TOP if n % 3 else (4, 0, 2)) for n, pixels in enumerate(batches(12))]
    pending = []
    for pixels, selection in work:
        handed = pixels.clone()
        pending.append(graphed.start(handed, selection))
        handed.fill_(0)  # the caller's again
    for finish, (pixels, selection) in reversed(list(zip(pending, work, strict=True))):
        assert_equal(finish(), network, pixels, selection)


def test_many_threads_share_one_graph() -> None:
    network = make_network()
    graphed = GraphedNetwork(network, LateDevice(delay_seconds=0.001), SHAPE, depth=3)
    wrong: list[BaseException] = []

    def explain(seed: int) -> None:
        try:
            for pixels in batches(8)[seed % 8 :]:
                selection = (seed % 5, -1, -2)
                assert_equal(graphed.start(pixels, selection)(), network, pixels, selection)
        except BaseException as exc:
            wrong.append(exc)

    threads = [threading.Thread(target=explain, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nobody_has_to_wait_for_a_batch() -> None:
    network = make_network()
    graphed = GraphedNetwork(network, LateDevice(), SHAPE, depth=3)
    for pixels in batches(5):
        graphed.start(pixels, TOP)
    (pixels,) = batches(1)
    assert_equal(graphed.start(pixels, TOP)(), network, pixels, TOP)


def test_heads_without_a_closed_form_are_captured_too() -> None:
    network = make_network(support.gradient_classifier())
    graphed = GraphedNetwork(network, LateDevice(), SHAPE, depth=2)
    for pixels in batches(3):
        assert_equal(graphed.start(pixels, (3, -1))(), network, pixels, (3, -1))


def test_the_first_images_do_not_wait_for_a_graph() -> None:
    device = LateDevice()
    runner = make_runner(device)
    expected = make_network()
    states = []
    for pixels in batches(6, (1, 64, 64)):
        assert_equal(runner.run(pixels, TOP), expected, pixels, TOP)
        states.append((runner.runtime.state, device.captures))
    assert states == [("eager", 0)] * 3 + [("recorded", 1)] * 3
    assert runner.runtime.compiled


def test_it_is_captured_for_the_first_image_where_that_was_asked_for() -> None:
    device = LateDevice()
    runner = make_runner(device, compile="on")
    (pixels,) = batches(1, (1, 64, 64))
    runner.run(pixels, TOP)
    assert (runner.runtime.state, device.captures) == ("recorded", 1)
    off = LateDevice()
    runner = make_runner(off, compile="off")
    for pixels in batches(6, (1, 64, 64)):
        runner.run(pixels, TOP)
    assert (runner.runtime.state, off.captures) == ("off", 0)


def test_fewer_and_more_classes_than_were_captured() -> None:
    device = LateDevice()
    runner = make_runner(device, compile="on")
    expected = make_network()
    (pixels,) = batches(1, (1, 64, 64))
    for selection in [(-1,), (4, 2), (0, 1, 2, 3, 4)]:
        found = runner.run(pixels, selection)
        assert found.evidence.shape[1] == len(selection)
        assert_equal(found, expected, pixels, selection)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (BrokenDevice, "operation not permitted when stream is capturing"),
        (lambda: LateDevice(spoil=lambda result: -result), "it names another class"),
        (lambda: LateDevice(spoil=lambda result: result.roll(1, 1)), "it"),
    ],
)
def test_what_cannot_be_captured_or_gives_something_else_is_not_used(
    make: Callable[[], LateDevice], said: str
) -> None:
    told: list[str] = []
    runner = make_runner(make(), told)
    expected = make_network()
    for pixels in batches(8, (1, 64, 64)):
        assert_equal(runner.run(pixels, TOP), expected, pixels, TOP)
    assert runner.runtime.state == "failed"
    assert len(told) == 1
    assert told[0].startswith("the network could not be recorded as a CUDA graph (")
    assert said in told[0]
    assert "\n" not in told[0]


def test_a_size_that_the_network_refuses_does_not_end_capturing() -> None:
    layers = (nn.Conv2d(3, 8, 3, stride=8, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 5))
    classifier = Classifier.from_module(
        support.randomised(nn.Sequential(*layers), probe_size=64),
        layer="1",
        preprocessing=Preprocessing(72, 64),
    )
    told: list[str] = []
    runner = make_runner(LateDevice(), told, classifier=classifier, compile="on")
    (small,), (large,) = batches(1, (1, 64, 64)), batches(1, (1, 96, 96))
    with pytest.raises(UsageError, match="does not take pictures of this size: 96x96"):
        runner.run(large, TOP)
    runner.run(small, TOP)
    assert told == []
    assert runner.runtime.state == "recorded"


def test_only_the_shapes_that_came_last_keep_their_graph() -> None:
    device = LateDevice(delay_seconds=0.0)
    graphs = GraphedNetworks(
        make_network(), device, CPU, depth=3, at_once=True, on_failure=pytest.fail
    )
    sizes = [(1, 64, 32 * n) for n in range(1, 13)]
    with torch.no_grad():
        for shape in sizes:
            assert graphs.find(shape) is graphs.find(shape)
        made = device.captures
        assert made == len(sizes)
        graphs.find(sizes[-1])
        assert device.captures == made
        graphs.find(sizes[0])
        assert device.captures == made + 1, "made anew: only eight are kept"


def late_explainer(device: LateDevice) -> Explainer:
    # No other engine: that one would run the rest of a batch, which has another size.
    return Explainer(
        support.tiny_classifier(),
        device="cpu",
        precision="fp32",
        compile="on",
        engine="torch",
        accelerator=device,
    )


def test_a_long_batch_is_explained_in_order_while_the_device_is_late() -> None:
    images = [support.smooth_image(seed=seed) for seed in range(23)]
    eager = Explainer(support.tiny_classifier(), device="cpu", precision="fp32", compile="off")
    expected = eager.explain_batch(images, classes="top")
    device = LateDevice()
    found = late_explainer(device).explain_batch(images, classes="top")
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.explained == theirs.explained
        support.assert_maps_close(ours.evidence, theirs.evidence)
        assert set(ours.timings_ms) == {"preprocess", "network", "explain"}
    assert device.replays > 23 // 4


def test_what_does_not_fit_is_explained_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little memory is noticed when a batch is fetched, as a GPU that works by itself does."""
    explainer = late_explainer(LateDevice())
    images = [support.smooth_image(seed=seed) for seed in range(9)]
    expected = explainer.explain_batch(images)
    start = GraphedNetwork.start

    def start_small(self: GraphedNetwork, pixels: Tensor, selection: Selection) -> Pending:
        finish = start(self, pixels, selection)
        if len(pixels) == 1:
            return finish

        def fail() -> BatchResult:
            finish()
            raise torch.OutOfMemoryError("CUDA out of memory")

        return fail

    monkeypatch.setattr(GraphedNetwork, "start", start_small)
    for ours, theirs in zip(explainer.explain_batch(images), expected, strict=True):
        support.assert_maps_close(ours.evidence, theirs.evidence)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"),
            "unspecified launch",
        ),
        (torch.AcceleratorError("CUDA error: out of memory"), "the network does not fit"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "the network does not fit"),
    ],
)
def test_a_gpu_that_fails_on_its_way_is_a_device_error(
    error: RuntimeError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(LateStream, "finish", lambda self: fail)
    monkeypatch.setattr(module, "check_equal", lambda *_: None)
    runner = make_runner(LateDevice(), compile="on")
    (pixels,) = batches(1, (1, 64, 64))
    with pytest.raises(DeviceError, match=said) as caught:
        runner.run(pixels, TOP)
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)


@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("make", [support.tiny_classifier, support.gradient_classifier])
def test_cuda_captures_what_it_computes(
    precision: Literal["fp32", "fp16"], make: Callable[[], Classifier]
) -> None:
    classifier = make()
    told: list[str] = []
    images = [support.smooth_image(seed=seed) for seed in range(40)]
    eager = Explainer(classifier, device="cuda", precision=precision, compile="off")
    expected = eager.explain_batch(images, classes="top")
    with Explainer(
        classifier, device="cuda", precision=precision, compile="on", on_notice=told.append
    ) as explainer:
        found = explainer.explain_batch(images, classes="top")
        again = [explainer.explain(image, classes="top") for image in images]
    assert told == []
    assert explainer.runtime.state == "recorded"
    for theirs, *ours in zip(expected, found, again, strict=True):
        for each in ours:
            assert each.explained == theirs.explained
            support.assert_maps_close(each.evidence, theirs.evidence, 0.01)


@needs_cuda
def test_cuda_computes_float32_in_float32_and_leaves_the_process_as_it_was() -> None:
    before = torch.backends.cudnn.allow_tf32
    classifier = support.tiny_classifier()
    images = [support.smooth_image(seed=seed) for seed in range(8)]
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        expected = explainer.explain_batch(images)
    for how in ("off", "on"):
        with Explainer(
            classifier,
            device="cuda",
            precision="fp32",
            compile=how,
        ) as explainer:
            found = explainer.explain_batch(images)
        for ours, theirs in zip(found, expected, strict=True):
            # TF32 keeps 10 bits: a hundred times the bound.
            support.assert_maps_close(ours.evidence, theirs.evidence, 1e-5)
    assert torch.backends.cudnn.allow_tf32 == before


@needs_cuda
@pytest.mark.parametrize("method", sorted(METHODS))
def test_cuda_explains_by_every_method(method: str) -> None:
    classifier = support.tiny_classifier()
    expected = Explainer(
        classifier, device="cpu", precision="fp32", compile="off", method=method
    ).explain(support.smooth_image())
    told: list[str] = []
    with Explainer(
        classifier, device="cuda", precision="fp32", method=method, on_notice=told.append
    ) as explainer:
        for _ in range(6):
            found = explainer.explain(support.smooth_image())
    assert told == []
    support.assert_maps_close(found.evidence, expected.evidence, 0.01)
