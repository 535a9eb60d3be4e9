"""Score-CAM: how much of a score the mask of each channel lets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from live_gradcam.explain.heads import Chooser, Explained, weighted_sum
from live_gradcam.explain.methods.base import Method

_AT_ONCE = 16
_EPSILON = 1e-8


class ScoreCam(Method):
    """Score-CAM (Wang et al., arXiv 1910.01279).

    One forward of the whole network for each channel of the explained layer, on the image seen
    through that channel; the scores of all classes come from the same forwards.
    """

    name = "scorecam"
    title = "Score-CAM"
    paper = "1910.01279"
    definition = (
        "sum_k w_k A_k, w = softmax_k(y_c(x * M_k)), M_k = A_k enlarged to the input x "
        "(bilinear, corners aligned), then min-max to 0..1"
    )
    unit = "activation"
    note = (
        "One forward of the network for each channel: slow. torchcam brings A_k to 0..1 "
        "before it is enlarged, corners not aligned."
    )
    place = 7
    reruns = "network"

    all_maps_are_cheap = True
    compilable = False

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> NoReturn:
        raise NotImplementedError("Score-CAM needs the network's input, see explain_input")

    @override
    def explain_input(
        self, inputs: Tensor, features: Callable[[Tensor], Tensor], choose: Chooser
    ) -> Explained:
        activations = features(inputs)
        logits = self.inner(activations)
        classes = choose(logits)
        grid = self.inner.to_grid(activations)
        total = grid.shape[0] * grid.shape[1]
        weights = []
        for row, channels in enumerate(grid):
            scores: list[Tensor] = []
            for part in channels.split(_AT_ONCE):
                masks = _masks(part, (inputs.shape[2], inputs.shape[3]))
                scores.append(self.inner(features(inputs[row] * masks)))
                if self.on_forwards is not None:
                    done = row * grid.shape[1] + sum(len(each) for each in scores)
                    self.on_forwards(done, total)
            weights.append(torch.cat(scores)[:, classes[row]].softmax(0).t())
        return logits, classes, weighted_sum(torch.stack(weights), grid), activations


def _masks(channels: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge each channel of ``(C, h, w)``, then bring it to 0..1: ``(C, 1, H, W)``."""
    large = functional.interpolate(channels[:, None], size, mode="bilinear", align_corners=True)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + _EPSILON)
