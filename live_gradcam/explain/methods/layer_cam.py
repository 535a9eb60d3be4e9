"""LayerCAM."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import positionwise_sum
from live_gradcam.explain.methods.base import GradientMethod


class LayerCam(GradientMethod):
    """LayerCAM (Jiang et al., IEEE TIP 30, 2021)."""

    name = "layercam"
    title = "LayerCAM"
    paper = "10.1109/TIP.2021.3089943"
    definition = "sum_k max(G_k, 0) A_k"
    unit = "arbitrary"
    note = "Falling gradients are left out, so that the map does not add up to a score."
    place = 5
    cheap_at_linear = True

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return positionwise_sum(gradients.clamp(min=0), activations)
