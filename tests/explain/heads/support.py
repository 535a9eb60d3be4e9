"""Small heads of every kind, plain autograd to compare them with, and a bound for rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from live_gradcam.explain.heads import (
    ChannelsLastHead,
    GradientHead,
    Head,
    LinearHead,
    MultiLayerHead,
    PointwiseHead,
    TokenHead,
)

CLASSES = 9
CHANNELS = 6
HEIGHT, WIDTH = 4, 5

Size: TypeAlias = tuple[int, int]


def assert_near(found: Tensor, expected: Tensor, *, terms: int = CHANNELS * HEIGHT * WIDTH) -> None:
    """Two ways to add up the same numbers in float32 differ by rounding only.

    Args:
        found: Compared with what is expected, as a whole: where terms cancel out, the difference is
            still as large as they were.
        expected: Of the same shape.
        terms: The longest sum that one of the values goes through.
    """
    assert found.shape == expected.shape
    scale = float(expected.abs().max())
    difference = float((found.double() - expected.double()).abs().max())
    assert difference <= 4 * terms * torch.finfo(torch.float32).eps * scale


@dataclass(frozen=True)
class Case:
    """A head, the module that it stands for, and activations of three samples for both."""

    module: nn.Module
    head: Head
    activations: Tensor


def linear(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    layer = nn.Linear(channels, classes)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), layer)
    return _randomised(module), LinearHead(layer.weight, layer.bias)


def pointwise(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    layer = nn.Conv2d(channels, classes, 1)
    module = nn.Sequential(layer, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return _randomised(module), PointwiseHead(layer.weight.flatten(1), layer.bias)


def gradient(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    module = _randomised(
        nn.Sequential(
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * channels, 8),
            nn.Hardswish(),
            nn.Linear(8, classes),
        )
    )
    return module, GradientHead(module)


class _MeanOfTokens(nn.Module):
    """A hidden layer and scores, of values with their channels last."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, 8)
        self.scores = nn.Linear(8, classes)

    def forward(self, values: Tensor) -> Tensor:
        hidden = nn.functional.hardswish(self.hidden(values.flatten(1, -2)))
        logits: Tensor = self.scores(hidden.mean(1))
        return logits


def tokens(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    module = _randomised(_MeanOfTokens(channels, classes))
    return module, TokenHead(module, channels=channels, prefix=2, grid=size)


def channels_last(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    module = _randomised(_MeanOfTokens(channels, classes))
    return module, ChannelsLastHead(module, channels=channels)


def several_layers(channels: int, classes: int, size: Size) -> tuple[nn.Module, Head]:
    first = nn.Sequential(nn.ReLU(True), nn.Conv2d(channels, channels, 3, 2, 1))
    last, _ = gradient(channels, classes, size)
    module = _randomised(nn.Sequential(first, last))
    grid = GradientHead(nn.Identity())
    return module, MultiLayerHead([first, last], [grid, grid], "mean")


HEADS: dict[str, Callable[[int, int, Size], tuple[nn.Module, Head]]] = {
    "linear": linear,
    "pointwise": pointwise,
    "gradient": gradient,
    "tokens": tokens,
    "channels last": channels_last,
    "several layers": several_layers,
}
ONE_LAYER = [kind for kind in HEADS if kind != "several layers"]


def make_case(
    kind: str,
    *,
    count: int = 2,
    channels: int = CHANNELS,
    classes: int = CLASSES,
    size: Size = (HEIGHT, WIDTH),
) -> Case:
    """Make one of `HEADS` with random weights, and random activations for it."""
    module, head = HEADS[kind](channels, classes, size)
    shapes = {
        "tokens": (count, 2 + size[0] * size[1], channels),
        "channels last": (count, *size, channels),
    }
    shape = shapes.get(kind, (count, channels, *size))
    activations = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    return Case(module, head, activations)


def autograd(case: Case, sample: int, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of one sample, and in float64 its activations and the score's gradient on the grid.

    Returns:
        Logits ``(classes,)``, activations and gradients ``(C, h, w)``.
    """
    module = case.module.double()
    leaf = case.activations[sample : sample + 1].double().requires_grad_()
    logits = module(leaf + 0)[0]
    (gradient,) = torch.autograd.grad(logits[index], leaf)
    module.float()
    grid = case.head.to_grid
    return logits.detach(), grid(leaf.detach())[0], grid(gradient)[0]


def _randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.detach().normal_(0, 0.5, generator=generator)
    return module.requires_grad_(False).eval()
