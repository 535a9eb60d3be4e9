"""What a mouse does in the window, as events: it points, draws a rectangle, or clicks."""

from __future__ import annotations

from dataclasses import dataclass

from live_gradcam.native import cv2

# A button that is let go nearer to where it went down is a click.
_LEAST_DRAG = 5


@dataclass(frozen=True, slots=True)
class MouseMoved:
    """Event: the mouse points at pixel (x, y) of the image."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Dragged:
    """Event: the mouse moves, or has moved, with its left button down.

    Attributes:
        start: Where the button went down, in pixels of the image.
        end: Where the mouse is; both may lie beside the image.
        released: The button was let go there.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    released: bool


@dataclass(frozen=True, slots=True)
class RightClicked:
    """Event: the right button of the mouse was pressed."""


class Mouse:
    """Gathers what the mouse has done, in pixels of the window, until somebody asks for it."""

    def __init__(self) -> None:
        self._spot: tuple[int, int] | None = None
        self._pressed_at: tuple[int, int] | None = None
        self._dragging = False
        self._gestures: list[Dragged | RightClicked] = []

    def take_spot(self) -> tuple[int, int] | None:
        """Return where the mouse points; ``None`` if it has not moved since the last call."""
        spot, self._spot = self._spot, None
        return spot

    def take_gestures(self) -> list[Dragged | RightClicked]:
        """Return what else it has done since the last call, in order."""
        gestures, self._gestures = self._gestures, []
        return gestures

    def cancel_drag(self) -> None:
        """Forget a drag under way: what is left of it is no event."""
        self._pressed_at, self._dragging = None, False

    def obey(self, event: int, x: int, y: int, _flags: int, _data: object) -> None:
        """Take an event of OpenCV's."""
        if event == cv2.EVENT_LBUTTONDOWN:
            self._pressed_at, self._dragging = (x, y), False
        elif event == cv2.EVENT_RBUTTONDOWN:
            self._gestures.append(RightClicked())
        elif event == cv2.EVENT_LBUTTONUP:
            self._move(x, y, released=True)
            self.cancel_drag()
        elif event == cv2.EVENT_MOUSEMOVE:
            self._move(x, y, released=False)

    def _move(self, x: int, y: int, *, released: bool) -> None:
        start = self._pressed_at
        if start is not None and max(abs(x - start[0]), abs(y - start[1])) >= _LEAST_DRAG:
            self._dragging = True
        if start is None or not self._dragging:
            self._spot = (x, y)
            return
        last = self._gestures[-1] if self._gestures else None
        if isinstance(last, Dragged) and not last.released:
            self._gestures.pop()  # only the newest place counts
        self._gestures.append(Dragged(start, (x, y), released))
