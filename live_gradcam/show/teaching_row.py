"""The row of classes that are taught: a cell for each, and a sentence below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from live_gradcam.images.geometry import resize
from live_gradcam.show.layout.space import Space
from live_gradcam.show.options import TeachingCell, TeachingRow
from live_gradcam.show.panel import (
    ACCENT,
    DARK,
    GREY,
    WHITE,
    Panel,
    Part,
    fitting_size,
    framed,
    line_height,
    rounded,
    two_lines,
)
from live_gradcam.show.text import BASELINE, Colour, Strip, fit_text, text_strip, text_width
from live_gradcam.values import Image

_WIDEST_CELL = 11.0  # in em
_SENTENCE = 34.0  # in em: the row is so wide at least, whatever is said
_NARROWEST_NAME = 3.2  # in em: below that a cell has no room for a name
_PICTURE_HEIGHT = 1.5  # in lines
_MOST_PICTURES = 3
_CURSOR = "_"


@dataclass(frozen=True, slots=True)
class _Look:
    """What the cells of a row show.

    Attributes:
        pictures: How many small pictures at most.
        names: Each has its name; otherwise its key and its number of examples only.
        only_held: Only the cell whose key is held.
        line: The sentence is there.
    """

    pictures: int = 0
    names: bool = True
    only_held: bool = False
    line: bool = True


# With less and less room.
_LOOKS = (
    _Look(_MOST_PICTURES),
    _Look(1),
    _Look(),
    _Look(names=False),
    _Look(names=False, line=False),
    _Look(only_held=True),
    _Look(only_held=True, line=False),
)


def teaching_panels(row: TeachingRow, space: Space) -> list[Panel | None]:
    """Lay out the row in less and less room; ``None`` where a way has nothing to show.

    Args:
        row: The classes, and what is said.
        space: Where it is to stand.
    """
    return [_panel(row, space, look) for look in _LOOKS]


def _panel(row: TeachingRow, space: Space, look: _Look) -> Panel | None:
    cells = [cell for cell in row.cells if cell.held or not look.only_held]
    size, gap = space.size, round(0.3 * space.size)
    inner = space.room - 2 * gap
    parts: list[Part] = []
    # As wide whatever is said, so that the row stands still.
    width, y = min(inner, round(_SENTENCE * size)) if look.line else 0, 0
    if cells:
        each = min((inner - gap * (len(cells) - 1)) // len(cells), round(_WIDEST_CELL * size))
        if look.names and each < _NARROWEST_NAME * size:
            return None
        if each < min(2, len(cells)) * size:
            return None
        cells_width = (each + gap) * len(cells) - gap
        width, y = max(width, cells_width), gap
        drawn = [_cell(cell, space, each, look) for cell in cells]
        below = max(bottom for _, bottom in drawn)
        pictures = round(_PICTURE_HEIGHT * line_height(size)) if look.pictures else 0
        height = below + pictures + round(0.2 * size)
        for position, (cell, (strips, _)) in enumerate(zip(cells, drawn, strict=True)):
            left = gap + (width - cells_width) // 2 + position * (each + gap)
            ground = rounded(each, height, gap, *((ACCENT, 1.0) if cell.held else (WHITE, 0.1)))
            parts.append((ground, left, y))
            parts += [(strip, left + x, y + top) for strip, x, top in strips]
            shown = _pictures(cell, each - 2 * gap, pictures, look.pictures)
            parts += [(strip, left + gap + x, y + below) for strip, x in shown]
        y += height
    if look.line:
        said, below = _said(row, space, width)
        if said:
            y += round(0.2 * size)
            parts += [(strip, gap + (width - strip.width) // 2, y + top) for strip, _, top in said]
            y += below
    if not parts:
        return None
    return framed(width + 2 * gap, y + gap, size, parts)


def _cell(cell: TeachingCell, space: Space, width: int, look: _Look) -> tuple[list[Part], int]:
    """Lay out a cell from its upper left corner; returns its strips and where they end."""
    size, pad = space.size, round(0.3 * space.size)
    bright, quiet = (DARK, DARK) if cell.held else (WHITE, GREY)
    inner = width - 2 * pad
    line = line_height(size)
    parts: list[Part] = []
    key = text_strip(fit_text(cell.key, size, inner), size, DARK if cell.held else ACCENT)
    number = str(cell.count)
    # A number that is cut off is another number.
    count = text_strip(number, size, quiet) if text_width(number, size) <= inner else None
    y = round(0.15 * size)
    parts.append((key, pad, y))
    beside = count is not None and key.width + round(0.5 * size) + count.width <= inner
    if count is not None and beside:
        parts.append((count, width - pad - count.width, y))
    y += line
    if look.names:
        names = _name(cell.label, space, inner, bright)
        drop = max(round(BASELINE * (size - strip.size)) for strip in names) if names else 0
        for strip in names:
            parts.append((strip, pad, y + drop))
            y += line_height(strip.size)
        y += drop
    if count is not None and not beside:
        parts.append((count, pad, y))
        y += line
    return parts, y + round(0.1 * size)


def _name(label: str, space: Space, width: int, colour: Colour) -> list[Strip]:
    """Lay out a name: on one line, where it must be smaller or is cut off on two."""
    size = fitting_size([label], space.size, width, space.least)
    if text_width(label, size) <= width:
        return [text_strip(label, size, colour)]
    size, lines = two_lines(label, space.size, width, space.least)
    fitting = (fit_text(each, size, width) for each in lines)
    return [text_strip(each, size, colour) for each in fitting if each.strip()]


def _pictures(cell: TeachingCell, width: int, height: int, most: int) -> list[tuple[Strip, int]]:
    """Lay out the newest pictures beside each other, and where each begins."""
    found: list[tuple[Strip, int]] = []
    if height <= 0:
        return found
    x = 0
    for image in cell.thumbnails[:most]:
        strip = _picture(image, height)
        if x + strip.width > width:
            break
        found.append((strip, x))
        x += strip.width + max(1, height // 16)
    return found


def _picture(image: Image, height: int) -> Strip:
    """Make a strip of a picture: nothing behind it is seen."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    small = resize(image, width, height)
    return Strip(np.ascontiguousarray(small), np.zeros_like(small))


def _said(row: TeachingRow, space: Space, width: int) -> tuple[Sequence[Part], int]:
    """Lay out the sentence, or the name that is being typed, on two lines at most."""
    if row.prompt:
        words, colour = f"{row.prompt}: {row.typed}{_CURSOR}", ACCENT
        cut = 0
        # The end is what is being typed: where there is no room for all, the beginning goes.
        while text_width(words, space.size) > width and cut < len(row.typed):
            cut += 1
            words = f"{row.prompt}: …{row.typed[cut:]}{_CURSOR}"
    elif row.line:
        words, colour = row.line, WHITE
    else:
        return (), 0
    lines: tuple[str, ...] = (words,)
    size = fitting_size(lines, space.size, width, space.least)
    if text_width(words, size) > width:
        size, lines = two_lines(words, space.size, width, space.least)
    parts: list[Part] = []
    y = 0
    for each in lines:
        if each.strip():
            parts.append((text_strip(each, size, colour), 0, y))
            y += line_height(size)
    return parts, y
