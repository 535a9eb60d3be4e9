"""Networks that ship with the package, and the table that lists them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch

from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks import bundled
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.torchvision_networks import network_names
from live_gradcam.preprocessing.settings import Preprocessing
from tests.explain import support


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


def test_every_network_is_listed() -> None:
    rows = {row.name: row for row in list_models()}
    assert set(network_names()) <= set(rows)
    assert rows["resnet18"].layer == "layer4"
    assert rows["resnet18"].input_size == 224
    assert rows["efficientnet_b3"].input_size == 300
    assert isinstance(rows["vgg16"].cached, bool)
