"""A small classifier for sessions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.scenes import SCENE_CLASSES


class TinyNetwork(nn.Module):
    """Four convolutions and a linear layer: everything that a closed-form network has, in 2 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 16, 7, 4, 3), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
        self.c = nn.Sequential(nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
        self.d = nn.Sequential(nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(64, 16)

    def forward(self, pixels: Tensor) -> Tensor:
        deep = self.d(self.c(self.b(self.a(pixels))))
        logits: Tensor = self.fc(deep.mean((2, 3)))
        return logits


def tiny_classifier() -> Classifier:
    """A seeded, untrained network that tells the classes of the generated scenes apart somehow."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TinyNetwork()
    return Classifier.from_module(network, layer="d", labels=SCENE_CLASSES, name="tiny")
