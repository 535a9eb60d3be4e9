"""A window for images, and the events of the person in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from live_gradcam.closeable import Closeable
from live_gradcam.errors import DeviceError
from live_gradcam.images.geometry import letterbox, letterbox_region
from live_gradcam.native import cv2
from live_gradcam.show.display import prepare_toolkit, probe_display, screen_area
from live_gradcam.show.mouse import Dragged, Mouse, MouseMoved, Point, RightClicked, ScreenPoint
from live_gradcam.values import Image, Region

__all__ = ["Closed", "Event", "KeyPressed", "MouseMoved", "Window", "probe_display"]


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """Event: a key was pressed.

    Attributes:
        key: The character in lower case (the toolkit cannot tell upper from lower), or one of
            ``esc enter space tab backspace delete home end left right up down``, ``f1`` to ``f9``.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Event: the window was closed with the mouse or by the desktop; it does not come back."""


Event: TypeAlias = KeyPressed | MouseMoved | Dragged | RightClicked | Closed

_NAMED_KEYS: Mapping[int, str] = MappingProxyType(
    {
        8: "backspace",
        9: "tab",
        10: "enter",
        13: "enter",
        27: "esc",
        32: "space",
        # X11
        65360: "home",
        65367: "end",
        65361: "left",
        65362: "up",
        65363: "right",
        65364: "down",
        65535: "delete",
        **{65470 + number: f"f{number + 1}" for number in range(9)},
        # Windows
        2359296: "home",
        2293760: "end",
        2424832: "left",
        2490368: "up",
        2555904: "right",
        2621440: "down",
        3014656: "delete",
        **{(0x70 + number) << 16: f"f{number + 1}" for number in range(9)},
        # macOS
        63273: "home",
        63275: "end",
        63232: "up",
        63233: "down",
        63234: "left",
        63235: "right",
        63272: "delete",
        **{63236 + number: f"f{number + 1}" for number in range(9)},
    }
)
_UNICODE = 1 << 24  # X11 adds it to the number of a character beyond Latin-1
_MODIFIERS = 0xFF0000  # GTK mixes Shift, NumLock and so on into the code
_MOST_KEYS = 16
# A change to full screen that had no effect is asked for again after so many images, some times.
_SETTLING_STEP = 30
_SETTLING_PICTURES = 4 * _SETTLING_STEP
_SIZE_ON_UNKNOWN_SCREEN = (1280, 800)
# Room for title bars, panels and the windows beside.
_SCREEN_SHARE = 0.82
# Larger than that, every pixel is a tile.
_MOST_ZOOM = 4.0
_SMALLEST_WIDTH = 480


def key_name(code: int) -> str | None:
    """Return the name of a key code of ``cv2.waitKeyEx``; ``None`` for unknown ones."""
    if code in _NAMED_KEYS:
        return _NAMED_KEYS[code]
    if _UNICODE + 0xFF < code < _UNICODE + 0x110000:
        letter = chr(code - _UNICODE)
        return letter.lower() if letter.isprintable() else None
    if code > 0xFFFF:
        code &= ~_MODIFIERS
        if code in _NAMED_KEYS:
            return _NAMED_KEYS[code]
    return chr(code).lower() if 32 < code < 127 or 160 < code < 256 else None


class Window(Closeable):
    """A resizable window for images, with black bars where their shape is not its own.

    Belongs to the thread that makes it, which must be the main thread.

    Args:
        title: Shown in the title bar.
        width: Width of the images, for the first size.
        height: Height of the images, for the first size.
        fullscreen: Fill the screen from the beginning.

    Raises:
        DeviceError: There is no display.
    """

    def __init__(self, title: str, *, width: int, height: int, fullscreen: bool = False) -> None:
        probe_display()
        prepare_toolkit()
        self._title = self._shown_title = title
        self._open = True
        self._closed_reported = False
        self._fullscreen = False
        self._size_before = (0, 0)
        self._patience = 0
        self._mouse = Mouse(self._to_image)
        self._place = Region(0, 0, width, height)
        self._image_size = (width, height)
        kind = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL
        try:
            cv2.namedWindow(title, kind)
            self._place_first(width, height)
            cv2.setMouseCallback(title, self._mouse.obey)
        except cv2.error as exc:
            cause = str(getattr(exc, "err", "") or exc)
            raise DeviceError("cannot open a window", title, cause) from exc
        if fullscreen:
            self.fullscreen = True

    @property
    def is_open(self) -> bool:
        """True while images can be shown."""
        return self._open

    @property
    def title(self) -> str:
        """What the title bar shows; can be set."""
        return self._shown_title

    @title.setter
    def title(self, title: str) -> None:
        if self._open and title != self._shown_title:
            self._shown_title = title
            with contextlib.suppress(cv2.error):  # the toolkit has no other titles
                cv2.setWindowTitle(self._title, title)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is inside the frame, in pixels."""
        return self._size()

    @property
    def fullscreen(self) -> bool:
        """True while the window fills the screen; can be set."""
        return self._fullscreen

    @fullscreen.setter
    def fullscreen(self, wanted: bool) -> None:
        if self._open and wanted != self._fullscreen:
            self._size_before = self._size()
            self._patience = _SETTLING_PICTURES
            self._ask_for_fullscreen(wanted)
            self._fullscreen = wanted

    def fit(self, width: int, height: int) -> None:
        """Take the first size for images of another size, unless the window fills the screen.

        Args:
            width: Width of the images.
            height: Height of the images.
        """
        if self._open and not self._fullscreen:
            self._place_first(width, height)

    def show(self, image: Image) -> None:
        """Show an image. Does nothing once the window is closed.

        Args:
            image: ``uint8 (H, W, 3)`` BGR.
        """
        if not self._open or not self._is_visible():
            return
        inside = self._size()
        self._settle(inside)
        self._image_size = (image.shape[1], image.shape[0])
        size = canvas_size(self._image_size, inside)
        self._place = letterbox_region(self._image_size, size)
        cv2.imshow(self._title, letterbox(image, *size))

    def poll(self, wait_ms: int = 1) -> list[Event]:
        """Let the window live for at least a millisecond and return the events since then.

        OpenCV's Qt window remembers one key: of several that were pressed since the last call only
        the newest is certain to arrive. Call it often.

        Args:
            wait_ms: Time to wait for the first key.
        """
        events: list[Event] = []
        if self._open:
            code = cv2.waitKeyEx(max(1, wait_ms))
            while code != -1 and len(events) < _MOST_KEYS:
                name = key_name(code)
                if name is not None:
                    events.append(KeyPressed(name))
                code = cv2.pollKey()
            events += self._mouse.take_gestures()
            spot = self._mouse.take_spot()
            if spot is not None and self._shows(spot):
                events.append(MouseMoved(*spot))
            self._open = self._is_visible()
        if not self._open and not self._closed_reported:
            self._closed_reported = True
            events.append(Closed())
        return events

    def close(self) -> None:
        """Close the window. Idempotent; never raises."""
        self._closed_reported = True
        if self._open:
            self._open = False
            try:
                cv2.destroyWindow(self._title)
                cv2.waitKey(1)  # the toolkit needs a turn to take it off the screen
            except cv2.error:
                return

    def _place_first(self, width: int, height: int) -> None:
        """Give the window its first size for images of a size, in the middle of the screen."""
        screen = screen_area()
        size = first_size(width, height, screen)
        cv2.resizeWindow(self._title, *size)
        if screen is not None:
            cv2.moveWindow(self._title, *first_position(size, screen))

    def _size(self) -> tuple[int, int]:
        _, _, width, height = cv2.getWindowImageRect(self._title)
        return width, height

    def _ask_for_fullscreen(self, wanted: bool) -> None:
        mode = cv2.WINDOW_FULLSCREEN if wanted else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, mode)

    def _settle(self, size: tuple[int, int]) -> None:
        """Ask again where a change to or from full screen got lost.

        Now and then Qt misses what the window manager answers and keeps painting the old size.
        """
        if self._patience == 0:
            return
        self._patience -= 1
        if size != self._size_before:
            self._patience = 0
        elif self._patience % _SETTLING_STEP == 0:
            self._ask_for_fullscreen(not self._fullscreen)
            self._ask_for_fullscreen(self._fullscreen)

    def _is_visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            return False

    def cancel_drag(self) -> None:
        """Forget a drag under way: what is left of it is no event."""
        self._mouse.cancel_drag()

    def _to_image(self, point: Point) -> ScreenPoint:
        place, (width, height) = self._place, self._image_size
        column, row = point[0] - place.x, point[1] - place.y
        return ScreenPoint(
            column * width // place.width, row * height // place.height, self._image_size
        )

    @staticmethod
    def _shows(spot: ScreenPoint) -> bool:
        """Return ``True`` for a pixel of the image, not of the bars beside it."""
        return 0 <= spot.x < spot.size[0] and 0 <= spot.y < spot.size[1]


def first_size(width: int, height: int, screen: Region | None = None) -> tuple[int, int]:
    """Return the window's first size for images of a size.

    It fits the screen, in the images' own shape; small images are enlarged, up to four times or
    until the window can be worked with.

    Args:
        width: Of the images.
        height: Of the images.
        screen: The screen, where it is known.
    """
    widest, highest = map(float, _SIZE_ON_UNKNOWN_SCREEN)
    most = 1.0
    if screen is not None:
        widest, highest = _SCREEN_SHARE * screen.width, _SCREEN_SHARE * screen.height
        most = _MOST_ZOOM
    most = max(most, _SMALLEST_WIDTH / width)
    zoom = min(most, widest / width, highest / height)
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def first_position(size: tuple[int, int], screen: Region) -> tuple[int, int]:
    """Return where the window's upper left corner goes: in the middle of the screen.

    Args:
        size: Width and height of the window.
        screen: The screen.
    """
    return (
        screen.x + max(0, screen.width - size[0]) // 2,
        screen.y + max(0, screen.height - size[1]) // 2,
    )


def canvas_size(image_size: tuple[int, int], window_size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of what is shown: the window's, or the image's if the former is not known."""
    return window_size if min(window_size) > 0 else image_size
