"""Networks with seeded random weights that are small, quick and not degenerate."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision import models

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import GradientHead
from live_gradcam.explain.networks.torchvision_networks import family_of
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Image


def randomised(network: nn.Module, seed: int = 0, probe_size: int = 96) -> nn.Module:
    """Weights and statistics that keep activations alive through any depth."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.6, 1.4, generator=generator)
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2.0 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.05, generator=generator)
        network.eval()
        # Scores of the size that trained networks give, so that tolerances mean the same.
        last = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))][-1]
        spread = network(torch.randn(1, 3, probe_size, probe_size, generator=generator)).std()
        for parameter in last.parameters():
            parameter.mul_(3.0 / spread)
    return network


@lru_cache(maxsize=4)
def _network(name: str, class_count: int) -> nn.Module:
    family = family_of(name)
    assert family is not None, name
    network = models.get_model(name, weights=None, num_classes=class_count, **family.options)
    return randomised(network, probe_size=224 if family.one_size else 96)


def network(name: str, class_count: int = 1000) -> nn.Module:
    """A torchvision network of its own with random weights, in evaluation mode."""
    return copy.deepcopy(_network(name, class_count))


def classifier(name: str, class_count: int = 1000) -> Classifier:
    """The same, cut at its usual layer."""
    family = family_of(name)
    assert family is not None, name
    return Classifier.from_module(network(name, class_count), layer=family.layer, name=name)


class TinyNet(nn.Module):
    """A convolutional network that is built, run and compiled in no time."""

    def __init__(self, class_count: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True)
        )
        self.last = nn.Sequential(nn.Conv2d(8, 16, 3, stride=4, padding=1), nn.ReLU(True))
        self.fc = nn.Linear(16, class_count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.last(self.stem(x)).mean((2, 3)))
        return logits


def tiny_classifier(class_count: int = 5, seed: int = 0, **options: Any) -> Classifier:
    """A classifier around `TinyNet` for 64-pixel pictures."""
    chosen: dict[str, Any] = {
        "preprocessing": Preprocessing(resize_size=72, crop_size=64),
        **options,
    }
    module = randomised(TinyNet(class_count), seed)
    return Classifier.from_module(module, layer="last", name="tiny", **chosen)


def gradient_classifier() -> Classifier:
    """A classifier whose head has no closed form."""
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, stride=8), nn.BatchNorm2d(8), nn.ReLU()),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.Hardswish(),
        nn.Linear(16, 5),
    )
    classifier = Classifier.from_module(
        randomised(network), layer="0", preprocessing=Preprocessing(72, 64)
    )
    assert isinstance(classifier.head, GradientHead)
    return classifier


def smooth_image(width: int = 90, height: int = 70, seed: int = 0) -> Image:
    """A seeded image of a few smooth blobs, ``uint8 (height, width, 3)``."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return image.astype(np.uint8, copy=False)


def assert_maps_close(
    found: NDArray[np.float32], expected: NDArray[np.float32], share: float = 1e-5
) -> None:
    """Maps are equal up to a share of the largest value among those expected.

    Sums of many terms err by their largest ones, so each value alone is no measure. The default is
    for float32, where some hundred roundings add up; see `ROUNDING` for what half precision needs.
    """
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * abs(expected).max())


ROUNDING: Mapping[str, float] = {"fp32": 1e-4, "bf16": 0.03, "fp16": 0.01}
"""Share of the largest value by which two engines may differ, by the trunk's precision."""


def as_input(images: list[np.ndarray], preprocessing: Preprocessing | None = None) -> torch.Tensor:
    """Normalised RGB input of pictures that already have the network's size."""
    preprocessing = preprocessing or Preprocessing()
    rgb = np.stack([image[:, :, ::-1] for image in images]).astype(np.float32) / 255
    planes = torch.from_numpy(rgb.transpose(0, 3, 1, 2).copy())
    mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
    return (planes - mean) / torch.tensor(preprocessing.std).view(1, 3, 1, 1)
