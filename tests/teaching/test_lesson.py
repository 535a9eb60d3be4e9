"""A taught classifier is an ordinary one, with exact maps, in memory and from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import live_gradcam as lg
from live_gradcam.explain.classifier import build_classifier
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.inspection import inspect_network
from live_gradcam.explain.networks.timm_networks import describe_timm
from live_gradcam.teaching.lesson import placeholder
from live_gradcam.values import Image
from tests.explain.support import classifier as network_of
from tests.teaching.support import SIDE, small_classifier

_LABELS = ("red", "茶壶", "blue")


def _pictures(count: int = 4) -> dict[str, list[Image]]:
    """Pictures of one colour each, with noise."""
    rng = np.random.default_rng(0)
    made: dict[str, list[Image]] = {}
    for index, label in enumerate(_LABELS):
        made[label] = []
        for _ in range(count):
            image = rng.integers(0, 60, (SIDE, SIDE, 3))
            image[20:70, 20:70, 2 - index] += 180
            made[label].append(image.astype(np.uint8))
    return made


def _explained(classifier: lg.Classifier, image: Image) -> lg.Explanation:
    with lg.Explainer(classifier, compile="off", engine="torch", precision="fp32") as explainer:
        return explainer.explain(image, classes="all")


def test_a_taught_class_is_recognised_and_its_evidence_and_bias_are_its_score() -> None:
    heard: list[lg.Learned] = []
    taught = lg.teach(small_classifier(), _pictures(), on_learned=heard.append)
    assert taught.labels == _LABELS
    assert heard[0].accuracy == 1.0
    assert isinstance(taught.head, LinearHead)
    fresh = _pictures(6)
    for label, images in fresh.items():
        explanation = _explained(taught, images[-1])
        assert explanation.predictions[0].label == label
        sums = explanation.evidence.sum((1, 2)) + taught.head.bias.numpy()
        logits = {each.class_index: each.logit for each in explanation.predictions}
        for index, logit in logits.items():
            assert sums[index] == pytest.approx(logit, abs=1e-4)
        assert explanation.completeness_residual is not None
        assert explanation.completeness_residual <= 1e-4


def _timm_network(name: str) -> lg.Classifier:
    """A network of timm with random weights, as its name alone would have it."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(name.removeprefix("timm:"), pretrained=False)
    return build_classifier(describe_timm(network, name.removeprefix("timm:")))


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "timm:vit_tiny_patch16_224"])
def test_a_file_is_the_classifier(name: str, tmp_path: Path) -> None:
    base = _timm_network(name) if name.startswith("timm:") else network_of(name)
    features = placeholder(base, 0).trunk
    size = base.preprocessing.input_size
    count = int(features(torch.zeros(1, 3, *size)).shape[1])
    blank = placeholder(base, count)
    torch.manual_seed(0)
    weight, bias = torch.randn(2, count) / count, torch.randn(2)
    taught = lg.Classifier(
        name=blank.name,
        layer=blank.layer,
        labels=("mug", "anything else"),
        preprocessing=blank.preprocessing,
        trunk=blank.trunk,
        head=LinearHead(weight, bias),
    )
    path = tmp_path / "taught.safetensors"
    lg.save_taught(taught, path)
    loaded = lg.load_classifier(weights=path)
    assert (loaded.name, loaded.layer, loaded.labels) == (name, taught.layer, taught.labels)
    assert loaded.preprocessing == taught.preprocessing
    pixels = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = taught.head(taught.trunk(pixels))
        torch.testing.assert_close(loaded.head(loaded.trunk(pixels)), expected)


def test_a_head_alone_goes_with_the_network_that_it_was_taught_on(tmp_path: Path) -> None:
    base = lg.load_classifier("scenes")
    taught = placeholder(base, 512)
    path = tmp_path / "head.safetensors"
    lg.save_taught(taught, path, head_only=True)
    assert path.stat().st_size < 20_000
    assert lg.load_classifier(weights=path).labels == ("one", "other")
    assert inspect_network(str(path)).kind == "taught head for scenes"
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    metadata["trunk"] = '"0123456789"'
    save_file(load_file(path), tmp_path / "other.safetensors", metadata)
    with pytest.raises(
        lg.ModelError, match=r"a head for scenes with bundled .* and this is scenes"
    ) as caught:
        lg.load_classifier(weights=tmp_path / "other.safetensors")
    assert str(caught.value).count("\n") == 0


def test_a_file_names_its_network_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "mugs.safetensors"
    lg.save_taught(placeholder(lg.load_classifier("scenes"), 512), path)
    assert lg.load_classifier(str(path)).labels == ("one", "other")
    assert lg.load_classifier("scenes", weights=path).name == "scenes"
    with pytest.raises(lg.ModelError, match="taught on scenes and not on resnet50"):
        lg.load_classifier("resnet50", weights=path)
    with pytest.raises(lg.ModelError, match="says that itself"):
        lg.load_classifier(weights=path, output="sigmoid")
    found = inspect_network(str(path))
    assert found.kind == "taught classifier"
    assert found.labels == ("one", "other")
    assert "--model" not in found.command
    with pytest.raises(lg.UsageError, match="not overwritten"):
        lg.save_taught(lg.load_classifier(weights=path), path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    lg.save_taught(placeholder(lg.load_classifier("scenes"), 512), path, head_only=True)
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    tensors["head.weight"][0, 0] = float("nan")
    save_file(tensors, path, metadata)
    with pytest.raises(lg.ModelError, match="not finite"):
        lg.load_classifier(weights=path)
    save_file(load_file(path), path, {**metadata, "version": "7"})
    with pytest.raises(lg.ModelError, match="Install a newer live-gradcam"):
        lg.load_classifier(weights=path)
    save_file(load_file(path), path, {**metadata, "labels": "[1"})
    with pytest.raises(lg.ModelError, match="damaged"):
        lg.load_classifier(weights=path)


def test_a_network_without_a_name_is_saved_by_its_head_only(tmp_path: Path) -> None:
    taught = lg.teach(small_classifier(), _pictures())
    with pytest.raises(lg.ModelError, match="--head-only"):
        lg.save_taught(taught, tmp_path / "own.safetensors")
    assert not list(tmp_path.iterdir())
    lg.save_taught(taught, tmp_path / "own.safetensors", head_only=True)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ({}, "there are no examples"),
        ({"mug": [np.zeros((40, 40, 3), np.uint8)]}, "mug: it is the only class"),
        ({"mug": [np.zeros((40, 40, 3), np.uint8)], "茶壶": []}, "茶壶: it has no examples"),
    ],
)
def test_too_little_is_refused_in_a_sentence(examples: dict[str, list[Image]], said: str) -> None:
    with pytest.raises(lg.UsageError, match=said):
        lg.teach(small_classifier(), examples)


def test_several_layers_cannot_be_taught() -> None:
    both = lg.load_classifier("scenes", layer="layer3,layer4")
    with pytest.raises(lg.ModelError, match="several layers"):
        lg.teach(both, _pictures())
