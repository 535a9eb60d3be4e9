"""The help: keys under headings, in as many columns as give the largest type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from live_gradcam.show.layout.space import SMALLEST_TYPE
from live_gradcam.show.options import HelpGroup
from live_gradcam.show.panel import (
    ACCENT,
    DARK,
    GREY,
    WHITE,
    Panel,
    Part,
    rounded,
)
from live_gradcam.show.text import fit_text, text_strip, text_width

_LARGEST_SHARE = 1 / 22  # of the room's height
_MOST_COLUMNS = 4
_GAP = 0.8  # between key and meaning, in em
_COLUMN_GAP = 1.8
_BETWEEN_GROUPS = 0.5  # lines
_PROBE = 32
_ROUGHLY = 1.02
_LINE_HEIGHT = 1.2  # in em: closer than elsewhere, for larger type
_OPACITY = 0.9
_EDGES = 1.2  # above and below, together, in em

_Row: TypeAlias = tuple[str, str, bool]
"""Key, meaning, and whether it is a heading, which stands in place of a meaning."""


@lru_cache(maxsize=8)
def help_panel(groups: tuple[HelpGroup, ...], width: int, height: int) -> Panel | None:
    """Lay out the help for a room, in the largest type in which all of it fits.

    Where it does not fit in the smallest type, meanings are cut, and at last rows.

    Args:
        groups: Headings and keys; a group without a title has no heading.
        width: Of the room, in pixels.
        height: Of the room, in pixels.
    """
    if not any(group.rows for group in groups):
        return None
    largest = max(SMALLEST_TYPE, round(_LARGEST_SHARE * height))
    ways = [_columns(groups, count) for count in range(1, _MOST_COLUMNS + 1)]
    # Measured in one size, which is quick, and then in the size that it leads to, which is exact.
    rough = [_width([_widths(column, _PROBE) for column in way], _PROBE) / _PROBE for way in ways]
    for size in range(largest, SMALLEST_TYPE - 1, -1):
        for way, em in zip(ways, rough, strict=True):
            if em * size > width * _ROUGHLY or _height(way, size) > height:
                continue
            widths = [_widths(column, size) for column in way]
            if _width(widths, size) <= width:
                return _draw(way, widths, size)
    return _cut(groups, width, height)


def _columns(groups: Sequence[HelpGroup], count: int) -> list[list[_Row]]:
    """Distribute the groups over at most ``count`` columns, in order, the highest one lowest."""
    blocks = [_rows(group) for group in groups if group.rows]
    most = sum(len(block) for block in blocks)
    for limit in range(max(len(block) for block in blocks), most + len(blocks) + 1):
        columns: list[list[_Row]] = [[]]
        for block in blocks:
            if columns[-1] and len(columns[-1]) + len(block) + _BETWEEN_GROUPS > limit:
                columns.append([])
            columns[-1] += block
        if len(columns) <= count:
            return columns
    return [[row for block in blocks for row in block]]


def _rows(group: HelpGroup) -> list[_Row]:
    heading: list[_Row] = [("", group.title, True)] if group.title else []
    return heading + [(key, meaning, False) for key, meaning in group.rows]


def _widths(column: Sequence[_Row], size: int) -> tuple[int, int]:
    """Return the width of the keys and of what stands beside them."""
    keys = max((text_width(key, size) for key, _, _ in column if key), default=0)
    meanings = max((text_width(text, size) for _, text, heading in column if not heading))
    headings = max((text_width(text, size) for _, text, heading in column if heading), default=0)
    return keys, max(meanings, headings - keys - round(_GAP * size))


def _width(widths: Sequence[tuple[int, int]], size: int) -> int:
    inner = sum(keys + round(_GAP * size) + meanings for keys, meanings in widths)
    return inner + round(_COLUMN_GAP * size) * (len(widths) - 1) + 2 * size


def _height(columns: Sequence[Sequence[_Row]], size: int) -> int:
    lines = max(_lines(column) for column in columns)
    return round(lines * _LINE_HEIGHT * size + _EDGES * size)


def _lines(column: Sequence[_Row]) -> float:
    later = sum(heading for _, _, heading in column[1:])
    return len(column) + _BETWEEN_GROUPS * later


def _cut(groups: Sequence[HelpGroup], width: int, height: int) -> Panel | None:
    """Lay out what fits in the smallest type."""
    size = SMALLEST_TYPE
    fitting = [n for n in range(1, _MOST_COLUMNS) if _height(_columns(groups, n), size) <= height]
    columns = _columns(groups, fitting[0] if fitting else 2)
    most = max(1, int((height - _EDGES * size) / (_LINE_HEIGHT * size)))
    columns = [column[:most] for column in columns]
    while any(_lines(column) > most and len(column) > 1 for column in columns):
        columns = [column[:-1] if _lines(column) > most else column for column in columns]
    room = width - 2 * size - round(_COLUMN_GAP * size) * (len(columns) - 1)
    widths = []
    for column in columns:
        keys, meanings = _widths(column, size) if any(not row[2] for row in column) else (0, 0)
        widths.append((keys, min(meanings, room // len(columns) - keys - round(_GAP * size))))
    if min(meanings for _, meanings in widths) < 3 * size or _height(columns, size) > height:
        return None
    return _draw(columns, widths, size)


def _draw(columns: Sequence[Sequence[_Row]], widths: Sequence[tuple[int, int]], size: int) -> Panel:
    gap = round(_GAP * size)
    parts: list[Part] = []
    x = size
    for column, (keys, meanings) in zip(columns, widths, strict=True):
        y = 0.45 * _EDGES * size
        for number, (key, text, heading) in enumerate(column):
            if heading:
                y += _BETWEEN_GROUPS * _LINE_HEIGHT * size if number else 0
                words = fit_text(text, size, keys + gap + meanings)
                left, colour = x, GREY
            else:
                words, left, colour = fit_text(text, size, meanings), x + keys + gap, WHITE
            if key:
                parts.append((text_strip(key, size, ACCENT), x, round(y)))
            if words:
                parts.append((text_strip(words, size, colour), left, round(y)))
            y += _LINE_HEIGHT * size
        x += keys + gap + meanings + round(_COLUMN_GAP * size)
    width, height = _width(widths, size), _height(columns, size)
    ground = rounded(width, height, round(size * 0.5), DARK, _OPACITY)
    return Panel(width, height, ((ground, 0, 0), *parts))
