"""The pieces of text on an image: labels, legend, recording, help. Sizes follow the image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.show.heat import HeatTable
from live_gradcam.show.panel import (
    ACCENT,
    DARK,
    GREY,
    RED,
    WHITE,
    Panel,
    Part,
    Space,
    bar_strip,
    fitting_size,
    framed,
    line_height,
    render_rounded,
    rounded,
    two_lines,
)
from live_gradcam.show.text import (
    BASELINE,
    Colour,
    Strip,
    fit_text,
    make_strip,
    text_strip,
    text_width,
)
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import strength

_MINUS = "\N{MINUS SIGN}"
_BAR_GROUND_OPACITY = 0.22


@lru_cache(maxsize=32)
def _pointer(size: int, colour: Colour) -> Strip:
    """Render a triangle that points to the right."""
    big = np.zeros((size * 4, size * 4), np.uint8)
    corners = np.array([[0, 0], [size * 4 - 1, size * 2], [0, size * 4 - 1]], np.int32)
    cv2.fillPoly(big, [corners], 255)
    small = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA)
    return make_strip(small.astype(np.uint8, copy=False), colour)


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
    line = line_height(size)
    step = line + (bar + round(size * 0.42) if bars else 0)
    text_x = pad + mark + round(size * 0.3)
    inner = width - text_x - pad
    shares = {id(found): shown_strength(found) for _, found, _ in rows if found}
    widest = ["88 %"] if explanation.output.has_probabilities else list(shares.values())
    share_width = max((text_width(each, size) for each in widest), default=0) + round(size * 0.4)
    names = fitting_size((label for label, _, _ in rows), size, inner - share_width)
    parts: list[Part] = []
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
            parts.append((_pointer(mark, ACCENT), pad, y + round((line - mark) * 0.52)))
        if bars and inner > 2 * bar:
            top = y + line + round(size * 0.02)
            parts.append((bar_strip(inner, bar, WHITE, _BAR_GROUND_OPACITY), text_x, top))
            likely = shown.strength if shown is not None else 0.0
            length = round(inner * min(max(likely, 0.0), 1.0))
            if length:
                fill = bar_strip(max(length, bar), bar, ACCENT if marked else GREY, 1.0)
                parts.append((fill, text_x, top))
        y += step
    return framed(width, y + round(size * (0.12 if bars else 0.3)), size, parts)


@lru_cache(maxsize=32)
def _colour_bar(table: HeatTable, width: int, height: int, signed: bool) -> Strip:
    indices = np.rint(np.linspace(1 if signed else 0, 255, width)).astype(np.int64)
    ink = np.repeat(table.colours[indices][None], height, axis=0)
    mask = render_rounded(width, height, height // 2, WHITE, 1.0)
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
    parts: list[Part] = []
    type_size, headings = two_lines(title, small, inner)
    for heading in headings:
        if heading:
            strip = text_strip(heading, type_size, WHITE)
            parts.append((strip, pad, y + round(BASELINE * (small - type_size))))
        y += line_height(small)
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
    return framed(width, y + line_height(small) + round(size * 0.2), size, parts)


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
        (bar_strip(dot, dot, RED, 1.0), pad, (height - dot) // 2),
        (strip, width - pad - strip.width, round(size * 0.13)),
    )
    return framed(width, height, size, parts)


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
    parts: list[Part] = []
    x = pad
    for start in range(0, len(rows), count):
        column = rows[start : start + count]
        key_width = max(text_width(key, size) for key, _ in column)
        for line, (key, meaning) in enumerate(column):
            y = round(size * 0.7) + line * line_height(size)
            if key:
                parts.append((text_strip(key, size, ACCENT), x, y))
            if meaning:
                parts.append((text_strip(meaning, size, WHITE), x + key_width + gap, y))
        x += key_width + gap + max(text_width(meaning, size) for _, meaning in column) + 2 * gap
    width = x - 2 * gap + pad
    height = round(size * 1.4) + count * line_height(size)
    ground = rounded(width, height, round(size * 0.5), DARK, 0.84)
    return Panel(width, height, ((ground, 0, 0), *parts))
