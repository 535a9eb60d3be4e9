"""Placement on an image: panels in a corner where there is room, and equal tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from live_gradcam.show.panel import Panel
from live_gradcam.values import Image, Region

Anchor: TypeAlias = Literal[
    "top-left", "top-right", "bottom-left", "bottom-right", "bottom", "centre"
]


class Arrangement:
    """Panels on one image, none over another and none over the edge.

    Args:
        image: The image to draw on, in place.
        margin: Distance in pixels to the edge and between panels.
        keep_clear: Regions that panels avoid as long as there is room elsewhere.
    """

    def __init__(self, image: Image, margin: int, keep_clear: Sequence[Region] = ()) -> None:
        self._image = image
        self._margin = margin
        self._keep_clear = tuple(keep_clear)
        self._taken: list[tuple[int, int, int, int]] = []

    def add(
        self,
        versions: Iterable[Panel | None],
        anchors: Sequence[Anchor],
        *,
        over_others: bool = False,
    ) -> bool:
        """Draw the first version that finds room, at the first anchor where it does.

        Args:
            versions: Panels with the same message, the preferred one first.
            anchors: Where it may stand.
            over_others: Ignore other panels, but not the edge.

        Returns:
            ``True`` if one was drawn.
        """
        return any(
            self._draw(panel, anchors, over_others) for panel in versions if panel is not None
        )

    def _draw(self, panel: Panel, anchors: Sequence[Anchor], over_others: bool) -> bool:
        places = [
            (x, y)
            for anchor in anchors
            for x, y in self._places(panel, anchor)
            if self._inside(panel, x, y) and (over_others or self._is_free(panel, x, y))
        ]
        if not places:
            return False
        x, y = next((place for place in places if self._is_clear(panel, *place)), places[0])
        panel.draw(self._image, x, y)
        self._taken.append((x, y, panel.width, panel.height))
        return True

    def _places(self, panel: Panel, anchor: Anchor) -> list[tuple[int, int]]:
        height, width = self._image.shape[:2]
        gap = self._margin
        left, right = gap, width - gap - panel.width
        top, bottom = gap, height - gap - panel.height
        middle = (width - panel.width) // 2
        if anchor == "centre":
            return [(middle, (height - panel.height) // 2)]
        x = {"left": left, "right": right, "bottom": middle}[anchor.rsplit("-", 1)[-1]]
        places = [(x, top if anchor.startswith("top") else bottom)]
        # Next to what stands there already, stacked away from the edge.
        for _, y, _, taken_height in self._taken:
            places.append(
                (x, y + taken_height + gap if anchor.startswith("top") else y - gap - panel.height)
            )
        # The nearest free place to the edge, whatever came first.
        return sorted(places, key=lambda place: place[1], reverse=not anchor.startswith("top"))

    def _inside(self, panel: Panel, x: int, y: int) -> bool:
        height, width = self._image.shape[:2]
        return x >= 0 and y >= 0 and x + panel.width <= width and y + panel.height <= height

    def _is_clear(self, panel: Panel, x: int, y: int) -> bool:
        return not any(
            x < place.x + place.width
            and place.x < x + panel.width
            and y < place.y + place.height
            and place.y < y + panel.height
            for place in self._keep_clear
        )

    def _is_free(self, panel: Panel, x: int, y: int) -> bool:
        gap = max(1, self._margin // 2)
        return not any(
            x < left + width + gap
            and left < x + panel.width + gap
            and y < top + height + gap
            and top < y + panel.height + gap
            for left, top, width, height in self._taken
        )


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
