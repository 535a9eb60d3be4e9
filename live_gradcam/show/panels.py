"""The pieces of text on an image: labels, legend, rates, notices, help. Sizes follow the image.

A panel is laid out, and thereby measured, without an image; it is drawn once its place is known.
Whatever is expensive to render is cached by its content.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.show.heat import HeatTable
from live_gradcam.show.text import (
    BASELINE,
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
from live_gradcam.values import Explanation, Image, Prediction
from live_gradcam.wording import strength

WHITE: Colour = (255, 255, 255)
GREY: Colour = (205, 205, 205)
DARK: Colour = (22, 18, 14)
ACCENT: Colour = (40, 196, 255)
RED: Colour = (60, 50, 235)

_MINUS = "\N{MINUS SIGN}"
_SMALLEST_TYPE = 10
_PILL_LINES = 3
_STRIP_SHARE = 0.75  # an image of 16:9 is no strip yet
_PANEL_OPACITY = 0.66
_BAR_GROUND_OPACITY = 0.22


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A laid out piece that knows its size: strips at places relative to its upper left corner."""

    width: int
    height: int
    parts: tuple[tuple[Strip, int, int], ...]

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
    return _rounded(width, height, radius, colour, opacity)


@lru_cache(maxsize=128)
def _bar(width: int, height: int, colour: Colour, opacity: float) -> Strip:
    return _rounded(width, height, height // 2, colour, opacity)


def _rounded(width: int, height: int, radius: int, colour: Colour, opacity: float) -> Strip:
    radius = max(0, min(radius, (min(width, height) - 1) // 2))
    # Coverage from the distance to the inner rectangle, one pixel of transition.
    dx = np.maximum(np.abs(np.arange(width) - (width - 1) / 2) - ((width - 1) / 2 - radius), 0)
    dy = np.maximum(np.abs(np.arange(height) - (height - 1) / 2) - ((height - 1) / 2 - radius), 0)
    distance = np.hypot(dx[None, :], dy[:, None])
    coverage = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    return make_strip(np.rint(coverage * 255).astype(np.uint8), colour, opacity)


@lru_cache(maxsize=32)
def _pointer(size: int, colour: Colour) -> Strip:
    """Render a triangle that points to the right."""
    big = np.zeros((size * 4, size * 4), np.uint8)
    corners = np.array([[0, 0], [size * 4 - 1, size * 2], [0, size * 4 - 1]], np.int32)
    cv2.fillPoly(big, [corners], 255)
    small = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA)
    return make_strip(small.astype(np.uint8, copy=False), colour)


def _fitting_size(texts: Iterable[str], size: int, max_width: int) -> int:
    """Return the largest size, within reason, in which none of ``texts`` has to be cut off."""
    texts = tuple(texts)
    for share in (1.0, 0.86, 0.74):
        smaller = max(9, round(size * share))
        if all(text_width(text, smaller) <= max_width for text in texts):
            break
    return smaller


def _two_lines(text: str, size: int, max_width: int) -> tuple[int, tuple[str, ...]]:
    """Return a type size and at most two lines, in the largest size that cuts nothing off."""
    for share in (1.0, 0.86, 0.74):
        smaller = max(9, round(size * share))
        lines = wrap_text(text, smaller, max_width)
        if len(lines) <= 2 and all(text_width(line, smaller) <= max_width for line in lines):
            return smaller, lines
    lines = (lines[0], " ".join(lines[1:])) if len(lines) > 1 else lines
    return smaller, tuple(fit_text(line, smaller, max_width) for line in lines)


def _line(size: int) -> int:
    return round(LINE_HEIGHT * size)


def _framed(width: int, height: int, size: int, parts: Iterable[tuple[Strip, int, int]]) -> Panel:
    ground = rounded(width, height, round(size * 0.4), DARK, _PANEL_OPACITY)
    return Panel(width, height, ((ground, 0, 0), *parts))


def type_size(image: Image, share: float) -> int:
    """Return the size of type that has this share of an image's shorter side; more on a long strip.

    What counts is the screen, which a strip does not fill from top to bottom.
    """
    height, width = image.shape[:2]
    side = max(float(min(height, width)), _STRIP_SHARE * math.sqrt(height * width))
    return max(_SMALLEST_TYPE, round(share * side))


def logits(value: float) -> str:
    """Format a logit value for people, in about three digits."""
    size = abs(value)
    if size >= 10:
        return f"{value:.0f}"
    if size >= 1:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or size == 0 else f"{value:.1g}"


def shown_label(explanation: Explanation, position: int = 0) -> str:
    """Return the label of the explained class at ``position``; its number where it has no label."""
    if position < len(explanation.labels):
        return explanation.labels[position]
    index = explanation.explained[position]
    return next(
        (p.label for p in explanation.predictions if p.class_index == index), f"class {index}"
    )


def shown_strength(prediction: Prediction) -> str:
    """Return how strongly a class is predicted: its probability, or its number if it has none."""
    return strength(prediction.strength, is_share=prediction.probability is not None)


def labels_panel(
    explanation: Explanation, space: Space, width: int, *, top_k: int, bars: bool
) -> Panel | None:
    """Lay out the best classes with their probabilities; the explained one is marked.

    An explained class that is not among the best ``top_k`` gets a row of its own below them. Plain
    numbers stand without bars.
    """
    size = space.size
    bars = bars and explanation.output.has_probabilities
    explained = explanation.explained[0] if explanation.explained else None
    rows: list[tuple[str, Prediction | None, bool]] = [
        (p.label, p, p.class_index == explained) for p in explanation.predictions[:top_k]
    ]
    if explained is not None and not any(marked for _, _, marked in rows):
        found: Prediction | None = next(
            (p for p in explanation.predictions if p.class_index == explained), None
        )
        label = shown_label(explanation)
        rows.append((label, found, True))
    if not rows:
        return None
    pad, mark = round(size * 0.5), max(4, round(size * 0.55))
    bar = max(2, round(size * 0.24)) if bars else 0
    step = _line(size) + (bar + round(size * 0.42) if bars else 0)
    text_x = pad + mark + round(size * 0.3)
    inner = width - text_x - pad
    shares = {id(found): shown_strength(found) for _, found, _ in rows if found}
    widest = ["88 %"] if explanation.output.has_probabilities else list(shares.values())
    share_width = max((text_width(each, size) for each in widest), default=0) + round(size * 0.4)
    names = _fitting_size((label for label, _, _ in rows), size, inner - share_width)
    parts: list[tuple[Strip, int, int]] = []
    y = round(size * 0.3)
    for label, shown, marked in rows:
        colour = WHITE if marked else GREY
        right = 0
        if shown is not None:
            share = text_strip(shares[id(shown)], size, colour)
            parts.append((share, width - pad - share.width, y))
            right = share.width + round(size * 0.4)
        name = fit_text(label, names, max(0, inner - right))
        if name:
            strip = text_strip(name, names, colour)
            parts.append((strip, text_x, y + round(BASELINE * (size - names))))
        if marked:
            parts.append((_pointer(mark, ACCENT), pad, y + round((_line(size) - mark) * 0.52)))
        if bars and inner > 2 * bar:
            top = y + _line(size) + round(size * 0.02)
            parts.append((_bar(inner, bar, WHITE, _BAR_GROUND_OPACITY), text_x, top))
            likely = shown.strength if shown is not None else 0.0
            length = round(inner * min(max(likely, 0.0), 1.0))
            if length:
                fill = _bar(max(length, bar), bar, ACCENT if marked else GREY, 1.0)
                parts.append((fill, text_x, top))
        y += step
    return _framed(width, y + round(size * (0.12 if bars else 0.3)), size, parts)


@lru_cache(maxsize=32)
def _colour_bar(table: HeatTable, width: int, height: int, signed: bool) -> Strip:
    indices = np.rint(np.linspace(1 if signed else 0, 255, width)).astype(np.int64)
    ink = np.repeat(table.colours[indices][None], height, axis=0)
    mask = _rounded(width, height, height // 2, WHITE, 1.0)
    ink = np.rint(ink * (mask.ink / 255.0)).astype(np.uint8)
    return Strip(ink, mask.keep)


def legend_panel(
    title: str,
    table: HeatTable,
    scale: float,
    space: Space,
    width: int,
    *,
    signed: bool,
    unit: str = "logits",
) -> Panel | None:
    """Lay out the colour bar with its ends in logits, under the name of what it measures.

    Where the evidence is in another unit, the ends are bare numbers.

    ``None`` where it would be too narrow to be read.
    """
    size = space.size
    small = max(9, round(size * 0.8))
    pad, bar = round(size * 0.5), max(4, round(size * 0.45))
    inner = width - 2 * pad
    if inner < 4 * size:
        return None
    y = round(size * 0.3)
    parts: list[tuple[Strip, int, int]] = []
    type_size, headings = _two_lines(title, small, inner)
    for heading in headings:
        if heading:
            strip = text_strip(heading, type_size, WHITE)
            parts.append((strip, pad, y + round(BASELINE * (small - type_size))))
        y += _line(small)
    y += round(size * 0.12)
    parts.append((_colour_bar(table, inner, bar, signed), pad, y))
    y += bar + round(size * 0.08)
    named = " logits" if unit == "logits" else ""
    if signed:
        ends = (f"{_MINUS}{logits(scale)} against", f"for +{logits(scale)}{named}")
    else:
        ends = ("0", f"+{logits(scale)}{named}")
    if sum(text_width(end, small) for end in ends) + small > inner:
        ends = ("against", f"for +{logits(scale)}") if signed else ("0", f"+{logits(scale)}")
    left, right = (text_strip(end, small, GREY) for end in ends)
    parts += [(left, pad, y), (right, width - pad - right.width, y)]
    return _framed(width, y + _line(small) + round(size * 0.2), size, parts)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text panel: its words, its share of the type size, its colour."""

    text: str
    share: float = 1.0
    colour: Colour = WHITE


def text_panel(
    lines: Sequence[Line],
    space: Space,
    *,
    max_width: int | None = None,
    align_right: bool = False,
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
    parts = []
    for strip in strips:
        parts.append((strip, width - pad - strip.width if align_right else pad, y))
        y += strip.height
    return _framed(width, y + round(size * 0.3), size, parts)


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
    parts = [(rounded(width, height, radius, ground, 0.86), 0, 0)]
    y = round(size * 0.13)
    for strip in strips:
        parts.append((strip, (width - strip.width) // 2, y))
        y += strip.height
    return Panel(width, height, tuple(parts))


def recording_panel(seconds: float, space: Space) -> Panel:
    """Lay out a red dot and the time recorded so far."""
    size = space.size
    whole = max(0, int(seconds))
    clock = (
        f"{whole // 60}:{whole % 60:02d}"
        if whole < 3600
        else (f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}")
    )
    strip = text_strip(clock, size, WHITE)
    pad, dot = round(size * 0.5), round(size * 0.7)
    width = strip.width + dot + round(size * 0.4) + 2 * pad
    height = strip.height + round(size * 0.3)
    parts = (
        (_bar(dot, dot, RED, 1.0), pad, (height - dot) // 2),
        (strip, width - pad - strip.width, round(size * 0.13)),
    )
    return _framed(width, height, size, parts)


def help_panel(lines: Sequence[str], space: Space) -> Panel | None:
    """Lay out lines ``keys: meaning`` in as many columns as fit, in the largest type that fits."""
    if not lines:
        return None
    rows = [(key, meaning) for key, _, meaning in (line.partition(": ") for line in lines)]
    for size in range(space.size, 7, -1):
        for columns in (1, 2, 3):
            panel = _help_columns(rows, columns, size)
            if panel.width <= space.room and panel.height <= space.height - 2 * space.margin:
                return panel
    return None


def _help_columns(rows: Sequence[tuple[str, str]], columns: int, size: int) -> Panel:
    pad, gap = size, round(size * 0.8)
    count = -(-len(rows) // columns)
    parts: list[tuple[Strip, int, int]] = []
    x = pad
    for start in range(0, len(rows), count):
        column = rows[start : start + count]
        key_width = max(text_width(key, size) for key, _ in column)
        for line, (key, meaning) in enumerate(column):
            y = round(size * 0.7) + line * _line(size)
            if key:
                parts.append((text_strip(key, size, ACCENT), x, y))
            if meaning:
                parts.append((text_strip(meaning, size, WHITE), x + key_width + gap, y))
        x += key_width + gap + max(text_width(meaning, size) for _, meaning in column) + 2 * gap
    width = x - 2 * gap + pad
    height = round(size * 1.4) + count * _line(size)
    ground = rounded(width, height, round(size * 0.5), DARK, 0.84)
    return Panel(width, height, ((ground, 0, 0), *parts))
