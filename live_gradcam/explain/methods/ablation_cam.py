"""Ablation-CAM."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import Chooser, Explained, Head, LinearHead, weighted_sum
from live_gradcam.explain.methods.base import Method

# The head runs on this many ablated copies at once, and on no more memory than this.
_AT_ONCE = 32
_BYTES = 64 << 20


class AblationCam(Method):
    """Ablation-CAM (Desai and Ramaswamy, WACV 2020).

    One forward of the head for each channel; the scores of all classes come from the same forwards.
    Behind a `LinearHead` it has a closed form: without channel k, a score falls by
    ``W_ck mean(A_k)``.
    """

    name = "ablationcam"
    title = "Ablation-CAM"
    paper = "10.1109/WACV45572.2020.9093360"
    definition = "sum_k w_k A_k, w_k = (y_c - y_c with A_k = 0) / y_c"
    unit = "activation"
    note = (
        "One forward of the head for each channel, a closed form at a ResNet's last layer. "
        "pytorch-grad-cam takes min(A) - 1e7 for 0 where A is not rectified. A score of 0 has "
        "no map."
    )
    place = 8
    reruns = "head"

    all_maps_are_cheap = True

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.compilable = isinstance(head, LinearHead)

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        logits, _ = self.score(activations)
        classes = choose(logits)
        scores = logits.gather(1, classes)
        if isinstance(self.inner, LinearHead):
            drops = _linear_drops(self.inner.weight, activations, classes)
        else:
            ablated = map(self._ablated_scores, activations)
            left = [each[:, chosen].t() for each, chosen in zip(ablated, classes, strict=True)]
            drops = scores[:, :, None] - torch.stack(left)
        maps = weighted_sum(_relative(drops, scores), self.inner.to_grid(activations))
        return logits, classes, maps, activations

    def _ablated_scores(self, values: Tensor) -> Tensor:
        """Scores ``(C, classes)`` without each of the channels of ``(C, h, w)``."""
        channels = self.inner.channel_mask(values)
        fitting = _BYTES // (values.numel() * values.element_size())
        group = max(1, min(_AT_ONCE, fitting))
        return torch.cat([self.inner(values[None] * kept) for kept in torch.split(channels, group)])


def _linear_drops(weight: Tensor, activations: Tensor, classes: Tensor) -> Tensor:
    """Drops ``(N, K, C)`` of the scores of classes ``(N, K)`` without each channel."""
    count, channels = activations.shape[:2]
    chosen = weight.index_select(0, classes.reshape(-1)).reshape(count, -1, channels)
    return chosen * activations.mean((2, 3))[:, None]


def _relative(drops: Tensor, scores: Tensor) -> Tensor:
    """Drops ``(N, K, C)`` as shares of the scores ``(N, K)``; no share of a score that is 0."""
    shares = drops / scores[:, :, None]
    return torch.where(scores[:, :, None] == 0, torch.zeros_like(shares), shares)
