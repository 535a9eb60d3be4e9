"""Classifiers by the name of their network: weights, labels and layers of the user's choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from live_gradcam.errors import LiveGradcamError, ModelError, UsageError
from live_gradcam.explain.layers import list_layers
from live_gradcam.explain.load import list_layers_by_name, load_classifier
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Image
from tests.explain import support


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned SqueezeNet of seven classes, as training scripts save it."""
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


def test_another_layer_can_be_explained(own_weights: Path) -> None:
    classifier = load_classifier("squeezenet1_1", weights=own_weights, layer="features.5")
    assert classifier.layer == "features.5"
    assert not classifier.all_maps_are_cheap
    with pytest.raises(ModelError, match="unknown layer: layer4"):
        load_classifier("squeezenet1_1", weights=own_weights, layer="layer4")


def test_unknown_weights_entry_is_taken_for_a_file() -> None:
    with pytest.raises(ModelError, match=r"IMAGENET1K_V7.*no such file"):
        load_classifier("resnet18", weights="IMAGENET1K_V7")


def test_a_layer_is_named_counted_or_one_of_several() -> None:
    names = [layer.name for layer in list_layers(load_classifier("scenes"))]
    assert names == ["relu", "layer1", "layer2", "layer3", "layer4"]
    assert load_classifier("scenes", layer="layer3").layer == "layer3"
    assert load_classifier("scenes", layer=-2).layer == "layer3"
    assert load_classifier("scenes", layer="4").layer == "layer4"
    assert load_classifier("scenes", layer="layer4").all_maps_are_cheap
    assert load_classifier("scenes", layer="layer3.0").layer == "layer3.0", "any module will do"
    assert load_classifier("scenes", layer="layer4, -4").layer == "layer1,layer4"
    assert load_classifier("scenes", layer="all").layer == ",".join(names)
    assert load_classifier("scenes", layer="layer4,4").layer == "layer4", "one is not several"


@pytest.mark.parametrize(
    ("layer", "kind", "part"),
    [
        ("layer9", ModelError, "unknown layer: layer9"),
        ("5", UsageError, "5: there are 5.*layer1"),
        ("-6", UsageError, "-6: there are 5"),
        ("layer1,layer9", UsageError, "unknown layer: layer9.*layer1, layer2"),
        (",", UsageError, "unknown layer: ','"),
    ],
)
def test_what_is_no_layer_is_refused(layer: str, kind: type[LiveGradcamError], part: str) -> None:
    with pytest.raises(kind, match=part):
        load_classifier("scenes", layer=layer)


@pytest.mark.parametrize(
    ("name", "count", "default"),
    [
        ("squeezenet1_1", 4, "features"),
        ("inception_v3", 7, "Mixed_7c"),
        ("scenes", 5, "layer4"),
        ("swin_v2_t", 4, "permute"),
        ("vit_h_14", 1, "encoder.layers.encoder_layer_31.ln_1"),
        ("maxvit_t", 5, "blocks.3"),
    ],
)
def test_layers_are_known_without_weights(name: str, count: int, default: str) -> None:
    layers, own = list_layers_by_name(name)
    assert own == default
    assert len(layers) == count
    assert [layer.name for layer in layers].count(default) == 1
    grids = [layer.grid[0] for layer in layers]
    assert grids == sorted(grids, reverse=True)
    assert all(layer.channels > 1 for layer in layers)


def test_layers_on_the_command_line(
    command: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
    noise_image: Callable[..., Image],
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), noise_image(96, 96))
    done = command("models", "--layers", "resnet18")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["4", "layer4", "512", "7x7", "yes"] in rows
    assert ["2", "layer2", "128", "28x28"] in rows
    network = ["--model", "scenes", "-o", "explained.png"]
    done = command("run", "photo.png", *network, "--layer", "-1,layer2", "--fuse", "max")
    assert done.returncode == 0, done.stderr
    done = command("run", "photo.png", *network, "--overwrite", "--layer", "layer2,layer7")
    assert done.returncode == 2
    assert "unknown layer: layer7" in done.stderr
    done = command("models", "--layers", "resnet81")
    assert done.returncode == 5
