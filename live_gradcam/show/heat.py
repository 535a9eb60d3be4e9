"""Evidence becomes colour: scale, upsample, blend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Image

COLORMAPS: Mapping[str, int] = MappingProxyType(
    {
        "turbo": cv2.COLORMAP_TURBO,
        "viridis": cv2.COLORMAP_VIRIDIS,
        "magma": cv2.COLORMAP_MAGMA,
        "inferno": cv2.COLORMAP_INFERNO,
        "plasma": cv2.COLORMAP_PLASMA,
        "cividis": cv2.COLORMAP_CIVIDIS,
        "jet": cv2.COLORMAP_JET,
        "hot": cv2.COLORMAP_HOT,
    }
)
"""Names of the colour maps, in the order in which a key walks through them."""

# Weight of the colour against the picture at heat h is opacity * h**_FADE: cold stays untouched.
_FADE = 0.8
_FINE = 16  # pixels to which a cell of the map is enlarged smoothly before the last, linear step

# Signed evidence: from faint to full, BGR.
_WARM = ((120, 200, 255), (0, 110, 255), (20, 20, 200))
_COOL = ((255, 220, 150), (255, 140, 20), (170, 40, 20))


def normalise(
    evidence: NDArray[np.float32], scale: float, *, signed: bool = False
) -> NDArray[np.float32]:
    """Evidence in logits as heat.

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
    return np.clip(finite / scale, -1.0 if signed else 0.0, 1.0, dtype=np.float32)


def own_scale(evidence: NDArray[np.float32], *, signed: bool = False) -> float:
    """The value in logits that stretches this map alone to full colour; 0 for an empty map."""
    finite = np.nan_to_num(evidence, nan=0.0, posinf=0.0, neginf=0.0)
    return max(float(finite.max(initial=0.0)), float(-finite.min(initial=0.0)) if signed else 0.0)


def upsample(
    heat: NDArray[np.float32], width: int, height: int, *, signed: bool = False
) -> NDArray[np.uint8]:
    """Heat at picture size: cell (i, j) of the map is centred over its own box of the region.

    Args:
        heat: ``float32 (h, w)`` in 0..1, or in -1..1 if ``signed``.
        width: Width of the region in pixels.
        height: Height of the region in pixels.
        signed: Whether 0 lies in the middle of the result's range.

    Returns:
        ``uint8 (height, width)`` colour indices: 0..255, or 1..255 around 128 if ``signed``.
    """
    # Smooth and exact while small, then linear on bytes: 15 times faster than cubic floats at full
    # size, and no step is larger than one colour index.
    rows, columns = heat.shape
    fine = (min(width, columns * _FINE), min(height, rows * _FINE))
    smooth = cv2.resize(heat, fine, interpolation=cv2.INTER_CUBIC)
    low, centre, span = (-1.0, 128.0, 127.0) if signed else (0.0, 0.0, 255.0)
    indices = np.rint(np.clip(smooth, low, 1.0) * span + centre).astype(np.uint8)
    return cv2.resize(indices, (width, height), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


@dataclass(frozen=True, slots=True, eq=False)
class HeatTable:
    """Everything that a colour index stands for.

    Attributes:
        colours: ``uint8 (256, 3)`` BGR, for the legend.
        ink: ``uint8 (256, 1, 3)``, colour times weight.
        keep: ``uint8 (256, 1)``, how much of the picture stays, 255 = all.
    """

    colours: NDArray[np.uint8]
    ink: NDArray[np.uint8]
    keep: NDArray[np.uint8]


@lru_cache(maxsize=64)
def heat_table(colormap: str, opacity: float, signed: bool) -> HeatTable:
    """The table for a colour map, an opacity in 0..1 and a kind of view."""
    index = np.arange(256)
    if signed:
        strength = np.abs(index - 128) / 127.0
        colours = np.where(index[:, None] >= 128, _ramp(strength, _WARM), _ramp(strength, _COOL))
    else:
        strength = index / 255.0
        ramp = index.astype(np.uint8).reshape(256, 1)
        colours = cv2.applyColorMap(ramp, COLORMAPS[colormap])[:, 0].astype(np.float64)
    weight = opacity * np.minimum(strength, 1.0) ** _FADE
    return HeatTable(
        colours=np.rint(colours).astype(np.uint8),
        ink=np.rint(colours * weight[:, None]).astype(np.uint8)[:, None],
        keep=np.rint(255.0 * (1.0 - weight)).astype(np.uint8)[:, None],
    )


def _ramp(
    strength: NDArray[np.float64], stops: tuple[tuple[int, int, int], ...]
) -> NDArray[np.float64]:
    places = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(strength, places, channel) for channel in zip(*stops, strict=True)], 1)


def blend_heat(spot: Image, indices: NDArray[np.uint8], table: HeatTable) -> None:
    """Blend the colours of ``indices`` into ``spot`` in place; both ``(h, w)`` of one size."""
    keep = cv2.LUT(indices, table.keep)
    cv2.multiply(spot, cv2.merge([keep, keep, keep]), spot, 1.0 / 255.0)
    cv2.add(spot, cv2.applyColorMap(indices, table.ink), spot)


class HeatScale:
    """The logit value that is shown in full colour, steady in time.

    A map stretched to its own maximum flickers and turns noise red. This follows the maximum of
    the maps instead: quickly upwards, slowly downwards, and never below a fraction of the peak that
    was seen lately, so that what is weak looks weak. It counts frames, not time.

    Args:
        attack: Share of the way to a higher maximum that one frame goes.
        decay: Share of the way to a lower maximum that one frame goes.
        floor: Lowest scale as a fraction of the recent peak.
        forget: Share of the peak that one frame forgets.
    """

    def __init__(
        self,
        *,
        attack: float = 0.5,
        decay: float = 0.04,
        floor: float = 0.2,
        forget: float = 0.002,
    ) -> None:
        for name, value in {"attack": attack, "decay": decay}.items():
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {value}")
        for name, value in {"floor": floor, "forget": forget}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {value}")
        self._attack, self._decay, self._floor, self._forget = attack, decay, floor, forget
        self._value = 0.0
        self._peak = 0.0

    @property
    def value(self) -> float:
        """The present scale in logits; 0 before the first positive evidence."""
        return self._value

    def update(self, evidence: NDArray[np.float32], *, signed: bool = False) -> float:
        """Take the next frame's ``float32 (h, w)`` map and return the scale to draw it with."""
        target = own_scale(evidence, signed=signed)
        self._peak = max(target, self._peak * (1.0 - self._forget))
        if self._value == 0.0:
            self._value = target
        elif target > 0.0:  # a map without evidence says nothing about how large evidence is
            rate = self._attack if target > self._value else self._decay
            self._value += rate * (target - self._value)
        self._value = max(self._value, self._floor * self._peak)
        return self._value

    def reset(self) -> None:
        """Forget everything, e.g. when the source, the layer or the method changes."""
        self._value = self._peak = 0.0
