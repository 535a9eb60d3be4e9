"""Files and folders in the place of a network's name, and the other way round."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torchvision import models

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.find import find_network
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import NetworkSpec
from tests.explain import support


def find(name: Path | str, weights: Path | None = None) -> NetworkSpec:
    return find_network(str(name), weights, LoadOptions(), None)


def test_a_checkpoint_says_by_itself_which_network_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save(models.resnet18(num_classes=3).state_dict(), path)
    spec = find(path)
    assert spec.name == "resnet18"
    assert "mine.pth: recognised as resnet18" in spec.notes


def test_a_checkpoint_of_nobody_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save({"a.weight": torch.zeros(2, 3, 3, 3), "b.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelError, match=r"not recognised.*--model NAME --weights"):
        find(path)


def test_programs_are_refused_in_one_sentence(tmp_path: Path) -> None:
    module = support.randomised(support.TinyNet())
    path = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch asks for its newer formats
        torch.jit.trace(module, torch.zeros(1, 3, 64, 64)).save(path)  # type: ignore[no-untyped-call]
    for name, weights in ((str(path), None), ("resnet18", path)):
        with pytest.raises(ModelError, match="TorchScript"):
            find(name, weights)
    path = tmp_path / "exported.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 64, 64),)), path)
    for name, weights in ((str(path), None), ("resnet18", path)):
        with pytest.raises(ModelError, match="exported program"):
            find(name, weights)


def test_a_folder_of_weights_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"it is a folder\. Give the file"):
        find("resnet18", tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"it is a folder\. Give a Hugging Face folder as --model hf:"
    ):
        find("resnet18", tmp_path)
