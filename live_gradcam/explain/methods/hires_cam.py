"""HiResCAM."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import positionwise_sum
from live_gradcam.explain.methods.base import GradientMethod


class HiResCam(GradientMethod):
    """HiResCAM (Draelos and Carin, arXiv 2011.08891)."""

    name = "hirescam"
    title = "HiResCAM"
    paper = "2011.08891"
    definition = "sum_k G_k A_k"
    unit = "logits"
    place = 3
    cheap_at_linear = True
    contrasts = True
    complete = True

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return positionwise_sum(gradients, activations)
