"""Several layers of one network explained at once: one forward, one backward, one fused map.

The network is cut at every explained layer: the trunk ends at the earliest one, and the head is the
chain of parts between them. The gradient goes back through the chain once and is met at each layer
on its way; nothing before the earliest layer is differentiated.

Maps of different layers have different grids and no common unit. As the field does it, the positive
part of each is brought to 0..1, all are enlarged to the finest grid, and their mean (or maximum) is
taken: a share, no longer logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from live_gradcam.choices import Fuse
from live_gradcam.explain.heads.base import Chooser, Cotangents, Explained, GradientMaps, Head
from live_gradcam.explain.heads.gradient import (
    GradientHead,
    has_attention,
    run_unmodified,
    vjp_each,
)
from live_gradcam.explain.heads.tokens import ChannelsLastHead, TokenHead

FUSED_UNIT = "share"
"""The unit of fused maps."""

_EPSILON = 1e-7


class _Chain(nn.Module):
    """Parts of a network that follow one another."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, values: Tensor) -> Tensor:
        for part in self.parts:
            values = part(values)
        return values


class MultiLayerHead(GradientHead):
    """From the earliest explained layer to scores, past the later ones.

    Args:
        parts: From each layer to the next one, the last one to the logits.
        grids: For each layer, a head that knows how it lays out its output; see `grid_of`.
        fuse: How the layers' maps become one.
    """

    module: _Chain

    def __init__(self, parts: Sequence[nn.Module], grids: Sequence[Head], fuse: Fuse) -> None:
        super().__init__(_Chain(parts))
        self.grids = list(grids)
        self.fuse = fuse
        self._one_by_one_in_part = [has_attention(part) for part in parts]

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return self.grids[0].to_grid(values)

    @override
    def run_layers(self, activations: Tensor) -> tuple[Tensor, list[Tensor]]:
        values = [activations]
        for part in self.module.parts:
            values.append(run_unmodified(part, values[-1]))
        logits = values.pop()
        pairs = zip(self.grids, values, strict=True)
        return logits, [grid.to_grid(value) for grid, value in pairs]

    @override
    def explain_by_gradient(
        self, activations: Tensor, choose: Chooser, cotangents: Cotangents, maps: GradientMaps
    ) -> Explained:
        values, vjps = [activations], []
        for part in self.module.parts:
            value, vjp = torch.func.vjp(partial(run_unmodified, part), values[-1])[:2]
            values.append(value)
            vjps.append(vjp)
        logits = values.pop()
        classes = choose(logits)
        gradients = cotangents(logits, classes)
        maps_of_layers = []
        links = [*zip(self.grids, values, vjps, self._one_by_one_in_part, strict=True)]
        for grid, value, vjp, one_by_one in reversed(links):
            gradients = vjp_each(vjp, gradients, one_by_one=one_by_one)
            maps_of_layers.append(maps(grid.to_grid(value), grid.gradients_to_grid(gradients)))
        return logits, classes, self.fuse_layers(maps_of_layers[::-1]), activations

    @override
    def fuse_layers(self, maps: Sequence[Tensor]) -> Tensor:
        height, width = max((each.shape[2:] for each in maps), key=lambda size: size[0] * size[1])
        return fuse_maps(maps, (height, width), self.fuse)

    @override
    def extra_repr(self) -> str:
        return f"{self.fuse}, {self.grids}"


def grid_of(head: Head) -> Head:
    """Make a head without weights that lays out a layer's activations as a given one does."""
    if isinstance(head, MultiLayerHead):
        return head.grids[0]
    nothing = nn.Identity()
    if isinstance(head, TokenHead):
        return TokenHead(nothing, channels=head.channels, prefix=head.prefix, grid=head.grid)
    if isinstance(head, ChannelsLastHead):
        return ChannelsLastHead(nothing, channels=head.channels)
    return GradientHead(nothing)


def fuse_maps(maps: Sequence[Tensor], size: tuple[int, int], fuse: Fuse) -> Tensor:
    """Make one map in 0..1 of the signed maps of several layers.

    Args:
        maps: ``(N, K, h, w)`` each, with grids of their own.
        size: Height and width of the result; no map is larger.
        fuse: The mean or the maximum over the layers.

    Returns:
        ``(N, K, *size)``. A layer without positive evidence adds nothing.
    """
    shares = []
    for each in maps:
        positive = each.clamp(min=0)
        lifted = positive - positive.amin((2, 3), keepdim=True)
        share = lifted / (lifted.amax((2, 3), keepdim=True) + _EPSILON)
        if tuple(share.shape[2:]) != size:
            share = functional.interpolate(share, size, mode="bilinear", align_corners=False)
        shares.append(share)
    together = torch.stack(shares)
    return together.mean(0) if fuse == "mean" else together.amax(0)
