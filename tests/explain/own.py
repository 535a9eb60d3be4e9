"""Networks as people write them, and what plain autograd says about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import live_gradcam as lg
from live_gradcam.explain.classifier import Classifier
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import Image
from tests.explain import support

N = TypeVar("N", bound=nn.Module)

SIDE = 32
PREPROCESSING = Preprocessing(SIDE, SIDE)


class Small(nn.Module):
    """Layers of a small network; what its forward does with them is up to a subclass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def features(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        found: Tensor = self.relu(self.bn2(self.conv2(x)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.features(x).mean((2, 3)))
        return scores


def made(network: N, seed: int = 0) -> N:
    """Seeded weights and statistics, and evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def images(count: int = 2) -> list[Image]:
    return [support.smooth_image(SIDE, SIDE, seed) for seed in range(count)]


def expected(
    network: nn.Module, layer: str, image: Image, classes: Sequence[int], run: int = 0
) -> tuple[Tensor, Tensor]:
    """Scores ``(classes,)`` and Grad-CAM maps ``(K, h, w)`` by a hook and plain autograd."""
    taken: list[Tensor] = []

    def take(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        taken.append(output)
        return output.clone()  # what works in place behind it leaves it as it is

    handle = network.get_submodule(layer).register_forward_hook(take)
    try:
        with torch.enable_grad():
            scores = network(support.as_input([image], PREPROCESSING).requires_grad_())
    finally:
        handle.remove()
    maps = []
    for index in classes:
        (gradient,) = torch.autograd.grad(scores[0, index], taken[run], retain_graph=True)
        maps.append((gradient.mean((2, 3), keepdim=True) * taken[run]).sum(1)[0])
    return scores[0].detach(), torch.stack(maps).detach()


def assert_explained(
    classifier: Classifier,
    network: nn.Module,
    layer: str,
    *,
    run: int = 0,
    scale: float = 1.0,
    count: int = 2,
) -> None:
    """Labels, scores and maps are those of the network itself, several images and classes at once.

    Args:
        classifier: Made of the network.
        network: The user's own, in float32.
        layer: Name of the explained one in it.
        run: Number of the explained run.
        scale: Multiplies the tolerances.
        count: Number of images.
    """
    chosen = [0, 3]
    with lg.Explainer(classifier, precision="fp32", compile="off") as explainer:
        found = explainer.explain_batch(images(count), classes=chosen)
    for image, explanation in zip(images(count), found, strict=True):
        scores, maps = expected(network, layer, image, chosen, run)
        by_index = {each.class_index: each.logit for each in explanation.predictions}
        assert explanation.predictions[0].class_index == int(scores.argmax())
        for index, logit in by_index.items():
            largest = max(1.0, float(scores.abs().max()))
            assert abs(logit - float(scores[index])) <= scale * 1e-5 * largest
        difference = np.abs(explanation.evidence - maps.numpy()).max()
        assert difference <= scale * 1e-4 * float(maps.abs().max())


class ByInputSize(Small):
    """``inputs.shape[0]``, ``x.size(0)`` and resizing to the input: sizes, no information."""

    def forward(self, inputs: Tensor) -> Tensor:
        count, size = inputs.shape[0], inputs.shape[-2:]
        early = self.relu(self.bn1(self.conv1(inputs)))
        late = self.relu(self.bn2(self.conv2(early)))
        full = functional.interpolate(late, size=size)
        half = functional.interpolate(late, size=early.shape[-2:], mode="bilinear")
        pooled = full.mean((2, 3)).view(count, -1) + half.amax((2, 3)).view(early.size(0), -1)
        scores: Tensor = self.fc(pooled)
        return scores.view(inputs.size(0), -1)


class ByLoop(Small):
    """Python code that looks at shapes, and work in place whose result is not handed on."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.conv2(x)
        functional.relu_(x)
        for _ in range(x.shape[1] // 4):
            x = x * 0.9
        scores: Tensor = self.fc(x.mean((2, 3)))
        return scores


class ByValue(Small):
    """Code that looks at numbers, which no tracer follows; keeps what it made for later."""

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.features(x)
        if self.kept.mean() > 0.4:
            self.kept = self.kept * 1.5
        scores: Tensor = self.fc(self.kept.mean((2, 3)))
        return scores


class Bypassed(Small):
    """The second convolution sees a part of what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = x + self.conv3(x)
        scores: Tensor = self.fc(x.mean((2, 3)))
        return scores
