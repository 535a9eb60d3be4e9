"""The pieces of text on an image: labels, legend, recording, captions. Sizes follow the space."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.show.heat import HeatTable
from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import (
    ACCENT,
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
    Colour,
    Strip,
    fit_text,
    make_strip,
    text_strip,
    text_width,
)
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import strength

LABELS_EM = 12.0
"""Usual width of labels and legend, in multiples of the type size."""

NARROW_EM = 5.5
"""Width from which on labels can be read, in multiples of the type size."""

_MINUS = "\N{MINUS SIGN}"
_BAR_GROUND_OPACITY = 0.22
# Narrower labels have their numbers on a line of their own.
_ONE_LINE_EM = 9.0
_ONE_LINE_EM_RAW = 12.5


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


def find_prediction(explanation: Explanation, position: int = 0) -> Prediction | None:
    """Return the prediction of the explained class at ``position``, where it is among the best."""
    index = explanation.explained[position]
    return next((p for p in explanation.predictions if p.class_index == index), None)


def labels_panel(
    explanation: Explanation,
    space: Space,
    width: int,
    *,
    top_k: int,
    bars: bool,
    raw: bool = False,
) -> Panel | None:
    """Lay out the best classes with their probabilities; the explained one is marked.

    An explained class that is not among the best ``top_k`` gets a row of its own below them. Plain
    numbers stand without bars. On a narrow panel each number stands beside its bar.

    Args:
        explanation: Whose predictions they are.
        space: Where it is to stand.
        width: In pixels.
        top_k: Number of classes.
        bars: With bars.
        raw: With the logit beside each probability.
    """
    explained = explanation.explained[0] if explanation.explained else None
    rows: list[tuple[str, Prediction | None, bool]] = [
        (p.label, p, p.class_index == explained) for p in explanation.predictions[:top_k]
    ]
    if explained is not None and not any(marked for _, _, marked in rows):
        rows.append((shown_label(explanation), find_prediction(explanation), True))
    if not rows:
        return None
    size = space.size
    bars = bars and explanation.output.has_probabilities
    pad, mark = round(size * 0.55), max(4, round(size * 0.5))
    text_x = pad + mark + round(size * 0.35)
    inner = width - text_x - pad
    narrow = width < (_ONE_LINE_EM_RAW if raw else _ONE_LINE_EM) * size
    numbers = [_number(shown, raw=raw) for _, shown, _ in rows]
    usual = ["88 %"] if explanation.output.has_probabilities and not raw else []
    number_width = max(text_width(each, size) for each in (*numbers, *usual))
    gap = round(size * 0.5)
    beside = 0 if narrow else number_width + gap
    names = fitting_size((label for label, _, _ in rows), size, inner - beside, space.least)
    line, bar = line_height(size), max(2, round(size * 0.22)) if bars else 0
    parts: list[Part] = []
    y = round(size * 0.32)
    for (label, shown, marked), number in zip(rows, numbers, strict=True):
        colour = WHITE if marked else GREY
        figure = text_strip(number, size, colour) if number else None
        taken = figure.width + gap if figure is not None and not narrow else 0
        name = fit_text(label, names, max(0, inner - taken))
        if name:
            strip = text_strip(name, names, colour)
            parts.append((strip, text_x, y + round(BASELINE * (size - names))))
        if marked:
            parts.append((_pointer(mark, ACCENT), pad, y + round((line - mark) * 0.52)))
        length = inner
        if narrow:
            y += line
            length = inner - number_width - gap
        if figure is not None:
            parts.append((figure, width - pad - figure.width, y))
        if narrow:
            top = y + round((line - bar) * 0.5)
            y += line if bars or figure is not None else 0
            y += round(size * 0.22)
        else:
            y += line
            top = y + round(size * 0.03)
            y += bar + round(size * 0.4) if bars else 0
        if bars and length > 2 * bar:
            likely = shown.strength if shown is not None else 0.0
            parts += _bar(text_x, top, length, bar, likely, ACCENT if marked else GREY)
    last = round(size * (0.08 if bars or narrow else 0.32))
    return framed(width, y + last, size, parts)


def _number(prediction: Prediction | None, *, raw: bool) -> str:
    if prediction is None:
        return ""
    text = shown_strength(prediction)
    if raw and prediction.probability is not None:
        return f"{logits(prediction.logit)}   {text}".replace("-", _MINUS)
    return text


def _bar(
    x: int, y: int, length: int, height: int, likely: float, colour: Colour
) -> list[tuple[Strip, int, int]]:
    parts: list[Part] = [(bar_strip(length, height, WHITE, _BAR_GROUND_OPACITY), x, y)]
    filled = round(length * min(max(likely, 0.0), 1.0))
    if filled:
        parts.append((bar_strip(max(filled, height), height, colour, 1.0), x, y))
    return parts


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
