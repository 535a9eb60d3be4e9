"""Graphs that put out the explained layer: what a head can be taught on without the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.exports import export
from live_gradcam.exports.pictures import generated, network_pixels
from live_gradcam.graph.engines import open_engine
from live_gradcam.graph.files import read_metadata
from live_gradcam.graph.metadata import GraphMetadata, GraphPrecision
from live_gradcam.graph.open import open_graph
from live_gradcam.scenes import render_scene
from live_gradcam.teaching.features import FeatureExtractor
from tests.exports.support import small_classifier


@pytest.mark.parametrize(
    ("kind", "precision", "bar"),
    [("linear", "fp32", 1e-5), ("pooled", "fp16", 5e-3), ("attention", "fp32", 1e-5)],
)
def test_the_graphs_features_are_the_extractors(
    kind: str, precision: GraphPrecision, bar: float, tmp_path: Path
) -> None:
    classifier = small_classifier(kind)
    done = export(classifier, tmp_path / "x.onnx", precision=precision, features=True)
    images = [render_scene(seed, width=64, height=64).image for seed in range(3)]
    pixels = network_pixels(images, classifier.preprocessing)
    engine = open_engine(done.path, done.metadata, name="onnxruntime", device="cpu")

    found = engine.run(pixels).features

    engine.close()
    with FeatureExtractor(classifier) as extractor:
        expected = extractor.extract_pixels(list(np.ascontiguousarray(pixels[..., ::-1])))
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape[1] == done.metadata.features == expected.shape[1]
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found.mean((2, 3)), expected, atol=bar * largest)
    assert 0 < done.metadata.fidelity["features"] <= bar


def test_an_int8_graph_has_features_too(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="int8 needs nncf")
    done = export(
        small_classifier("linear"),
        tmp_path / "x.onnx",
        precision="int8",
        calibrate=generated(16),
        features=True,
        force=True,
    )
    facts = read_metadata(done.path)
    assert facts is not None
    assert facts.features == 12
    assert np.isfinite(done.fidelity.features)


def test_a_graph_with_features_explains_as_any_and_older_programs_refuse_it(tmp_path: Path) -> None:
    classifier = small_classifier("linear")
    image = render_scene(1, width=64, height=64).image
    explained = []
    for name, number in (("plain", 1), ("teachable", 2)):
        done = export(classifier, tmp_path / f"{name}.onnx", features=name == "teachable")
        written = json.loads(done.metadata.to_json())
        assert (written["format"], "features" in written) == (number, name == "teachable")
        assert GraphMetadata.from_json(done.metadata.to_json(), "x") == done.metadata
        with open_graph(done.path, engine="onnxruntime") as explainer:
            explained.append(explainer.explain(image).evidence)
    np.testing.assert_allclose(explained[0], explained[1], atol=1e-5)
