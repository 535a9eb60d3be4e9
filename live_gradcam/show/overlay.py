"""What is drawn on a frame: heat where the evidence is, labels, and how fast it all runs.

Pure: pictures go in, a new picture of the same size comes out, whatever the layout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.show import panels
from live_gradcam.show.arrange import Anchor, Arrangement
from live_gradcam.show.heat import (
    COLORMAPS,
    blend_heat,
    heat_table,
    normalise,
    own_scale,
    upsample,
)
from live_gradcam.show.panels import ACCENT, DARK, GREY, WHITE, Line
from live_gradcam.values import Explanation, Image, Region

Layout: TypeAlias = Literal["heatmap", "side-by-side", "plain"]

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""The layouts, in the order in which a key walks through them."""

LOW_CONFIDENCE = 0.2
"""A top probability below this is called "low confidence"."""

_DIMMED = 0.42
_TYPE_SHARE = 0.042
_SMALLEST_TYPE = 10
_BACKDROP = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """How an explanation is drawn.

    Attributes:
        colormap: A name in `COLORMAPS`; signed evidence has colours of its own.
        opacity: Weight of the hottest colour against the picture, 0..1.
        layout: Heat on the picture, the untouched picture beside it, or no heat at all.
        signed: Show evidence against the class too: for in warm, against in cool colours.
        scale: The evidence in logits that gets the full colour; ``None`` is this map's own maximum.
            Moving pictures pass the value of a `HeatScale`, so that the colours keep their meaning.
        show_labels: Draw the best classes and their probabilities.
        show_legend: Draw the colour bar in logits with the name of the explained class.
        show_hud: Draw rates, latency and what else the `Hud` holds, banners excepted.
        top_k: How many classes are listed.
    """

    colormap: str = "turbo"
    opacity: float = 0.6
    layout: Layout = "heatmap"
    signed: bool = False
    scale: float | None = None
    show_labels: bool = True
    show_legend: bool = True
    show_hud: bool = True
    top_k: int = 3

    def __post_init__(self) -> None:
        if self.colormap not in COLORMAPS:
            raise ValueError(f"colormap must be one of {', '.join(COLORMAPS)}, not {self.colormap}")
        if not 0.0 <= self.opacity <= 1.0:
            raise ValueError(f"opacity must be from 0 to 1, not {self.opacity}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout}")
        if self.top_k < 0:
            raise ValueError(f"top_k must not be negative, not {self.top_k}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hud:
    """What the run knows and the explanation does not; whatever is empty is not drawn.

    Attributes:
        fps: Explained frames shown per second.
        latency_ms: From capture to show, in milliseconds.
        dropped: Frames that were replaced by newer ones.
        model: Name of the network.
        precision: What it computes in, e.g. ``bf16``.
        compiled: Whether the compiled engine runs.
        banner: A sentence that must be seen, e.g. that the connection is lost.
        recording_seconds: Length of the recording under way.
        notes: Short lines, e.g. of the truth meter.
        help_lines: Keys and what they do.
    """

    fps: float | None = None
    latency_ms: float | None = None
    dropped: int | None = None
    model: str = ""
    precision: str = ""
    compiled: bool | None = None
    banner: str = ""
    recording_seconds: float | None = None
    notes: tuple[str, ...] = ()
    help_lines: tuple[tuple[str, str], ...] = ()


_DEFAULTS = OverlayOptions()


def draw(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
) -> Image:
    """A new picture: ``image`` with its explanation.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: The first of its maps is drawn.
        options: How it is drawn.
        hud: Rates and messages to draw on top.

    Returns:
        ``uint8 (H, W, 3)`` BGR of the same size, in every layout.
    """
    options = options or _DEFAULTS
    scale = _scale(explanation, options)
    if options.layout == "side-by-side":
        left, right = tile_places(2, image.shape[1], image.shape[0], image.shape[1::-1])
        picture = _backdrop(image)
        _fill(picture, left, image)
        _fill(picture, right, _with_heat(image, explanation, 0, options, scale))
    elif options.layout == "plain":
        picture = np.array(image, order="C")
    else:
        picture = _with_heat(image, explanation, 0, options, scale)
    _annotate(picture, explanation, options, hud, scale)
    return picture


def draw_mosaic(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
) -> Image:
    """A new picture of the same size: one tile for each map of the explanation, on one scale.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: All of its maps are drawn, each over the region that the network saw.
        options: How they are drawn; the layout does not matter.
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
    covered = replace(explanation, region=Region(0, 0, region.width, region.height))
    picture = _backdrop(image)
    size = _type_size(picture)
    places = tile_places(count, image.shape[1], image.shape[0], (region.width, region.height))
    for position, place in enumerate(places):
        tile = _resized(seen, place.width, place.height)
        whole = replace(covered, region=Region(0, 0, place.width, place.height))
        spot = picture[place.y : place.y + place.height, place.x : place.x + place.width]
        spot[...] = _with_heat(tile, whole, position, options, scale, frame=False)
        _caption(picture, place, explanation, position, size)
    _annotate(picture, explanation, replace(options, show_labels=False), hud, scale, title="evidence")
    return picture


def locate(
    x: int,
    y: int,
    image_size: tuple[int, int],
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    mosaic: bool = False,
) -> tuple[int, int] | None:
    """The frame's pixel under pixel (x, y) of a drawn picture, for the mouse.

    Args:
        x: Column in the drawn picture.
        y: Row in the drawn picture.
        image_size: Width and height of the frame.
        explanation: What was drawn.
        options: How it was drawn.
        mosaic: Whether it was drawn by `draw_mosaic`.

    Returns:
        ``(x, y)`` in frame pixels, or ``None`` beside the frame.
    """
    width, height = image_size
    source = Region(0, 0, width, height)
    places = [source]
    if mosaic:
        source = _clip_to(explanation.region, width, height)
        places = tile_places(len(explanation.explained), width, height, (source.width, source.height))
    elif (options or _DEFAULTS).layout == "side-by-side":
        places = tile_places(2, width, height, (width, height))
    for place in places:
        column, row = x - place.x, y - place.y
        if 0 <= column < place.width and 0 <= row < place.height:
            return (
                source.x + column * source.width // place.width,
                source.y + row * source.height // place.height,
            )
    return None


def tile_places(
    count: int, width: int, height: int, aspect: tuple[int, int]
) -> list[Region]:
    """Places of ``count`` equal tiles of an aspect ratio, as large as they fit, centred."""
    gap = max(2, min(width, height) // 90)
    best = (0.0, 1)
    for columns in range(1, count + 1):
        rows = -(-count // columns)
        room = ((width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows)
        zoom = min(room[0] / aspect[0], room[1] / aspect[1])
        if zoom >= best[0]:
            best = (zoom, columns)
    zoom, columns = best
    rows = -(-count // columns)
    tile = (max(1, int(aspect[0] * zoom)), max(1, int(aspect[1] * zoom)))
    top = (height - rows * tile[1] - (rows - 1) * gap) // 2
    places = []
    for position in range(count):
        row, column = divmod(position, columns)
        in_row = min(columns, count - row * columns)
        left = (width - in_row * tile[0] - (in_row - 1) * gap) // 2
        places.append(
            Region(left + column * (tile[0] + gap), top + row * (tile[1] + gap), *tile)
        )
    return places


def _scale(explanation: Explanation, options: OverlayOptions) -> float:
    if options.scale is not None:
        return options.scale
    if not len(explanation.evidence):
        return 0.0
    return own_scale(explanation.evidence[0], signed=options.signed)


def _with_heat(
    image: Image,
    explanation: Explanation,
    position: int,
    options: OverlayOptions,
    scale: float,
    *,
    frame: bool = True,
) -> Image:
    picture: Image = np.array(image, order="C")
    region = _clip(explanation.region, image)
    rows = slice(region.y, region.y + region.height)
    columns = slice(region.x, region.x + region.width)
    for outside in (
        picture[: region.y],
        picture[region.y + region.height :],
        picture[rows, : region.x],
        picture[rows, region.x + region.width :],
    ):
        if outside.size:
            cv2.convertScaleAbs(outside, outside, _DIMMED)
    if position < len(explanation.evidence):
        heat = normalise(explanation.evidence[position], scale, signed=options.signed)
        if heat.any():
            indices = _region_indices(heat, explanation.region, region, options.signed)
            table = heat_table(options.colormap, options.opacity, options.signed)
            blend_heat(picture[rows, columns], indices, table)
    if frame and (region.width, region.height) != (image.shape[1], image.shape[0]):
        _outline(picture, region)
    return picture


def _region_indices(
    heat: NDArray[np.float32], whole: Region, shown: Region, signed: bool
) -> NDArray[np.uint8]:
    indices = upsample(heat, whole.width, whole.height, signed=signed)
    left, top = shown.x - whole.x, shown.y - whole.y
    return indices[top : top + shown.height, left : left + shown.width]


def _outline(picture: Image, region: Region) -> None:
    """A thin light line just inside the region with a dark one around it: seen on any ground."""
    height, width = picture.shape[:2]
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
            picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour


def _annotate(
    picture: Image,
    explanation: Explanation,
    options: OverlayOptions,
    hud: Hud | None,
    scale: float,
    *,
    title: str = "",
) -> None:
    height, width = picture.shape[:2]
    size = _type_size(picture)
    margin = max(2, round(size * 0.5))
    room = width - 2 * margin
    column = _column_width(explanation.region, width, size, margin)
    at = Arrangement(picture, margin)

    if options.show_labels and options.top_k:
        for rows, bars, share in (
            (options.top_k, True, 0.34),
            (options.top_k, False, 0.34),
            (1, True, 0.34),
            (1, False, 1.0),
        ):
            panel = panels.labels_panel(
                explanation, top_k=rows, size=size, width=column, bars=bars
            )
            if panel and panel.width * panel.height > share * width * height:
                continue
            if at.add(panel, ("top-left",)):
                break
    if hud and hud.recording_seconds is not None:
        at.add(
            panels.recording_panel(hud.recording_seconds, size=size),
            ("top-right", "bottom-right", "bottom-left"),
        )
    if hud and options.show_hud:
        for lines in _rate_lines(hud):
            panel = panels.text_panel(lines, size=size, max_width=room, align_right=True)
            if panel and panel.width * panel.height <= 0.2 * width * height:
                if at.add(panel, ("top-right", "bottom-right")):
                    break
    if hud and hud.banner:
        at.add(
            panels.pill(hud.banner, size=size, max_width=room, colour=DARK, ground=ACCENT),
            ("bottom", "centre"),
            over_others=True,
        )
    for notice in _notices(explanation, options, scale):
        at.add(
            panels.pill(notice, size=size, max_width=room, colour=WHITE, ground=DARK),
            ("bottom", "centre"),
        )
    if hud and options.show_hud and hud.notes:
        lines = [Line(note, 0.8) for note in hud.notes]
        at.add(panels.text_panel(lines, size=size, max_width=room), ("bottom-right", "bottom-left"))
    if options.show_legend and options.layout != "plain" and explanation.explained and scale > 0:
        table = heat_table(options.colormap, options.opacity, options.signed)
        legend = panels.legend_panel(
            title or f"evidence for {panels.shown_label(explanation)}",
            table,
            scale,
            signed=options.signed,
            size=size,
            width=column,
        )
        if legend.height <= 0.22 * height:
            at.add(legend, ("bottom-left",))
    if hud and hud.help_lines:
        at.add(
            panels.help_panel(
                hud.help_lines, size=size, max_width=room, max_height=height - 2 * margin
            ),
            ("centre",),
            over_others=True,
        )


def _rate_lines(hud: Hud) -> list[list[Line]]:
    """The rates in three lengths, longest first."""
    rates = []
    if hud.fps is not None:
        rates.append(Line(f"{hud.fps:.1f} FPS" if hud.fps < 99.95 else f"{hud.fps:.0f} FPS"))
    if hud.latency_ms is not None:
        rates.append(Line(f"{hud.latency_ms:.0f} ms", 0.8 if rates else 1.0))
    engine = [hud.model, hud.precision, {True: "compiled", False: "eager", None: ""}[hud.compiled]]
    details = [" · ".join(word for word in engine if word)]
    if hud.dropped:
        details.append(f"{hud.dropped} dropped")
    full = rates + [Line(text, 0.66, GREY) for text in details if text]
    short = [Line("  ".join(line.text for line in rates))]
    return [lines for lines in (full, rates, short, rates[:1]) if lines and lines[0].text]


def _notices(explanation: Explanation, options: OverlayOptions, scale: float) -> list[str]:
    notices = []
    if not explanation.finite:
        notices.append("no evidence: the network's numbers overflowed")
    elif explanation.explained and options.layout != "plain":
        shown = explanation.evidence[0]
        if not (shown > 0).any() and not (options.signed and (shown < 0).any()):
            notices.append(f"no evidence for {panels.shown_label(explanation)}")
    if explanation.predictions and explanation.predictions[0].probability < LOW_CONFIDENCE:
        notices.append("low confidence")
    return notices


def _caption(
    picture: Image, place: Region, explanation: Explanation, position: int, size: int
) -> None:
    index = explanation.explained[position]
    found = next((p for p in explanation.predictions if p.class_index == index), None)
    label = panels.shown_label(explanation, position)
    text = f"{label}  {panels.percent(found.probability)}" if found else label
    spot = picture[place.y : place.y + place.height, place.x : place.x + place.width]
    anchors: tuple[Anchor, ...] = ("top-left",)
    lines = [Line(text)]
    if not (explanation.evidence[position] > 0).any():
        lines.append(Line("no evidence", 0.8, GREY))
    panel = panels.text_panel(lines, size=size, max_width=place.width - size)
    Arrangement(spot, max(2, size // 3)).add(panel, anchors)


def _column_width(region: Region, width: int, size: int, margin: int) -> int:
    """Width of the label panel: beside the region where that is wide enough, else in em."""
    beside = region.x - 2 * margin
    if 9 * size <= beside <= 14 * size:
        return beside
    return max(1, min(13 * size, width - 2 * margin))


def _type_size(picture: Image) -> int:
    return max(_SMALLEST_TYPE, round(min(picture.shape[:2]) * _TYPE_SHARE))


def _backdrop(image: Image) -> Image:
    return np.full(image.shape, _BACKDROP, np.uint8)


def _fill(picture: Image, place: Region, content: Image) -> None:
    picture[place.y : place.y + place.height, place.x : place.x + place.width] = _resized(
        content, place.width, place.height
    )


def _resized(image: Image, width: int, height: int) -> Image:
    if image.shape[1::-1] == (width, height):
        return image
    smaller = width < image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=way).astype(np.uint8, copy=False)


def _clip(region: Region, image: Image) -> Region:
    return _clip_to(region, image.shape[1], image.shape[0])


def _clip_to(region: Region, width: int, height: int) -> Region:
    """The part of the region that lies on the picture; the whole picture where none does."""
    left, top = min(max(region.x, 0), width), min(max(region.y, 0), height)
    right = min(max(region.x + region.width, 0), width)
    bottom = min(max(region.y + region.height, 0), height)
    if left >= right or top >= bottom:
        return Region(0, 0, width, height)
    return Region(left, top, right - left, bottom - top)
