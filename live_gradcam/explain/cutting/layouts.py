"""Layout of the explained layer's output, and the head that fits it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.cutting.cut import Cut, channels_first, flows_around
from live_gradcam.explain.heads import ChannelsLastHead, Head, TokenHead, prove_head
from live_gradcam.explain.networks.spec import LayoutChoice, NetworkSpec

# One class token and as many registers as any published network has.
_MOST_PREFIX_TOKENS = 17


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cut network that is ready to be explained.

    Attributes:
        trunk: From normalised images ``(N, channels, H, W)`` to the layer's activations.
        head: From the activations to logits and to evidence.
    """

    trunk: nn.Module
    head: Head


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


def fit_parts(cut: Cut, spec: NetworkSpec, values: Tensor) -> Parts:
    """Return the trunk and the head that fit a layer's output.

    Args:
        cut: The network, cut at the layer.
        spec: The network's description, with the layer, its layout and its prefix tokens.
        values: The trunk's output for a square image of ``spec.probe_size``, from `probe`.

    Raises:
        ModelError: The layout does not fit the layer's output.
    """
    layer, layout = spec.layer, spec.layout
    if layout == "maps" and values.ndim == 3:
        cause = f"which of its tokens {tuple(values.shape)} are patches is not known"
        step = "Use Classifier.from_module(module, layer=..., prefix_tokens=...)"
        raise ModelError("cannot explain layer", layer, cause, step)
    if layout in ("auto", "maps"):
        layout = "tokens" if values.ndim == 3 else _find_layout(cut, spec, values)
    expected = 3 if layout == "tokens" else 4
    if values.ndim != expected or (cut.carried and layout == "nchw"):
        if cut.carried:
            raise flows_around(layer, *cut.carried)
        raise _not_a_map(layer, values)
    channels = values.shape[-1] // (1 + len(cut.carried))
    if layout == "tokens":
        prefix, grid = _find_grid(spec, values.shape[1])
        return Parts(cut.trunk, TokenHead(cut.head, channels=channels, prefix=prefix, grid=grid))
    if cut.carried:
        return Parts(cut.trunk, ChannelsLastHead(cut.head, channels=channels))
    if layout == "nhwc":
        cut = channels_first(cut)
        return Parts(cut.trunk, prove_head(cut.head, channels))
    return Parts(cut.trunk, prove_head(cut.head, values.shape[1]))


def probe_pixels(size: tuple[int, int], channels: int = 3) -> Tensor:
    """Return random pixels ``(1, channels, height, width)``, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, *size, generator=generator)


def probe(cut: Cut, layer: str, size: tuple[int, int], channels: int = 3) -> Tensor:
    """Run the trunk on the random pixels of `probe_pixels`; its output is ``(1, ...)``.

    Raises:
        ModelError: It does not take them, gives no tensor, or what flows past the layer has another
            shape.
    """
    try:
        with torch.no_grad():
            values = cut.trunk.forward(probe_pixels(size, channels))
    except (RuntimeError, TypeError, AttributeError) as exc:
        if cut.carried:  # most likely they cannot be laid side by side
            raise flows_around(layer, *cut.carried) from exc
        raise ModelError(
            "cannot run the network",
            f"on a picture of {size[1]}x{size[0]} with {channels} channels",
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


def _find_layout(cut: Cut, spec: NetworkSpec, values: Tensor) -> Literal["nchw", "nhwc"]:
    """Return the layout in which the dimensions that have the image's shape are positions."""
    if values.ndim != 4:
        return "nchw"  # refused by the caller
    copies = 1 + len(cut.carried)  # side by side in the last dimension
    first, second, third = values.shape[1], values.shape[2], values.shape[3] // copies
    height, width = spec.probe_size
    if height == width:
        if first != second:
            return "nchw"
        if second != third:
            return "nhwc"
    else:
        fits = [_has_shape(*sides, height / width) for sides in ((second, third), (first, second))]
        if fits[0] != fits[1]:
            return "nchw" if fits[0] else "nhwc"
    try:  # as many channels as rows: an image of another shape tells them apart
        channels = len(spec.preprocessing.planes)
        wide = probe(cut, spec.layer, (height, 2 * width), channels)
    except ModelError as exc:
        cause = f"its output {tuple(values.shape)} may be (N, C, h, w) or (N, h, w, C)"
        step = 'Say which with layout="nchw" or layout="nhwc"'
        raise ModelError("cannot explain layer", spec.layer, cause, step) from exc
    return "nchw" if wide.shape[3] // copies > third else "nhwc"


def _has_shape(rows: int, columns: int, ratio: float) -> bool:
    """Return whether maps of this size are of an image of a ratio of height to width."""
    # Strides round each side up or down by less than a position.
    return abs(rows - columns * ratio) < max(1.0, ratio)


def _find_grid(spec: NetworkSpec, tokens: int) -> tuple[int, tuple[int, int]]:
    """Return the number of tokens before the patches, and the patches' grid for a square image."""
    prefix = spec.prefix_tokens
    most = _MOST_PREFIX_TOKENS if prefix is None else prefix
    least = 0 if prefix is None else prefix
    height, width = spec.probe_size
    if height != width:
        return _find_oblong_grid(spec, tokens, least, most)
    for edge in range(math.isqrt(tokens), 0, -1):
        # Patches fill the image, so their number divides the image's side, but for padding.
        fills = prefix is not None or height % edge == 0
        if least <= tokens - edge * edge <= most and fills:
            return tokens - edge * edge, (edge, edge)
    raise _no_grid(spec, tokens, "square grid of patches")


def _find_oblong_grid(
    spec: NetworkSpec, tokens: int, least: int, most: int
) -> tuple[int, tuple[int, int]]:
    """Do what `_find_grid` does for an image that is not square, with square patches."""
    height, width = spec.probe_size
    for patch in range(1, min(height, width) + 1):
        grid = height // patch, width // patch
        rest = tokens - grid[0] * grid[1]
        if not height % patch and not width % patch and least <= rest <= most:
            return rest, grid
    raise _no_grid(spec, tokens, f"grid of square patches of {width}x{height} pixels")


def _no_grid(spec: NetworkSpec, tokens: int, grid: str) -> ModelError:
    before = "" if spec.prefix_tokens is None else f" after the first {spec.prefix_tokens}"
    cause = f"its {tokens} tokens{before} are not a {grid}"
    step = "Say prefix_tokens=... if it has any"
    return ModelError("cannot explain layer", spec.layer, cause, step)
