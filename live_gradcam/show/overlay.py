"""Overlays on a frame: heat where the evidence is, labels, rates and messages.

Pure: images go in, a new image of the same size comes out, whatever the layout.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.show.annotate import annotate, caption
from live_gradcam.show.arrange import tile_places, tile_view
from live_gradcam.show.heat import blend_heat, heat_table, normalise, own_scale, upsample
from live_gradcam.show.options import HelpGroup, Hud, MarkedArea, OverlayOptions
from live_gradcam.show.panel import DARK, WHITE
from live_gradcam.values import Explanation, Image, Region

__all__ = ["HelpGroup", "Hud", "MarkedArea", "OverlayOptions", "draw", "draw_mosaic", "locate"]

_DIMMED = 0.42
_BACKDROP = 18
_DEFAULTS = OverlayOptions()


def draw(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
) -> Image:
    """Draw an explanation on a copy of an image.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: The first of its maps is drawn.
        options: Options of the overlay.
        hud: Rates and messages to draw on top.

    Returns:
        ``uint8 (H, W, 3)`` BGR of the same size, in every layout.
    """
    options = options or _DEFAULTS
    scale = _scale(explanation, options)
    if options.layout == "side-by-side":
        rendered = _backdrop(image)
        region = _clip(explanation.region, image)
        seen = image[region.y : region.y + region.height, region.x : region.x + region.width]
        left, right = _tiles(2, rendered, region)
        tile_view(rendered, left)[...] = resize(seen, left.width, left.height)
        _draw_tile(rendered, right, seen, explanation, 0, options, scale)
    elif options.layout == "plain":
        rendered = np.array(image, order="C")
    else:
        rendered = _with_heat(image, explanation, 0, options, scale)
    annotate(rendered, explanation, options, hud, scale)
    return rendered


def draw_mosaic(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
) -> Image:
    """Draw one tile for each map of an explanation, on one scale, on an image of the same size.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: All of its maps are drawn, each over the region that the network saw.
        options: Options of the overlay; the layout does not matter.
        hud: Rates and messages to draw on top.
    """
    options = options or _DEFAULTS
    count = len(explanation.explained)
    if options.scale is None:
        scales = [own_scale(each, signed=options.signed) for each in explanation.evidence]
        options = replace(options, scale=max(scales, default=0.0))
    scale = _scale(explanation, options)
    region = _clip(explanation.region, image)
    seen = image[region.y : region.y + region.height, region.x : region.x + region.width]
    rendered = _backdrop(image)
    tiles = _tiles(count, rendered, region)
    for position, place in enumerate(tiles):
        _draw_tile(rendered, place, seen, explanation, position, options, scale)
        caption(rendered, place, explanation, position)
    options = replace(options, show_labels=False)
    annotate(rendered, explanation, options, hud, scale, title="evidence", keep_clear=tiles)
    return rendered


def locate(
    x: int,
    y: int,
    image_size: tuple[int, int],
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    mosaic: bool = False,
) -> tuple[int, int] | None:
    """Find the frame's pixel under pixel (x, y) of a rendered image, for the mouse.

    Args:
        x: Column in the rendered image.
        y: Row in the rendered image.
        image_size: Width and height of the frame.
        explanation: The explanation that was drawn.
        options: Options that it was drawn with.
        mosaic: True if it was drawn by `draw_mosaic`.

    Returns:
        ``(x, y)`` in frame pixels, or ``None`` beside the frame.
    """
    width, height = image_size
    tiled = mosaic or (options or _DEFAULTS).layout == "side-by-side"
    if tiled:
        source = _clip_to(explanation.region, width, height)
        count = len(explanation.explained) if mosaic else 2
        places = tile_places(count, width, height, (source.width, source.height))
    else:
        source = Region(0, 0, width, height)
        places = [source]
    for place in places:
        column, row = x - place.x, y - place.y
        if 0 <= column < place.width and 0 <= row < place.height:
            return (
                source.x + column * source.width // place.width,
                source.y + row * source.height // place.height,
            )
    return None


def _scale(explanation: Explanation, options: OverlayOptions) -> float:
    if options.scale is not None:
        return options.scale
    if not len(explanation.evidence):
        return 0.0
    return own_scale(explanation.evidence[0], signed=options.signed)


def _with_heat(
    image: Image, explanation: Explanation, position: int, options: OverlayOptions, scale: float
) -> Image:
    rendered: Image = np.array(image, order="C")
    region = _clip(explanation.region, image)
    rows = slice(region.y, region.y + region.height)
    columns = slice(region.x, region.x + region.width)
    for outside in (
        rendered[: region.y],
        rendered[region.y + region.height :],
        rendered[rows, : region.x],
        rendered[rows, region.x + region.width :],
    ):
        if outside.size:
            cv2.convertScaleAbs(outside, outside, _DIMMED)
    if position < len(explanation.evidence):
        heat = normalise(explanation.evidence[position], scale, signed=options.signed)
        if heat.any():
            indices = _seen_part(heat, explanation.region, region, options.signed)
            table = heat_table(options.colormap, options.opacity, options.signed)
            blend_heat(rendered[rows, columns], indices, table)
    if (region.width, region.height) != (image.shape[1], image.shape[0]):
        _outline(rendered, region)
    return rendered


def _seen_part(
    heat: NDArray[np.float32], whole: Region, shown: Region, signed: bool
) -> NDArray[np.uint8]:
    """Return the colour indices of the part of a region that lies on the image."""
    left, top = shown.x - whole.x, shown.y - whole.y
    if left + shown.width > whole.width or top + shown.height > whole.height or min(left, top) < 0:
        return upsample(heat, shown.width, shown.height, signed=signed)
    indices = upsample(heat, whole.width, whole.height, signed=signed)
    return indices[top : top + shown.height, left : left + shown.width]


def _outline(rendered: Image, region: Region) -> None:
    """Draw a thin light line inside the region and a dark one around it: seen on any ground."""
    height, width = rendered.shape[:2]
    thick = max(1, round(min(height, width) / 540))
    for inset, colour in ((-thick, DARK), (0, WHITE)):
        x0, y0 = region.x + inset, region.y + inset
        x1, y1 = region.x + region.width - inset, region.y + region.height - inset
        for top, bottom, left, right in (
            (y0, y0 + thick, x0, x1),
            (y1 - thick, y1, x0, x1),
            (y0, y1, x0, x0 + thick),
            (y0, y1, x1 - thick, x1),
        ):
            rendered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour


def _tiles(count: int, rendered: Image, region: Region) -> list[Region]:
    return tile_places(count, rendered.shape[1], rendered.shape[0], (region.width, region.height))


def _draw_tile(
    rendered: Image,
    place: Region,
    seen: Image,
    explanation: Explanation,
    position: int,
    options: OverlayOptions,
    scale: float,
) -> None:
    """Draw what the network saw, with one of the maps over all of it, at ``place``."""
    whole = replace(explanation, region=Region(0, 0, place.width, place.height))
    tile = resize(seen, place.width, place.height)
    tile_view(rendered, place)[...] = _with_heat(tile, whole, position, options, scale)


def _backdrop(image: Image) -> Image:
    return np.full(image.shape, _BACKDROP, np.uint8)


def _clip(region: Region, image: Image) -> Region:
    return _clip_to(region, image.shape[1], image.shape[0])


def _clip_to(region: Region, width: int, height: int) -> Region:
    """Return the part of the region that lies on the image; the whole image where none does."""
    left, top = min(max(region.x, 0), width), min(max(region.y, 0), height)
    right = min(max(region.x + region.width, 0), width)
    bottom = min(max(region.y + region.height, 0), height)
    if left >= right or top >= bottom:
        return Region(0, 0, width, height)
    return Region(left, top, right - left, bottom - top)
