"""The places of pictures on a canvas, and the way back from a point there to the frame."""

from __future__ import annotations

from dataclasses import dataclass

from live_gradcam.images.geometry import letterbox_region
from live_gradcam.values import Region

SMALLEST_SIDE = 360
"""The shorter side, in pixels, in which a heatmap is still smooth when it is enlarged."""

_MOST_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on a canvas.

    Attributes:
        place: Where it stands, in pixels of the canvas.
        source: The part of the frame that it shows, in pixels of the frame.
        seen: The part that the network saw, in pixels of the canvas.
        position: Number of the map that is drawn on it; ``None`` for the untouched picture.
        caption: Room for a caption; ``None`` where there is none.
    """

    place: Region
    source: Region
    seen: Region
    position: int | None = 0
    caption: Region | None = None

    def to_frame(self, x: int, y: int) -> tuple[int, int] | None:
        """Return the frame's pixel under a pixel of the canvas; ``None`` beside the picture."""
        column, row = x - self.place.x, y - self.place.y
        if not (0 <= column < self.place.width and 0 <= row < self.place.height):
            return None
        return (
            self.source.x + column * self.source.width // self.place.width,
            self.source.y + row * self.source.height // self.place.height,
        )

    def part_between(self, start: tuple[int, int], end: tuple[int, int]) -> tuple[Region, Region]:
        """Return the rectangle between two pixels of the canvas, as far as it is on the picture.

        Returns:
            It in pixels of the canvas, and all of the frame's pixels that it touches.
        """
        place, source = self.place, self.source
        xs = sorted(min(max(x, place.x), place.x + place.width - 1) for x, _ in (start, end))
        ys = sorted(min(max(y, place.y), place.y + place.height - 1) for _, y in (start, end))
        left, right = (source.x + (x - place.x) * source.width // place.width for x in xs)
        top, bottom = (source.y + (y - place.y) * source.height // place.height for y in ys)
        return (
            Region(xs[0], ys[0], xs[1] - xs[0] + 1, ys[1] - ys[0] + 1),
            Region(left, top, right - left + 1, bottom - top + 1),
        )

    def distance(self, x: int, y: int) -> int:
        """Return how far a pixel of the canvas is from the picture; 0 on it."""
        place = self.place
        across = max(place.x - x, x - (place.x + place.width - 1), 0)
        down = max(place.y - y, y - (place.y + place.height - 1), 0)
        return max(across, down)

    def to_canvas(self, region: Region) -> Region:
        """Return the place of a part of the frame on the canvas, which may lie beside it."""
        return map_region(region, self.source, self.place)


def map_region(region: Region, source: Region, place: Region) -> Region:
    """Move a region from one rectangle's pixels to another's; edges that touched still touch."""
    across, down = place.width / source.width, place.height / source.height
    left = place.x + round((region.x - source.x) * across)
    right = place.x + round((region.x + region.width - source.x) * across)
    top = place.y + round((region.y - source.y) * down)
    bottom = place.y + round((region.y + region.height - source.y) * down)
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def clip_region(region: Region, width: int, height: int) -> Region:
    """Return the part of the region that lies on an image; the whole image where none does."""
    left, top = min(max(region.x, 0), width), min(max(region.y, 0), height)
    right = min(max(region.x + region.width, 0), width)
    bottom = min(max(region.y + region.height, 0), height)
    if left >= right or top >= bottom:
        return Region(0, 0, width, height)
    return Region(left, top, right - left, bottom - top)


def place_pictures(
    frame: tuple[int, int],
    canvas: tuple[int, int],
    region: Region,
    *,
    maps: int | None = None,
    beside: bool = False,
    place: Region | None = None,
    caption: tuple[int, int] = (0, 0),
) -> tuple[Picture, ...]:
    """Place what is shown on a canvas, as large as it can be.

    Args:
        frame: Width and height of the frame.
        canvas: Width and height of the canvas.
        region: The part of the frame that the network saw.
        maps: Number of maps that are shown side by side; ``None`` for the whole frame with one.
        beside: The untouched region stands beside the one with heat; without ``maps`` only.
        place: Where the whole frame stands; letterboxed on the canvas if ``None``.
        caption: Width and height in pixels that each of the ``maps`` needs for its caption.
    """
    seen = clip_region(region, *frame)
    if maps is None and not beside:
        whole = Region(0, 0, *frame)
        where = place or letterbox_region(frame, canvas)
        return (Picture(where, whole, clip_region_in(map_region(seen, whole, where), where)),)
    count = 2 if maps is None else maps
    room = place or Region(0, 0, *canvas)
    tiles = place_tiles(
        count, room.width, room.height, (seen.width, seen.height), caption if maps else (0, 0)
    )
    pictures = []
    for number, (tile, words) in enumerate(tiles):
        where = _moved(tile, room)
        position = number if maps is not None else None if number == 0 else 0
        pictures.append(
            Picture(where, seen, where, position, _moved(words, room) if words else None)
        )
    return tuple(pictures)


def clip_region_in(region: Region, place: Region) -> Region:
    """Return the part of a region that lies in a place, to at least one pixel."""
    left, top = max(region.x, place.x), max(region.y, place.y)
    right = min(region.x + region.width, place.x + place.width)
    bottom = min(region.y + region.height, place.y + place.height)
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def place_tiles(
    count: int,
    width: int,
    height: int,
    aspect: tuple[int, int],
    caption: tuple[int, int] = (0, 0),
) -> list[tuple[Region, Region | None]]:
    """Place ``count`` equal tiles of an aspect ratio, each with a caption, as large as they fit.

    Up to three stand in a row or in a column, more of them in rows as well. Each caption stands
    below its tile or to the right of it.

    Args:
        count: Number of tiles.
        width: Of the room, in pixels.
        height: Of the room, in pixels.
        aspect: Width and height of what a tile shows; only their ratio counts.
        caption: Width and height that a caption needs, in pixels.
    """
    gap = max(2, min(width, height) // 90)
    columns_tried = range(1, count + 1) if count > _MOST_IN_A_ROW else (count, 1)
    best: tuple[float, int, bool] = (0.0, 1, True)
    for columns in columns_tried:
        for below in (True, False):
            cell = _cell(count, columns, width, height, gap)
            room = (cell[0], cell[1] - caption[1]) if below else (cell[0] - caption[0], cell[1])
            zoom = min(room[0] / aspect[0], room[1] / aspect[1])
            if zoom > best[0]:
                best = (zoom, columns, below)
    zoom, columns, below = best
    tile = (max(1, int(aspect[0] * zoom)), max(1, int(aspect[1] * zoom)))
    block = (tile[0], tile[1] + caption[1]) if below else (tile[0] + caption[0], tile[1])
    rows = -(-count // columns)
    left = (width - columns * block[0] - (columns - 1) * gap) // 2
    top = (height - rows * block[1] - (rows - 1) * gap) // 2
    if zoom <= 0 or min(left, top) < 0:  # no room for captions, or not even for so many tiles
        if any(caption):
            return place_tiles(count, width, height, aspect)
        return [(letterbox_region(aspect, (width, height)), None)]
    places: list[tuple[Region, Region | None]] = []
    for number in range(count):
        row, column = divmod(number, columns)
        x, y = left + column * (block[0] + gap), top + row * (block[1] + gap)
        words = None
        if all(caption) and below:
            words = Region(x, y + tile[1], tile[0], caption[1])
        elif all(caption):
            words = Region(x + tile[0], y, caption[0], tile[1])
        places.append((Region(x, y, *tile), words))
    return places


def working_size(frame: tuple[int, int], place: tuple[int, int]) -> tuple[int, int]:
    """Return the size in which heat is blended into a picture, before it is enlarged.

    Heat is smooth: no more pixels than the frame has or can be seen, and no fewer than
    `SMALLEST_SIDE`, so that blending costs the same on a large screen.

    Args:
        frame: Width and height of the frame, or of the part that is shown.
        place: Width and height in which it is shown.
    """
    needed = SMALLEST_SIDE / min(frame)
    zoom = max(1.0, needed)
    width, height = round(frame[0] * zoom), round(frame[1] * zoom)
    if width >= place[0] or height >= place[1]:
        return place
    return max(1, width), max(1, height)


def _cell(count: int, columns: int, width: int, height: int, gap: int) -> tuple[float, float]:
    rows = -(-count // columns)
    return (width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows


def _moved(region: Region, room: Region) -> Region:
    return Region(region.x + room.x, region.y + room.y, region.width, region.height)
