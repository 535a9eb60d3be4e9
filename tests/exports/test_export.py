"""Exported files: what stands in them, when they are refused, and that nothing half-made stays."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import live_gradcam as lg
from live_gradcam.errors import ModelError, SinkError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.exports import Exported, export, quantise
from live_gradcam.exports.description import hash_of_weights
from live_gradcam.exports.fidelity import Fidelity, compare, complaint
from live_gradcam.exports.pictures import generated, network_pixels, patterns
from live_gradcam.graph.engine import GraphResult
from live_gradcam.graph.engines import open_engine
from live_gradcam.graph.files import read_metadata
from live_gradcam.graph.integrity import check_content
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image
from tests.exports.support import CLASSES, SIDE, small_classifier

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return small_classifier("pooled")


@pytest.fixture(scope="module")
def exported(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(classifier, tmp_path_factory.mktemp("exported") / "pooled.onnx", top_k=2)


def test_a_file_is_enough_by_itself(classifier: Classifier, exported: Exported) -> None:
    facts = read_metadata(exported.path)
    assert facts == exported.metadata
    assert facts is not None
    assert (facts.network, facts.layer, facts.labels) == ("pooled", "features", CLASSES)
    assert facts.preprocessing == classifier.preprocessing
    assert (facts.method, facts.unit, facts.classes, facts.maps) == ("gradcam", "logits", "top", 2)
    assert facts.weights_hash == hash_of_weights(classifier)
    assert facts.versions["torch"] == torch.__version__.partition("+")[0]
    assert facts.fidelity["pictures"] == exported.fidelity.pictures
    assert exported.fidelity.maps < 1e-4
    assert exported.size == exported.path.stat().st_size


def test_other_weights_have_another_hash(classifier: Classifier) -> None:
    other = small_classifier("pooled")
    with torch.no_grad():
        next(other.trunk.parameters()).flatten()[0] += 1e-3
    assert hash_of_weights(other) != hash_of_weights(classifier)


def test_the_file_explains_as_the_network_does(classifier: Classifier, exported: Exported) -> None:
    image = render_scene(3, width=200, height=160).image
    with lg.Explainer(classifier, precision="fp32", compile="off") as explainer:
        wanted = explainer.explain(image, classes="top")
    with lg.open_graph(exported.path, engine="onnxruntime", top_k=2) as graph:
        found = graph.explain(image, classes="top")
    assert found.explained == wanted.explained[:2]
    assert np.allclose(found.evidence, wanted.evidence[:2], atol=1e-5)


def test_a_changed_file_is_refused(exported: Exported, tmp_path: Path) -> None:
    data = bytearray(exported.path.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(data)
    facts = read_metadata(changed)
    assert facts is not None
    with pytest.raises(ModelError, match=r"changed\.onnx: it was changed after .* Export it again"):
        check_content(changed, facts)
    with pytest.raises(ModelError, match="it was changed"):
        lg.open_graph(changed)
    check_content(exported.path, exported.metadata)


def test_an_ir_has_two_files_that_belong_together(tmp_path: Path) -> None:
    linear = small_classifier("linear")
    done = export(linear, tmp_path / "linear.xml", classes="all")
    assert {path.name for path in tmp_path.iterdir()} == {"linear.xml", "linear.bin"}
    facts = read_metadata(done.path)
    assert facts == done.metadata
    assert facts is not None
    assert facts.bias is not None
    check_content(done.path, facts)
    engine = open_engine(done.path, facts, name="openvino", device="cpu")
    try:
        pixels = network_pixels(generated(2), facts.preprocessing)
        result = engine.run(pixels)
    finally:
        engine.close()
    total = result.evidence.sum((2, 3)) + np.array(facts.bias, np.float32)
    assert np.allclose(total, result.scores, atol=1e-5)
    weights = tmp_path / "linear.bin"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(ModelError, match="it was changed"):
        check_content(done.path, facts)


def test_a_program_of_torch_runs_by_itself(classifier: Classifier, tmp_path: Path) -> None:
    done = export(classifier, tmp_path / "pooled.pt2", classes=["dog", "ant"])
    extra = {"live_gradcam": ""}
    module = torch.export.load(done.path, extra_files=extra).module()
    assert '"network": "pooled"' in extra["live_gradcam"]
    scores, evidence = module(torch.zeros(4, SIDE, SIDE, 3, dtype=torch.uint8))
    assert scores.shape == (4, len(CLASSES))
    assert evidence.shape[:2] == (4, 2)
    assert done.metadata.classes == (3, 0)


def test_half_precision_keeps_sums_and_maps_in_float32(tmp_path: Path) -> None:
    linear = small_classifier("linear")
    done = export(linear, tmp_path / "half.onnx", precision="fp16")
    assert done.metadata.precision == "fp16"
    assert 1e-6 < done.fidelity.maps < 1e-2
    assert done.fidelity.worst_cosine > 0.999


def test_int8_is_measured_on_pictures_that_were_kept_back(tmp_path: Path) -> None:
    linear = small_classifier("linear")
    pictures = generated(40, seed=7)
    done = export(linear, tmp_path / "eighth.xml", precision="int8", calibrate=pictures)
    assert done.fidelity.pictures == 20
    assert done.metadata.fidelity["top1_agreement"] >= 0.97
    assert done.fidelity.worst_cosine >= 0.95
    assert b"FakeQuantize" in done.path.read_bytes()
    check_content(done.path, done.metadata)


@pytest.mark.parametrize("given", [0, 3])
def test_int8_needs_pictures(given: int, classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--calibrate" if not given else "8 or more"):
        export(classifier, tmp_path / "x.onnx", precision="int8", calibrate=generated(given))
    assert not list(tmp_path.iterdir())


def test_int8_that_differs_too_much_is_refused_and_kept_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "SPARED_SHARES", (0.0,))
    linear = small_classifier("linear")
    # Ranges of a black picture say nothing about others: all of them end at its few values.
    black: Image = np.zeros((SIDE, SIDE, 3), np.uint8)
    bright = generated(8, seed=3)
    mixed = [image for pair in zip([black] * 8, bright, strict=True) for image in pair]
    with pytest.raises(ModelError, match=r"linear with gradcam in int8: .*--force"):
        export(linear, tmp_path / "x.xml", precision="int8", calibrate=mixed)
    assert not list(tmp_path.iterdir())
    said: list[str] = []
    done = export(
        linear,
        tmp_path / "x.xml",
        precision="int8",
        calibrate=mixed,
        force=True,
        on_notice=said.append,
    )
    assert complaint(done.fidelity, "int8")
    assert "differs more than it should" in said[-1]


def test_quantising_and_exporting_say_nothing_on_the_terminal_and_send_nothing(
    tmp_path: Path,
) -> None:
    code = f"""
import sys
import live_gradcam as lg
from live_gradcam.exports.pictures import generated
from tests.exports.support import small_classifier
lg.export(small_classifier("linear"), {str(tmp_path / "x.xml")!r}, precision="int8",
          calibrate=generated(8))
assert "openvino" in sys.modules and "nncf" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("x.onxx", {}, UsageError, r"Did you mean \.onnx\? Use \.onnx, \.xml, \.pt2"),
        ("x", {}, UsageError, "it has no ending"),
        ("no/such/x.onnx", {}, SinkError, "folder does not exist"),
        ("x.pt2", {"precision": "int8"}, UsageError, "int8 has no such form"),
        ("x.onnx", {"precision": "bf16"}, UsageError, "fp32, fp16 or int8"),
        ("x.onnx", {"classes": ["dgo"]}, UsageError, "dog"),
        ("x.onnx", {"classes": []}, UsageError, "no class was named"),
        ("x.onnx", {"top_k": 0}, UsageError, "Use 1 or more"),
        ("x.onnx", {"method": "gradcams"}, UsageError, "Did you mean gradcam"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    name: str,
    options: dict[str, object],
    error: type[Exception],
    words: str,
    classifier: Classifier,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=words):
        export(classifier, tmp_path / name, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(classifier: Classifier, tmp_path: Path) -> None:
    there = tmp_path / "x.bin"
    there.write_text("mine")
    with pytest.raises(UsageError, match=r"x\.bin: it is not overwritten"):
        export(classifier, tmp_path / "x.xml")
    assert there.read_text() == "mine"


def test_a_graph_that_computes_something_else_has_a_complaint(classifier: Classifier) -> None:
    network = FusedNetwork(classifier, "fp32")
    pixels = np.concatenate(
        [network_pixels(generated(3), classifier.preprocessing), patterns(SIDE, SIDE)]
    )

    def run(given: Image, *, scores: float = 1.0, maps: float = 1.0) -> GraphResult:
        with torch.no_grad():
            bgr = torch.from_numpy(given[..., ::-1].copy())
            logits, classes, evidence, _ = network(bgr, torch.tensor([-1, -2]))
        return GraphResult(scores * logits.numpy(), classes.numpy(), maps * evidence.numpy())

    same = compare(network, run, pixels)
    # A batch may add in another order than a single picture does.
    assert max(same.scores, same.maps) < 1e-5
    assert complaint(same, "fp32") == ""
    louder = compare(network, lambda given: run(given, scores=1.01), pixels)
    assert louder.scores == pytest.approx(0.01, rel=1e-3)
    assert "a score differs" in complaint(louder, "fp32")
    upside_down = compare(network, lambda given: run(given, maps=-1.0), pixels)
    assert upside_down.worst_cosine == pytest.approx(-1.0)
    assert "a map differs" in complaint(upside_down, "fp32")
    assert "cosine" in complaint(upside_down, "int8")
    broken = compare(network, lambda given: run(given, maps=float("nan")), pixels)
    assert "a map differs" in complaint(broken, "fp32")


def test_no_number_is_a_complaint_even_where_the_networks_own_map_is_blank() -> None:
    linear = small_classifier("linear")
    network = FusedNetwork(linear, "fp32").requires_grad_(False)
    network.head.get_buffer("weight")[0] = 0.0

    def run(given: Image) -> GraphResult:
        logits, classes, evidence, _ = network(
            torch.from_numpy(given[..., ::-1].copy()), torch.tensor([0, 1])
        )
        assert not evidence[:, 0].any()
        evidence[:, 0] = float("nan")
        return GraphResult(logits.numpy(), classes.numpy(), evidence.numpy())

    broken = compare(network, run, network_pixels(generated(3), linear.preprocessing))
    assert "a map differs" in complaint(broken, "fp32")
    assert "cosine" in complaint(broken, "fp16")


def test_the_bars_of_int8() -> None:
    good = Fidelity(100, 0.05, 0.2, 0.97, 0.0, 0.99, 0.95)
    assert complaint(good, "int8") == ""
    assert "best class" in complaint(replace(good, same_best=0.96), "int8")
    assert "median" in complaint(replace(good, median_cosine=0.989), "int8")
    assert "worst" in complaint(replace(good, worst_cosine=0.949), "int8")


def _plain_blocks() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    return [block for block in blocks if "onnxruntime" in block or "openvino" in block]


def test_the_readme_runs_files_without_this_package(tmp_path: Path) -> None:
    classifier = small_classifier("linear", side=224)
    export(classifier, tmp_path / "scenes.onnx")
    export(classifier, tmp_path / "scenes.xml", classes="all")
    scene = render_scene(5, width=224, height=224)
    Pillow.fromarray(scene.image[..., ::-1].copy()).save(tmp_path / "mug.jpg")
    blocks = _plain_blocks()
    assert len(blocks) == 2
    ending = "\nimport sys; assert not {'live_gradcam', 'torch'} & set(sys.modules)"
    for block in blocks:
        assert len([line for line in block.splitlines() if line]) <= 12
        done = subprocess.run(
            [sys.executable, "-c", block + ending],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] in CLASSES
