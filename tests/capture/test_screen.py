"""Screens and windows as sources: pixels exact, windows followed, our own left out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.desktop import Area
from live_gradcam.capture.open import open_source, require_source, source_files
from live_gradcam.capture.screen import screen_spec
from live_gradcam.capture.source import LiveSource
from live_gradcam.errors import SourceError
from live_gradcam.values import Image
from tests.helpers.screen import HAS_SCREEN, PATIENCE_SECONDS, VirtualScreen

pytest.importorskip("mss")
pytest.importorskip("Xlib")
on_a_screen = pytest.mark.skipif(not HAS_SCREEN, reason="there is no Xvfb, xdotool or openbox")

# A window of another program: each pixel another colour, so that a shift by one is seen.
_SHOW = """
import sys
import cv2
import numpy as np
name, left, top, width, height = sys.argv[1], *map(int, sys.argv[2:])
rows, columns = np.mgrid[:height, :width].astype(np.uint8)
cv2.namedWindow(name, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
cv2.imshow(name, np.dstack([rows, columns, rows ^ columns]))
cv2.moveWindow(name, left, top)
print("shown", flush=True)
while True:
    cv2.waitKey(20)
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[VirtualScreen]:
    with VirtualScreen(640, 480) as screen:
        yield screen


@pytest.fixture
def here(screen: VirtualScreen, monkeypatch: pytest.MonkeyPatch) -> VirtualScreen:
    """This process is on that screen."""
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XAUTHORITY", raising=False)
    return screen


@pytest.fixture
def show(screen: VirtualScreen) -> Iterator[Callable[..., str]]:
    """Opens a window of another program, and returns its number."""
    running: list[subprocess.Popen[str]] = []

    def show(name: str, left: int, top: int, width: int = 120, height: int = 90) -> str:
        program = subprocess.Popen(
            [sys.executable, "-c", _SHOW, name, *map(str, (left, top, width, height))],
            env=screen.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        running.append(program)
        assert program.stdout is not None
        assert program.stdout.readline() == "shown\n"
        return screen.find_window(name)

    yield show
    for program in running:
        program.kill()
        program.communicate()


def drawn(height: int, width: int) -> Image:
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.dstack([rows, columns, rows ^ columns])


def wait_for(source: LiveSource, condition: Callable[[Image], bool]) -> Image:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        frame = source.newest(1.0)
        if frame is not None and condition(frame.image):
            return frame.image
    raise AssertionError("the picture never came")


@pytest.mark.parametrize(
    ("text", "number", "area", "title"),
    [
        ("screen", 1, None, ""),
        ("screen:2", 2, None, ""),
        ("screen:-1280,0,640,480", None, Area(-1280, 0, 640, 480), ""),
        ("screen: 10, 20, 30, 40", None, Area(10, 20, 30, 40), ""),
        ("window:Mikroskop: Live", None, None, "Mikroskop: Live"),
    ],
)
def test_what_is_meant(text: str, number: int | None, area: Area | None, title: str) -> None:
    spec = screen_spec(text)
    assert spec is not None
    assert (spec.number, spec.area, spec.title) == (number, area, title)
    assert source_files(text) == ()
    require_source(text)


@pytest.mark.parametrize("text", ["screens", "myscreen", "scene", "clip.mp4", "0", "windows"])
def test_other_sources_are_no_screens(text: str) -> None:
    assert screen_spec(text) is None


@pytest.mark.parametrize(
    "text", ["screen:", "screen:0", "screen:1,2", "screen:0,0,0,10", "screen:left", "window: "]
)
def test_what_names_none_is_told_the_forms(text: str) -> None:
    with pytest.raises(SourceError, match=r"names no (screen|window)") as raised:
        open_source(text)
    assert "window:TITLE" in str(raised.value)


def test_a_file_of_that_name_is_a_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        open_source(tmp_path / "screen")


@on_a_screen
def test_a_screen_is_read_pixel_for_pixel(here: VirtualScreen, show: Callable[..., str]) -> None:
    show("gradient", 200, 120)
    with open_source("screen", fps=20) as source:
        assert isinstance(source, LiveSource)
        assert (source.info.kind, source.info.live) == ("screen", True)
        assert (source.info.width, source.info.height) == (640, 480)
        wanted = here.grab()
        image = wait_for(source, lambda image: bool(np.array_equal(image, wanted)))
    (tops,) = np.nonzero((image == drawn(90, 120)[5, 7]).all(-1).any(1))
    assert tops.size, "the other program's window is in it"
    with open_source("screen:190,110,150,130") as part:
        assert isinstance(part, LiveSource)
        assert (part.info.width, part.info.height) == (150, 130)
        crop = wanted[110:240, 190:340]
        wait_for(part, lambda image: bool(np.array_equal(image, crop)))


@on_a_screen
def test_a_window_is_followed_where_it_goes(here: VirtualScreen, show: Callable[..., str]) -> None:
    number = show("The Microscope, live", 60, 80)
    with open_source("window:microscope") as source:
        assert isinstance(source, LiveSource)
        assert source.info.name == "window microscope"

        def is_it(image: Image) -> bool:
            top, left = (each // 2 for each in (image.shape[0] - 90, image.shape[1] - 120))
            return bool(np.array_equal(image[top : top + 90, left : left + 120], drawn(90, 120)))

        first = wait_for(source, is_it)
        here.xdotool("windowmove", number, 300, 200)
        moved = wait_for(source, is_it)
        assert moved.shape == first.shape
        here.xdotool("windowminimize", number)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "minimised" not in source.banner and time.monotonic() < deadline:
            source.newest(0.1)
        assert source.banner.startswith("window microscope: the window is minimised, reconnecting")
        here.xdotool("windowmap", number)
        wait_for(source, is_it)


@on_a_screen
@pytest.mark.usefixtures("here")
def test_what_is_not_there_is_said_with_what_is(show: Callable[..., str]) -> None:
    show("Slides", 20, 20)
    with pytest.raises(SourceError) as raised:
        open_source("window:Microscope")
    assert "there is no window of that title" in str(raised.value)
    assert "Windows here: Slides" in str(raised.value)
    with pytest.raises(SourceError, match=r"no such screen.*1 \(640x480 from 0,0\)"):
        open_source("screen:9")
    with pytest.raises(SourceError, match="beyond the desktop, which is 640x480 from 0,0"):
        open_source("screen:600,0,100,100")


@on_a_screen
@pytest.mark.usefixtures("here")
def test_our_own_window_is_covered_and_it_is_said(screen: VirtualScreen) -> None:
    """A process of its own, whose window would show itself without end."""
    script = """
import sys
import cv2, numpy as np
from live_gradcam.capture import open_source
told = []
cv2.namedWindow("ours", cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
cv2.moveWindow("ours", 100, 100)
with open_source("screen", on_notice=told.append) as source:
    for _ in range(2000):
        cv2.imshow("ours", np.full((120, 160, 3), (0, 0, 255), np.uint8))
        cv2.waitKey(20)
        image = source.newest(1.0).image
        x, y, _, _ = cv2.getWindowImageRect("ours")
        red = int((image == (0, 0, 255)).all(-1).sum())
        grey = int((image == (48, 48, 48)).all(-1).sum())
        if told and grey >= 120 * 160:
            break
print(red, grey >= 120 * 160, *told, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**screen.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    red, covered, told = done.stdout.strip().split("|")
    assert (red, covered) == ("0", "True"), done.stderr
    assert told.startswith("screen 1: our own window lies in the picture and is covered in grey")


def test_wayland_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(SourceError, match="Wayland lets no program read the screen") as raised:
        open_source("screen")
    assert "Xorg" in str(raised.value)


def test_without_a_display_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match="there is no display"):
        open_source("window:Slides")
