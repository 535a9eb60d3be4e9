"""The best classes with their probabilities, as a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import (
    ACCENT,
    GREY,
    WHITE,
    Panel,
    Part,
    bar_strip,
    fitting_size,
    framed,
    line_height,
)
from live_gradcam.show.panels import find_prediction, logits, shown_label, shown_strength
from live_gradcam.show.text import (
    BASELINE,
    Colour,
    Strip,
    fit_text,
    make_strip,
    text_strip,
    text_width,
    wrap_text,
)
from live_gradcam.values import Explanation, Prediction

LABELS_EM = 12.0
"""Usual width of labels and legend, in multiples of the type size."""

NARROW_EM = 5.5
"""Width from which on labels can be read, in multiples of the type size."""

_MINUS = "\N{MINUS SIGN}"
_BAR_GROUND_OPACITY = 0.22
# Narrower labels have their numbers on a line of their own.
_ONE_LINE_EM = 9.0
_ONE_LINE_EM_RAW = 12.5


@dataclass(frozen=True, slots=True)
class _Row:
    """One class: its name, its prediction where that is known, and whether it is explained."""

    label: str
    prediction: Prediction | None
    marked: bool

    @property
    def colour(self) -> Colour:
        return WHITE if self.marked else GREY

    def number(self, *, raw: bool) -> str:
        """How strongly it is predicted."""
        if self.prediction is None:
            return ""
        text = shown_strength(self.prediction)
        if raw and self.prediction.probability is not None:
            return f"{logits(self.prediction.logit)}   {text}".replace("-", _MINUS)
        return text


@dataclass(frozen=True, slots=True)
class _Grid:
    """Measures that all rows of a panel share, in pixels.

    Attributes:
        width: Of the panel.
        size: Of numbers.
        names: Size of names.
        pad: Distance to the edge.
        mark: Size of the mark before the explained class.
        numbers: Width of the column of numbers.
        narrow: Numbers stand below names, beside bars.
        bar: Height of bars; 0 for none.
    """

    width: int
    size: int
    names: int
    pad: int
    mark: int
    numbers: int
    narrow: bool
    bar: int

    @property
    def left(self) -> int:
        """Where names and bars begin."""
        return self.pad + self.mark + round(self.size * 0.35)

    @property
    def inner(self) -> int:
        """Width between there and the right edge."""
        return self.width - self.left - self.pad

    @property
    def gap(self) -> int:
        """Distance between a name or a bar and a number."""
        return round(self.size * 0.5)


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
    numbers stand without bars. On a narrow panel each number stands beside its bar. A name that
    does not fit on one line gets a second one.

    Args:
        explanation: Whose predictions they are.
        space: Where it is to stand.
        width: In pixels.
        top_k: Number of classes.
        bars: With bars.
        raw: With the logit beside each probability.
    """
    rows = _rows(explanation, top_k)
    if not rows:
        return None
    size, probable = space.size, explanation.output.has_probabilities
    numbers = [row.number(raw=raw) for row in rows] + (["88 %"] if probable and not raw else [])
    narrow = width < (_ONE_LINE_EM_RAW if raw else _ONE_LINE_EM) * size
    grid = _Grid(
        width=width,
        size=size,
        names=size,
        pad=round(size * 0.55),
        mark=max(4, round(size * 0.5)),
        numbers=max(text_width(each, size) for each in numbers),
        narrow=narrow,
        bar=max(2, round(size * 0.22)) if bars and probable else 0,
    )
    room = grid.inner - (0 if narrow else grid.numbers + grid.gap)
    names = fitting_size((row.label for row in rows), size, room, space.least)
    grid = replace(grid, names=names)
    parts: list[Part] = []
    y = round(size * 0.32)
    for row in rows:
        pieces, height = _lay_out(row, grid, raw=raw)
        parts += [(strip, x, y + top) for strip, x, top in pieces]
        y += height
    last = round(size * (0.08 if grid.bar or narrow else 0.32))
    return framed(width, y + last, size, parts)


def _rows(explanation: Explanation, top_k: int) -> Sequence[_Row]:
    explained = explanation.explained[0] if explanation.explained else None
    rows = [_Row(p.label, p, p.class_index == explained) for p in explanation.predictions[:top_k]]
    if explained is not None and not any(row.marked for row in rows):
        rows.append(_Row(shown_label(explanation), find_prediction(explanation), True))
    return rows


def _lay_out(row: _Row, grid: _Grid, *, raw: bool) -> tuple[list[Part], int]:
    """Lay out one row from the top; returns its strips and its height."""
    size, line = grid.size, line_height(grid.size)
    number = row.number(raw=raw)
    figure = text_strip(number, size, row.colour) if number else None
    taken = figure.width + grid.gap if figure is not None and not grid.narrow else 0
    parts: list[Part] = []
    if row.marked:
        top = round((line - grid.mark) * 0.52)
        parts.append((_pointer(grid.mark, ACCENT), grid.pad, top))
    drop, y = round(BASELINE * (size - grid.names)), 0
    for position, name in enumerate(_name_lines(row.label, grid.names, grid.inner - taken)):
        y = position * line_height(grid.names)
        parts.append((text_strip(name, grid.names, row.colour), grid.left, y + drop))
    y += line
    length, top = grid.inner, y + round(size * 0.03)
    if figure is not None:
        right = grid.width - grid.pad - figure.width
        parts.append((figure, right, y if grid.narrow else 0))
    if grid.narrow:
        length -= grid.numbers + grid.gap
        top = y + (line - grid.bar) // 2
        y += line if grid.bar or figure is not None else 0
        y += round(size * 0.22)
    elif grid.bar:
        y += grid.bar + round(size * 0.4)
    if grid.bar and length > 2 * grid.bar:
        parts += _bar(row, grid.left, top, length, grid.bar)
    return parts, y


def _name_lines(label: str, size: int, room: int) -> tuple[str, ...]:
    """Break a label into two lines at most, cut where even they are too short."""
    lines = wrap_text(label, size, room)
    both = (lines[0], " ".join(lines[1:])) if len(lines) > 1 else lines
    fitting = (fit_text(line, size, max(0, room)) for line in both)
    return tuple(line for line in fitting if line.strip())


def _bar(row: _Row, x: int, y: int, length: int, height: int) -> list[Part]:
    parts: list[Part] = [(bar_strip(length, height, WHITE, _BAR_GROUND_OPACITY), x, y)]
    likely = row.prediction.strength if row.prediction is not None else 0.0
    filled = round(length * min(max(likely, 0.0), 1.0))
    if filled:
        colour = ACCENT if row.marked else GREY
        parts.append((bar_strip(max(filled, height), height, colour, 1.0), x, y))
    return parts


@lru_cache(maxsize=32)
def _pointer(size: int, colour: Colour) -> Strip:
    """Render a triangle that points to the right."""
    big = np.zeros((size * 4, size * 4), np.uint8)
    corners = np.array([[0, 0], [size * 4 - 1, size * 2], [0, size * 4 - 1]], np.int32)
    cv2.fillPoly(big, [corners], 255)
    small = cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA)
    return make_strip(small.astype(np.uint8, copy=False), colour)
