"""A network with seeded random weights that is quick, and sees colours and edges."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.teaching.examples import Burst, Examples

SIDE = 96


def small_classifier(seed: int = 0, channels: int = 48) -> Classifier:
    """Three convolutions, pooling and a linear layer of four classes."""
    generator = torch.Generator().manual_seed(seed)
    trunk = nn.Sequential(
        *(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(32, channels, 3, 2, 1), nn.ReLU()),
    )
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))
    with torch.no_grad():
        for part in (*trunk, *head):
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                fan_in = part.weight[0].numel()
                part.weight.normal_(0, (2.0 / fan_in) ** 0.5, generator=generator)
                assert part.bias is not None
                part.bias.normal_(0, 0.05, generator=generator)
    return Classifier.from_parts(
        trunk.eval(),
        head.eval(),
        labels=["a", "b", "c", "d"],
        preprocessing=Preprocessing(resize_size=SIDE, crop_size=SIDE),
        name="small",
    )


def clouds(
    class_count: int, bursts: int = 3, frames: int = 6, size: int = 12, seed: int = 0
) -> Examples:
    """Examples without a network: bursts of near-copies around each class's own place."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (class_count, size))
    made = Examples()
    for _ in range(bursts):
        for index in range(class_count):
            middle = centres[index] + rng.normal(0, 0.5, size)
            values = middle + rng.normal(0, 0.05, (frames, size))
            made = made.with_burst(Burst(f"class {index}", values.astype(np.float32)))
    return made
