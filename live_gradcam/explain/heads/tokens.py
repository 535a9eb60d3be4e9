"""Heads behind layers whose output is not a map ``(N, C, h, w)``.

The output of a transformer's layer is tokens: first those that stand for no position (a class
token, registers), then one for each patch of the image, row by row. Grad-CAM for them is that of
maps with the patch tokens on their grid; the others have no position, so they take no part in the
mean of the gradient (this is what pytorch-grad-cam's ``reshape_transform`` amounts to).

Behind a layer's own channels the trunk may give what flows past the layer, see
`live_gradcam.explain.cutting.cut`. It is held constant: the gradient is that with respect to the
layer's own output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from live_gradcam.explain.heads.gradient import GradientHead


class TokenHead(GradientHead):
    """The head behind a layer of tokens.

    Args:
        module: From ``(N, T, C)``, or ``(N, T, 2 C)`` with what flows past, to logits.
        channels: ``C``, of the layer itself.
        prefix: Number of tokens before those of the patches.
        grid: Rows and columns of patches.
    """

    def __init__(
        self, module: nn.Module, *, channels: int, prefix: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(module)
        self.channels = channels
        self.prefix = prefix
        self.grid = grid

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        patches = values[..., self.prefix :, : self.channels]
        return patches.transpose(-1, -2).reshape(*values.shape[:-2], self.channels, *self.grid)

    @override
    def channel_mask(self, values: Tensor) -> Tensor:
        return _mask_of_last(values, self.channels)[:, None]

    @override
    def extra_repr(self) -> str:
        return f"channels={self.channels}, prefix={self.prefix}, grid={self.grid}"


class ChannelsLastHead(GradientHead):
    """The head behind channels-last maps that something flows past.

    Args:
        module: From ``(N, h, w, 2 C)``, with what flows past, to logits.
        channels: ``C``, of the layer itself.
    """

    def __init__(self, module: nn.Module, *, channels: int) -> None:
        super().__init__(module)
        self.channels = channels

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return values[..., : self.channels].movedim(-1, -3)

    @override
    def channel_mask(self, values: Tensor) -> Tensor:
        return _mask_of_last(values, self.channels)[:, None, None]

    @override
    def extra_repr(self) -> str:
        return f"channels={self.channels}"


def _mask_of_last(values: Tensor, channels: int) -> Tensor:
    """Ones but for one of the channels in each row: ``(channels, size of the last axis)``."""
    whole = torch.ones(channels, values.shape[-1], device=values.device)
    whole[:, :channels].fill_diagonal_(0)
    return whole
