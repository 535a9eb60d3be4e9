"""Classifiers: from torchvision's names, from users' checkpoints, from any module."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks import bundled
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.torchvision_networks import network_names
from live_gradcam.explain.preprocess import Preprocessing
from tests.explain import support


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's fine-tuned SqueezeNet of seven classes."""
    path = tmp_path_factory.mktemp("own") / "mine.pth"
    torch.save({"state_dict": support.network("squeezenet1_1", 7).state_dict(), "epoch": 3}, path)
    return path


def test_class_count_is_read_from_the_checkpoint(own_weights: Path) -> None:
    notes: list[str] = []
    classifier = load_classifier("squeezenet1_1", weights=own_weights, on_notice=notes.append)
    assert classifier.class_count == 7
    assert classifier.labels == tuple(f"class {index}" for index in range(7))
    assert classifier.layer == "features"
    assert classifier.all_maps_are_cheap
    assert str(own_weights) in classifier.weights_origin
    assert notes == ["mine.pth: the weights were found under 'state_dict' in the file"]


def test_scores_are_those_of_the_network(own_weights: Path) -> None:
    classifier = load_classifier("squeezenet1_1", weights=str(own_weights))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            classifier.head(classifier.trunk(pixels)),
            support.network("squeezenet1_1", 7)(pixels),
        )


def test_labels_of_the_user_are_taken(own_weights: Path, tmp_path: Path) -> None:
    names = [f"bird {index}" for index in range(7)]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(names))
    for labels in (names, file, str(file)):
        found = load_classifier("squeezenet1_1", weights=own_weights, labels=labels)
        assert found.labels == tuple(names)
    assert found.class_index("BIRD 5") == 5
    with pytest.raises(UsageError, match="7 classes match"):
        found.class_index("bird")


def test_labels_in_the_checkpoint_are_taken(own_weights: Path, tmp_path: Path) -> None:
    content = torch.load(own_weights, weights_only=True)
    path = tmp_path / "with_labels.pth"
    torch.save({**content, "class_to_idx": {f"fish {6 - i}": i for i in range(7)}}, path)
    assert load_classifier("squeezenet1_1", weights=path).labels[0] == "fish 6"


def test_labels_that_do_not_match_name_both_numbers(own_weights: Path) -> None:
    with pytest.raises(ModelError, match=r"8 labels for a network of 7 classes") as caught:
        load_classifier("squeezenet1_1", weights=own_weights, labels=["x"] * 8)
    assert caught.value.exit_code == 5


def test_imagenet_labels_and_transform_for_a_thousand_classes(shared: Path) -> None:
    path = shared / "weights" / "squeezenet1_1-imagenet.pth"
    classifier = load_classifier("squeezenet1_1", weights=path)
    assert classifier.class_count == 1000
    assert classifier.labels[340] == "zebra"
    assert classifier.preprocessing == Preprocessing(256, 224)
    assert classifier.class_index("zebra") == 340


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "squeezenet1_0"])
def test_weights_of_another_network_name_the_tensors(own_weights: Path, name: str) -> None:
    with pytest.raises(ModelError, match=rf"do not fit {name}.*--model") as caught:
        load_classifier(name, weights=own_weights)
    assert any(said in str(caught.value) for said in ("missing", "shape"))


def test_a_tensor_of_another_shape_names_both_shapes(tmp_path: Path) -> None:
    state = support.network("squeezenet1_1", 7).state_dict()
    state["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    torch.save(state, tmp_path / "grey.pth")
    with pytest.raises(
        ModelError, match=r"features\.0\.weight is \(64, 1, 3, 3\), not \(64, 3, 3, 3\)"
    ):
        load_classifier("squeezenet1_1", weights=tmp_path / "grey.pth")


def test_a_missing_and_an_unknown_tensor_are_refused(tmp_path: Path) -> None:
    state = support.network("squeezenet1_1", 7).state_dict()
    state["features.0.wait"] = state.pop("features.0.weight")
    safetensors.torch.save_file(state, tmp_path / "typo.safetensors")
    with pytest.raises(
        ModelError, match=r"1 of 52.*missing.*features\.0\.weight.*features\.0\.wait"
    ):
        load_classifier("squeezenet1_1", weights=tmp_path / "typo.safetensors")


@pytest.mark.parametrize("name", ["densenet121", "mnasnet0_5", "googlenet"])
def test_published_files_in_old_forms_are_understood(tmp_path: Path, name: str) -> None:
    """As torchvision publishes them: old names, auxiliary heads, no batch counters."""
    network = support.network(name, 10)
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    if name == "densenet121":
        for key in list(state):
            for part in ("norm1", "norm2", "conv1", "conv2"):
                if "denselayer" in key and f".{part}." in key:
                    state[key.replace(part, f"{part[:-1]}.{part[-1]}")] = state.pop(key)
        assert any(".norm.1." in key for key in state)
    if name == "googlenet":
        state["aux1.fc2.weight"] = torch.zeros(10, 1024)
    torch.save(state, tmp_path / "old.pth")
    classifier = load_classifier(name, weights=tmp_path / "old.pth")
    pixels = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(classifier.head(classifier.trunk(pixels)), network(pixels))


def test_another_layer_can_be_explained(own_weights: Path) -> None:
    classifier = load_classifier("squeezenet1_1", weights=own_weights, layer="features.5")
    assert classifier.layer == "features.5"
    assert not classifier.all_maps_are_cheap
    with pytest.raises(ModelError, match="unknown layer: layer4"):
        load_classifier("squeezenet1_1", weights=own_weights, layer="layer4")


def test_unknown_weights_entry_is_taken_for_a_file() -> None:
    with pytest.raises(ModelError, match=r"IMAGENET1K_V7.*no such file"):
        load_classifier("resnet18", weights="IMAGENET1K_V7")


def test_a_module_is_copied_and_left_alone() -> None:
    network = support.TinyNet()
    support.randomised(network).train()
    before = copy.deepcopy(network.state_dict())
    classifier = Classifier.from_module(network, layer="last", labels=["a", "b", "c", "d", "e"])
    with torch.no_grad():
        network.fc.weight.zero_()
        assert classifier.head(torch.ones(1, 16, 3, 3)).abs().sum() > 0.1
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert list(before) == list(network.state_dict())
    assert classifier.all_maps_are_cheap


def test_a_network_in_two_parts() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    classifier = Classifier.from_parts(trunk, head, labels=["a", "b", "c"])
    assert classifier.all_maps_are_cheap
    with pytest.raises(ModelError, match="2 labels for a network of 3"):
        Classifier.from_parts(trunk, head, labels=["a", "b"])
    with pytest.raises(ModelError, match="not a map"):
        Classifier.from_parts(nn.Sequential(trunk, nn.Flatten()), nn.Linear(4, 3))


def test_it_is_immutable() -> None:
    with pytest.raises(AttributeError):
        support.tiny_classifier().name = "other"  # type: ignore[misc]


def test_every_network_is_listed() -> None:
    rows = {row.name: row for row in list_models()}
    assert set(network_names()) <= set(rows)
    assert rows["resnet18"].layer == "layer4"
    assert rows["resnet18"].input_size == 224
    assert rows["efficientnet_b3"].input_size == 300
    assert isinstance(rows["vgg16"].cached, bool)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled network as the package carries it."""
    folder = tmp_path / "models" / "toy"
    folder.mkdir(parents=True)
    state = support.network("squeezenet1_1", 3).half().state_dict()
    safetensors.torch.save_file(state, folder / "weights.safetensors")
    card = {
        "arch": "squeezenet1_1",
        "labels": ["circle", "square", "star"],
        "weights": "weights.safetensors",
        "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        "preprocessing": {
            "resize_size": 72,
            "crop_size": 64,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "interpolation": "bilinear",
            "antialias": True,
        },
    }
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(bundled, "FOLDER", tmp_path / "models")
    return folder


def test_a_bundled_network_needs_nothing_else(bundle: Path) -> None:
    classifier = load_classifier("toy")
    assert classifier.labels == ("circle", "square", "star")
    assert classifier.preprocessing == Preprocessing(72, 64, (0.5,) * 3, (0.25,) * 3)
    assert "bundled" in classifier.weights_origin
    row = next(row for row in list_models() if row.name == "toy")
    assert (row.layer, row.input_size, row.cached) == ("features", 64, True)


def test_a_damaged_bundled_network_is_refused(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ModelError, match="damaged"):
        load_classifier("toy")
    path.unlink()
    with pytest.raises(ModelError, match="missing"):
        load_classifier("toy")
