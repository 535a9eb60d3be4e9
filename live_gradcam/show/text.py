"""Type for images: strips of text that are rendered once and pasted many times."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.show.fonts import draw_runs, run_length, split_runs
from live_gradcam.values import Image

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red in 0..255."""

LINE_HEIGHT = 1.3
"""Height of a line of type in multiples of its size: room for accents and descenders."""

BASELINE = 0.98
"""Distance from the top of a line to the baseline in multiples of the type size."""

_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """An image with transparency, ready to be pasted.

    Attributes:
        ink: ``uint8 (h, w, 3)``, colour times coverage.
        keep: ``uint8 (h, w, 3)``, 255 where the background stays as it is.
        text: What is written on it; empty for grounds, bars and marks.
        size: Of its type, in pixels.
    """

    ink: Image
    keep: Image
    text: str = ""
    size: int = 0

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.ink.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.ink.shape[0])


def make_strip(coverage: NDArray[np.uint8], colour: Colour, opacity: float = 1.0) -> Strip:
    """Make a strip of one colour from a ``uint8 (h, w)`` coverage mask."""
    weight = np.arange(256)[:, None] * (opacity / 255.0)
    inks = np.rint(weight * np.array(colour)).astype(np.uint8)[:, None]
    keeps = np.rint(255.0 * (1.0 - weight)).astype(np.uint8)
    wide = cv2.merge([coverage, coverage, coverage])
    ink = np.asarray(cv2.LUT(wide, inks), np.uint8)
    keep = np.asarray(cv2.LUT(wide, keeps), np.uint8)
    ink.flags.writeable = keep.flags.writeable = False
    return Strip(ink, keep)


def paste(image: Image, strip: Strip, x: int, y: int) -> None:
    """Blend ``strip`` into ``image`` in place, its upper left corner at (x, y), clipped."""
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + strip.width, image.shape[1]), min(y + strip.height, image.shape[0])
    if left >= right or top >= bottom:
        return
    rows, columns = slice(top - y, bottom - y), slice(left - x, right - x)
    spot = image[top:bottom, left:right]
    cv2.multiply(spot, strip.keep[rows, columns], spot, 1.0 / 255.0)
    cv2.add(spot, strip.ink[rows, columns], spot)


# At 4K a strip takes a third of a megabyte: few enough to stay small, enough for one image's
# labels and the numbers that come again.
@lru_cache(maxsize=192)
def text_strip(text: str, size: int, colour: Colour) -> Strip:
    """Render ``text`` on one line of ``LINE_HEIGHT * size`` pixels; cached."""
    height = round(LINE_HEIGHT * size)
    coverage = draw_runs(
        split_runs(clean(text)), size, text_width(text, size), height, BASELINE * size
    )
    return replace(make_strip(coverage, colour), text=text, size=size)


@lru_cache(maxsize=1024)
def text_width(text: str, size: int) -> int:
    """Return the width of `text_strip` in pixels."""
    runs = split_runs(clean(text))
    return max(1, int(np.ceil(sum(run_length(run, face, size) for run, face in runs))))


@lru_cache(maxsize=1024)
def fit_text(text: str, size: int, max_width: int) -> str:
    """Cut ``text`` and end it with an ellipsis where it is wider than ``max_width`` pixels.

    The empty string where not even the ellipsis fits.
    """
    text = clean(text)
    if text_width(text, size) <= max_width:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if text_width(text[:middle].rstrip() + _ELLIPSIS, size) <= max_width:
            fits = middle
        else:
            too_long = middle
    if fits == 0:
        return _ELLIPSIS if text_width(_ELLIPSIS, size) <= max_width else ""
    return text[:fits].rstrip() + _ELLIPSIS


@lru_cache(maxsize=256)
def wrap_text(text: str, size: int, max_width: int) -> tuple[str, ...]:
    """Break ``text`` into as many lines as it needs within ``max_width`` pixels, between words.

    A word that is wider than that stands alone on a line that is too wide. A percent sign stays
    with its number.
    """
    lines: list[str] = []
    for word in re.split(r" (?!%)", clean(text)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= max_width:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def clean(text: str) -> str:
    """Put ``text`` on one line: control characters and line breaks become single spaces."""
    if text.isascii() and text.isprintable():
        return text
    kept = (
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") else char for char in text
    )
    return " ".join("".join(kept).split())
