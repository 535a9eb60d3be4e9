"""3x3 convolutions with fewer multiplications, for the compiled float32 network on x86 processors.

Winograd's minimal filtering ``F(m x m, 3 x 3)`` computes an ``m x m`` tile of the output from
``(m + 2)^2`` products for each pair of channels, where the definition takes ``9 m^2`` (Lavin and
Gray 2015, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308)::

    Y = A^T [ (G g G^T) * (B^T d B) ] A

with the filter ``g``, a tile ``d`` of the input and ``*`` summed over input channels, which is one
matrix product for each of the ``(m + 2)^2`` planes. ``A``, ``B`` and ``G`` follow from ``m + 1``
points where polynomials are evaluated, and from infinity (Cook and Toom).

The transforms are plain operations on channels-last maps, one dimension after the other, which
TorchInductor makes into a few short loops. The eager network is never rewritten.
"""

from __future__ import annotations

import copy
import functools
import logging
import math
import operator
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from typing_extensions import override

from live_gradcam.explain.engine.fused import FusedNetwork, fold_batch_norm

_logger = logging.getLogger(__name__)

Tile: TypeAlias = Literal[2, 4]
"""Side ``m`` of the square of outputs that are computed together."""

POINTS: Mapping[Tile, tuple[float, ...]] = {2: (1.0,), 4: (0.625, 1.5)}
"""The points besides 0 and infinity, each with both signs.

All products of them are exact in float32. For 4, the usual (1, 2) errs four times as much as the
definition does, these twice (root mean square; found by search among multiples of 1/8, see Barabasz
et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution", for why).
"""

COMPILER_OPTIONS: Mapping[str, int] = {"realize_acc_reads_threshold": 64}
"""For TorchInductor: the last transform is fused with what follows it, though it reads much."""

_X86 = frozenset({"x86_64", "amd64"})
_LANES = 16  # of AVX-512
# Operations that take as long as moving one byte, see `choose_tile`; and where buffers are so large
# that the allocator fetches them anew each time. Measured on two cores with AVX-512.
_OPERATIONS_PER_BYTE = 10.0
_OPERATIONS_PER_FRESH_BYTE = 20.0
_FRESH_BYTES = 32 << 20
# What is not clearly faster stays as it is.
_WORTH = 0.9
# Of the transformed input and the products together; batches are sized for the eager network.
_MOST_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class ConvShape:
    """A 3x3 convolution of stride 1, from ``channels`` maps to ``filters`` of the same size."""

    batch: int
    height: int
    width: int
    channels: int
    filters: int


def choose_tile(shape: ConvShape, machine: str | None = None) -> Tile | None:
    """Return the tile that computes a convolution fastest; ``None`` where the definition does.

    A roofline: arithmetic plus memory traffic, in operations. Large tiles save arithmetic; small
    maps of many channels are bound by their weights, which grow from ``9`` to ``(m + 2)^2``
    numbers for each pair of channels; few channels are bound by the transforms.

    Args:
        shape: The convolution.
        machine: As `platform.machine` names it. Libraries for others have a Winograd of their own.
    """
    machine = platform.machine() if machine is None else machine
    # Loops over channels are to have no rests.
    if machine.lower() not in _X86 or shape.channels % _LANES or shape.filters % _LANES:
        return None
    maps = shape.batch * shape.height * shape.width
    pairs, channels = shape.channels * shape.filters, shape.channels + shape.filters
    direct = 18.0 * maps * pairs + _OPERATIONS_PER_BYTE * 4 * (9 * pairs + maps * channels)
    costs = {tile: _cost(shape, tile) for tile in POINTS}
    best = min(costs, key=costs.__getitem__)
    return best if costs[best] <= _WORTH * direct else None


def _cost(shape: ConvShape, tile: Tile) -> float:
    side = tile + 2
    tiles = shape.batch * math.ceil(shape.height / tile) * math.ceil(shape.width / tile)
    pairs, channels = shape.channels * shape.filters, shape.channels + shape.filters
    planes = side**2 * tiles * channels
    if 4 * planes > _MOST_BYTES:
        return math.inf
    maps = shape.batch * shape.height * shape.width * channels
    # Planes are written and read, as are those half-way, with one of two dimensions transformed.
    numbers = side**2 * pairs + 2 * (1 + tile / side) * planes + maps
    rate = _OPERATIONS_PER_BYTE if 4 * planes <= _FRESH_BYTES else _OPERATIONS_PER_FRESH_BYTE
    return 2.0 * side**2 * tiles * pairs + rate * 4 * numbers


class WinogradConv2d(nn.Module):
    """A convolution, see `is_candidate`, with weights ``(K, C, 3, 3)``, computed in tiles."""

    weight: Tensor
    outputs: Tensor

    def __init__(self, convolution: nn.Conv2d, tile: Tile) -> None:
        super().__init__()
        self.tile = tile
        given = convolution.weight.detach()
        filters = filter_matrix(tile)
        # Planes are numbered column first, row second.
        transformed = torch.einsum("ij,kcjl,ml->mick", filters, given.double(), filters)
        planes = transformed.reshape(-1, given.shape[1], given.shape[0])
        self.register_buffer("weight", planes.to(given.dtype).contiguous())
        self.register_buffer("outputs", output_matrix(tile).to(given.dtype))
        self.bias = convolution.bias

    @override
    def forward(self, maps: Tensor) -> Tensor:
        """Convolve ``(N, C, H, W)`` to ``(N, K, H, W)``, channels-last in memory."""
        batch, channels, height, width = maps.shape
        side = self.tile + 2
        down, across = math.ceil(height / self.tile), math.ceil(width / self.tile)
        rows, columns = down * self.tile + 2, across * self.tile + 2
        border = (0, 0, 1, columns - 1 - width, 1, rows - 1 - height)
        padded = functional.pad(maps.permute(0, 2, 3, 1), border).contiguous()
        # Views by stride make the compiler write the padded maps once; it would else repeat the
        # comparisons with the border for each of the rows. What is joined has three dimensions at
        # most, because it takes four for channels-first maps.
        line = columns * channels
        strides = (rows * line, self.tile * line, 1)
        taps = [padded.as_strided((batch, down, line), strides, row * line) for row in range(side)]
        half = torch.cat([each.reshape(-1, line) for each in input_planes(self.tile, taps)])
        lines = half.reshape(-1, columns, channels)
        last = self.tile * (across - 1) + 1
        taps = [lines[:, column : column + last : self.tile] for column in range(side)]
        planes = torch.cat(input_planes(self.tile, taps))
        products = torch.bmm(planes.reshape(side * side, -1, channels), self.weight)
        return self._untiled(products, (batch, down, across))[:, :, :height, :width]

    def _untiled(self, products: Tensor, grid: tuple[int, int, int]) -> Tensor:
        batch, down, across = grid
        tile, filters = self.tile, products.shape[2]
        by_column = products.reshape(tile + 2, -1).unbind()
        half = torch.stack(output_planes(tile, by_column))
        # To (row of planes, N, down, 1, across, tile, K); the row within a tile is the table's.
        half = half.reshape(tile, tile + 2, batch, down, across, filters)
        by_row = half.permute(1, 2, 3, 4, 0, 5).unsqueeze(3).unbind()
        # Not `output_planes`: one expression for all rows is fused with what follows it.
        tables = self.outputs.reshape(tile, 1, 1, 1, tile + 2).unbind(4)
        whole = by_row[0] * tables[0]
        for each, table in zip(by_row[1:], tables[1:], strict=True):
            whole = whole + each * table
        whole = whole.reshape(batch, down * tile, across * tile, filters)
        if self.bias is not None:
            whole = whole + self.bias
        return whole.permute(0, 3, 1, 2)


def input_planes(tile: Tile, taps: Sequence[Tensor]) -> list[Tensor]:
    """``B^T`` in one dimension, from ``tile + 2`` neighbours to as many planes.

    Row ``p`` holds the coefficients of ``M(x) / (x - p)``, that of infinity those of ``M(x)``, the
    product of all ``(x - p)``. Two points of opposite sign share their even and odd powers.
    """
    points = POINTS[tile]
    everything = _squares(points)
    planes = [_weighted(everything, taps[0::2])]
    for point in points:
        others = _squares([each for each in points if each != point])
        even, odd = _weighted(others, taps[2::2]), _weighted(others, taps[1::2]) * point
        planes += [even + odd, even - odd]
    return [*planes, _weighted(everything, taps[1::2])]


def output_planes(tile: Tile, planes: Sequence[Tensor]) -> list[Tensor]:
    """``A^T`` in one dimension, from ``tile + 2`` planes to ``tile`` neighbours."""
    points = POINTS[tile]
    sums = [planes[at] + planes[at + 1] for at in range(1, tile, 2)]
    differences = [planes[at] - planes[at + 1] for at in range(1, tile, 2)]
    found = [
        _weighted([point**power for point in points], differences if power % 2 else sums)
        for power in range(tile)
    ]
    return [planes[0] + found[0], *found[1:-1], found[-1] + planes[-1]]


def output_matrix(tile: Tile) -> Tensor:
    """``A^T``, float64 ``(tile, tile + 2)``: the powers of the points."""
    planes = list(torch.eye(tile + 2, dtype=torch.float64))
    return torch.stack(output_planes(tile, planes))


def filter_matrix(tile: Tile) -> Tensor:
    """``G``, float64 ``(tile + 2, 3)``: its powers over its distance to the others."""
    points = [0.0, *(signed for point in POINTS[tile] for signed in (point, -point))]
    rows = []
    for point in points:
        distance = math.prod(point - other for other in points if other != point)
        rows.append([point**power / distance for power in range(3)])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def _squares(points: Sequence[float]) -> list[float]:
    """Coefficients, in powers of ``x^2``, of the product of all ``(x^2 - p^2)``."""
    found = [1.0]
    for point in points:
        raised, lowered = [0.0, *found], [*(-point * point * each for each in found), 0.0]
        found = [high + low for high, low in zip(raised, lowered, strict=True)]
    return found


def _weighted(weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    pairs = zip(weights, values, strict=False)
    terms = [value if weight == 1 else value * weight for weight, value in pairs]
    return functools.reduce(operator.add, terms)


def is_candidate(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether a module is a convolution that `WinogradConv2d` can equal, in float32."""
    return (
        type(module) is nn.Conv2d
        and module.weight.dtype == torch.float32
        and module.kernel_size == (3, 3)
        and module.stride == (1, 1)
        and module.padding == (1, 1)
        and module.dilation == (1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
    )


def with_winograd(
    network: FusedNetwork, batch: int, height: int, width: int
) -> tuple[FusedNetwork, tuple[str, ...]]:
    """Return a copy that computes the trunk's 3x3 convolutions in tiles where that is faster.

    Args:
        network: From pixels to scores and evidence; it is left as it is.
        batch: Number of images in one forward.
        height: Of the network's input.
        width: Of the network's input.

    Returns:
        The copy and the names of the convolutions that were rewritten; the network itself where
        its trunk has none that are worth it, is not in float32 or cannot be traced.
    """
    trunk = fold_batch_norm(network.trunk) if network.dtype == torch.float32 else None
    if not isinstance(trunk, fx.GraphModule):
        _logger.debug("no convolution is rewritten: not float32, or not traced")
        return network, ()
    names: list[str] = []
    channels = len(network.pixels.planes)
    for name, convolution, shape in _candidates(trunk, (batch, channels, height, width)):
        tile = choose_tile(shape)
        _logger.debug("%s %s: %s", name, shape, tile)
        if tile is not None:
            names.append(name)
            trunk.set_submodule(name, WinogradConv2d(convolution, tile))
    if not names:
        return network, ()
    rewritten = copy.copy(network)
    rewritten._modules = {**network._modules, "trunk": trunk.eval().requires_grad_(False)}
    return rewritten, tuple(names)


def _candidates(
    trunk: nn.Module, given: tuple[int, int, int, int]
) -> list[tuple[str, nn.Conv2d, ConvShape]]:
    """Find the candidates and their shapes when the trunk runs; not those that run twice."""
    names = {module: name for name, module in trunk.named_modules() if is_candidate(module)}
    met: dict[nn.Conv2d, list[ConvShape]] = {}

    def note(module: nn.Conv2d, args: tuple[Tensor, ...]) -> None:
        batch, channels, height, width = args[0].shape
        shape = ConvShape(batch, height, width, channels, module.out_channels)
        met.setdefault(module, []).append(shape)

    handles = [module.register_forward_pre_hook(note) for module in names]
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            trunk(torch.empty(given))
    finally:
        for handle in handles:
            handle.remove()
    return [(names[each], each, shapes[0]) for each, shapes in met.items() if len(shapes) == 1]
