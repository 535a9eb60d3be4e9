"""A window that really opens: keys, mouse, closing; and the refusal where none can."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.errors import DeviceError
from live_gradcam.native import cv2
from live_gradcam.show.display import screen_area
from live_gradcam.show.window import (
    canvas_size,
    first_position,
    first_size,
    key_name,
    probe_display,
)
from live_gradcam.values import Region
from tests.helpers.screen import HAS_SCREEN, VirtualScreen
from tests.helpers.screen import PATIENCE_SECONDS as PATIENCE

TITLE = "live-gradcam test"

needs_screen = pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")

_SHOW = f"""
import json, sys
import numpy as np
from live_gradcam.errors import DeviceError
from live_gradcam.native import cv2
from live_gradcam.show.window import Closed, KeyPressed, MouseMoved, Window

def say(**what):
    print(json.dumps(what), flush=True)

try:
    window = Window({TITLE!r}, width=640, height=360)
except DeviceError as error:
    say(refused=str(error))
    sys.exit(6)
image = np.zeros((360, 640, 3), np.uint8)
image[:, :320] = (0, 0, 255)
image[:, 320:] = (255, 0, 0)
with window:
    window.show(image)
    say(ready=True)
    over = False
    while not over:
        window.show(image)
        for event in window.poll(5):
            match event:
                case KeyPressed(key):
                    say(key=key)
                    if key == "f":
                        window.fullscreen = not window.fullscreen
                    over = key == "q"
                case MouseMoved(x, y):
                    say(mouse=[x, y])
                case Closed():
                    say(closed=True)
                    over = True
    window.show(image)
    say(events_after=len(window.poll(5)), is_open=window.is_open)
"""


class Shown:
    """A window in a process of its own, and what it says."""

    def __init__(self, screen: VirtualScreen, **environment: str) -> None:
        self.screen = screen
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SHOW],
            env={**screen.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Whatever goes wrong, the test ends; on a busy machine a good one takes long.
        self._watch = threading.Timer(4 * PATIENCE, self.process.kill)
        self._watch.start()

    def wait_for(self, **what: object) -> None:
        """Read on until it says this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json.loads(line) == what:
                return
        pytest.fail(f"it never said {what}: {self.end()}")

    def next(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the window's process ended: {self.end()}")
        said: dict[str, object] = json.loads(line)
        return said

    def find(self) -> str:
        """The window's number."""
        return self.screen.xdotool("search", "--sync", "--name", TITLE).split()[0]

    def click(self) -> None:
        """Click into the middle, so that keys go there."""
        left, top, right, bottom = _where(self.screen)
        self.screen.xdotool("mousemove", (left + right) // 2, (top + bottom) // 2, "click", 1)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit code and everything on standard error."""
        _, noise = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, noise

    def close(self) -> None:
        self._watch.cancel()
        self._watch.join()
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def screen() -> Iterator[VirtualScreen]:
    with VirtualScreen(1280, 800) as made:
        yield made


@contextlib.contextmanager
def _painted(screen: VirtualScreen, **environment: str) -> Iterator[Shown]:
    window = Shown(screen, **environment)
    try:
        window.wait_for(ready=True)
        _where(screen)
        yield window
    finally:
        window.close()


@pytest.fixture
def shown(screen: VirtualScreen) -> Iterator[Shown]:
    with _painted(screen) as window:
        yield window


@needs_screen
def test_keys_arrive_by_name_and_unknown_ones_do_not(shown: Shown) -> None:
    shown.click()
    names = {
        "a": "a", "Z": "z", "1": "1", "0": "0", "space": "space", "Escape": "esc",
        "question": "?", "period": ".", "bracketleft": "[", "bracketright": "]",
        "Return": "enter", "Left": "left", "Right": "right", "Up": "up", "Down": "down",
        "F7": "f7", "F12": None, "Shift_L": None, "Tab": "tab",
        "BackSpace": "backspace",
    }  # fmt: skip
    names["q"] = "q"
    arrived: list[object] = []
    for key, name in names.items():
        shown.screen.xdotool("key", key)
        # One at a time: the toolkit remembers only the newest. What is unknown is never told, so
        # there is nothing to wait for; it would be found before the next known one.
        while name is not None and len(arrived) < _known_until(names, key):
            said = shown.next()
            if "key" in said:
                arrived.append(said["key"])
    assert arrived == [name for name in names.values() if name]
    shown.wait_for(events_after=0, is_open=True)
    assert shown.end() == (0, ""), "and nothing disturbs the terminal"


def _known_until(names: dict[str, str | None], key: str) -> int:
    """How many keys up to and with this one have a name."""
    keys = list(names)
    return sum(names[each] is not None for each in keys[: keys.index(key) + 1])


@needs_screen
def test_the_mouse_is_told_in_pixels_of_the_image_at_any_size(shown: Shown) -> None:
    window = shown.find()
    for size in ((640, 360), (1000, 400), (500, 700)):
        left, top, right, bottom = _resize(shown, window, *size)
        for share_x, share_y in ((0.25, 0.5), (0.9, 0.1)):
            x = left + share_x * (right - left)
            y = top + share_y * (bottom - top)
            # From somewhere else, so that there is a movement.
            shown.screen.xdotool("mousemove", 5, 5)
            shown.screen.xdotool("mousemove", round(x), round(y))
            # What was told on the way, while the window changed its size below the mouse, counts
            # for nothing.
            there = pytest.approx([share_x * 640, share_y * 360], abs=4)
            while shown.next().get("mouse") != there:
                continue


def _where(screen: VirtualScreen) -> tuple[int, int, int, int]:
    """Where the image is seen once the window has settled: left, top, right, bottom."""
    before, deadline = None, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        shot = screen.grab().astype(int)
        red = (shot[..., 2] > 200) & (shot[..., :2].max(axis=2) < 40)
        blue = (shot[..., 0] > 200) & (shot[..., 1:].max(axis=2) < 40)
        rows, columns = np.nonzero(red | blue)
        if rows.size:
            now = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            if now == before:
                return now
            before = now
        time.sleep(0.1)
    pytest.fail("the picture never settled on the screen")


def _resize(shown: Shown, window: str, width: int, height: int) -> tuple[int, int, int, int]:
    """Change the window's size; where the image is seen once it is painted at that size."""
    zoom = min(width / 640, height / 360)
    expected = pytest.approx((640 * zoom, 360 * zoom), abs=2)
    shown.screen.xdotool("windowsize", window, width, height)
    deadline = time.monotonic() + PATIENCE
    while True:
        left, top, right, bottom = place = _where(shown.screen)
        if (right - left, bottom - top) == expected:
            return place
        assert time.monotonic() < deadline, f"never painted at {width}x{height}: {place}"


@needs_screen
def test_beside_the_image_the_window_is_black(shown: Shown) -> None:
    window = shown.find()
    left, top, right, bottom = _resize(shown, window, 1000, 400)
    shot = shown.screen.grab()
    assert shot[(top + bottom) // 2, left - 40 : left - 1].max() == 0
    assert shot[(top + bottom) // 2, right + 1 : right + 40].max() == 0


@needs_screen
def test_full_screen_and_back(shown: Shown) -> None:
    shown.click()
    small = _where(shown.screen)
    shown.screen.xdotool("key", "f")
    shown.wait_for(key="f")
    deadline = time.monotonic() + PATIENCE
    while _where(shown.screen) != (0, 40, 1280, 760):
        assert time.monotonic() < deadline, _where(shown.screen)
    shown.screen.xdotool("key", "f")
    shown.wait_for(key="f")
    deadline = time.monotonic() + PATIENCE
    while (big := _where(shown.screen))[2] - big[0] != small[2] - small[0]:
        assert time.monotonic() < deadline


@needs_screen
def test_closing_with_the_mouse_is_one_event_and_final(shown: Shown) -> None:
    _, top, right, _ = _where(shown.screen)
    shown.screen.xdotool("mousemove", right - 11, top - 10, "click", 1)
    shown.wait_for(closed=True)
    shown.wait_for(events_after=0, is_open=False)
    assert shown.end() == (0, "")
    search = subprocess.run(
        ["xdotool", "search", "--name", TITLE], env=shown.screen.environment, capture_output=True
    )
    assert search.stdout == b"", "it is not opened again"


@needs_screen
def test_a_wish_for_another_platform_does_not_end_the_process(screen: VirtualScreen) -> None:
    with _painted(screen, QT_QPA_PLATFORM="wayland", XDG_SESSION_TYPE="wayland") as window:
        window.click()
        screen.xdotool("key", "q")
        window.wait_for(key="q")
        assert window.end() == (0, "")


@needs_screen
def test_a_living_display_is_found_without_opening_anything(
    screen: VirtualScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.delenv("XAUTHORITY", raising=False)
    probe_display()
    assert screen_area() == Region(0, 0, 1280, 800)
    monkeypatch.setenv("DISPLAY", f"{screen.name}.0")
    probe_display()


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 displays")


@linux
@pytest.mark.parametrize(
    ("display_name", "words"),
    [
        (None, "there is no display"),
        ("", "there is no display"),
        (":987", "does not answer"),
        ("127.0.0.1:988", "does not answer"),
        ("nonsense", "HOST:NUMBER"),
    ],
)
def test_without_a_display_the_refusal_comes_before_any_window(
    monkeypatch: pytest.MonkeyPatch, display_name: str | None, words: str
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display_name is not None:
        monkeypatch.setenv("DISPLAY", display_name)
    with pytest.raises(DeviceError, match=words) as caught:
        probe_display()
    assert caught.value.exit_code == 6
    assert "--no-window" in str(caught.value)


@linux
def test_wayland_without_x_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(DeviceError, match="XWayland"):
        probe_display()


@linux
def test_a_window_in_a_process_without_display_is_an_error_and_no_abort() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", _SHOW],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 6, done.stderr
    assert "there is no display" in json.loads(done.stdout)["refused"]
    assert done.stderr == ""


@contextlib.contextmanager
def _display_server(*pieces: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Something that listens where a display would, and answers once, piece by piece."""
    heard: list[bytes] = []
    with socket.socket() as listener:
        for number in range(400, 500):
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", 6000 + number))
                break
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(1024))
                for number, piece in enumerate(pieces):
                    time.sleep(0.2 if number else 0.0)
                    connection.sendall(piece)

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"127.0.0.1:{number}", heard
        finally:
            server.join()


@linux
def test_a_display_that_refuses_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reason = b"No protocol specified\n"
    answer = bytes([0, len(reason), 11, 0, 0, 0, 6, 0]) + reason + b"\0\0"
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    with _display_server(answer) as (name, _):
        monkeypatch.setenv("DISPLAY", name)
        with pytest.raises(DeviceError, match=r"refuses .*No protocol specified"):
            probe_display()


@linux
def test_an_answer_that_comes_in_pieces_is_put_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    with _display_server(bytes([1, 0, 11]), bytes(5)) as (name, _):
        monkeypatch.setenv("DISPLAY", name)
        probe_display()
    with _display_server(bytes([0, 4, 11, 0, 0, 0, 1, 0]), b"no", b"pe") as (name, _):
        monkeypatch.setenv("DISPLAY", name)
        with pytest.raises(DeviceError, match=r"refuses .*nope"):
            probe_display()


@linux
def test_the_display_is_given_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = bytes(range(16))

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(2, "big") + data

    def entry(host: bytes, number: bytes, data: bytes) -> bytes:
        name = field(b"MIT-MAGIC-COOKIE-1")
        return (256).to_bytes(2, "big") + field(host) + field(number) + name + field(data)

    here = socket.gethostname().encode()
    with _display_server(bytes([1, 0, 11, 0, 0, 0, 0, 0])) as (name, heard):
        number = name.rsplit(":", 1)[1].encode()
        authority = tmp_path / "authority"
        authority.write_bytes(
            entry(b"elsewhere", number, b"x" * 16)
            + entry(here, b"77", b"y" * 16)
            + entry(here, number, secret)
        )
        monkeypatch.setenv("XAUTHORITY", str(authority))
        monkeypatch.setenv("DISPLAY", name)
        probe_display()
    assert heard[0][:2] == b"l\0"
    assert heard[0].endswith(secret)


@linux
def test_a_missing_system_library_is_an_error_and_no_abort(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "platforms").mkdir()
    (tmp_path / "platforms" / "libqxcb.so").write_bytes(b"not a library")
    monkeypatch.setenv("QT_QPA_PLATFORM_PLUGIN_PATH", str(tmp_path))
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    with _display_server(bytes([1, 0, 11, 0, 0, 0, 0, 0])) as (name, _):
        monkeypatch.setenv("DISPLAY", name)
        with pytest.raises(DeviceError, match="system library"):
            probe_display()


def test_a_build_of_opencv_without_windows_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:   NONE\n")
    with pytest.raises(DeviceError, match="opencv-python-headless"):
        probe_display()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ord("q"), "q"), (ord("Q"), "q"), (27, "esc"), (32, "space"), (13, "enter"), (10, "enter"),
        (65361, "left"), (2424832, "left"), (63234, "left"), (0x100000 | ord("h"), "h"),
        (-55, None), (0, None), (65505, None), (127, None), (0x10000 | 65470, "f1"),
        (65470, "f1"), (65478, "f9"), (65479, None), (0x700000, "f1"), (0x780000, "f9"),
        (63236, "f1"), (63244, "f9"), (0xE9, "é"), (0xC9, "é"), (0x1008336, "\u8336"),
        (0x1000416, "\u0436"), (0x100FFFF, None), (0x10000 | ord("+"), "+"),
    ],
)  # fmt: skip
def test_key_codes_of_every_toolkit(code: int, name: str | None) -> None:
    assert key_name(code) == name


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (640, 480)),
        ((3840, 2160), (1280, 720)),
        ((1080, 1920), (450, 800)),
        ((160, 120), (480, 360)),
    ],
)
def test_the_first_size_on_a_screen_that_is_not_known(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert first_size(*size) == expected


@pytest.mark.parametrize(
    ("size", "screen", "expected"),
    [
        ((640, 480), (1920, 1080), (1181, 886)),
        ((500, 400), (3840, 2160), (2000, 1600)),  # four times: more would be tiles
        ((64, 48), (1920, 1080), (480, 360)),  # but never too small to be worked with
        ((6000, 4000), (1366, 768), (945, 630)),
    ],
)
def test_images_of_any_size_fill_most_of_the_screen(
    size: tuple[int, int], screen: tuple[int, int], expected: tuple[int, int]
) -> None:
    found = first_size(*size, Region(0, 0, *screen))
    assert found == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("screen", [(640, 480), (800, 600), (1366, 768), (1920, 1080), (320, 240)])
@pytest.mark.parametrize("size", [(640, 480), (3840, 2160), (1080, 1920), (160, 120), (1920, 480)])
def test_the_first_size_leaves_room_for_a_title_bar_on_any_screen(
    size: tuple[int, int], screen: tuple[int, int]
) -> None:
    area = Region(100, 50, *screen)
    width, height = first_size(*size, area)
    assert width <= 0.97 * screen[0]
    assert height <= 0.87 * screen[1]
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    x, y = first_position((width, height), area)
    assert x - 100 == pytest.approx((screen[0] - width) / 2, abs=1)
    assert y - 50 == pytest.approx((screen[1] - height) / 2, abs=1)


@linux
def test_a_display_that_says_nothing_about_its_screen_sets_no_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    monkeypatch.setenv("DISPLAY", "")
    assert screen_area() is None
    for answer in (bytes([1, 0, 11, 0, 0, 0, 0, 0]), bytes([1, 0, 11, 0, 0, 0, 9, 0]) + bytes(36)):
        with _display_server(answer) as (name, _):
            monkeypatch.setenv("DISPLAY", name)
            assert screen_area() is None


def test_the_image_decides_while_the_window_does_not_know_its_size() -> None:
    assert canvas_size((160, 90), (320, 320)) == (320, 320)
    assert canvas_size((160, 90), (0, 0)) == (160, 90)


def test_nothing_of_the_repository_is_needed_to_import_the_window() -> None:
    code = "import sys, live_gradcam.show.window; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path("/")
    )
    assert done.stdout.strip() == "False"
