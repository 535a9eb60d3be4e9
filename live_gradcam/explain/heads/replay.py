"""The head of a network that cannot be cut: all of it runs, with the layer's output given.

Each image's activations travel together with the image itself, flat and side by side, since the
network is run from its beginning again. The length of that row says which shapes it has.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import Self, override

from live_gradcam.explain.heads.base import Chooser, Explained, Head, Vjp, grad_cam_maps, one_hot
from live_gradcam.explain.modules.replay import Replay


@dataclass(frozen=True, slots=True)
class _Row:
    """Shapes in one row: of a layer's output and of the image, both without the batch."""

    layer: tuple[int, ...]
    pixels: tuple[int, ...]


class Packing:
    """Activations and the image that they are of in one row, from which both can be taken again.

    No two pairs of shapes have rows of one length. Copies of a network share the lengths.
    """

    def __init__(self, rows: dict[int, _Row] | None = None) -> None:
        self._rows = dict(rows or {})
        self._lock = threading.Lock()

    def pack(self, activations: Tensor, pixels: Tensor) -> Tensor:
        """Lay out ``(N, ...)`` and ``(N, ...)`` as ``(N, length)``."""
        row = _Row(tuple(activations.shape[1:]), tuple(pixels.shape[1:]))
        flat = torch.cat((activations.flatten(1), pixels.flatten(1)), 1)
        return nn.functional.pad(flat, (0, self._length(row) - flat.shape[1]))

    def activations(self, rows: Tensor) -> Tensor:
        """Take the activations out of ``(..., length)``."""
        shape = self._rows[rows.shape[-1]].layer
        return rows[..., : math.prod(shape)].reshape(*rows.shape[:-1], *shape)

    def pixels(self, rows: Tensor) -> Tensor:
        """Take the images out of ``(..., length)``."""
        row = self._rows[rows.shape[-1]]
        start = math.prod(row.layer)
        stop = start + math.prod(row.pixels)
        return rows[..., start:stop].reshape(*rows.shape[:-1], *row.pixels)

    def _length(self, row: _Row) -> int:
        length = math.prod(row.layer) + math.prod(row.pixels)
        with self._lock:
            while self._rows.get(length, row) != row:
                length += 1
            self._rows[length] = row
        return length

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Packing], tuple[dict[int, _Row]]]:
        return Packing, (self._rows,)


class ReplayTrunk(nn.Module):
    """From pixels to the layer's output and the pixels again, see `Packing`.

    Args:
        replay: The network.
        packing: Shared with the head.
    """

    def __init__(self, replay: Replay, packing: Packing) -> None:
        super().__init__()
        self.replay = replay
        self.packing = packing

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        taken = torch.cat([self.replay.take(each) for each in pixels.unsqueeze(1)])
        return self.packing.pack(taken, pixels)


class ReplayHead(Head):
    """From a `ReplayTrunk`'s rows to scores and evidence.

    Args:
        replay: The network.
        packing: Shared with the trunk.
        grid: A head without weights that knows how the layer lays out its output.
        behind: Names of the layers that run behind the explained one only.
    """

    compilable = False
    why_uncompiled = "its code cannot be cut at the layer, so all of it runs for each picture"

    def __init__(
        self, replay: Replay, packing: Packing, grid: Head, *, behind: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.replay = replay
        self.packing = packing
        self.grid = grid
        self.behind = tuple(behind)

    def modules_behind(self) -> list[nn.Module]:
        """Return the parts of the network that run behind the layer only."""
        return [self.replay.network.get_submodule(name) for name in self.behind]

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        sources, outputs = [], []
        with torch.enable_grad():
            for row in activations.unsqueeze(1):
                source = self.packing.activations(row).detach().clone().requires_grad_()
                sources.append(source)
                outputs.append(self.replay.give(source, self.packing.pixels(row)))

        def vjp(cotangents: Tensor) -> Tensor:
            pairs = zip(sources, outputs, cotangents, strict=True)
            return torch.cat([_gradients(*each)[None] for each in pairs])

        return torch.cat([each.detach() for each in outputs]).float(), vjp

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        logits = [
            self.replay.give(self.packing.activations(row).detach(), self.packing.pixels(row))
            for row in activations.unsqueeze(1)
        ]
        return torch.cat(logits).detach().float(), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        return self.explain_by_gradient(activations, choose, one_hot, grad_cam_maps)

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return self.grid.to_grid(self.packing.activations(values))

    @override
    def gradients_to_grid(self, gradients: Tensor) -> Tensor:
        return self.grid.gradients_to_grid(gradients)

    @override
    def channel_mask(self, values: Tensor) -> Tensor:
        activations = self.packing.activations(values)
        mask = self.grid.channel_mask(activations)
        kept = mask.expand(mask.shape[0], *activations.shape).flatten(1)
        return nn.functional.pad(kept, (0, values.shape[-1] - kept.shape[1]), value=1.0)


def _gradients(source: Tensor, output: Tensor, cotangents: Tensor) -> Tensor:
    """Take ``(K, classes)`` derivatives of one image's scores back to its activations."""
    if not output.requires_grad:
        raise RuntimeError("the network's output cannot be differentiated by the layer's")
    found: Sequence[Tensor | None] = [
        torch.autograd.grad(
            output, source, each[None].to(output.dtype), retain_graph=True, allow_unused=True
        )[0]
        for each in cotangents
    ]
    return torch.cat([torch.zeros_like(source) if each is None else each for each in found])
