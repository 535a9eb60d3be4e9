"""Sizes that a head needs of values in the trunk, and pictures of the one size that a cut is for.

A head may ask for the shape of a value that comes before its layer: ``F.interpolate(y,
x.shape[-2:])``. The trunk notes such shapes beside its output, for the thread that runs it, and the
head, which the same thread runs next, asks a stand-in of that shape. The number of images is
always that of the activations at hand.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeAlias

from torch import Tensor, nn
from typing_extensions import Self, override

Shape: TypeAlias = "tuple[int, ...]"


class _Notes:
    """Shapes of one network's values, without the number of images, for each thread.

    Copies of a network share them: within a thread, a head runs right behind its trunk.
    """

    def __init__(self, usual: Sequence[Shape] = ()) -> None:
        self.usual = tuple(usual)
        self._local = threading.local()

    def write(self, shapes: Sequence[Shape]) -> None:
        self._local.shapes = tuple(shapes)
        self.usual = self.usual or self._local.shapes

    def read(self) -> tuple[Shape, ...]:
        shapes: tuple[Shape, ...] = getattr(self._local, "shapes", self.usual)
        return shapes

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[_Notes], tuple[tuple[Shape, ...]]]:
        return _Notes, (self.usual,)


class RecordSizes(nn.Module):
    """Gives back its first value, and notes the shapes of the others."""

    stays_whole = True

    def __init__(self) -> None:
        super().__init__()
        self.notes = _Notes()

    @override
    def forward(self, value: Tensor, *measured: Tensor) -> Tensor:
        self.notes.write([tuple(each.shape[1:]) for each in measured])
        return value


class StandIn(nn.Module):
    """Zeros of a noted shape, without memory of their own, for the images at hand.

    Args:
        recorder: Has noted the shape when the head runs.
        position: Of the shape among the noted ones.
    """

    stays_whole = True

    def __init__(self, recorder: RecordSizes, position: int) -> None:
        super().__init__()
        self.notes = recorder.notes
        self.position = position

    @override
    def forward(self, activations: Tensor) -> Tensor:
        shape = self.notes.read()[self.position]
        return activations.new_zeros(()).expand(activations.shape[0], *shape)

    @override
    def extra_repr(self) -> str:
        return str(self.position)


class OneSize(nn.Module):
    """Lets pictures of one size through, because a part of the network was traced with it.

    Args:
        height: Of the network's input.
        width: Of the network's input.
    """

    stays_whole = True

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height = height
        self.width = width

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        if tuple(pixels.shape[2:]) != (self.height, self.width):
            raise RuntimeError(f"it is explained for {self.width}x{self.height} only")
        return pixels

    @override
    def extra_repr(self) -> str:
        return f"{self.height}, {self.width}"
