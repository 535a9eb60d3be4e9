"""Grad-CAM, which every head makes by itself."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import Head, grad_cam_maps
from live_gradcam.explain.methods.base import GradientMethod


class GradCam(GradientMethod):
    """Grad-CAM (Selvaraju et al., arXiv 1610.02391, eq. 1 and 2)."""

    name = "gradcam"
    title = "Grad-CAM"
    paper = "1610.02391"
    definition = "sum_k mean(G_k) A_k"
    unit = "logits"
    place = 1
    cheap_at_linear = True
    contrasts = True
    complete = True

    @classmethod
    @override
    def make_head(cls, head: Head) -> Head:
        return head

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return grad_cam_maps(activations, gradients)
