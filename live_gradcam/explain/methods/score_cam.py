"""Score-CAM (Wang et al., arXiv 1910.01279): how much of a score each channel's mask lets through.

One forward of the whole network for each channel of the explained layer, on the picture seen
through that channel; the scores of all classes come from the same forwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.heads.base import choose_classes, weighted_sum

OnForwards: TypeAlias = Callable[[int, int], None]
"""Told how many of how many masked pictures have gone through the network."""

_AT_ONCE = 16
_EPSILON = 1e-8


class ScoreCamNetwork(FusedNetwork):
    """From pixels to scores and Score-CAM maps, in one forward a channel."""

    on_forwards: OnForwards | None = None

    @property
    @override
    def compilable(self) -> bool:
        return False

    @override
    def forward(self, pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normalised = self.normalised(pixels)
        activations = self.features(normalised)
        logits = self.head(activations)
        classes = choose_classes(logits, selection)
        grid = self.head.to_grid(activations)
        total = grid.shape[0] * grid.shape[1]
        weights = []
        for row, channels in enumerate(grid):
            scores: list[Tensor] = []
            for part in channels.split(_AT_ONCE):
                masks = _masks(part, (normalised.shape[2], normalised.shape[3]))
                scores.append(self.head(self.features(normalised[row] * masks)))
                if self.on_forwards is not None:
                    done = row * grid.shape[1] + sum(len(each) for each in scores)
                    self.on_forwards(done, total)
            weights.append(torch.cat(scores)[:, classes[row]].softmax(0).t())
        return logits, classes, weighted_sum(torch.stack(weights), grid), activations


def _masks(channels: Tensor, size: tuple[int, int]) -> Tensor:
    """Each channel of ``(C, h, w)`` enlarged, then brought to 0..1: ``(C, 1, H, W)``."""
    large = functional.interpolate(channels[:, None], size, mode="bilinear", align_corners=True)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + _EPSILON)
