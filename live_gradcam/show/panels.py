"""The pieces of text on an image: legend, recording, captions. Sizes follow the space."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from live_gradcam.show.heat import HeatTable
from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import (
    GREY,
    RED,
    WHITE,
    Panel,
    Part,
    bar_strip,
    fitting_size,
    framed,
    line_height,
    render_rounded,
    two_lines,
)
from live_gradcam.show.text import (
    BASELINE,
    Strip,
    fit_text,
    text_strip,
    text_width,
)
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import strength

_MINUS = "\N{MINUS SIGN}"


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


def find_prediction(explanation: Explanation, position: int = 0) -> Prediction | None:
    """Return the prediction of the explained class at ``position``, where it is among the best."""
    index = explanation.explained[position]
    return next((p for p in explanation.predictions if p.class_index == index), None)


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
    space: Space,
    width: int,
    *,
    signed: bool,
    scale: float | None = None,
    unit: str = "",
) -> Panel | None:
    """Lay out the colour bar with its ends in words or numbers, under what it measures.

    ``None`` where it would be too narrow to be read.

    Args:
        title: Over the bar, on up to two lines.
        table: The colours.
        space: Where it is to stand.
        width: In pixels.
        signed: It shows evidence against too.
        scale: The value at the end of the bar; ``None`` says "little" and "much" in its place.
        unit: Of the value, where it has one.
    """
    size, small = space.size, space.type(0.8)
    pad, bar = round(size * 0.55), max(4, round(size * 0.42))
    inner = width - 2 * pad
    if inner < 4 * small:
        return None
    y = round(size * 0.3)
    parts: list[Part] = []
    type_size, headings = two_lines(title, small, inner, space.least)
    for heading in headings:
        if heading:
            strip = text_strip(heading, type_size, WHITE)
            parts.append((strip, pad, y + round(BASELINE * (small - type_size))))
        y += line_height(small)
    y += round(size * 0.15)
    parts.append((_colour_bar(table, inner, bar, signed), pad, y))
    y += bar + round(size * 0.1)
    for ends in _legend_ends(scale, unit, signed=signed):
        if sum(text_width(end, small) for end in ends) + small <= inner:
            break
    left, right = (text_strip(end, small, GREY) for end in ends)
    parts += [(left, pad, y), (right, width - pad - right.width, y)]
    return framed(width, y + line_height(small) + round(size * 0.2), size, parts)


def _legend_ends(scale: float | None, unit: str, *, signed: bool) -> list[tuple[str, str]]:
    """Write both ends of a legend, at length and shorter."""
    if scale is None:
        return [("against", "for")] if signed else [("little", "much")]
    value, named = logits(scale), f" {unit}" if unit else ""
    if signed:
        return [
            (f"{_MINUS}{value} against", f"for +{value}{named}"),
            (f"{_MINUS}{value}", f"+{value}"),
        ]
    return [("0", f"+{value}{named}"), ("0", f"+{value}")]


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
    pad, dot = round(size * 0.55), round(size * 0.7)
    width = strip.width + dot + round(size * 0.4) + 2 * pad
    height = strip.height + round(size * 0.3)
    parts = (
        (bar_strip(dot, dot, RED, 1.0), pad, (height - dot) // 2),
        (strip, width - pad - strip.width, round(size * 0.13)),
    )
    return framed(width, height, size, parts)


def caption_size(space: Space) -> tuple[int, int]:
    """Return the width and height that a caption needs beside and below its picture."""
    return round(9 * space.size), line_height(space.size) + round(0.3 * space.size)


def caption_panel(
    explanation: Explanation, position: int, space: Space, width: int, height: int
) -> Panel | None:
    """Lay out what one of several maps is evidence for, on the room that was left for it."""
    if min(width, height) < space.least:
        return None
    found = find_prediction(explanation, position)
    number = shown_strength(found) if found is not None else ""
    if not (explanation.evidence[position] > 0).any():
        number = f"{number}  no evidence".strip()
    size = space.size
    pad, gap = round(0.35 * size), round(0.5 * size)
    room = width - 2 * pad
    figures = fit_text(number, size, room)
    figure = text_strip(figures, size, GREY) if figures else None
    beside = height >= 3 * line_height(size)  # beside the picture, the number has its own line
    taken = figure.width + gap if figure is not None and not beside else 0
    label = shown_label(explanation, position)
    used = fitting_size([label], size, room - taken, space.least)
    name = fit_text(label, used, max(0, room - taken))
    top = round(0.12 * size)
    parts: list[Part] = []
    x = pad
    if name:
        strip = text_strip(name, used, WHITE)
        parts.append((strip, x, top + round(BASELINE * (size - used))))
        x += strip.width + gap
    if figure is not None:
        parts.append((figure, *((pad, top + line_height(size)) if beside else (x, top))))
    return Panel(width, height, tuple(parts)) if parts else None
