"""Layers of a network as one run of it shows them, where no graph lists them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.cutting.layouts import has_shape_of
from live_gradcam.explain.heads.replay import ReplayTrunk
from live_gradcam.explain.modules.choosing import candidates, flows_past
from live_gradcam.explain.modules.copying import shell_of
from live_gradcam.explain.modules.replay import LayerNeverRan, LayerRun, Replay
from live_gradcam.explain.omp import short_lived_thread

# Of one resolution; each costs three forwards.
_MOST_TRIED = 6


@dataclass(frozen=True, slots=True)
class Layer:
    """Layer at which a network can be cut.

    Attributes:
        name: Short name, unique within the network.
        channels: Number of channels.
        grid: Height and width of its maps for the network's usual input.
    """

    name: str
    channels: int
    grid: tuple[int, int]


@short_lived_thread
@torch.no_grad()
def see_layers(classifier: Classifier) -> list[Layer]:
    """Return the last layer at each resolution, from fine to coarse, and the classifier's own.

    Args:
        classifier: With a `Classifier.source`, or cut by running it whole.
    """
    trunk, pixels = classifier.trunk, blank_pixels(classifier) + 0.5
    if isinstance(trunk, ReplayTrunk):
        network = trunk.replay.network
    else:
        assert classifier.source is not None, "see above"
        network = classifier.source.network
    channels, *grid = classifier.head.to_grid(trunk.forward(pixels)).shape[1:]
    own = Layer(classifier.layer, channels, (grid[0], grid[1]))
    shell = shell_of(network)
    by_grid: dict[tuple[int, int], list[tuple[LayerRun, Layer]]] = {}
    for run in reversed(candidates(shell, pixels)):
        layer = _as_layer(run, classifier.preprocessing.input_size)
        if layer is not None and layer.grid != own.grid:
            by_grid.setdefault(layer.grid, []).append((run, layer))
    found = [own, *(_best_of(shell, pixels, each[:_MOST_TRIED]) for each in by_grid.values())]
    return sorted(found, key=lambda layer: -layer.grid[0] * layer.grid[1])


def _best_of(network: nn.Module, pixels: Tensor, found: list[tuple[LayerRun, Layer]]) -> Layer:
    """Return the first layer that everything flows through, or the first one."""
    for run, layer in found:
        with suppress(LayerNeverRan, RuntimeError):
            if not flows_past(Replay(network, run.name, run.run), pixels):
                return layer
    return found[0][1]


def blank_pixels(classifier: Classifier) -> Tensor:
    """Return one image of the network's usual size, all zeros, on the network's device."""
    size, channels = classifier.preprocessing.input_size, len(classifier.preprocessing.planes)
    device = next((each.device for each in classifier.trunk.parameters()), None)
    return torch.zeros(1, channels, *size, device=device)


def _as_layer(run: LayerRun, size: tuple[int, int]) -> Layer | None:
    """Return what a run on an image of a size shows; ``None`` if no maps have its shape."""
    if len(run.shape) != 4:
        return None
    _, first, second, third = run.shape
    if has_shape_of((second, third), size):
        return Layer(run.name, first, (second, third))
    return Layer(run.name, third, (first, second)) if has_shape_of((first, second), size) else None
