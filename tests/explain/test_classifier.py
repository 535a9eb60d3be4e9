"""Classifiers from any module, whole or in two parts."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from tests.explain import support


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
