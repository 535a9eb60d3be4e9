"""Finer-CAM."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import grad_cam_maps, one_hot
from live_gradcam.explain.methods.base import GradientMethod

_EPSILON = 1e-9
_COMPARED = 3


class FinerCam(GradientMethod):
    """Finer-CAM (Zhang et al., arXiv 2501.11309): Grad-CAM of a class against its nearest."""

    name = "finercam"
    title = "Finer-CAM"
    paper = "2501.11309"
    definition = (
        "Grad-CAM of sum_i p_i (y_c - y_i) / (sum_i p_i + 1e-9), i the 3 classes with "
        "the nearest scores, p the softmax"
    )
    unit = "logits"
    note = "As in pytorch-grad-cam, with the gradient through p. A contrast by itself."
    place = 9
    cheap_at_linear = False  # each class looks for its nearest among all others

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return grad_cam_maps(activations, gradients)

    @override
    def cotangents(self, logits: Tensor, classes: Tensor) -> Tensor:
        own = one_hot(logits, classes)
        count = min(_COMPARED, logits.shape[1] - 1)
        others = logits[:, None]
        gap = logits.gather(1, classes)[:, :, None] - others
        distance = torch.where(own > 0, -torch.ones_like(gap), gap.abs())
        nearest = distance.topk(count + 1, dim=2, largest=False).indices[:, :, 1:]
        compared = torch.zeros_like(gap).scatter(2, nearest, 1.0)
        # f = sum_i p_i (y_c - y_i) / (sum_i p_i + epsilon); p depends on the scores as well.
        chances = logits.softmax(1)[:, None]
        weights = chances * compared
        total = weights.sum(2, keepdim=True)
        numerator = (weights * gap).sum(2, keepdim=True)
        denominator = total + _EPSILON
        value = numerator / denominator
        by_score = own * total - weights
        by_chance = weights * (gap - value) - chances * (numerator - value * total)
        return (by_score + by_chance) / denominator
