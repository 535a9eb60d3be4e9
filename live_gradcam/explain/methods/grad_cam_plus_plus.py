"""Grad-CAM++."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import weighted_sum
from live_gradcam.explain.methods.base import GradientMethod

_EPSILON = 1e-6


class GradCamPlusPlus(GradientMethod):
    """Grad-CAM++ (Chattopadhyay et al., arXiv 1710.11063, eq. 19)."""

    name = "gradcam++"
    title = "Grad-CAM++"
    paper = "1710.11063"
    definition = "sum_k w_k A_k, w_k = sum(max(G_k, 0) G_k^2 / (2 G_k^2 + sum(A_k) G_k^3 + 1e-6))"
    unit = "arbitrary"
    note = (
        "As in pytorch-grad-cam; the 1e-6 matters where gradients are small. In "
        "torchcam 0.5 the division takes no effect: w_k = sum(max(G_k, 0) G_k^2)."
    )
    place = 2
    cheap_at_linear = True

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        square = gradients * gradients
        total = activations.sum((2, 3))[:, None, :, None, None]
        share = square / (2 * square + total * square * gradients + _EPSILON)
        share = torch.where(gradients == 0, torch.zeros_like(share), share)
        weights = (gradients.clamp(min=0) * share).sum((3, 4))
        if gradients.shape[3:] != activations.shape[2:]:  # one gradient stands for all positions
            weights = weights * (activations.shape[2] * activations.shape[3])
        return weighted_sum(weights, activations)
