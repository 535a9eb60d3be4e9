"""Heads whose Grad-CAM maps have a closed form: no backward pass, all classes at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from live_gradcam.explain.heads.base import Head, Vjp


class ClosedFormHead(Head):
    """A head with one linear layer, whose gradient can be written down.

    Args:
        weight: ``(classes, C)``.
        bias: ``(classes,)``, or ``None``.
    """

    all_maps_are_cheap = True
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
        self.register_buffer("weight", weight.detach().float())
        self.register_buffer("bias", bias.detach().float())

    @property
    def has_two_sides(self) -> bool:
        """``True`` if there are two scores, one always the negative of the other."""
        return len(self.bias) == 2 and all(
            torch.equal(each[0], -each[1]) for each in (self.weight, self.bias)
        )


class LinearHead(ClosedFormHead):
    """Global average pooling and one Linear layer: ResNet and many others.

    ``dy_c / dA_k = W_ck / (h w)`` at every position, so the maps of all classes are one matrix
    product, and ``sum(map_c) + b_c = y_c`` exactly.
    """

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        positions = activations.shape[2] * activations.shape[3]

        def vjp(cotangents: Tensor) -> Tensor:
            return (cotangents @ self.weight)[..., None, None] / positions

        return self.score(activations)[0], vjp

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        pooled = activations.mean((2, 3))
        return functional.linear(pooled, self.weight, self.bias), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        count, channels, height, width = basis.shape
        chosen = self.weight.index_select(0, classes.reshape(-1)).reshape(count, -1, channels)
        maps = torch.bmm(chosen, basis.reshape(count, channels, height * width))
        return maps.reshape(count, -1, height, width) / (height * width)

    @override
    def all_evidence(self, basis: Tensor) -> Tensor:
        count, _, height, width = basis.shape
        maps = torch.matmul(self.weight, basis.flatten(2))
        return maps.reshape(count, -1, height, width) / (height * width)


class PointwiseHead(ClosedFormHead):
    """A 1x1 convolution, ReLU and global average pooling: SqueezeNet.

    ``mean_ij(dy_c / dA_k) = W_ck * p_c / (h w)`` with ``p_c`` the share of positions where class c
    is active, so the maps are the class maps before the ReLU and without their bias, scaled.
    """

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        logits, class_maps = self.score(activations)
        height, width = class_maps.shape[2:]
        active = (class_maps > 0).to(class_maps.dtype).flatten(2)[:, None]

        def vjp(cotangents: Tensor) -> Tensor:
            # Where class c is active, each position of its class map has the same share in y_c.
            by_map = cotangents[..., None] * active / (height * width)
            gradients = self.weight.t() @ by_map
            return gradients.reshape(*gradients.shape[:3], height, width)

        return logits, vjp

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        class_maps = functional.conv2d(activations, self.weight[:, :, None, None], self.bias)
        return class_maps.relu().mean((2, 3)), class_maps

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        height, width = basis.shape[2:]
        index = classes[:, :, None, None].expand(-1, -1, height, width)
        return self._scale(basis.gather(1, index), self.bias[classes])

    @override
    def all_evidence(self, basis: Tensor) -> Tensor:
        return self._scale(basis, self.bias[None])

    def _scale(self, chosen: Tensor, bias: Tensor) -> Tensor:
        height, width = chosen.shape[2:]
        active = (chosen > 0).to(chosen.dtype).mean((2, 3), keepdim=True)
        return (chosen - bias[:, :, None, None]) * active / (height * width)
