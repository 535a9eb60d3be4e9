"""Overlays on a frame: heat where the evidence is, and what is written beside it.

Pure: images go in, a new image comes out, of the same size or of the size that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from live_gradcam.show.heat import own_scale
from live_gradcam.show.layout import (
    Arrangement,
    Ground,
    Picture,
    Placed,
    Seat,
    Space,
    arrange,
    place_pictures,
)
from live_gradcam.show.options import HelpGroup, Hud, MarkedArea, OtherPart, OverlayOptions
from live_gradcam.show.panel import Panel
from live_gradcam.show.panels import caption_panel, caption_size
from live_gradcam.show.part_tags import part_tags
from live_gradcam.show.pieces import Written, make_pieces
from live_gradcam.show.scene import Scene, outline_cell, paint_scene
from live_gradcam.show.votes import Spot
from live_gradcam.values import Explanation, Image, Region

__all__ = [
    "Composition",
    "HelpGroup",
    "Hud",
    "MarkedArea",
    "OtherPart",
    "OverlayOptions",
    "compose",
    "draw",
    "draw_mosaic",
    "find_pictures",
    "locate",
    "locate_part",
    "paint",
]

_DEFAULTS = OverlayOptions()
_NO_HUD = Hud()


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A drawn canvas, and how it came about.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR.
        pictures: Where the pictures stand.
        placed: The panels on it, the most important first.
        dropped: Names of the pieces that found no place.
        seats: Corners that panels took because of the evidence, for the next frame.
    """

    image: Image
    pictures: tuple[Picture, ...]
    placed: tuple[Placed[Panel], ...]
    dropped: tuple[str, ...]
    seats: Mapping[str, Seat]


def draw(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
    size: tuple[int, int] | None = None,
) -> Image:
    """Draw an explanation on a copy of an image.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: The first of its maps is drawn.
        options: Options of the overlay.
        hud: Rates and messages to draw on top.
        size: Width and height of the result, into which the image is fitted; its own if ``None``.

    Returns:
        ``uint8 (H, W, 3)`` BGR of the size of the image, or of ``size``.
    """
    scene = paint(image, explanation, options=options, hud=hud, size=size)
    return compose(scene, explanation, options=options, hud=hud).image


def draw_mosaic(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
    size: tuple[int, int] | None = None,
) -> Image:
    """Draw one tile for each map of an explanation, on one scale, in a row or in a column.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: All of its maps are drawn, each over the region that the network saw.
        options: Options of the overlay; the layout does not matter.
        hud: Rates and messages to draw on top.
        size: Width and height of the result; those of the image if ``None``.
    """
    scene = paint(image, explanation, options=options, hud=hud, size=size, mosaic=True)
    return compose(scene, explanation, options=options, hud=hud, mosaic=True).image


def paint(
    image: Image,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
    size: tuple[int, int] | None = None,
    place: Region | None = None,
    mosaic: bool = False,
    others: Sequence[OtherPart] = (),
) -> Scene:
    """Paint the pictures of an explanation, without anything written on them.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        explanation: Its maps are drawn.
        options: Options of the overlay.
        hud: Has the area that is marked.
        size: Width and height of the result, into which the image is fitted; its own if ``None``.
        place: Where on it the picture stands; in its middle, as large as it fits, if ``None``.
        mosaic: One tile for each map.
        others: Further parts of the image that are explained by themselves; a mosaic and pictures
            side by side leave them out.
    """
    options = options or _DEFAULTS
    frame = (image.shape[1], image.shape[0])
    canvas = size or frame
    pictures = find_pictures(frame, canvas, explanation, options, mosaic=mosaic, place=place)
    if mosaic:
        options = replace(options, layout="heatmap")
    scale = _scale(explanation, options, mosaic=mosaic)
    marked = hud.marked if hud is not None else None
    return paint_scene(image, explanation, pictures, canvas, options, scale, marked, others)


def compose(
    scene: Scene,
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    hud: Hud | None = None,
    mosaic: bool = False,
    pointing: Spot | None = None,
    space: Space | None = None,
    seats: Mapping[str, Seat] | None = None,
    others: Sequence[OtherPart] = (),
) -> Composition:
    """Write on a painted scene, in place, what belongs to it.

    Args:
        scene: Of `paint` with the same explanation, options and ``mosaic``.
        explanation: The explanation.
        options: Options of the overlay.
        hud: Rates and messages.
        mosaic: The scene has one tile for each map, with a caption.
        pointing: The spot that the mouse points to, and its votes.
        space: Measures of the canvas; its own if ``None``.
        seats: The seats of the frame before, where frames follow each other in time.
        others: As for `paint`; each part then has a small label, and all else is said of the first.
    """
    options, hud = options or _DEFAULTS, hud or _NO_HUD
    height, width = scene.image.shape[:2]
    space = space or Space.of(width, height, options.hud_layout)
    written = Written(
        explanation,
        replace(options, layout="heatmap") if mosaic else options,
        hud,
        _scale(explanation, options, mosaic=mosaic),
        space,
        scene.pictures,
        captioned=mosaic,
        pointing=pointing,
    )
    captions = _captions(scene.pictures, written) if mosaic and not hud.help else ()
    heated = len(scene.pictures) == 1 and options.layout != "plain"
    if others and heated and options.show_labels and not hud.help:
        parts = [explanation, *(other.explanation for other in others)]
        captions = tuple(part_tags(parts, scene.pictures[0], space))
    found = _lay_out(written, captions, seats, others if len(scene.pictures) == 1 else ())
    if pointing is not None:
        for picture in scene.pictures:
            outline_cell(scene.image, picture.to_canvas(pointing.cell))
    placed = (*found.placed, *captions)
    for each in placed:
        each.panel.draw(scene.image, each.place.x, each.place.y)
    return Composition(scene.image, scene.pictures, placed, found.dropped, found.seats)


def locate(
    x: int,
    y: int,
    image_size: tuple[int, int],
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    mosaic: bool = False,
    size: tuple[int, int] | None = None,
) -> tuple[int, int] | None:
    """Find the frame's pixel under pixel (x, y) of a rendered image, for the mouse.

    Args:
        x: Column in the rendered image.
        y: Row in the rendered image.
        image_size: Width and height of the frame.
        explanation: The explanation that was drawn.
        options: Options that it was drawn with.
        mosaic: True if it was drawn by `draw_mosaic`.
        size: Width and height of the rendered image; those of the frame if ``None``.

    Returns:
        ``(x, y)`` in frame pixels, or ``None`` beside the frame.
    """
    options = options or _DEFAULTS
    pictures = find_pictures(image_size, size or image_size, explanation, options, mosaic=mosaic)
    found = (picture.to_frame(x, y) for picture in pictures)
    return next((pixel for pixel in found if pixel is not None), None)


def locate_part(
    start: tuple[int, int],
    end: tuple[int, int],
    image_size: tuple[int, int],
    explanation: Explanation,
    *,
    options: OverlayOptions | None = None,
    mosaic: bool = False,
    size: tuple[int, int] | None = None,
    start_size: tuple[int, int] | None = None,
) -> tuple[Region, Region]:
    """Find the part of a frame between two pixels of a rendered image, for the mouse.

    It lies on the picture where the mouse began, or on the nearest one.

    Args:
        start: Where the mouse began, in the rendered image.
        end: Where it is.
        image_size: As for `locate`, as all that follows.
        explanation: The explanation that was drawn.
        options: Options that it was drawn with.
        mosaic: True if it was drawn by `draw_mosaic`.
        size: Width and height of the rendered image.
        start_size: Those that it had when the mouse began; ``size`` if ``None``.

    Returns:
        The rectangle in pixels of the rendered image, and the frame's pixels that it touches.
    """
    options = options or _DEFAULTS
    size = size or image_size
    began, pictures = (
        find_pictures(image_size, each, explanation, options, mosaic=mosaic)
        for each in (start_size or size, size)
    )
    number = min(range(len(began)), key=lambda each: began[each].distance(*start))
    old, new = began[number].place, pictures[number].place
    moved = (
        new.x + (start[0] - old.x) * new.width // old.width,
        new.y + (start[1] - old.y) * new.height // old.height,
    )
    return pictures[number].part_between(moved, end)


def find_pictures(
    frame: tuple[int, int],
    canvas: tuple[int, int],
    explanation: Explanation,
    options: OverlayOptions,
    *,
    mosaic: bool = False,
    place: Region | None = None,
) -> tuple[Picture, ...]:
    """Say where the pictures of an explanation stand on a canvas, without painting them.

    Args:
        frame: Width and height of the frame.
        canvas: Width and height of the canvas.
        explanation: Its maps are drawn.
        options: Options of the overlay.
        mosaic: One tile for each map.
        place: As for `paint`.
    """
    return place_pictures(
        frame,
        canvas,
        explanation.region,
        maps=len(explanation.explained) if mosaic and explanation.explained else None,
        beside=options.layout == "side-by-side",
        place=place,
        caption=caption_size(Space.of(*canvas, options.hud_layout)),
    )


def _lay_out(
    written: Written,
    captions: tuple[Placed[Panel], ...],
    seats: Mapping[str, Seat] | None,
    others: Sequence[OtherPart],
) -> Arrangement[Panel]:
    pieces = make_pieces(written)
    space, options = written.space, written.options
    evidence = written.explanation.evidence
    grounds = [
        Ground.of(
            picture.place,
            picture.seen,
            evidence[picture.position or 0] if (picture.position or 0) < len(evidence) else None,
            signed=options.signed,
        )
        for picture in written.pictures
    ]
    for each in (other.explanation for other in others):
        picture = written.pictures[0]
        seen = picture.to_canvas(each.region)
        weights = each.evidence[0] if len(each.evidence) else None
        grounds.append(Ground.of(picture.place, seen, weights, signed=options.signed))
    taken = [each.place for each in captions]

    def attempt(order: list[str]) -> Arrangement[Panel]:
        return arrange(
            sorted(pieces, key=lambda piece: order.index(piece.name)),
            (space.width, space.height),
            space.margin,
            grounds,
            taken=taken,
            seats=seats,
        )

    names = [piece.name for piece in pieces]
    if "votes" not in names:
        return attempt(names)
    # Nothing jumps out of the mouse's way, unless the votes find no room otherwise.
    found = attempt([name for name in names if name != "votes"] + ["votes"])
    return attempt(names) if "votes" in found.dropped else found


def _captions(pictures: tuple[Picture, ...], written: Written) -> tuple[Placed[Panel], ...]:
    made = []
    for picture in pictures:
        room = picture.caption
        if room is None or not written.options.show_labels:
            continue
        panel = caption_panel(
            written.explanation, picture.position or 0, written.space, room.width, room.height
        )
        if panel is not None:
            made.append(Placed("caption", room, panel))
    return tuple(made)


def _scale(explanation: Explanation, options: OverlayOptions, *, mosaic: bool) -> float:
    if options.scale is not None:
        return options.scale
    maps = explanation.evidence if mosaic else explanation.evidence[:1]
    return max((own_scale(each, signed=options.signed) for each in maps), default=0.0)
