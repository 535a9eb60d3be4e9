"""Screens, parts of them and windows of other programs, live as a camera is."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np

from live_gradcam.capture.desktop import (
    Area,
    Desktop,
    DesktopWindow,
    NoDesktop,
    find_window,
    open_desktop,
)
from live_gradcam.capture.live import ConnectionLost, LivePolicy, LiveReader
from live_gradcam.capture.live_scene import Pace
from live_gradcam.credentials import printable
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from live_gradcam.values import Image

_SCREEN = re.compile(r"screen(?::(?P<rest>.*))?", re.DOTALL)
_WINDOW = re.compile(r"window:(?P<title>.+)", re.DOTALL)
_FORMS = "Write screen, screen:2, screen:left,top,width,height in pixels, or window:TITLE"
_INSTALL = "Run pip install 'live-gradcam[screen]'"
_FPS = 30.0
_STALL_SECONDS = 5.0
# How often windows are looked for; they are moved by hand.
_LOOK_EVERY_SECONDS = 0.1
_COVER_BGR = (48, 48, 48)


@dataclass(frozen=True, slots=True)
class ScreenSpec:
    """What of the desktop is meant.

    Attributes:
        number: A screen, counted from 1; ``None`` where an area or a window is meant.
        area: A part of the desktop.
        title: A window's title, or a part of it.
    """

    number: int | None = None
    area: Area | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """Name for titles, records and messages."""
        if self.title:
            return f"window {printable(self.title)}"
        if self.area is not None:
            return "screen {},{} {}x{}".format(*self.area)
        return f"screen {self.number}"


def is_screen(text: str) -> bool:
    """Return whether a source's text begins like a screen or a window; it may be wrong yet."""
    return bool(_SCREEN.fullmatch(text)) or text.startswith("window:")


def screen_spec(text: str) -> ScreenSpec | None:
    """Read what names a screen, a part of it or a window; ``None`` for any other source.

    Args:
        text: ``screen``, ``screen:2``, ``screen:left,top,width,height`` or ``window:TITLE``.

    Raises:
        SourceError: It begins like one of them and is none.
    """
    if (window := _WINDOW.fullmatch(text)) is not None and window["title"].strip():
        return ScreenSpec(title=window["title"].strip())
    if text.startswith("window:"):
        raise SourceError("cannot open source", text, "it names no window", _FORMS)
    if (screen := _SCREEN.fullmatch(text)) is None:
        return None
    rest = screen["rest"]
    if rest is None:
        return ScreenSpec(number=1)
    parts = [part.strip() for part in rest.split(",")]
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] >= 1:
        return ScreenSpec(number=numbers[0])
    if len(numbers) == 4 and min(numbers[2:]) >= 1:
        return ScreenSpec(area=Area(*numbers))
    raise SourceError("cannot open source", printable(text), "it names no screen", _FORMS)


class ScreenSource(LiveReader):
    """A screen, a part of it or a window, read by one thread; the newest image wins.

    Our own windows are covered in grey where they lie in the picture: it would show itself in
    itself without end. A window is followed where it is moved to; what lies over it is seen, as on
    the screen. One that is minimised or closed is waited for.

    Args:
        spec: What is meant.
        fps: Images a second at most; ``None`` for 30.
        max_outage_seconds: Give up after an outage of that length; ``None`` never gives up.
        on_notice: Told each note when it arises.
        clock: Monotonic seconds.
        wait: Waits for that many seconds.
        random: For the jitter between attempts.
    """

    def __init__(
        self,
        spec: ScreenSpec,
        *,
        fps: float | None = None,
        max_outage_seconds: float | None = None,
        on_notice: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        random: Random | None = None,
    ) -> None:
        self._remedy_now = _FORMS
        super().__init__(
            name=spec.name,
            kind="screen",
            connect=lambda: _ScreenConnection(spec, fps or _FPS, self._note, self._advise),
            policy=LivePolicy(
                first_image_seconds=0.0,
                hang_seconds=_STALL_SECONDS,
                stall_seconds=_STALL_SECONDS,
                max_outage_seconds=max_outage_seconds,
            ),
            remedy=lambda: self._remedy_now,
            on_notice=on_notice,
            clock=clock,
            wait=wait,
            random=random,
        )

    def _advise(self, step: str) -> None:
        self._remedy_now = step


class _Shot(Protocol):
    bgra: bytes
    width: int
    height: int


class _Screens(Protocol):
    """The part of mss that is used here; the first of its monitors is the whole desktop."""

    monitors: Sequence[Mapping[str, Any]]

    def grab(self, monitor: Mapping[str, int], /) -> _Shot: ...

    def close(self) -> None: ...


class _ScreenConnection:
    warning = ""

    def __init__(
        self,
        spec: ScreenSpec,
        fps: float,
        note: Callable[[str], None],
        advise: Callable[[str], None],
    ) -> None:
        self.fps: float | None = fps
        self._spec, self._note, self._advise = spec, note, advise
        self._looked = -_LOOK_EVERY_SECONDS
        self._own: Sequence[Area] = ()
        self._window: DesktopWindow | None = None
        self._desktop: Desktop | None = None
        self._screens: _Screens | None = None
        try:
            self._screens = screens = self._open_screens()
            self._desktop = self._open_desktop()
            with self._lost_where_it_fails():
                monitors = [_area_of(each) for each in screens.monitors]
            self._whole, self._area = monitors[0], self._fixed_area(monitors)
        except BaseException:
            self.close()
            raise
        self._pace = Pace(fps)

    def read(self) -> Image | None:
        self._pace.wait()
        self._look()
        area = self._area if self._window is None else self._window.area.within(self._whole)
        if area is None:
            raise ConnectionLost("it lies outside the screens")
        assert self._screens is not None
        with self._lost_where_it_fails():
            shot = self._screens.grab(area._asdict())
        pixels = np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)
        image: Image = cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR)  # type: ignore[assignment]
        self._cover(image, area)
        return image

    def close(self) -> None:
        if self._desktop is not None:
            self._desktop.close()
        if self._screens is not None:
            with contextlib.suppress(Exception):  # the display may have gone first
                self._screens.close()

    def _open_screens(self) -> _Screens:
        if sys.platform.startswith("linux"):
            self._require_x11()
        try:
            library = importlib.import_module("mss")
        except ImportError as exc:
            self._advise(_INSTALL)
            raise ConnectionLost("reading the screen takes the package mss", hopeless=True) from exc
        with self._lost_where_it_fails():
            opened: _Screens = (library.MSS if hasattr(library, "MSS") else library.mss)()
            return opened

    def _require_x11(self) -> None:
        """Wayland shows programs that ask X for the screen a black picture: say so instead."""
        if os.environ.get("WAYLAND_DISPLAY"):
            self._advise(
                'Choose an "Xorg" session when you log in, or share the screen with OBS and '
                "its virtual camera, and give that camera's number"
            )
            raise ConnectionLost("Wayland lets no program read the screen unasked", hopeless=True)
        if not os.environ.get("DISPLAY"):
            self._advise("Run it in a desktop session")
            raise ConnectionLost("there is no display", hopeless=True)

    def _open_desktop(self) -> Desktop | None:
        try:
            return open_desktop()
        except NoDesktop as exc:
            if self._spec.title:
                self._advise(_INSTALL)
                raise ConnectionLost(str(exc), hopeless=True) from exc
            self._note(f"{self._spec.name}: our own window is not left out of the picture: {exc}")
            return None

    def _fixed_area(self, monitors: Sequence[Area]) -> Area:
        spec, whole = self._spec, monitors[0]
        if spec.area is not None:
            if spec.area.within(whole) != spec.area:
                self._advise(_FORMS)
                raise ConnectionLost(
                    f"the area goes beyond the desktop, which is {_in_words(whole)}", hopeless=True
                )
            return spec.area
        if spec.number is None:
            return whole
        screens = monitors[1:] or monitors
        if spec.number > len(screens):
            here = ", ".join(
                f"{number} ({_in_words(each)})" for number, each in enumerate(screens, 1)
            )
            self._advise(f"Screens here: {here}")
            raise ConnectionLost("there is no such screen", hopeless=True)
        return screens[spec.number - 1]

    def _look(self) -> None:
        """Find the window that is meant and our own ones, some ten times a second."""
        now = time.monotonic()
        if self._desktop is None or now - self._looked < _LOOK_EVERY_SECONDS:
            return
        self._looked = now
        try:
            windows = self._desktop.windows()
        except OSError as exc:
            raise ConnectionLost(str(exc)) from exc
        if self._spec.title:
            self._window = self._require_window(windows)
        own = os.getpid()
        self._own = tuple(
            each.frame for each in windows if each.process == own and not each.minimized
        )

    def _require_window(self, windows: Sequence[DesktopWindow]) -> DesktopWindow:
        found = find_window(windows, self._spec.title)
        if found is None:
            titles = sorted({printable(each.title) for each in windows if each.title})
            self._advise(f"Windows here: {', '.join(titles)}" if titles else _FORMS)
            raise ConnectionLost("there is no window of that title", hopeless=True)
        if found.minimized:
            self._advise("Bring the window back to the screen")
            raise ConnectionLost("the window is minimised")
        return found

    def _cover(self, image: Image, area: Area) -> None:
        for own in self._own:
            if (part := own.within(area)) is not None:
                left, top = part.left - area.left, part.top - area.top
                image[top : top + part.height, left : left + part.width] = _COVER_BGR
                self._note(
                    f"{self._spec.name}: our own window lies in the picture and is covered in "
                    "grey there; move it away, or name another area"
                )

    @contextlib.contextmanager
    def _lost_where_it_fails(self) -> Iterator[None]:
        """The library has an error of its own for everything that a display may refuse."""
        try:
            yield
        except ConnectionLost:
            raise
        except Exception as exc:
            cause = str(exc).partition("\n")[0] or type(exc).__name__
            raise ConnectionLost(f"the screen cannot be read ({cause})") from exc


def _area_of(monitor: Mapping[str, Any]) -> Area:
    return Area(*(int(monitor[name]) for name in Area._fields))


def _in_words(area: Area) -> str:
    return f"{area.width}x{area.height} from {area.left},{area.top}"
