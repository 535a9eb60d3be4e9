"""Channels of a network's input, made of the three colours that every image here has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from live_gradcam.errors import UsageError
from live_gradcam.wording import did_you_mean

Plane: TypeAlias = Literal["red", "green", "blue", "gray", "alpha", "zeros"]
"""One channel: a colour, the luma, opacity (255 everywhere) or nothing (0 everywhere)."""

LUMA: Mapping[str, int] = {"red": 19595, "green": 38470, "blue": 7471}
"""Weights of the luma of ITU-R 601 in 65536ths, as PIL's ``convert("L")`` has them."""

CHANNELS: Mapping[str, tuple[Plane, ...]] = {
    "rgb": ("red", "green", "blue"),
    "bgr": ("blue", "green", "red"),
    "gray": ("gray",),
    "rgba": ("red", "green", "blue", "alpha"),
    "bgra": ("blue", "green", "red", "alpha"),
    "red": ("red",),
    "green": ("green",),
    "blue": ("blue",),
    "alpha": ("alpha",),
    "zeros": ("zeros",),
}
"""Names of channels; several are joined with ``+``."""

_SYNONYMS = {"grey": "gray", "l": "gray", "1": "gray", "3": "rgb", "4": "rgba"}
_MOST = 64
_STEP = (
    "Use rgb, bgr, gray, rgba, bgra, or several joined with '+', such as gray+gray for two "
    "channels or rgb+zeros for four"
)


@lru_cache(maxsize=64)
def parse_channels(text: str) -> tuple[Plane, ...]:
    """Return the channels that a name means.

    Args:
        text: A key of `CHANNELS`, or several joined with ``+``: ``gray+gray``, ``rgb+zeros``.
            ``1``, ``3`` and ``4`` stand for ``gray``, ``rgb`` and ``rgba``.

    Raises:
        UsageError: There is no such name.
    """
    planes: list[Plane] = []
    for part in text.lower().split("+"):
        name = _SYNONYMS.get(part.strip(), part.strip())
        if name not in CHANNELS:
            cause = ""
            if name.isdecimal():
                cause = f"no picture has {name} channels by nature: say what each of them is"
            hint = did_you_mean(name, CHANNELS)
            raise UsageError("unknown channels", text, cause, f"{hint} {_STEP}".strip())
        planes.extend(CHANNELS[name])
    if len(planes) > _MOST:
        raise UsageError("unknown channels", text[:40], f"they are more than {_MOST}", _STEP)
    return tuple(planes)


def natural_channels(count: int) -> str | None:
    """Return the channels that a network of that many most likely wants; ``None`` for others."""
    return {1: "gray", 3: "rgb", 4: "rgba"}.get(count)
