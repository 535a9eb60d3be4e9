"""How the explained layer lays out what it puts out, and the head that fits it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.cutting.cut import Cut, channels_first, flows_around
from live_gradcam.explain.heads import ChannelsLastHead, Head, TokenHead, prove_head

LayoutChoice: TypeAlias = Literal["auto", "maps", "nchw", "nhwc", "tokens"]
"""``(N, C, h, w)``, ``(N, h, w, C)`` or ``(N, T, C)``; ``auto`` tells them by their shape.

``maps`` does so, too, but refuses tokens, where nothing says which of them are patches.
"""

# A class token and as many registers as anybody uses.
_MOST_PREFIX_TOKENS = 17


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A cut network that is ready to be explained."""

    trunk: nn.Module
    head: Head


def check_layout(layout: str, prefix_tokens: int | None) -> None:
    """Refuse what cannot be meant.

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
    cut: Cut,
    layer: str,
    values: Tensor,
    side: int,
    *,
    layout: LayoutChoice,
    prefix_tokens: int | None,
) -> Parts:
    """The trunk and the head for what a layer puts out.

    Args:
        cut: The network, cut at the layer.
        layer: The layer's name, for messages.
        values: What `probe` found the trunk to give for a square picture.
        side: Side of that picture in pixels.
        layout: Of the layer's output.
        prefix_tokens: Tokens before those of the patches; ``None`` finds out.

    Raises:
        ModelError: The layout does not fit what the layer puts out.
    """
    if layout == "maps" and values.ndim == 3:
        cause = f"which of its tokens {tuple(values.shape)} are patches is not known"
        step = "Use Classifier.from_module(module, layer=..., prefix_tokens=...)"
        raise ModelError("cannot explain layer", layer, cause, step)
    if layout in ("auto", "maps"):
        layout = "tokens" if values.ndim == 3 else _layout_of_maps(cut, layer, side, values)
    expected = 3 if layout == "tokens" else 4
    if values.ndim != expected or (cut.carried and layout == "nchw"):
        if cut.carried:
            raise flows_around(layer, *cut.carried)
        raise not_a_map(layer, values)
    channels = values.shape[-1] // (1 + len(cut.carried))
    if layout == "tokens":
        prefix, grid = _find_grid(layer, values.shape[1], side, prefix_tokens)
        return Parts(cut.trunk, TokenHead(cut.head, channels=channels, prefix=prefix, grid=grid))
    if cut.carried:
        return Parts(cut.trunk, ChannelsLastHead(cut.head, channels=channels))
    if layout == "nhwc":
        cut = channels_first(cut)
        return Parts(cut.trunk, prove_head(cut.head, channels))
    return Parts(cut.trunk, prove_head(cut.head, values.shape[1]))


def probe_pixels(height: int, width: int | None = None) -> Tensor:
    """Random pixels, ``(1, 3, height, width)``, the same each time; a square unless told."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, height, width or height, generator=generator)


def probe(cut: Cut, layer: str, height: int, width: int | None = None) -> Tensor:
    """What the trunk gives for random pixels, ``(1, ...)``.

    Raises:
        ModelError: It does not take them, gives no tensor, or what flows past the layer has another
            shape.
    """
    try:
        with torch.no_grad():
            values = cut.trunk.forward(probe_pixels(height, width))
    except (RuntimeError, TypeError, AttributeError) as exc:
        if cut.carried:  # most likely they cannot be laid side by side
            raise flows_around(layer, *cut.carried) from exc
        raise ModelError(
            "cannot run the network",
            f"on a picture of {width or height}x{height}",
            str(exc).partition("\n")[0],
            "Say what it wants with preprocessing=Preprocessing(...)",
        ) from exc
    if not isinstance(values, Tensor) or values.ndim not in (3, 4):
        raise not_a_map(layer, values)
    return values


def not_a_map(layer: str, values: object) -> ModelError:
    """The error about a layer that puts out something without places."""
    shape = tuple(getattr(values, "shape", ()))
    return ModelError(
        "cannot explain layer",
        layer,
        f"its output {shape} is not a map (N, C, h, w) or (N, h, w, C), nor tokens (N, T, C)",
        "Name a layer that still has places",
    )


def _layout_of_maps(cut: Cut, layer: str, side: int, values: Tensor) -> Literal["nchw", "nhwc"]:
    """Which dimensions are places: those that are equal for a square picture."""
    if values.ndim != 4:
        return "nchw"  # refused by the caller
    copies = 1 + len(cut.carried)  # side by side in the last dimension
    first, second, third = values.shape[1], values.shape[2], values.shape[3] // copies
    if first != second:
        return "nchw"
    if second != third:
        return "nhwc"
    try:  # as many channels as rows: a picture of another shape tells them apart
        wide = probe(cut, layer, side, 2 * side)
    except ModelError as exc:
        cause = f"its output {tuple(values.shape)} may be (N, C, h, w) or (N, h, w, C)"
        step = 'Say which with layout="nchw" or layout="nhwc"'
        raise ModelError("cannot explain layer", layer, cause, step) from exc
    return "nchw" if wide.shape[3] // copies > wide.shape[2] else "nhwc"


def _find_grid(
    layer: str, tokens: int, side: int, prefix: int | None
) -> tuple[int, tuple[int, int]]:
    """How many tokens come before the patches, and the patches' grid for a square picture."""
    most = _MOST_PREFIX_TOKENS if prefix is None else prefix
    least = 0 if prefix is None else prefix
    for edge in range(math.isqrt(tokens), 0, -1):
        # Patches fill the picture, so their number divides the picture's side, but for padding.
        if least <= tokens - edge * edge <= most and (prefix is not None or side % edge == 0):
            return tokens - edge * edge, (edge, edge)
    before = "" if prefix is None else f" after the first {prefix}"
    cause = f"its {tokens} tokens{before} are not a square grid of patches"
    raise ModelError("cannot explain layer", layer, cause, "Say prefix_tokens=... if it has any")
