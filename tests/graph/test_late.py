"""A network's graph explains at once; the network is loaded for what the graph cannot answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pytest

from live_gradcam.errors import DeviceError
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.methods import METHOD_FACTS, require_method
from live_gradcam.exports.description import describe
from live_gradcam.graph.engine import GraphEngine
from live_gradcam.graph.engines import installed_engines, open_engine
from live_gradcam.graph.late import LateExplainer, NetworkFacts
from live_gradcam.protocol import ClassChoice, ExplainerKey
from live_gradcam.session.late_pools import LatePools
from live_gradcam.session.pools import explainers_beside, pools_to_teach
from tests.explain import support

pytest.importorskip("onnxscript")
if "onnxruntime" not in installed_engines():
    pytest.skip("onnxruntime is not installed", allow_module_level=True)
PATIENCE_SECONDS = 60.0
FACTS = NetworkFacts(("c", "d"), METHOD_FACTS, all_maps_are_cheap=True)


@lru_cache
def graph() -> bytes:
    network = FusedNetwork(support.tiny_classifier(), "fp32").requires_grad_(False).eval()
    model = make_onnx(network, classes="asked", maps=2, shape=(1, 64, 64))
    content: bytes = model.SerializeToString()
    return content


def engine() -> GraphEngine:
    classifier = support.tiny_classifier()
    method = require_method("gradcam", classifier.head)
    metadata = describe(
        classifier, method, classes="asked", maps=2, precision="fp32", any_size=False
    )
    return open_engine(graph(), metadata, name="onnxruntime", device="cpu")


@pytest.fixture
def plain() -> Iterator[Explainer]:
    with Explainer(
        support.tiny_classifier(), engine="torch", compile="off", precision="fp32", top_k=2
    ) as explainer:
        yield explainer


@pytest.mark.parametrize(
    ("classes", "loaded"),
    [(None, 0), ("top", 0), (3, 0), ([4, 1, 2], 0), ([0, 1, 2, 3, 4], 1), ("all", 1)],
)
def test_the_network_is_loaded_for_many_classes_only(
    plain: Explainer, classes: ClassChoice, loaded: int
) -> None:
    loads: list[int] = []

    def load() -> Explainer:
        loads.append(1)
        return plain

    images = [support.smooth_image(seed=seed) for seed in range(3)]
    with LateExplainer(engine(), FACTS, load, top_k=2) as late:
        for _ in range(2):
            found = late.explain_batch(images, classes=classes)
        assert len(loads) == loaded
        for ours, theirs in zip(found, plain.explain_batch(images, classes=classes), strict=True):
            assert ours.explained == theirs.explained
            assert ours.labels == theirs.labels
            support.assert_maps_close(ours.evidence, theirs.evidence, support.ROUNDING["fp32"])
            np.testing.assert_allclose(
                [each.logit for each in ours.predictions],
                [each.logit for each in theirs.predictions],
                rtol=1e-4,
                atol=1e-4,
            )


def test_the_whole_image_is_shown_to_the_network(plain: Explainer) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    with LateExplainer(engine(), FACTS, lambda: plain, top_k=2) as late:
        assert "full" in late.views
        region = late.explain_batch([image], view="full")[0].region
    assert (region.width, region.height) == (96, 64)


def test_the_network_takes_over_in_a_long_run_where_it_is_faster(plain: Explainer) -> None:
    image = support.smooth_image()
    with LateExplainer(engine(), FACTS, lambda: plain, top_k=2, takes_over=True) as late:
        late.explain_batch([image])
        assert late.runtime.engine == "onnxruntime"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while late.runtime.engine != "torch":
            late.explain_batch([image] * 20)
            assert time.monotonic() < deadline
        assert late.explain_batch([image])[0].explained == plain.explain(image).explained


def test_an_engine_that_fails_is_named_and_the_network_goes_on(plain: Explainer) -> None:
    running = engine()
    told: list[str] = []
    with LateExplainer(running, FACTS, lambda: plain, top_k=2, on_notice=told.append) as late:
        running.close()
        assert late.explain_batch([support.smooth_image()])[0].finite
        assert late.runtime.engine == "torch"
    assert len(told) == 1
    assert told[0].startswith("ONNX Runtime failed, torch goes on: ")


def test_what_was_closed_loads_nothing(plain: Explainer) -> None:
    late = LateExplainer(engine(), FACTS, lambda: plain, top_k=2)
    late.close()
    late.close()
    with pytest.raises(DeviceError, match="closed"):
        late.network()


def test_other_layers_and_methods_are_made_by_the_network(plain: Explainer) -> None:
    loads: list[int] = []

    def load() -> Explainer:
        loads.append(1)
        return plain

    with LateExplainer(engine(), FACTS, load, top_k=2) as late:
        pool = explainers_beside(late)
        own = ExplainerKey(late.classifier.layer, "gradcam")
        assert pool.find(own) is pool.get(own) is late
        assert pool.layer_names == ("c", "d")
        assert isinstance(pool, LatePools)
        assert (pool.fixed, pool.loaded, loads) == ("", None, [])
        other = own._replace(method="layercam")
        assert pool.find(other) is None
        made = pool.get(other)
        assert made.method == "layercam"
        assert pool.find(other) is made
        assert loads == [1]
        pool.close()


def test_teaching_waits_for_the_network_which_is_loaded_beside(plain: Explainer) -> None:
    with LateExplainer(engine(), FACTS, lambda: plain, top_k=2) as late:
        pool = explainers_beside(late)
        assert isinstance(pool, LatePools)
        assert pools_to_teach(pool) is None
        pool.want()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while pools_to_teach(pool) is None:
            assert late.explain_batch([support.smooth_image()])[0].finite
            pool.make_wanted()
            assert time.monotonic() < deadline
        pool.close()


def test_a_network_that_cannot_be_loaded_leaves_it_to_the_graph() -> None:
    def load() -> Explainer:
        raise DeviceError("no memory")

    told: list[str] = []
    with LateExplainer(engine(), FACTS, load, top_k=2, on_notice=told.append) as late:
        pool = LatePools(late)
        pool.want()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not pool.trouble:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "no memory" in pool.trouble
        assert late.explain_batch([support.smooth_image()])[0].finite
    assert told == [pool.trouble]
