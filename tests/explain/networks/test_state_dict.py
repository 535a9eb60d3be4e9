"""State dicts fit their network exactly, in the forms that are published, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from live_gradcam.errors import ModelError
from live_gradcam.explain.load import load_classifier
from tests.explain import support


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned SqueezeNet of seven classes, as training scripts save it."""
    path = tmp_path_factory.mktemp("own") / "mine.pth"
    torch.save({"state_dict": support.network("squeezenet1_1", 7).state_dict(), "epoch": 3}, path)
    return path


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "squeezenet1_0"])
def test_weights_of_another_network_name_the_tensors(own_weights: Path, name: str) -> None:
    with pytest.raises(ModelError, match=rf"do not fit {name}.*--model") as caught:
        load_classifier(name, weights=own_weights)
    assert any(said in str(caught.value) for said in ("missing", "shape"))


def test_a_tensor_of_another_shape_names_both_shapes(tmp_path: Path) -> None:
    state = support.network("squeezenet1_1", 7).state_dict()
    state["features.3.squeeze.weight"] = torch.zeros(16, 32, 1, 1)
    torch.save(state, tmp_path / "thin.pth")
    with pytest.raises(
        ModelError, match=r"features\.3\.squeeze\.weight is \(16, 32, 1, 1\), not \(16, 64, 1, 1\)"
    ):
        load_classifier("squeezenet1_1", weights=tmp_path / "thin.pth")


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
    network: Any = support.network(name, 10)
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    if name == "densenet121":
        for key in list(state):
            for part in ("norm1", "norm2", "conv1", "conv2"):
                if "denselayer" in key and f".{part}." in key:
                    state[key.replace(part, f"{part[:-1]}.{part[-1]}")] = state.pop(key)
        assert any(".norm.1." in key for key in state)
    if name == "googlenet":
        network.transform_input = False  # as in files that are not torchvision's own
        state["aux1.fc2.weight"] = torch.zeros(10, 1024)
    torch.save(state, tmp_path / "old.pth")
    classifier = load_classifier(name, weights=tmp_path / "old.pth")
    pixels = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(classifier.head(classifier.trunk(pixels)), network(pixels))
