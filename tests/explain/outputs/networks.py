"""Small networks with every end that training code gives them, and what plain torch says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from live_gradcam import Explanation, Preprocessing
from live_gradcam.values import Image

SIDE = 32
PREPROCESSING = Preprocessing(SIDE, SIDE)

End = Callable[[Tensor], Any]


class Small(nn.Module):
    """Convolutions, pooling, a head, and an end; `logits` is everything before the end."""

    def __init__(self, head: nn.Module, end: End) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.layer = nn.Conv2d(6, 8, 3, 2, 1)
        self.head = head
        self.end = end

    def logits(self, pixels: Tensor) -> Tensor:
        values = self.layer(self.first(pixels))
        scores: Tensor = self.head(functional.adaptive_avg_pool2d(values, 1).flatten(1))
        return scores

    def forward(self, pixels: Tensor) -> Any:
        return self.end(self.logits(pixels))


class Branching(Small):
    """The same, with a way that depends on the image: it cannot be traced."""

    def forward(self, pixels: Tensor) -> Any:
        scores = self.logits(pixels)
        return self.end(scores if pixels.abs().sum() > 0 else -scores)


def linear(outputs: int) -> nn.Module:
    return nn.Linear(8, outputs)


def perceptron(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, outputs))


HEADS = {"linear": linear, "perceptron": perceptron}


def make(head: nn.Module, end: End, kind: type[Small] = Small, seed: int = 0) -> Small:
    """A network in evaluation mode whose weights and statistics are not trivial."""
    torch.manual_seed(seed)
    network = kind(head, end).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                module.weight.normal_(0, 0.5)
                assert module.bias is not None
                module.bias.normal_(0, 0.3)
            elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
    return network


def noise(seed: int = 3) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def pixels_of(image: Image) -> Tensor:
    """The network's input, by other code: ImageNet's mean and deviation, RGB."""
    rgb = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)[None] / 255.0
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (rgb - mean) / std


@dataclass(frozen=True)
class Truth:
    """What plain autograd says of one image.

    Attributes:
        output: What the network itself puts out.
        logit: ``(classes,)``, by `Small.logits`.
        maps: Grad-CAM of each logit, signed, ``(classes, h, w)``.
    """

    output: Any
    logit: NDArray[np.float32]
    maps: NDArray[np.float32]


def truth(network: Small, image: Image) -> Truth:
    """Grad-CAM (Selvaraju et al., eq. 1 and 2) by plain autograd through the whole network."""
    pixels = pixels_of(image)
    with torch.no_grad():
        output = network(pixels)
    kept: list[Tensor] = []
    handle = network.layer.register_forward_hook(lambda *parts: kept.append(parts[2]))
    logits = network.logits(pixels)[0]
    handle.remove()
    (activations,) = kept
    maps = []
    for score in logits:
        (gradient,) = torch.autograd.grad(score, activations, retain_graph=True)
        maps.append((gradient.mean((2, 3), keepdim=True) * activations).sum(1)[0])
    return Truth(output, logits.detach().numpy(), torch.stack(maps).detach().numpy())


def assert_same_map(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Within 1e-4 of the map's maximum."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def by_class(explanation: Explanation) -> dict[int, tuple[float, float | None]]:
    """Logit and probability by class index."""
    return {p.class_index: (p.logit, p.probability) for p in explanation.predictions}
