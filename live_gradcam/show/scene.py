"""The pictures on a canvas, with their heat, before anything is written on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.images.geometry import resize, scale_region
from live_gradcam.images.parts import cut_part
from live_gradcam.native import cv2
from live_gradcam.show.heat import blend_heat, heat_table, normalise, own_scale, upsample
from live_gradcam.show.layout import Picture, clip_region, clip_region_in, working_size
from live_gradcam.show.options import MarkedArea, OtherPart, OverlayOptions
from live_gradcam.show.panel import ACCENT, DARK, WHITE
from live_gradcam.show.text import Colour
from live_gradcam.values import Explanation, Image, Region

BACKDROP = 14
"""Grey level of the canvas around pictures."""

DIMMED = 0.42
"""Share of its brightness that remains where the network does not see."""

_FINE_SIDE = 512  # of the mask whose outline is drawn: fine enough to be smooth on any screen


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A canvas with pictures.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR.
        pictures: Where they stand.
    """

    image: Image
    pictures: tuple[Picture, ...]

    def copy(self) -> Scene:
        """Return the same scene in memory of its own."""
        return Scene(self.image.copy(), self.pictures)


def paint_scene(
    image: Image,
    explanation: Explanation,
    pictures: Sequence[Picture],
    canvas: tuple[int, int],
    options: OverlayOptions,
    scale: float,
    marked: MarkedArea | None = None,
    others: Sequence[OtherPart] = (),
) -> Scene:
    """Paint pictures with their heat.

    Args:
        image: The frame, ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: Its maps.
        pictures: Where the pictures stand.
        canvas: Width and height of the canvas.
        options: How heat is drawn.
        scale: The evidence in logits that has the full colour.
        marked: An area that is outlined on each picture.
        others: Further parts that are explained, drawn where the whole frame is shown.
    """
    width, height = canvas
    first = pictures[0].place
    if (first.width, first.height) == canvas:
        painted = np.empty((height, width, 3), np.uint8)
    else:
        painted = np.full((height, width, 3), BACKDROP, np.uint8)
    for picture in pictures:
        source, place = picture.source, picture.place
        shown = image[source.y : source.y + source.height, source.x : source.x + source.width]
        target = view(painted, place)
        heated = options.layout != "plain" and picture.position is not None
        if picture.position is None or (options.layout == "plain" and len(pictures) == 1):
            target[...] = resize(shown, place.width, place.height)
        else:
            _paint(target, shown, explanation, picture, options, scale, heated=heated)
        if heated and len(pictures) == 1:
            for other in others:
                _paint_part(painted, image, other, picture, options)
            for each in (explanation, *(other.explanation for other in others)):
                _outline_part(painted, picture, each.roi)
        if marked is not None and picture.position is not None:
            outline_area(painted, picture.seen, marked)
    return Scene(painted, tuple(pictures))


def _paint_part(
    painted: Image, image: Image, other: OtherPart, picture: Picture, options: OverlayOptions
) -> None:
    """Paint a further part over its place in a picture of the whole frame."""
    explanation = other.explanation
    part = explanation.roi
    if part is None:
        return
    place = picture.to_canvas(part)
    inner = Picture(place, part, picture.to_canvas(explanation.region))
    scale = other.scale
    if scale is None:
        maps = explanation.evidence[:1]
        scale = max((own_scale(each, signed=options.signed) for each in maps), default=0.0)
    target = view(painted, place)
    _paint(target, cut_part(image, part), explanation, inner, options, scale, heated=True)


def _outline_part(painted: Image, picture: Picture, part: Region | None) -> None:
    """Outline a part that is explained by itself, where more of the frame than it is shown."""
    source = picture.source
    if part is None or clip_region_in(part, source) == source:
        return
    place = clip_region_in(picture.to_canvas(part), picture.place)
    _outline(painted, place, ACCENT)


def _paint(
    target: Image,
    shown: Image,
    explanation: Explanation,
    picture: Picture,
    options: OverlayOptions,
    scale: float,
    *,
    heated: bool,
) -> None:
    """Paint one picture with heat, in no more pixels than it needs, then enlarge it."""
    place, source = picture.place, picture.source
    size = working_size((source.width, source.height), (place.width, place.height))
    enlarged = size != (place.width, place.height)
    work: Image = resize(shown, *size)
    if not enlarged:
        target[...] = work
        work = target
    elif np.shares_memory(work, shown):
        work = np.array(work, order="C")
    across, down = size[0] / source.width, size[1] / source.height
    whole = Region(
        explanation.region.x - source.x,
        explanation.region.y - source.y,
        explanation.region.width,
        explanation.region.height,
    )
    region = scale_region(whole, across, down)
    seen = clip_region(region, *size)
    _dim_around(work, seen)
    position = picture.position or 0
    if heated and position < len(explanation.evidence):
        heat = normalise(explanation.evidence[position], scale, signed=options.signed)
        if heat.any():
            indices = _seen_part(heat, region, seen, options.signed)
            table = heat_table(options.colormap, options.opacity, options.signed)
            blend_heat(view(work, seen), indices, table)
    if enlarged:
        cv2.resize(work, (place.width, place.height), target, interpolation=cv2.INTER_LINEAR)
    edge = picture.seen
    if (edge.width, edge.height) != (place.width, place.height):
        _outline(target, Region(edge.x - place.x, edge.y - place.y, edge.width, edge.height))


def view(image: Image, place: Region) -> Image:
    """Return a view of the part of ``image`` at ``place``."""
    return image[place.y : place.y + place.height, place.x : place.x + place.width]


def _dim_around(image: Image, seen: Region) -> None:
    rows = slice(seen.y, seen.y + seen.height)
    for outside in (
        image[: seen.y],
        image[seen.y + seen.height :],
        image[rows, : seen.x],
        image[rows, seen.x + seen.width :],
    ):
        if outside.size:
            cv2.convertScaleAbs(outside, outside, DIMMED)


def _seen_part(
    heat: NDArray[np.float32], whole: Region, shown: Region, signed: bool
) -> NDArray[np.uint8]:
    """Return the colour indices of the part of a region that lies on the image."""
    left, top = shown.x - whole.x, shown.y - whole.y
    if left + shown.width > whole.width or top + shown.height > whole.height or min(left, top) < 0:
        return upsample(heat, shown.width, shown.height, signed=signed)
    indices = upsample(heat, whole.width, whole.height, signed=signed)
    return indices[top : top + shown.height, left : left + shown.width]


def _thickness(width: int, height: int) -> int:
    return max(1, round(min(height, width) / 540))


def _outline(rendered: Image, region: Region, light: Colour = WHITE) -> None:
    """Draw a thin light line inside the region and a dark one around it: seen on any ground."""
    thick = _thickness(rendered.shape[1], rendered.shape[0])
    for inset, colour in ((-thick, DARK), (0, light)):
        x0, y0 = region.x + inset, region.y + inset
        x1, y1 = region.x + region.width - inset, region.y + region.height - inset
        for top, bottom, left, right in (
            (y0, y0 + thick, x0, x1),
            (y1 - thick, y1, x0, x1),
            (y0, y1, x0, x0 + thick),
            (y0, y1, x1 - thick, x1),
        ):
            rendered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour


def outline_cell(image: Image, cell: Region) -> None:
    """Outline a rectangle, in place: bright between two dark lines, seen on any ground."""
    thick = max(1, round(min(image.shape[:2]) / 260))
    first = (cell.x, cell.y)
    last = (cell.x + cell.width - 1, cell.y + cell.height - 1)
    cv2.rectangle(image, first, last, DARK, 3 * thick)
    cv2.rectangle(image, first, last, ACCENT, thick)


def outline_area(image: Image, place: Region, marked: MarkedArea) -> None:
    """Outline an area of any shape, in place.

    Args:
        image: ``uint8 (H, W, 3)`` BGR.
        place: What the area's mask covers, in pixels of the image.
        marked: The area.
    """
    spot = view(image, place)
    thick = 2 * _thickness(place.width, place.height)
    lines = _outlines(marked.mask, place.width, place.height)
    for colour, width in ((DARK, 3 * thick), (WHITE, thick)):
        cv2.polylines(spot, lines, True, colour, width, cv2.LINE_AA)


def _outlines(mask: NDArray[np.bool_], width: int, height: int) -> list[NDArray[np.int32]]:
    """Trace a mask's edge, in pixels of a picture of that size."""
    bits = mask.astype(np.uint8) * 255
    rows, columns = bits.shape
    # Coarse cells keep their corners; fine ones are steps of what is smooth.
    blocks = max(1, _FINE_SIDE // (4 * max(rows, columns)))
    exact = cv2.resize(bits, (columns * blocks, rows * blocks), interpolation=cv2.INTER_NEAREST)
    fine = cv2.resize(exact, (_FINE_SIDE, _FINE_SIDE), interpolation=cv2.INTER_LINEAR)
    if blocks == 1:
        fine = cv2.GaussianBlur(fine, (0, 0), _FINE_SIDE / max(rows, columns))
    inside = (np.asarray(fine) > 127).astype(np.uint8)
    found, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    zoom = np.array([width, height], np.float64) / _FINE_SIDE
    # Drawing costs by the segment, and a contour has one for each of its pixels.
    short = (cv2.approxPolyDP(line, 0.5, True) for line in found)
    return [np.rint((line + 0.5) * zoom).astype(np.int32) for line in short]
