"""Parts of frames that are explained by themselves, and the way back to the frame.

The network is given the part alone, cut from the frame before anything is resized, so that it sees
it in its full resolution. The explanation is moved to where the part lies: its region is in pixels
of the frame, as everybody expects who draws it or writes it down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from live_gradcam.choices import View
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.picture import Picture, remember
from live_gradcam.protocol import BatchExplainer, ClassChoice
from live_gradcam.values import Explanation, Image, Region

_WHAT = "cannot explain this part"
_HOW = "Write x,y,w,h in pixels or percent, e.g. 10%,10%,50%,50%"
_NUMBER = re.compile(r"(-?\d{1,6}(?:\.\d{1,6})?)(%?)")
_HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Roi:
    """A part of frames of any size: each number in pixels, or as a share of the frame.

    Attributes:
        x: Left edge; an ``int`` is in pixels, a ``Fraction`` a share of the frame's width.
        y: Upper edge, likewise, of the frame's height.
        width: Likewise; above 0.
        height: Likewise; above 0.
    """

    x: int | Fraction
    y: int | Fraction
    width: int | Fraction
    height: int | Fraction

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise UsageError(_WHAT, str(self), "width and height must be above 0", _HOW)

    def __str__(self) -> str:
        return ",".join(map(_written, (self.x, self.y, self.width, self.height)))

    @classmethod
    def parse(cls, text: str) -> Roi:
        """Read ``x,y,w,h``, each a whole number of pixels or a percentage.

        Raises:
            UsageError: It is something else.
        """
        numbers = [_NUMBER.fullmatch(each.strip()) for each in text.split(",")]
        if len(numbers) != 4 or None in numbers:
            raise UsageError(_WHAT, text, "these are no four numbers", _HOW)
        values: list[int | Fraction] = []
        for found in numbers:
            assert found is not None, "looked at before"
            value = Fraction(found[1])
            if not found[2] and value.denominator != 1:
                cause = f"{found[1]} is no whole number of pixels"
                raise UsageError(_WHAT, text, cause, _HOW)
            values.append(value / _HUNDRED if found[2] else int(value))
        return cls(*values)

    @classmethod
    def of(cls, region: Region, width: int, height: int) -> Roi:
        """Return a region as shares of the frame, which are exactly this region on its size.

        Args:
            region: In frame pixels.
            width: Of the frame.
            height: Of the frame.
        """
        return cls(
            Fraction(region.x, width),
            Fraction(region.y, height),
            Fraction(region.width, width),
            Fraction(region.height, height),
        )

    def find(self, width: int, height: int) -> Region | None:
        """Return the part of a frame, clipped to it; ``None`` where it lies outside entirely.

        Edges are rounded to whole pixels; what lies on the frame has at least one each way.

        Args:
            width: Of the frame in pixels.
            height: Of the frame in pixels.
        """
        across = _clipped(self.x, self.width, width)
        down = _clipped(self.y, self.height, height)
        if across is None or down is None:
            return None
        return Region(across[0], down[0], across[1] - across[0], down[1] - down[0])

    def on(self, width: int, height: int) -> Region:
        """Return the part of a frame, as `find` does.

        Raises:
            UsageError: It lies outside of the frame.
        """
        found = self.find(width, height)
        if found is None:
            raise UsageError(_WHAT, str(self), _outside(width, height), _HOW)
        return found

    def mirrored(self, width: int, height: int) -> Roi:
        """Return the part that shows the same on the frame flipped left to right.

        Args:
            width: Of the frame in pixels.
            height: Of the frame in pixels.
        """
        found = self.find(width, height)
        if found is None:
            return self
        right = width - found.x - found.width
        return Roi.of(replace(found, x=right), width, height)


RoiLike: TypeAlias = Roi | Region | str | Sequence[int]
"""A part of an image: a region, four numbers ``x, y, w, h`` in pixels, or a text with pixels or
percent, e.g. ``10%,10%,50%,50%``."""


def as_roi(given: RoiLike) -> Roi:
    """Make a part of whatever was given as one.

    Raises:
        UsageError: It is none.
    """
    if isinstance(given, Roi):
        return given
    if isinstance(given, str):
        return Roi.parse(given)
    try:
        values = given.as_list() if isinstance(given, Region) else [int(each) for each in given]
        x, y, width, height = values
    except (TypeError, ValueError) as exc:
        raise UsageError(_WHAT, repr(given), "these are no four numbers", _HOW) from exc
    return Roi(x, y, width, height)


def part_of(image: Image, roi: RoiLike | None) -> Region | None:
    """Return the part of an image that was asked for; ``None`` for all of it.

    Args:
        image: ``uint8 (H, W, 3)``.
        roi: What was asked for.

    Raises:
        UsageError: It is no part, or lies outside of the image.
    """
    height, width = image.shape[:2]
    return None if roi is None else as_roi(roi).on(width, height)


def require_parts(rois: Sequence[Roi], image: Image, name: str) -> tuple[Region, ...]:
    """Return the parts of an image of a file.

    Args:
        rois: The parts.
        image: ``uint8 (H, W, 3)``.
        name: Of the file.

    Raises:
        SourceError: One lies outside of the image.
    """
    height, width = image.shape[:2]
    found: list[Region] = []
    for roi in rois:
        region = roi.find(width, height)
        if region is None:
            cause = f"{roi}: {_outside(width, height)}"
            raise SourceError(_WHAT, name, cause, "Give the part in percent")
        found.append(region)
    return tuple(found)


def outside_note(rois: Sequence[Roi], width: int, height: int) -> str:
    """Say that parts lie outside of a frame, and what is explained instead; nothing if none does.

    Args:
        rois: The parts.
        width: Of the frame in pixels.
        height: Of the frame in pixels.
    """
    outside = [str(roi) for roi in rois if roi.find(width, height) is None]
    if not outside:
        return ""
    rest = "all of it is explained" if len(outside) == len(rois) else "the others are explained"
    return f"{' and '.join(outside)} is outside: the frame is {width}x{height}; {rest}"


def cut_part(image: Image, part: Region | None) -> Image:
    """Return the view of a part of an image, in its full resolution; the image itself for ``None``.

    Args:
        image: ``uint8 (H, W, 3)``.
        part: On the image.
    """
    if part is None:
        return image
    return image[part.y : part.y + part.height, part.x : part.x + part.width]


def put_back(
    explanation: Explanation, part: Region | None, picture: Picture | None = None
) -> Explanation:
    """Move the explanation of a part to its place in the frame.

    Args:
        explanation: Of the part alone.
        part: Its place; ``None`` for the whole frame.
        picture: What is to be remembered of the whole frame.
    """
    if part is None:
        return explanation
    seen = explanation.region
    region = Region(seen.x + part.x, seen.y + part.y, seen.width, seen.height)
    return replace(explanation, region=region, roi=part, picture=picture)


def take_out(explanation: Explanation) -> Explanation:
    """Return the explanation as it is on the part alone: the reverse of `put_back`."""
    part = explanation.roi
    if part is None:
        return explanation
    seen = explanation.region
    region = Region(seen.x - part.x, seen.y - part.y, seen.width, seen.height)
    return replace(explanation, region=region, roi=None, picture=None)


def explain_parts(
    explainer: BatchExplainer,
    images: Sequence[Image],
    parts: Sequence[Sequence[Region]],
    *,
    classes: ClassChoice = None,
    view: View | None = None,
) -> list[list[Explanation]]:
    """Explain parts of images, all of them in one batch.

    Args:
        explainer: Explains.
        images: ``uint8 (H, W, 3)`` BGR, of any sizes; not modified.
        parts: For each image its parts; none of them is the whole image.
        classes: As for `BatchExplainer.explain_batch`.
        view: Part of each part that the network is shown.

    Returns:
        For each image the explanations of its parts, in order; of the whole image where there are
        none.

    Raises:
        UsageError: There is no such class or view.
        DeviceError: The device failed, or has too little memory.
    """
    wanted: list[tuple[int, Region | None]] = []
    for number, some in enumerate(parts):
        wanted += [(number, part) for part in some] or [(number, None)]
    cut = [cut_part(images[number], part) for number, part in wanted]
    explained = explainer.explain_batch(cut, classes=classes, view=view)
    found: list[list[Explanation]] = [[] for _ in images]
    for (number, part), explanation in zip(wanted, explained, strict=True):
        image = images[number]
        found[number].append(put_back(explanation, part, remember(image)))
    return found


def _clipped(start: int | Fraction, length: int | Fraction, extent: int) -> tuple[int, int] | None:
    """Return the first and last + 1 pixel of an interval on an axis; ``None`` outside of it."""
    first = start * extent if isinstance(start, Fraction) else start
    last = first + (length * extent if isinstance(length, Fraction) else length)
    if first >= extent or last <= 0:
        return None
    low = min(max(round(first), 0), extent - 1)
    return low, max(low + 1, min(round(last), extent))


def _outside(width: int, height: int) -> str:
    return f"it lies outside of the picture, which is {width}x{height}"


def _written(value: int | Fraction) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{float(value * _HUNDRED):.6g}%"
