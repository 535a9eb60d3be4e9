"""Layout of the explained layer's output, and the head that fits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.cutting.cut import Cut, channels_first, flows_around
from live_gradcam.explain.heads import (
    ChannelsLastHead,
    GradientHead,
    Head,
    TokenHead,
    prove_head,
)
from live_gradcam.explain.networks.spec import LayoutChoice, NetworkSpec

# Layers that have their channels at one place always.
_LAYOUTS: Mapping[Literal["nchw", "nhwc"], tuple[type[nn.Module], ...]] = {
    "nchw": (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.GroupNorm, nn.MaxPool2d),
    "nhwc": (nn.Linear, nn.LayerNorm),
}
# One class token and as many registers as any published network has.
_MOST_PREFIX_TOKENS = 17


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cut network that is ready to be explained.

    Attributes:
        trunk: From normalised images ``(N, channels, H, W)`` to the layer's activations.
        head: From the activations to logits and to evidence.
        turned: True if the layer puts out its channels last, and the trunk has turned them.
    """

    trunk: nn.Module
    head: Head
    turned: bool = False


def check_layout(layout: str, prefix_tokens: int | None) -> None:
    """Check that a layout exists and that prefix tokens go with it.

    Raises:
        UsageError: There is no such layout, or it has no prefix tokens.
    """
    known = get_args(LayoutChoice)
    if layout not in known:
        raise UsageError("unknown layout", layout, "", f"Choose from {', '.join(known)}")
    if prefix_tokens is not None and (prefix_tokens < 0 or layout not in ("auto", "tokens")):
        where = f"prefix_tokens={prefix_tokens}"
        raise UsageError("cannot use layout", where, f"the layout is {layout}")


def fit_parts(
    cut: Cut, spec: NetworkSpec, values: Tensor, run_wide: Callable[[], Tensor] | None = None
) -> Parts:
    """Return the trunk and the head that fit a layer's output.

    Args:
        cut: The network, cut at the layer.
        spec: The network's description, with the layer, its layout and its prefix tokens.
        values: The trunk's output for an image of `probe_size`, from `probe`.
        run_wide: Gives the layer's output for one that is twice as wide; ``None`` runs the trunk.

    Raises:
        ModelError: The layout does not fit the layer's output.
    """
    layer = spec.layer
    copies = 1 + len(cut.carried)  # side by side in the last dimension

    def run_trunk() -> Tensor:
        height, width = probe_size(spec)
        return probe(cut, layer, height, 2 * width, channels=probe_channels(spec))

    layout = _choose_layout(spec, values, copies, run_wide or run_trunk)
    expected = 3 if layout == "tokens" else 4
    if values.ndim != expected or (cut.carried and layout == "nchw"):
        if cut.carried:
            raise flows_around(layer, *cut.carried)
        raise _not_a_map(layer, values)
    channels = values.shape[-1] // copies
    if layout == "tokens":
        prefix, grid = _find_grid(spec, values.shape[1])
        return Parts(cut.trunk, TokenHead(cut.head, channels=channels, prefix=prefix, grid=grid))
    if cut.carried:
        return Parts(cut.trunk, ChannelsLastHead(cut.head, channels=channels))
    if layout == "nhwc":
        cut = channels_first(cut)
        return Parts(cut.trunk, prove_head(cut.head, channels), turned=True)
    return Parts(cut.trunk, prove_head(cut.head, values.shape[1]))


def lay_out(spec: NetworkSpec, values: Tensor, run_wide: Callable[[], Tensor]) -> Head:
    """Return a head without weights that lays out a layer's own output as maps.

    Args:
        spec: The network's description, with the layer, its layout and its prefix tokens.
        values: The layer's output for an image of `probe_size`.
        run_wide: Gives its output for one that is twice as wide.

    Raises:
        ModelError: The layout does not fit the layer's output.
    """
    layout = _choose_layout(spec, values, 1, run_wide)
    if values.ndim != (3 if layout == "tokens" else 4):
        raise _not_a_map(spec.layer, values)
    if layout == "tokens":
        prefix, grid = _find_grid(spec, values.shape[1])
        return TokenHead(nn.Identity(), channels=values.shape[2], prefix=prefix, grid=grid)
    if layout == "nhwc":
        return ChannelsLastHead(nn.Identity(), channels=values.shape[3])
    return GradientHead(nn.Identity())


def probe_size(spec: NetworkSpec) -> tuple[int, int]:
    """Return height and width of the images that a network is checked with."""
    return spec.probe_size


def probe_channels(spec: NetworkSpec) -> int:
    """Return the number of channels of a network's input."""
    return len(spec.preprocessing.planes)


def probe_pixels(
    height: int, width: int | None = None, *, channels: int = 3, count: int = 1
) -> Tensor:
    """Return random pixels, the same each time.

    Args:
        height: Height of the images.
        width: Width of the images; ``None`` for squares.
        channels: Number of channels.
        count: Number of images.

    Returns:
        float32 ``(count, channels, height, width)``.
    """
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, height, width or height, generator=generator)


def probe(
    cut: Cut, layer: str, height: int, width: int | None = None, *, channels: int = 3
) -> Tensor:
    """Run the trunk on the random pixels of `probe_pixels`; its output is ``(1, ...)``.

    Raises:
        ModelError: It does not take them, gives no tensor, or what flows past the layer has another
            shape.
    """
    try:
        with torch.no_grad():
            values = cut.trunk.forward(probe_pixels(height, width, channels=channels))
    except (RuntimeError, TypeError, AttributeError) as exc:
        if cut.carried:  # most likely they cannot be laid side by side
            raise flows_around(layer, *cut.carried) from exc
        raise ModelError(
            "cannot run the network",
            f"on a picture of {width or height}x{height} with {channels} channels",
            str(exc).partition("\n")[0],
            "Say what it wants with preprocessing=Preprocessing(...)",
        ) from exc
    if not isinstance(values, Tensor) or values.ndim not in (3, 4):
        raise _not_a_map(layer, values)
    return values


def _not_a_map(layer: str, values: object) -> ModelError:
    shape = tuple(getattr(values, "shape", ()))
    return ModelError(
        "cannot explain layer",
        layer,
        f"its output {shape} is not a map (N, C, h, w) or (N, h, w, C), nor tokens (N, T, C)",
        "Name a layer that still has places",
    )


def _choose_layout(
    spec: NetworkSpec, values: Tensor, copies: int, run_wide: Callable[[], Tensor]
) -> Literal["nchw", "nhwc", "tokens"]:
    """Return the layout that was asked for, or the one that the shape tells."""
    layout = spec.layout
    if layout == "maps" and values.ndim == 3:
        cause = f"which of its tokens {tuple(values.shape)} are patches is not known"
        step = "Use Classifier.from_module(module, layer=..., prefix_tokens=...)"
        raise ModelError("cannot explain layer", spec.layer, cause, step)
    if layout == "auto" or layout == "maps":
        if values.ndim == 3:
            return "tokens"
        return _find_layout(spec, values, copies, run_wide)
    return layout


def _find_layout(
    spec: NetworkSpec, values: Tensor, copies: int, run_wide: Callable[[], Tensor]
) -> Literal["nchw", "nhwc"]:
    """Return the layout in which two neighbouring dimensions have the image's shape."""
    if values.ndim != 4:
        return "nchw"  # refused by the caller
    size = probe_size(spec)
    first, second, third = values.shape[1], values.shape[2], values.shape[3] // copies
    if not has_shape_of((first, second), size):
        return "nchw"
    if not has_shape_of((second, third), size):
        return "nhwc"
    # As many channels as rows.
    module = spec.network.get_submodule(spec.layer)
    for layout, kinds in _LAYOUTS.items():
        if isinstance(module, kinds):
            return layout
    try:  # an image of another shape tells them apart
        wide = run_wide()
    except Exception as exc:  # whatever the network raises where it takes one size only
        cause = f"its output {tuple(values.shape)} may be (N, C, h, w) or (N, h, w, C)"
        step = 'Say which with layout="nchw" or layout="nhwc"'
        raise ModelError("cannot explain layer", spec.layer, cause, step) from exc
    return "nchw" if wide.shape[3] // copies > wide.shape[2] else "nhwc"


def has_shape_of(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether rows and columns are those of an image, up to one row or column of padding."""
    rows, columns = grid
    height, width = size
    if height == width:
        return rows == columns
    return abs(rows * width - columns * height) <= max(height, width)


def _find_grid(spec: NetworkSpec, tokens: int) -> tuple[int, tuple[int, int]]:
    """Return the number of tokens before the patches, and the patches' rows and columns."""
    prefix = spec.prefix_tokens
    most = _MOST_PREFIX_TOKENS if prefix is None else prefix
    least = 0 if prefix is None else prefix
    height, width = probe_size(spec)
    for rows in range(math.isqrt(tokens * height // width) + 1, 0, -1):
        columns = round(rows * width / height)
        # Patches fill the image, so their number divides the image's side, but for padding.
        fills = prefix is not None or (height % rows == 0 and width % max(1, columns) == 0)
        if columns and least <= tokens - rows * columns <= most and fills:
            return tokens - rows * columns, (rows, columns)
    before = "" if prefix is None else f" after the first {prefix}"
    grid = "a square grid of patches" if height == width else f"a grid for {width}x{height} pixels"
    cause = f"its {tokens} tokens{before} are not {grid}"
    raise ModelError(
        "cannot explain layer", spec.layer, cause, "Say prefix_tokens=... if it has any"
    )
