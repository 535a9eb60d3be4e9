"""Equal tiles on an image."""

from __future__ import annotations

from live_gradcam.values import Image, Region


def tile_places(count: int, width: int, height: int, aspect: tuple[int, int]) -> list[Region]:
    """Place ``count`` equal tiles of an aspect ratio, as large as they fit.

    The rows are centred together; a last row with fewer tiles begins at the left, so that the
    room beside it is in one piece.
    """
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
        left = (width - columns * tile[0] - (columns - 1) * gap) // 2
        places.append(Region(left + column * (tile[0] + gap), top + row * (tile[1] + gap), *tile))
    return places


def tile_view(image: Image, place: Region) -> Image:
    """Return a view of the part of ``image`` at ``place``."""
    return image[place.y : place.y + place.height, place.x : place.x + place.width]
