"""A piece of text on an image: laid out, and thereby measured, before its place is known.

Whatever is expensive to render is cached by its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from live_gradcam.show.layout.space import Space
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
GREY: Colour = (206, 204, 202)
DARK: Colour = (24, 19, 15)
ACCENT: Colour = (40, 196, 255)
RED: Colour = (60, 50, 235)

# Grey type on it has a contrast of 4.5 at least, whatever is below.
_PANEL_OPACITY = 0.8
_PILL_LINES = 3

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


@lru_cache(maxsize=48)
def rounded(width: int, height: int, radius: int, colour: Colour, opacity: float = 1.0) -> Strip:
    """Render a filled rectangle with round corners, anti-aliased."""
    return render_rounded(width, height, radius, colour, opacity)


@lru_cache(maxsize=128)
def bar_strip(width: int, height: int, colour: Colour, opacity: float) -> Strip:
    """Render a filled bar with round ends."""
    return render_rounded(width, height, height // 2, colour, opacity)


def render_rounded(width: int, height: int, radius: int, colour: Colour, opacity: float) -> Strip:
    """As `rounded`, not cached."""
    radius = max(0, min(radius, min(width, height) // 2))
    coverage = np.full((height, width), 255, np.uint8)
    # One corner from the distance to its centre, with one pixel of transition; the others mirrored.
    away = np.arange(radius - 0.5, 0.0, -1.0)
    distance = np.hypot(away[None, :], away[:, None])
    corner = np.rint(np.clip(radius + 0.5 - distance, 0.0, 1.0) * 255).astype(np.uint8)
    for rows in (slice(None, radius), slice(None, -radius - 1, -1)):
        for columns in (slice(None, radius), slice(None, -radius - 1, -1)):
            coverage[rows, columns] = np.minimum(coverage[rows, columns], corner)
    return make_strip(coverage, colour, opacity)


def _sizes(size: int, least: int) -> list[int]:
    return [max(least, round(size * share)) for share in (1.0, 0.86, 0.74)]


def fitting_size(texts: Iterable[str], size: int, max_width: int, least: int) -> int:
    """Return the largest size, within reason, in which none of ``texts`` has to be cut off."""
    texts = tuple(texts)
    for smaller in _sizes(size, least):
        if all(text_width(text, smaller) <= max_width for text in texts):
            break
    return smaller


def two_lines(text: str, size: int, max_width: int, least: int) -> tuple[int, tuple[str, ...]]:
    """Return a type size and at most two lines, in the largest size that cuts nothing off."""
    for smaller in _sizes(size, least):
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
        type_size = space.type(line.share)
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


def pill(
    text: str,
    space: Space,
    *,
    colour: Colour,
    ground: Colour,
    share: float = 1.0,
    max_width: int | None = None,
) -> Panel | None:
    """Lay out a short sentence on a rounded ground of its own, on up to three lines.

    Args:
        text: The sentence.
        space: Where it is to stand.
        colour: Of the type.
        ground: Colour of the ground.
        share: Size of the type as a share of the usual one.
        max_width: In pixels; all of the room if ``None``.
    """
    size = space.type(share)
    pad, room = _pill_room(space, share, max_width)
    lines = _balanced(text, size, room)
    lines = (*lines[: _PILL_LINES - 1], " ".join(lines[_PILL_LINES - 1 :]))
    words = [fit for line in lines if (fit := fit_text(line, size, room)).strip()]
    if not words:
        return None
    strips = [text_strip(line, size, colour) for line in words]
    # In steps, so that it does not tremble with every number in it.
    needed = max(strip.width for strip in strips) + 2 * pad
    width = min(-(-needed // size) * size, max(space.room, needed))
    height = sum(strip.height for strip in strips) + round(size * 0.3)
    radius = min((strips[0].height + round(size * 0.3)) // 2, size)
    parts, _ = _stacked(strips, [(width - s.width) // 2 for s in strips], round(size * 0.13))
    opacity = _PANEL_OPACITY if ground is DARK else 0.92
    return Panel(width, height, ((rounded(width, height, radius, ground, opacity), 0, 0), *parts))


def largest_share(text: str, space: Space, shares: Sequence[float]) -> float:
    """Return the type size in which `pill` shows all of a text in the fewest lines, then largest.

    Args:
        text: The sentence.
        space: Where it is to stand.
        shares: Type sizes as shares of the usual one, largest first; the last one is the last
            resort, where some of the text is cut off.
    """
    best, fewest = shares[-1], _PILL_LINES + 1
    for share in shares:
        _, room = _pill_room(space, share, None)
        size = space.type(share)
        lines = wrap_text(text, size, room)
        if len(lines) < fewest and all(text_width(line, size) <= room for line in lines):
            best, fewest = share, len(lines)
    return best


def _pill_room(space: Space, share: float, max_width: int | None) -> tuple[int, int]:
    """Return the padding of a pill and the width of its lines."""
    pad = round(space.type(share) * 0.7)
    return pad, min(space.room, max_width or space.room) - 2 * pad


def _balanced(text: str, size: int, room: int) -> tuple[str, ...]:
    """Break a sentence into lines of about the same length, no more than it needs."""
    lines = wrap_text(text, size, room)
    if len(lines) < 2:
        return lines
    narrow = max(-(-text_width(text, size) // len(lines)), room // 2)
    while narrow < room:
        tried = wrap_text(text, size, narrow)
        if len(tried) <= len(lines):
            return tried
        narrow += max(1, size)
    return lines


def _stacked(strips: Sequence[Strip], lefts: Sequence[int], top: int) -> tuple[list[Part], int]:
    """Place strips below each other; returns them and where they end."""
    ends = list(accumulate((strip.height for strip in strips), initial=top))
    return list(zip(strips, lefts, ends[:-1], strict=True)), ends[-1]
