"""A piece of text on an image: laid out, and thereby measured, before its place is known.

Whatever is expensive to render is cached by its content.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from live_gradcam.show.text import (
    LINE_HEIGHT,
    Colour,
    Strip,
    fit_text,
    make_strip,
    paste,
    text_strip,
    text_width,
    wrap_text,
)
from live_gradcam.values import Image

WHITE: Colour = (255, 255, 255)
GREY: Colour = (205, 205, 205)
DARK: Colour = (22, 18, 14)
ACCENT: Colour = (40, 196, 255)
RED: Colour = (60, 50, 235)


_SMALLEST_TYPE = 10
_PILL_LINES = 3
_STRIP_SHARE = 0.75  # an image of 16:9 is no strip yet
_PANEL_OPACITY = 0.66

Part: TypeAlias = tuple[Strip, int, int]
"""A strip, and the place of its upper left corner in its panel."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A laid out piece that knows its size: strips at places relative to its upper left corner."""

    width: int
    height: int
    parts: tuple[Part, ...]

    def draw(self, image: Image, x: int, y: int) -> None:
        """Draw on ``image``, in place, the upper left corner at (x, y)."""
        for strip, left, top in self.parts:
            paste(image, strip, x + left, y + top)


@dataclass(frozen=True, slots=True)
class Space:
    """Measures of an image that panels are laid out for.

    Attributes:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Of the type, in pixels.
        margin: Distance to the edge and between panels, in pixels.
    """

    width: int
    height: int
    size: int
    margin: int

    @classmethod
    def on(cls, image: Image, share: float) -> Space:
        """Measure an image; the type has a share of its shorter side."""
        size = type_size(image, share)
        return cls(image.shape[1], image.shape[0], size, max(2, round(size * 0.5)))

    @property
    def room(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def share(self, panel: Panel | None) -> float:
        """Share of the image that a panel covers."""
        area = panel.width * panel.height if panel is not None else 0
        return area / (self.width * self.height)


@lru_cache(maxsize=16)
def rounded(width: int, height: int, radius: int, colour: Colour, opacity: float = 1.0) -> Strip:
    """Render a filled rectangle with round corners, anti-aliased."""
    return render_rounded(width, height, radius, colour, opacity)


@lru_cache(maxsize=128)
def bar_strip(width: int, height: int, colour: Colour, opacity: float) -> Strip:
    """Render a filled bar with round ends."""
    return render_rounded(width, height, height // 2, colour, opacity)


def render_rounded(width: int, height: int, radius: int, colour: Colour, opacity: float) -> Strip:
    """As `rounded`, not cached."""
    radius = max(0, min(radius, (min(width, height) - 1) // 2))
    # Coverage from the distance to the inner rectangle, one pixel of transition.
    dx = np.maximum(np.abs(np.arange(width) - (width - 1) / 2) - ((width - 1) / 2 - radius), 0)
    dy = np.maximum(np.abs(np.arange(height) - (height - 1) / 2) - ((height - 1) / 2 - radius), 0)
    distance = np.hypot(dx[None, :], dy[:, None])
    coverage = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    return make_strip(np.rint(coverage * 255).astype(np.uint8), colour, opacity)


def _sizes(size: int) -> list[int]:
    return [max(9, round(size * share)) for share in (1.0, 0.86, 0.74)]


def fitting_size(texts: Iterable[str], size: int, max_width: int) -> int:
    """Return the largest size, within reason, in which none of ``texts`` has to be cut off."""
    texts = tuple(texts)
    for smaller in _sizes(size):
        if all(text_width(text, smaller) <= max_width for text in texts):
            break
    return smaller


def two_lines(text: str, size: int, max_width: int) -> tuple[int, tuple[str, ...]]:
    """Return a type size and at most two lines, in the largest size that cuts nothing off."""
    for smaller in _sizes(size):
        lines = wrap_text(text, smaller, max_width)
        if len(lines) <= 2 and all(text_width(line, smaller) <= max_width for line in lines):
            return smaller, lines
    lines = (lines[0], " ".join(lines[1:])) if len(lines) > 1 else lines
    return smaller, tuple(fit_text(line, smaller, max_width) for line in lines)


def line_height(size: int) -> int:
    """Return the height of a line of type in pixels."""
    return round(LINE_HEIGHT * size)


def framed(width: int, height: int, size: int, parts: Iterable[Part]) -> Panel:
    """Put parts on the usual dark ground."""
    ground = rounded(width, height, round(size * 0.4), DARK, _PANEL_OPACITY)
    return Panel(width, height, ((ground, 0, 0), *parts))


def type_size(image: Image, share: float) -> int:
    """Return the size of type that has this share of an image's shorter side; more on a long strip.

    What counts is the screen, which a strip does not fill from top to bottom.
    """
    height, width = image.shape[:2]
    side = max(float(min(height, width)), _STRIP_SHARE * math.sqrt(height * width))
    return max(_SMALLEST_TYPE, round(share * side))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text panel: its words, its share of the type size, its colour."""

    text: str
    share: float = 1.0
    colour: Colour = WHITE


def text_panel(
    lines: Sequence[Line], space: Space, *, max_width: int | None = None, align_right: bool = False
) -> Panel | None:
    """Lay out lines of type on a panel as wide as they need; cut at ``max_width`` or the room."""
    size, max_width = space.size, space.room if max_width is None else max_width
    pad = round(size * 0.5)
    strips = []
    for line in lines:
        type_size = max(9, round(size * line.share))
        words = fit_text(line.text, type_size, max_width - 2 * pad)
        if words:
            strips.append(text_strip(words, type_size, line.colour))
    if not strips:
        return None
    # In steps, so that a panel does not tremble with every number on it.
    needed = max(strip.width for strip in strips) + 2 * pad
    width = min(-(-needed // size) * size, max(max_width, needed))
    y = round(size * 0.25)
    lefts = [width - pad - strip.width if align_right else pad for strip in strips]
    parts, y = _stacked(strips, lefts, y)
    return framed(width, y + round(size * 0.3), size, parts)


def pill(text: str, space: Space, *, colour: Colour, ground: Colour) -> Panel | None:
    """Lay out a short sentence on a rounded ground of its own, on up to three lines."""
    size = space.size
    pad = round(size * 0.7)
    room = space.room - 2 * pad
    lines = wrap_text(text, size, room)
    lines = (*lines[: _PILL_LINES - 1], " ".join(lines[_PILL_LINES - 1 :]))
    words = [fit for line in lines if (fit := fit_text(line, size, room)).strip()]
    if not words:
        return None
    strips = [text_strip(line, size, colour) for line in words]
    width = max(strip.width for strip in strips) + 2 * pad
    height = sum(strip.height for strip in strips) + round(size * 0.3)
    radius = (strips[0].height + round(size * 0.3)) // 2
    parts, _ = _stacked(strips, [(width - s.width) // 2 for s in strips], round(size * 0.13))
    return Panel(width, height, ((rounded(width, height, radius, ground, 0.86), 0, 0), *parts))


def _stacked(strips: Sequence[Strip], lefts: Sequence[int], top: int) -> tuple[list[Part], int]:
    """Place strips below each other; returns them and where they end."""
    ends = list(accumulate((strip.height for strip in strips), initial=top))
    return list(zip(strips, lefts, ends[:-1], strict=True)), ends[-1]
