"""XGrad-CAM."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import weighted_sum
from live_gradcam.explain.methods.base import GradientMethod

_EPSILON = 1e-7


class XGradCam(GradientMethod):
    """XGrad-CAM (Fu et al., arXiv 2008.02312)."""

    name = "xgradcam"
    title = "XGrad-CAM"
    paper = "2008.02312"
    definition = "sum_k w_k A_k, w_k = sum(G_k A_k) / (sum(A_k) + 1e-7)"
    unit = "logits"
    note = "Meant for rectified layers: elsewhere sum(A_k) can come near zero."
    place = 4
    cheap_at_linear = True
    contrasts = True
    complete = True

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        total = activations.sum((2, 3))
        if gradients.shape[3:] == (1, 1):
            product = gradients.flatten(2) * total[:, None]
        else:
            product = (gradients * activations[:, None]).sum((3, 4))
        return weighted_sum(product / (total + _EPSILON)[:, None], activations)
