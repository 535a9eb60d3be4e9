"""What a mouse does in the window, as events: it points, draws a rectangle, or clicks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from live_gradcam.native import cv2

# A button that is let go nearer to where it went down is a click.
_LEAST_DRAG = 5

Point: TypeAlias = tuple[int, int]


class ScreenPoint(NamedTuple):
    """A pixel of the image that was shown when the mouse was there.

    Attributes:
        x: Column; it may lie beside the image.
        y: Row, likewise.
        size: Width and height of that image.
    """

    x: int
    y: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MouseMoved:
    """Event: the mouse points at pixel (x, y) of an image of a size (width, height)."""

    x: int
    y: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Dragged:
    """Event: the mouse moves, or has moved, with its left button down.

    Attributes:
        start: Where the button went down; the window may have had another size then.
        end: Where the mouse is.
        released: The button was let go there.
    """

    start: ScreenPoint
    end: ScreenPoint
    released: bool


@dataclass(frozen=True, slots=True)
class RightClicked:
    """Event: the right button of the mouse was pressed."""


class Mouse:
    """Gathers what the mouse has done, in pixels of the image, until somebody asks for it.

    Args:
        to_image: Returns the pixel under a point of what is shown. It is asked when the mouse is
            there: what is shown later may be of another size.
    """

    def __init__(self, to_image: Callable[[Point], ScreenPoint]) -> None:
        self._to_image = to_image
        self._spot: ScreenPoint | None = None
        self._pressed_at: Point | None = None
        self._start: ScreenPoint | None = None
        self._dragging = False
        self._gestures: list[Dragged | RightClicked] = []

    def take_spot(self) -> ScreenPoint | None:
        """Return where the mouse points; ``None`` if it has not moved since the last call."""
        spot, self._spot = self._spot, None
        return spot

    def take_gestures(self) -> list[Dragged | RightClicked]:
        """Return what else it has done since the last call, in order."""
        gestures, self._gestures = self._gestures, []
        return gestures

    def cancel_drag(self) -> None:
        """Forget a drag under way: what is left of it is no event."""
        self._pressed_at, self._start, self._dragging = None, None, False

    def obey(self, event: int, x: int, y: int, _flags: int, _data: object) -> None:
        """Take an event of OpenCV's."""
        if event == cv2.EVENT_LBUTTONDOWN:
            self._pressed_at, self._start = (x, y), self._to_image((x, y))
            self._dragging = False
        elif event == cv2.EVENT_RBUTTONDOWN:
            self._gestures.append(RightClicked())
        elif event == cv2.EVENT_LBUTTONUP:
            self._move(x, y, released=True)
            self.cancel_drag()
        elif event == cv2.EVENT_MOUSEMOVE:
            self._move(x, y, released=False)

    def _move(self, x: int, y: int, *, released: bool) -> None:
        pressed, start, spot = self._pressed_at, self._start, self._to_image((x, y))
        if pressed is not None and max(abs(x - pressed[0]), abs(y - pressed[1])) >= _LEAST_DRAG:
            self._dragging = True
        if start is None or not self._dragging:
            self._spot = spot
            return
        last = self._gestures[-1] if self._gestures else None
        if isinstance(last, Dragged) and not last.released:
            self._gestures.pop()  # only the newest place counts
        self._gestures.append(Dragged(start, spot, released))
