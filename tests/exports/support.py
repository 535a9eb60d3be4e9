"""Small networks of each kind of head, and what their graphs are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from live_gradcam.explain.classifier import Classifier
from live_gradcam.preprocessing.settings import Preprocessing

SIDE = 48
CLASSES = ("ant", "bee", "cat", "dog", "elk")


def _trunk() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, padding=1),
        nn.ReLU(),
    )


class _Pooled(nn.Module):
    """Behind the layer: maximum and average pooling of uneven windows, a strided convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _trunk()
        self.behind = nn.Sequential(
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Conv2d(12, 12, 3, stride=2, padding=1, groups=3),
            nn.Hardswish(),
            nn.AvgPool2d(2, stride=1, padding=1),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(12 * 9, 16),
            nn.GELU(),
            nn.Linear(16, len(CLASSES)),
        )

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.behind(self.features(pixels))
        return scores


class _Linear(nn.Module):
    """A closed form: average pooling and one Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _trunk()
        self.fc = nn.Linear(12, len(CLASSES))

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(pixels).mean((2, 3)))
        return scores


class _Pointwise(nn.Module):
    """A closed form: a 1x1 convolution, ReLU and average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _trunk()
        self.classifier = nn.Sequential(
            nn.Conv2d(12, len(CLASSES), 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.features(pixels)).flatten(1)
        return scores


class _Attention(nn.Module):
    """Tokens, and behind the layer attention and linear layers for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 12, stride=12)
        self.features = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.mixing = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.norm = nn.LayerNorm(16)
        self.fc = nn.Linear(16, len(CLASSES))

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.features(self.patches(pixels).flatten(2).transpose(1, 2))
        mixed = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        scores: Tensor = self.fc(self.norm(mixed + self.mixing(mixed)).mean(1))
        return scores


class _Largest(nn.Module):
    """Behind the layer: the maximum of every channel."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _trunk()
        self.behind = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.fc = nn.Linear(12, len(CLASSES))

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.behind(self.features(pixels)))
        return scores


class _Straight(nn.Module):
    """All behind the layer is linear, so that the gradient is the same for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _trunk()
        self.behind = nn.Conv2d(12, len(CLASSES), 3, padding=1)

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.behind(self.features(pixels)).mean((2, 3))
        return scores


NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "linear": _Linear,
    "pointwise": _Pointwise,
    "pooled": _Pooled,
    "attention": _Attention,
    "largest": _Largest,
    "straight": _Straight,
}


def small_classifier(kind: str, *, side: int = SIDE) -> Classifier:
    """Make a classifier with random weights, explained at its layer ``features``."""
    torch.manual_seed(0)
    network = NETWORKS[kind]().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return Classifier.from_module(
        network,
        layer="features",
        labels=CLASSES,
        name=kind,
        preprocessing=Preprocessing(resize_size=side, crop_size=side),
    )
