"""Evidence becomes colour: scale, upsample, blend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Image


class _Colormap(NamedTuple):
    """One of OpenCV's colour maps and the part of it that is used, 0..1."""

    code: int
    low: float = 0.0
    high: float = 1.0


# Where a map ends in dark red, the hottest spot would look cold on a dark image: cut before it.
_COLORMAPS: Mapping[str, _Colormap] = MappingProxyType(
    {
        "turbo": _Colormap(cv2.COLORMAP_TURBO, 0.06, 0.92),
        "viridis": _Colormap(cv2.COLORMAP_VIRIDIS),
        "magma": _Colormap(cv2.COLORMAP_MAGMA),
        "inferno": _Colormap(cv2.COLORMAP_INFERNO),
        "plasma": _Colormap(cv2.COLORMAP_PLASMA),
        "cividis": _Colormap(cv2.COLORMAP_CIVIDIS),
        "jet": _Colormap(cv2.COLORMAP_JET, 0.0, 0.9),
        "hot": _Colormap(cv2.COLORMAP_HOT),
    }
)

FADE = 0.8
"""The weight of the colour against the image at heat h is ``opacity * h**FADE``: cold stays
untouched."""

FINE = 16
"""Pixels to which a cell of the map is enlarged smoothly before the last, linear step."""

# Signed evidence: from faint to full, BGR.
_WARM = ((90, 180, 255), (0, 120, 255), (20, 20, 235))
_COOL = ((255, 210, 110), (255, 140, 20), (210, 50, 20))


def normalise(
    evidence: NDArray[np.float32], scale: float, *, signed: bool = False
) -> NDArray[np.float32]:
    """Convert evidence in logits to heat.

    Args:
        evidence: ``float32 (h, w)`` in logit units, signed.
        scale: The logit value that becomes 1; where it is not positive, the heat is 0 everywhere.
        signed: Keep evidence against the class as negative heat.

    Returns:
        ``float32 (h, w)`` in 0..1, or in -1..1 if ``signed``.
    """
    if not scale > 0:
        return np.zeros_like(evidence)
    finite = np.nan_to_num(evidence, nan=0.0, posinf=0.0, neginf=0.0)
    heat: NDArray[np.float32] = np.clip(finite / scale, -1.0 if signed else 0.0, 1.0)
    return heat.astype(np.float32, copy=False)


def own_scale(evidence: NDArray[np.float32], *, signed: bool = False) -> float:
    """Return the value in logits that stretches this map alone to full colour; 0 if it is empty."""
    finite = np.nan_to_num(evidence, nan=0.0, posinf=0.0, neginf=0.0)
    return max(float(finite.max(initial=0.0)), float(-finite.min(initial=0.0)) if signed else 0.0)


def upsample(
    heat: NDArray[np.float32], width: int, height: int, *, signed: bool = False
) -> NDArray[np.uint8]:
    """Enlarge heat to image size: cell (i, j) of the map is centred over its box of the region.

    Args:
        heat: ``float32 (h, w)`` in 0..1, or in -1..1 if ``signed``.
        width: Width of the region in pixels.
        height: Height of the region in pixels.
        signed: True puts 0 into the middle of the result's range.

    Returns:
        ``uint8 (height, width)`` colour indices: 0..255, or 1..255 around 128 if ``signed``.
    """
    # Smooth and exact while small, then linear on bytes: 15 times faster than cubic floats at full
    # size, and no step is larger than one colour index.
    rows, columns = heat.shape
    fine = (min(width, columns * FINE), min(height, rows * FINE))
    smooth = cv2.resize(heat, fine, interpolation=cv2.INTER_CUBIC)
    low, centre, span = (-1.0, 128.0, 127.0) if signed else (0.0, 0.0, 255.0)
    indices = np.rint(np.clip(smooth, low, 1.0) * span + centre).astype(np.uint8)
    enlarged = cv2.resize(indices, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class HeatTable:
    """Everything that a colour index stands for.

    Attributes:
        colours: ``uint8 (256, 3)`` BGR, for the legend.
        ink: ``uint8 (256, 1, 3)``, colour times weight.
        keep: ``uint8 (256, 1)``, how much of the image stays, 255 = all.
    """

    colours: NDArray[np.uint8]
    ink: NDArray[np.uint8]
    keep: NDArray[np.uint8]


@lru_cache(maxsize=64)
def heat_table(colormap: str, opacity: float, signed: bool) -> HeatTable:
    """Return the table for a colour map, an opacity in 0..1 and signed or positive evidence.

    Args:
        colormap: One of `live_gradcam.choices.COLORMAP_NAMES`.
        opacity: Weight of the hottest colour, 0..1.
        signed: True for warm and cool colours in place of the colour map.
    """
    index = np.arange(256)
    if signed:
        strength = np.abs(index - 128) / 127.0
        colours = np.where(index[:, None] >= 128, _ramp(strength, _WARM), _ramp(strength, _COOL))
    else:
        strength = index / 255.0
        code, low, high = _COLORMAPS[colormap]
        ramp = np.rint(255 * (low + (high - low) * strength)).astype(np.uint8).reshape(256, 1)
        colours = cv2.applyColorMap(ramp, code)[:, 0].astype(np.float64)
    weight = opacity * np.minimum(strength, 1.0) ** FADE
    return HeatTable(
        colours=np.rint(colours).astype(np.uint8),
        ink=np.rint(colours * weight[:, None]).astype(np.uint8)[:, None],
        keep=np.rint(255.0 * (1.0 - weight)).astype(np.uint8)[:, None],
    )


def _ramp(
    strength: NDArray[np.float64], stops: tuple[tuple[int, int, int], ...]
) -> NDArray[np.float64]:
    places = np.linspace(0.0, 1.0, len(stops))
    return np.stack(
        [np.interp(strength, places, channel) for channel in zip(*stops, strict=True)], 1
    )


def blend_heat(spot: Image, indices: NDArray[np.uint8], table: HeatTable) -> None:
    """Blend the colours of ``indices`` into ``spot`` in place; both ``(h, w)`` of one size."""
    keep = cv2.LUT(indices, table.keep)
    cv2.multiply(spot, cv2.merge([keep, keep, keep]), spot, 1.0 / 255.0)
    cv2.add(spot, cv2.applyColorMap(indices, table.ink), spot)
