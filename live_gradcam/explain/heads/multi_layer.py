"""Several layers of one network explained at once: one forward, one backward, one fused map.

The network is cut at every explained layer: the trunk ends at the earliest one, and the head is the
chain of parts between them. The gradient goes back through the chain once and is met at each layer
on its way; nothing before the earliest layer is differentiated.

Maps of different layers have different grids and no common unit. As the field does it, the positive
part of each is brought to 0..1, all are enlarged to the finest grid, and their mean (or maximum) is
taken: a share, no longer logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from live_gradcam.choices import Fuse
from live_gradcam.explain.heads.base import (
    Chooser,
    GradientHead,
    Head,
    Vjp,
    has_attention,
    one_hot,
    vjp_each,
    weighted_sum,
)
from live_gradcam.explain.heads.tokens import ChannelsLastHead, TokenHead

UNIT = "share"
"""The unit of fused maps."""

_EPSILON = 1e-7


class MultiLayerHead(Head):
    """From the earliest explained layer to scores, past the later ones.

    By itself it makes Grad-CAM maps; methods hand it their own.

    Args:
        parts: From each layer to the next one, the last one to the logits.
        grids: For each layer, a head that knows how it lays out what it puts out; see `grid_of`.
        fuse: What becomes of the layers' maps.
    """

    def __init__(self, parts: Sequence[nn.Module], grids: Sequence[Head], fuse: Fuse) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.grids: list[Head] = list(grids)
        self.fuse = fuse
        self._one_by_one = [has_attention(part) for part in parts]

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return self.grids[0].to_grid(values)

    def layers(self, activations: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and what each of the layers puts out, early to late."""
        values = [activations]
        for part in self.parts:
            values.append(_run(part, values[-1]))
        return values.pop(), values

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return self.layers(activations)[0], activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.explain_by(activations, choose, one_hot, _gradcam)

    def explain_by(
        self,
        activations: Tensor,
        choose: Chooser,
        cotangents: Callable[[Tensor, Tensor], Tensor],
        maps: Callable[[Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same with another method.

        Args:
            activations: As for `explain`.
            choose: As for `explain`.
            cotangents: From logits and classes to derivatives ``(N, K, classes)`` by the logits.
            maps: From one layer's activations ``(N, C, h, w)`` and gradients ``(N, K, C, h, w)`` to
                its maps.
        """
        values, pull_backs = [activations], []
        for part in self.parts:
            value, vjp = torch.func.vjp(partial(_run, part), values[-1])[:2]
            values.append(value)
            pull_backs.append(vjp)
        logits = values.pop()
        classes = choose(logits)
        gradients = cotangents(logits, classes)
        found = []
        links = [*zip(self.grids, values, pull_backs, self._one_by_one, strict=True)]
        for grid, value, vjp, one_by_one in reversed(links):
            gradients = vjp_each(vjp, gradients, one_by_one=one_by_one)
            found.append(maps(grid.to_grid(value), grid.gradients_to_grid(gradients)))
        return logits, classes, self.fused(found[::-1]), activations

    def fused(self, maps: Sequence[Tensor]) -> Tensor:
        """The layers' maps as one, on the finest of their grids."""
        height, width = max((each.shape[2:] for each in maps), key=lambda size: size[0] * size[1])
        return fuse_maps(maps, (height, width), self.fuse)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        logits, vjp = torch.func.vjp(lambda values: self.score(values)[0], activations)[:2]
        return logits, partial(vjp_each, vjp, one_by_one=any(self._one_by_one))

    @override
    def extra_repr(self) -> str:
        return f"{self.fuse}, {self.grids}"


def grid_of(head: Head) -> Head:
    """A head without weights that lays out a layer's activations as this one does."""
    if isinstance(head, MultiLayerHead):
        return head.grids[0]
    nothing = nn.Identity()
    if isinstance(head, TokenHead):
        return TokenHead(nothing, channels=head.channels, prefix=head.prefix, grid=head.grid)
    if isinstance(head, ChannelsLastHead):
        return ChannelsLastHead(nothing, channels=head.channels)
    return GradientHead(nothing)


def fuse_maps(maps: Sequence[Tensor], size: tuple[int, int], fuse: Fuse) -> Tensor:
    """Signed maps of several layers as one map in 0..1.

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


def _run(part: nn.Module, values: Tensor) -> Tensor:
    # Cloned because many parts begin with a ReLU in place.
    result: Tensor = part(values.clone())
    return result


def _gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    return weighted_sum(gradients.mean((3, 4)), activations)
