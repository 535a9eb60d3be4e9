"""Exported graphs against torch: every method over every kind of head."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from live_gradcam.errors import ModelError
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.export.plain_methods import plain_head, why_no_graph
from live_gradcam.explain.heads import Head
from live_gradcam.explain.methods import METHODS, require_method
from live_gradcam.exports import export
from live_gradcam.graph.engine import EngineName
from live_gradcam.graph.engines import installed_engines, open_engine
from live_gradcam.graph.metadata import ExplainedClasses
from scripts.exports import SeveralMethods
from tests.exports.support import CLASSES, NETWORKS, SIDE, small_classifier
from tests.graph.support import metadata_of

# The rounding of float32 over the longest sums here, with room for another order of additions.
_RELATIVE = 2e-5

# Behind a LayerNorm the channels' mean is rounding, and with it Eigen-CAM's sign and XGrad-CAM's
# denominator; torch itself is no reference there.
_ROUNDING = {"attention": ("eigencam", "xgradcam")}
# Each method takes seconds of tracing; what it does with a gradient is the same behind every head.
_FEW = {
    "attention": ("gradcam", "layercam", "gradcam++"),
    "pooled": ("gradcam", "layercam", "gradcam++"),
    "largest": ("gradcam", "layercam"),
}
_REFUSED = {"scorecam": set(NETWORKS), "ablationcam": set(NETWORKS) - {"linear"}}


def _pixels(count: int, height: int = SIDE, width: int = SIDE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, height, width, 3), generator=generator, dtype=torch.uint8)


def _network(kind: str, method: str) -> FusedNetwork:
    classifier = small_classifier(kind)
    head = require_method(method).make_head(classifier.head)
    return FusedNetwork(replace(classifier, head=head), "fp32")


def _session(
    network: FusedNetwork, classes: ExplainedClasses, maps: int, *, any_size: bool = False
) -> Any:
    made = make_onnx(network, classes=classes, maps=maps, shape=(1, SIDE, SIDE), any_size=any_size)
    runtime = importlib.import_module("onnxruntime")
    return runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


def _assert_near(found: np.ndarray, wanted: torch.Tensor, what: str = "") -> None:
    assert found.shape == tuple(wanted.shape), what
    assert found.dtype == np.float32, what
    assert np.abs(found - wanted.numpy()).max() <= _RELATIVE * float(wanted.abs().max()), what


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_method_computes_in_a_graph_what_it_does_in_torch(kind: str) -> None:
    without = _ROUNDING.get(kind, ())
    methods = [
        name
        for name in _FEW.get(kind, METHODS)
        if kind not in _REFUSED.get(name, ()) and name not in without
    ]
    classifier = small_classifier(kind)
    together = SeveralMethods(classifier.head, methods)
    network = FusedNetwork(replace(classifier, head=together), "fp32")
    plain = SeveralMethods(classifier.head, methods)
    plain.heads = [plain_head(head) for head in plain.heads]
    session = _session(FusedNetwork(replace(classifier, head=plain), "fp32"), "top", 1)
    for count in (1, 3):
        pixels = _pixels(count)
        scores, classes, evidence = session.run(None, {"pixels": pixels.numpy()})
        with torch.no_grad():
            wanted = network(pixels.flip(3), torch.tensor([-1]))
        assert np.array_equal(classes, wanted[1].numpy())
        _assert_near(scores, wanted[0])
        for place, method in enumerate(methods):
            _assert_near(evidence[:, place], wanted[2][:, place], method)


@pytest.mark.parametrize("engine", installed_engines())
@pytest.mark.parametrize("kind", ["straight", "largest"])
def test_every_engine_computes_one_image_after_another(kind: str, engine: EngineName) -> None:
    """What is the same for every image must not be kept where the next one is computed."""
    network = _network(kind, "hirescam")
    made = make_onnx(network, classes="all", maps=len(CLASSES), shape=(1, SIDE, SIDE))
    selection = torch.arange(len(CLASSES))
    images = [_pixels(1) if turn == 1 else _pixels(turn)[-1:] for turn in (1, 2, 3, 1)]
    opened = open_engine(made.SerializeToString(), metadata_of("all"), name=engine)
    with contextlib.closing(opened):
        for pixels in images:
            found = opened.run(pixels.numpy())
            with torch.no_grad():
                wanted = network(pixels.flip(3), selection)
            _assert_near(found.scores, wanted[0])
            _assert_near(found.evidence, wanted[2])


@pytest.mark.parametrize("kind", ["pointwise", "pooled"])
def test_all_classes(kind: str) -> None:
    network = _network(kind, "gradcam")
    pixels = _pixels(2)
    with torch.no_grad():
        _, _, wanted, _ = network(pixels.flip(3), torch.arange(len(CLASSES)))
    session = _session(network, "all", len(CLASSES))
    _assert_near(session.run(["evidence"], {"pixels": pixels.numpy()})[0], wanted)


def test_classes_that_are_asked_for_by_name_or_rank() -> None:
    network = _network("pooled", "layercam")
    pixels = _pixels(2)
    selection = np.array([4, -1], np.int64)
    given = {"pixels": pixels.numpy(), "selection": selection}
    session = _session(network, "asked", 2)
    scores, classes, evidence = session.run(["scores", "classes", "evidence"], given)
    assert classes[:, 0].tolist() == [4, 4]
    assert classes[:, 1].tolist() == scores.argmax(1).tolist()
    with torch.no_grad():
        _assert_near(evidence, network(pixels.flip(3), torch.from_numpy(selection))[2])


def test_height_and_width_can_be_free() -> None:
    network = _network("linear", "gradcam")
    session = _session(network, "top", 1, any_size=True)
    pixels = _pixels(2, 64, 80)
    found = session.run(["evidence"], {"pixels": pixels.numpy()})[0]
    with torch.no_grad():
        _assert_near(found, network(pixels.flip(3), torch.tensor([-1]))[2])


@pytest.mark.parametrize(
    ("method", "words"), [("scorecam", "once for every channel"), ("ablationcam", "one Linear")]
)
def test_what_has_no_graph_is_refused_by_name(method: str, words: str, tmp_path: Any) -> None:
    with pytest.raises(ModelError, match=f"pooled with {method}: .*{words}.*gradcam"):
        export(small_classifier("pooled"), tmp_path / "x.onnx", method=method)
    assert not list(tmp_path.iterdir())


def test_a_head_that_runs_the_whole_network_says_why() -> None:
    class Odd(Head):
        compilable = False

        def differentiate(self, activations: Any) -> Any: ...
        def score(self, activations: Any) -> Any: ...
        def evidence(self, basis: Any, classes: Any) -> Any: ...

    assert why_no_graph(Odd())
