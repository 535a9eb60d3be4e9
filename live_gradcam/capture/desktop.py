"""The windows of the desktop: where one with a title is, and where our own are.

On X11 by the window manager's own lists (Extended Window Manager Hints), on Windows and macOS by
PyWinCtl.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

_ANY_TYPE = 0
_LONGEST_TITLE = 1 << 16


class Area(NamedTuple):
    """A rectangle of the desktop, in pixels.

    Attributes:
        left: Distance from the desktop's left edge; negative on a monitor left of the first.
        top: Distance from the desktop's upper edge.
        width: At least 1 where there is anything of it.
        height: At least 1 where there is anything of it.
    """

    left: int
    top: int
    width: int
    height: int

    def within(self, other: Area) -> Area | None:
        """Return what both have; ``None`` where they have nothing."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        if right <= left or bottom <= top:
            return None
        return Area(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class DesktopWindow:
    """A window of any program.

    Attributes:
        title: As its bar shows it.
        area: Its content, without the frame that the window manager adds.
        frame: With that frame.
        process: Number of the process that it belongs to; 0 where it does not say.
        minimized: Nothing of it is on the screen.
    """

    title: str
    area: Area
    frame: Area
    process: int
    minimized: bool


class Desktop(Protocol):
    """What can be asked of a desktop. Made, used and closed by one thread."""

    def windows(self) -> Sequence[DesktopWindow]:
        """List the windows, the lowest one first.

        Raises:
            OSError: The desktop does not answer.
        """

    def close(self) -> None:
        """Leave the desktop. Never raises."""


class NoDesktop(Exception):
    """Windows cannot be listed here; the words say why."""


def open_desktop() -> Desktop:
    """Open the desktop of this session.

    Raises:
        NoDesktop: A package is missing, or the desktop tells no program about its windows.
    """
    return _X11Desktop() if sys.platform.startswith("linux") else _OtherDesktop()


def find_window(windows: Sequence[DesktopWindow], title: str) -> DesktopWindow | None:
    """Return the window of that title, else the uppermost one whose title contains it.

    Case does not count. Our own windows are never meant.
    """
    wanted = title.casefold().strip()
    others = [each for each in reversed(windows) if each.process != os.getpid()]
    exact = (each for each in others if each.title.casefold().strip() == wanted)
    alike = (each for each in others if wanted in each.title.casefold())
    return next(exact, None) or next(alike, None)


class _Property(Protocol):
    value: Sequence[int]


class _XWindow(Protocol):
    """The part of python-xlib's windows that is used here."""

    def get_full_property(self, name: int, kind: int) -> _Property | None: ...

    def get_full_text_property(self, name: int, *, sizehint: int) -> str | None: ...

    def get_wm_name(self) -> str | None: ...


class _X11Desktop:
    """Windows that the window manager lists; python-xlib speaks to the display."""

    def __init__(self) -> None:
        try:
            display = importlib.import_module("Xlib.display")
            self._errors: Any = importlib.import_module("Xlib.error")
        except ImportError as exc:
            raise NoDesktop("finding windows takes the package python-xlib") from exc
        try:
            self._display = display.Display()
        except (self._errors.DisplayError, OSError) as exc:
            raise NoDesktop(f"the display does not answer ({exc})") from exc
        self._root = self._display.screen().root

    def windows(self) -> list[DesktopWindow]:
        try:
            listed = self._numbers(self._root, "_NET_CLIENT_LIST_STACKING")
            found = [self._describe(number) for number in listed]
        except (self._errors.ConnectionClosedError, OSError) as exc:
            raise OSError(f"the display does not answer ({exc})") from exc
        return [each for each in found if each is not None]

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the display may have gone first
            self._display.close()

    def _describe(self, number: int) -> DesktopWindow | None:
        window = self._display.create_resource_object("window", number)
        try:
            size, origin = window.get_geometry(), self._root.translate_coords(window, 0, 0)
            area = Area(origin.x, origin.y, size.width, size.height)
            left, right, top, bottom = self._numbers(window, "_NET_FRAME_EXTENTS") or (0, 0, 0, 0)
            frame = Area(
                area.left - left,
                area.top - top,
                area.width + left + right,
                area.height + top + bottom,
            )
            process = self._numbers(window, "_NET_WM_PID")
            hidden = self._display.intern_atom("_NET_WM_STATE_HIDDEN")
            return DesktopWindow(
                title=self._title(window),
                area=area,
                frame=frame,
                process=process[0] if process else 0,
                minimized=hidden in self._numbers(window, "_NET_WM_STATE"),
            )
        except self._errors.XError:  # it was closed meanwhile
            return None

    def _numbers(self, window: _XWindow, name: str) -> list[int]:
        found = window.get_full_property(self._display.intern_atom(name), _ANY_TYPE)
        return [] if found is None else [int(each) for each in found.value]

    def _title(self, window: _XWindow) -> str:
        atom = self._display.intern_atom("_NET_WM_NAME")
        title = window.get_full_text_property(atom, sizehint=_LONGEST_TITLE)
        return str(title if title is not None else window.get_wm_name() or "")


class _OtherDesktop:
    """Windows as PyWinCtl lists them."""

    def __init__(self) -> None:
        try:
            self._library: Any = importlib.import_module("pywinctl")
        except ImportError as exc:
            raise NoDesktop("finding windows takes the package PyWinCtl") from exc

    def windows(self) -> list[DesktopWindow]:
        found = []
        for window in self._library.getAllWindows():
            try:
                frame = Area(*(int(each) for each in window.box))
                content = window.getClientFrame()
                area = Area(
                    int(content.left),
                    int(content.top),
                    int(content.right - content.left),
                    int(content.bottom - content.top),
                )
                found.append(
                    DesktopWindow(
                        title=str(window.title),
                        area=area,
                        frame=frame,
                        process=int(window.getPID() or 0),
                        minimized=bool(window.isMinimized),
                    )
                )
            except Exception:  # it was closed meanwhile
                continue
        return found

    def close(self) -> None:
        """It holds nothing."""
