"""COCO's run-length masks: a list of run lengths, or the same in a string.

Runs go down the columns, from left to right, and alternate between outside and inside, beginning
outside. In the string, each run from the fourth on is the difference to the one two before it; a
number is cut into groups of five bits, the lowest first, and each group is a character from ``0``
on, whose sixth bit says that another one follows (``rleFrString`` of COCO's ``maskApi.c``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.images.pixels import MAX_PIXELS

_FIRST, _GROUP_BITS, _SIGN, _MORE = ord("0"), 5, 0x10, 0x20
_MOST_GROUPS = 7
"""More bits than the number of pixels of the largest image has."""


@dataclass(frozen=True, slots=True)
class RunLengthMask:
    """The pixels of an object, as runs.

    Attributes:
        size: Width and height of the image.
        counts: Lengths of the runs; together, they are the image.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    def to_array(self) -> NDArray[np.bool_]:
        """Return the mask as ``bool (height, width)``."""
        width, height = self.size
        inside = np.arange(len(self.counts)) % 2 == 1
        mask: NDArray[np.bool_] = np.repeat(inside, self.counts).reshape(width, height).T
        return mask

    def bounding_box(self) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the object.

        Raises:
            ValueError: The mask is empty.
        """
        rows, columns = np.nonzero(self.to_array())
        if not len(rows):
            raise ValueError("its mask is empty")
        left, top = int(columns.min()), int(rows.min())
        return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def parse_run_lengths(entry: Mapping[str, Any]) -> RunLengthMask:
    """Read a mask in the form of COCO's JSON.

    Args:
        entry: ``{"size": [height, width], "counts": [...]}``, or with a string of counts.

    Raises:
        KeyError: One of the two is missing.
        ValueError: It is damaged: the runs are not those of a picture of that size.
    """
    size, counts = entry["size"], entry["counts"]
    if not (isinstance(size, list) and len(size) == 2 and all(_is_count(each) for each in size)):
        raise ValueError(f"its mask has the size {str(size)[:40]}")
    height, width = size
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"its mask has {width}x{height} pixels")
    if isinstance(counts, str):
        counts = _unpack(counts)
    if not (isinstance(counts, list) and all(_is_count(each) for each in counts)):
        raise ValueError("the runs of its mask are no list of lengths")
    if sum(counts) != height * width:
        raise ValueError(f"its mask has {sum(counts)} pixels in runs, not {width}x{height}")
    return RunLengthMask((width, height), tuple(counts))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unpack(text: str) -> list[int]:
    """Return the run lengths in a string; they may be negative where it is damaged."""
    numbers: list[int] = []
    number = groups = 0
    for character in text:
        group = ord(character) - _FIRST
        if not 0 <= group < 2 * _MORE or groups == _MOST_GROUPS:
            raise ValueError(f"its mask has {character!r} where no run can have it")
        number |= (group & (_MORE - 1)) << (_GROUP_BITS * groups)
        groups += 1
        if not group & _MORE:
            numbers.append(number - (1 << (_GROUP_BITS * groups)) * bool(group & _SIGN))
            number = groups = 0
    if groups:
        raise ValueError("its mask ends in the middle of a run")
    for place in range(3, len(numbers)):
        numbers[place] += numbers[place - 2]
    return numbers
