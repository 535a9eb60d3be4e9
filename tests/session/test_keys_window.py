"""Every key of the table, pressed in a real window, with its effect seen on the screen."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.images import read_image
from live_gradcam.native import av
from live_gradcam.session import KEYS
from live_gradcam.show.images import write_image
from live_gradcam.show.panel import ACCENT
from scripts.faults.servers import MjpegServer
from tests.conftest import ROOT
from tests.helpers.screen import HAS_SCREEN, PATIENCE_SECONDS, VirtualScreen
from tests.helpers.stage import HEIGHT, TITLE, WIDTH, read_clock, still

pytestmark = [
    pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox"),
]

# What xdotool calls the keys that are no letters.
_X_NAMES = {
    "esc": "Escape",
    "?": "question",
    ".": "period",
    "[": "bracketleft",
    "]": "bracketright",
    "right": "Right",
    "left": "Left",
    "home": "Home",
    "end": "End",
}
# The parts of the screen where nothing is written.
MIDDLE = np.s_[150:330, 200:440]
BESIDE = np.s_[190:290, 20:90]
EDGE = np.s_[190:290, 0:4]
LINE = np.full((HEIGHT, WIDTH, 3), ACCENT)
# The network sees it of the whole frame, but not of a part in the middle.
SEEN_ONLY_AS_WHOLE = np.s_[320:400, 240:400]
Screenshot: TypeAlias = NDArray[np.uint8]


class WindowedSession:
    """A session in a process of its own, on a screen of the frame's size."""

    def __init__(self, screen: VirtualScreen, folder: Path, *options: str) -> None:
        self.screen = screen
        self.folder = folder
        self.state: dict[str, Any] = {"fullscreen": False, "held": None}
        self.notices: list[str] = []
        self.opened = 0
        self.camera_frames = 0
        self.frames: int | None = None
        self.pressed: set[str] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.stage", str(folder), *options],
            cwd=ROOT,
            env=screen.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="reader of the session")
        self._reader.start()

    def press(self, key: str) -> None:
        """Press a key."""
        self.pressed.add(key)
        self.screen.xdotool("key", _X_NAMES.get(key, key))

    def look(self) -> Screenshot:
        """Take a screenshot, after the messages of the session so far were read."""
        while not self._lines.empty():
            message = json.loads(self._lines.get())
            self.state = message.get("state", self.state)
            self.camera_frames += "camera" in message
            self.opened += "opened" in message
            self.frames = message.get("over", self.frames)
            if "notice" in message:
                self.notices.append(message["notice"])
        return self.screen.grab()

    def until(self, what: str, holds: Callable[[Screenshot], bool]) -> Screenshot:
        """Look again and again until something can be seen."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            screenshot = self.look()
            if holds(screenshot):
                return screenshot
            if self.process.poll() is not None:
                break
            time.sleep(0.03)
        error = self.close()
        pytest.fail(f"never seen: {what}; state {self.state}; {self.notices}; {error[-2000:]}")

    def press_until(self, key: str, holds: Callable[[Screenshot], bool]) -> Screenshot:
        """Press a key and wait for its effect."""
        self.press(key)
        return self.until(f"the effect of {key}", holds)

    def runs(self) -> bool:
        """Return ``True`` if the screen does not stay as it is while the camera gives frames."""
        before = read_clock(self.look())
        due = self.camera_frames + 5
        self.until("the camera goes on", lambda _: self.camera_frames >= due)
        return read_clock(self.look()) != before

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        self.close()
        return code

    def close(self) -> str:
        """End the process, if it runs; the first call returns what it has printed on stderr."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        if self.process.stderr.closed:
            return ""
        with self.process.stderr:
            return self.process.stderr.read()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


@pytest.fixture(scope="module")
def screen() -> Iterator[VirtualScreen]:
    with VirtualScreen(WIDTH, HEIGHT) as made:
        yield made


@pytest.fixture
def begin(screen: VirtualScreen, tmp_path: Path) -> Iterator[Callable[..., WindowedSession]]:
    with contextlib.ExitStack() as stack:

        def begin(*options: str) -> WindowedSession:
            made = WindowedSession(screen, tmp_path, *options)
            stack.callback(made.close)
            screen.find_window(TITLE)
            return made

        yield begin


def differ(first: Screenshot, second: NDArray[Any], where: Any = MIDDLE) -> float:
    """Mean absolute difference of two images, grey levels."""
    return float(np.abs(first[where].astype(int) - second[where]).mean())


def drag(
    screen: VirtualScreen,
    start: tuple[int, int],
    end: tuple[int, int],
    *,
    window: str | None = None,
    release: bool = True,
) -> None:
    """Move the mouse with its left button down, in pixels of the screen or of a window."""
    where = ["--window", window] if window is not None else []
    between = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    screen.xdotool("mousemove", *where, *start, "mousedown", 1)
    screen.xdotool("mousemove", *where, *between)
    screen.xdotool("mousemove", *where, *end)
    if release:
        screen.xdotool("mouseup", 1)


def inner_size(screen: VirtualScreen, window: str) -> tuple[int, int]:
    """Width and height of a window without its frame, in pixels."""
    lines = screen.xdotool("getwindowgeometry", "--shell", window).split()
    said = dict(line.split("=") for line in lines)
    return int(said["WIDTH"]), int(said["HEIGHT"])


def colormap(show: WindowedSession) -> object:
    return show.state["overlay"]["colormap"]


def red_dot(screenshot: Screenshot) -> int:
    """Number of pixels with the red of the recording's dot, in the corner where it is drawn."""
    corner = screenshot[:120, WIDTH // 2 :].astype(int)
    blue, green, red = corner[..., 0], corner[..., 1], corner[..., 2]
    return int(((red > 215) & (green < 75) & (blue < 85)).sum())


def test_every_key_in_a_real_window(begin: Callable[..., WindowedSession], tmp_path: Path) -> None:
    show = begin()
    plain = still(1)

    # f: the frame fills the screen, to the last pixel.
    filled = plain * 0.42
    show.press_until("f", lambda p: show.state["fullscreen"] and differ(p, filled, EDGE) < 4)

    # Frames go on; space stops them, "." shows one more, space lets them go on.
    clocks: set[float] = set()
    while len(clocks) < 6:
        clocks.add(read_clock(show.until("frames go on", lambda p: read_clock(p) not in clocks)))
    show.press_until("space", lambda _: show.state["frozen"] and not show.runs())
    stopped = read_clock(show.look())
    show.press_until("period", lambda p: read_clock(p) != stopped)
    show.until("it stands still again", lambda _: not show.runs())
    show.press_until("space", lambda _: show.runs())
    show.pressed |= {"."}

    # i: for an audience, with all figures, and as it was.
    figures = np.s_[16:90, 520:620]
    for layout in ("stage", "expert", "normal"):
        before = show.look()
        show.press_until(
            "i",
            lambda p: (
                show.state["overlay"]["hud_layout"] == layout  # noqa: B023
                and differ(p, before, figures) > 8  # noqa: B023
            ),
        )
    without = show.look()

    # h and ?: the help covers the middle.
    bright = float(without[MIDDLE].mean())
    for key in ("h", "?"):
        show.press_until(key, lambda p: differ(p, without) > 0.3 * bright)
        show.press_until(key, lambda p: differ(p, without) < 4)

    # [ and ]: less and more heat; b: side by side, plain, and back.
    heat = differ(without, plain)
    show.press_until("[", lambda p: differ(p, plain) < 0.97 * heat)
    show.press_until("]", lambda p: abs(differ(p, plain) - heat) < 0.01 * heat)
    show.press_until("]", lambda p: differ(p, plain) > 1.03 * heat)
    show.press_until("[", lambda p: abs(differ(p, plain) - heat) < 0.01 * heat)
    show.press_until("b", lambda p: differ(p, plain) > 2 * heat)
    show.press_until("b", lambda p: differ(p, plain) < 2)
    show.press_until("b", lambda p: differ(p, without) < 2)

    # c: other colours, all of them different, and the first one again.
    seen = [show.look()]
    for name in COLORMAP_NAMES[1:]:
        show.press_until("c", lambda p: differ(p, seen[-1]) > 0.5 and colormap(show) == name)  # noqa: B023
        seen.append(show.look())
    show.press_until("c", lambda p: differ(p, without) < 2)

    # e: for and against; a: three maps; d: the first rather than the second.
    for key, changed in (("e", 1.0), ("a", 10.0), ("d", 0.5)):
        show.press_until(key, lambda p: differ(p, without) > changed)  # noqa: B023
        show.press_until(key, lambda p: differ(p, without) < 2)

    # 1-9 hold a label, 0 follows the top one again.
    first = show.state
    show.press_until("2", lambda p: show.state["held"] is not None and differ(p, without) > 0.5)
    second = show.state["held"]
    show.press_until("3", lambda _: show.state["held"] not in (None, second))
    show.press_until("1", lambda p: differ(p, without) < 2)
    assert first["held"] is None
    for key in "456789":
        show.press_until(key, lambda _: "only 3 labels" in show.state["message"])
    show.press_until("0", lambda p: show.state["held"] is None and differ(p, without) < 2)

    # j and l: the layer before, and back; k: other maps of the same frame.
    show.press_until("j", lambda p: show.state["layer"] == "c" and differ(p, without) > 0.5)
    show.press_until("l", lambda p: show.state["layer"] == "d" and differ(p, without) < 2)
    show.press_until("k", lambda _: show.state["method"] == "gradcam++")
    show.press_until("k", lambda p: show.state["method"] == "hirescam" and differ(p, without) < 2)

    # v: the whole frame is seen, so that nothing is dimmed; m: left is right.
    show.press_until("v", lambda p: float(p[BESIDE].mean()) > 1.8 * float(without[BESIDE].mean()))
    show.press_until("v", lambda _: show.state["view"] == "full")
    show.press_until("v", lambda p: differ(p, without) < 2)
    show.press_until("m", lambda p: differ(p[:, ::-1], plain) < differ(p, plain))
    show.press_until("m", lambda p: differ(p, without) < 2)

    # t: the truth meter says a sentence; s: image and record are saved, never over others.
    sentence = np.s_[420:466, 180:460]
    show.press_until("t", lambda p: show.state["truth"] and differ(p, without, sentence) > 8)
    records: list[dict[str, Any]] = []
    while len(records) < 2 or records[-1]["truth"].get("before") is None:
        known = len(show.notices)
        show.press_until("s", lambda _: len(show.notices) > known)  # noqa: B023
        saved = Path(show.notices[-1].removeprefix("saved "))
        assert saved.parent == tmp_path
        assert read_image(saved).shape == (HEIGHT, WIDTH, 3)
        records.append(json.loads(saved.with_suffix(".json").read_text(encoding="utf-8")))
        assert len(list(tmp_path.glob("*.png"))) == len(records)
    truth = records[-1]["truth"]
    assert truth["drop"] == pytest.approx(truth["before"] - truth["without_hot"])
    assert truth["completeness_residual"] < 1e-3
    show.press_until("t", lambda _: not show.state["truth"])

    # x: another network, whose map is another one; and the trained one again.
    show.press_until("x", lambda p: show.state["randomized"] and differ(p, without) > 0.5)
    show.press_until("x", lambda p: not show.state["randomized"] and differ(p, without) < 2)

    # r: a red dot, and a film that can be played.
    show.until("no red dot", lambda p: red_dot(p) < 20)
    show.press_until("r", lambda p: red_dot(p) > 40)
    (film,) = tmp_path.glob("*.mp4")
    show.until("the recording grows", lambda _: film.stat().st_size > 0)
    show.press_until("r", lambda p: red_dot(p) < 20)
    show.until("it says where", lambda _: any("recorded" in line for line in show.notices))
    with av.open(str(film)) as recorded:
        assert sum(1 for _ in recorded.decode(video=0)) > 1

    # The mouse: the spot under it votes.
    show.screen.xdotool("mousemove", 240, 200)
    show.screen.xdotool("mousemove", 244, 204)
    show.until("the votes", lambda p: differ(p, without) > 2)

    # A rectangle of the mouse: it can be seen, and its part is explained; w: all of it again.
    drag(show.screen, (220, 180), (420, 300), release=False)
    line = np.s_[180:183, 230:410]
    show.until("the rectangle", lambda p: differ(p, LINE, line) < 60)
    show.screen.xdotool("mouseup", 1)
    shares = {"x": "11/32", "y": "3/8", "width": "201/640", "height": "121/480"}
    show.until("the part", lambda _: show.state["rois"] == [shares])
    show.until("the rest is unseen", lambda p: differ(p, plain * 0.42, SEEN_ONLY_AS_WHOLE) < 8)
    show.press_until("w", lambda p: not show.state["rois"] and differ(p, without) < 2)
    # Esc gives up a rectangle, and not the session.
    drag(show.screen, (220, 180), (420, 300), release=False)
    show.until("the rectangle", lambda p: differ(p, LINE, line) < 60)
    show.press("esc")
    show.until("no rectangle", lambda p: differ(p, LINE, line) > 60)
    show.screen.xdotool("mouseup", 1)

    # y: the row of classes that are taught, and away with it; o: nothing has been taught.
    row = np.s_[380:470, 120:520]
    before = show.look()
    show.press_until("y", lambda p: show.state["teaching"]["open"] and differ(p, before, row) > 8)
    show.press_until("y", lambda _: not show.state["teaching"]["open"])
    show.press_until("o", lambda _: "nothing has been taught" in show.state["message"])

    # p, left, Home and End are for pictures, and say so.
    for key, which in (("p", "previous"), ("left", "previous"), ("home", "first"), ("end", "last")):
        show.press_until(key, lambda _: f"a {which} one" in show.state["message"])  # noqa: B023
        show.press_until("0", lambda _: "following" in show.state["message"])

    # n: the next camera sees something else. Unknown keys do nothing.
    other = still(2)
    for key in ("z", "Tab", "F5"):
        show.screen.xdotool("key", key)
    show.press_until("n", lambda p: differ(p, other * 0.42, BESIDE) < 12)
    show.press("right")
    show.press("f")
    show.until("it shrinks", lambda _: not show.state["fullscreen"])

    # In a window of any size, the part is what the mouse touched; the right button ends it.
    window = show.screen.find_window(TITLE)
    show.until("a small window", lambda _: inner_size(show.screen, window) != (WIDTH, HEIGHT))
    drag(show.screen, (100, 90), (300, 250), window=window)
    width, height = inner_size(show.screen, window)
    corners = [Fraction(x, width) for x in (100, 300)] + [Fraction(y, height) for y in (90, 250)]

    def touched(rois: list[dict[str, str]]) -> bool:
        """Within two pixels of the frame: a pixel of the window has more than one."""
        if len(rois) != 1:
            return False
        x, y, wide, high = (Fraction(rois[0][each]) for each in ("x", "y", "width", "height"))
        found = (x, x + wide, y, y + high)
        return max(abs(f - c) for f, c in zip(found, corners, strict=True)) <= Fraction(2, HEIGHT)

    show.until("the part of the small window", lambda _: touched(show.state["rois"]))
    show.screen.xdotool("mousemove", "--window", window, 200, 200, "click", 3)
    show.until("all of it", lambda _: not show.state["rois"])
    show.screen.xdotool("click", 1)

    show.press("q")
    assert show.wait() == 0
    assert show.look() is not None
    assert show.frames is not None
    assert len(clocks) <= show.frames <= show.camera_frames
    missing = {key for binding in KEYS for key in binding.keys} - show.pressed - {"esc"}
    assert not missing


@pytest.mark.parametrize("way", ["esc", "close", "interrupt"])
def test_it_ends_by_key_by_mouse_and_by_signal(
    begin: Callable[..., WindowedSession], way: str
) -> None:
    show = begin()
    if way == "esc":
        show.press("esc")
    elif way == "close":
        show.screen.xdotool("key", "alt+F4")
    else:
        show.process.send_signal(signal.SIGINT)
    assert show.wait() == (130 if way == "interrupt" else 0)


def test_a_kiosk_fills_the_screen_and_only_the_desktop_or_a_signal_ends_it(
    begin: Callable[..., WindowedSession],
) -> None:
    show = begin("--kiosk")
    show.until("its film began again", lambda _: show.opened >= 3)
    for key in ("q", "esc"):
        show.press(key)
    before = show.opened
    show.until("it goes on", lambda _: show.opened > before)
    show.until("it fills the screen", lambda p: float(p[2:8, 2:8].mean()) > 1.0)
    show.screen.xdotool("key", "alt+F4")
    assert show.wait() == 0


# The window of a session has its source in its title, the one that says "loading" has none.
LIVE = "^live-gradcam - "


@contextlib.contextmanager
def command(
    screen: VirtualScreen, folder: Path, *arguments: str, title: str = "^live-gradcam"
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "live_gradcam", "run", "--model", "scenes", *arguments],
        cwd=folder,
        env={**screen.environment, "PYTHONPATH": os.fspath(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        screen.find_window(title)
        yield process
    finally:
        process.kill()
        process.communicate()


def await_title(screen: VirtualScreen, name: str) -> str:
    """Wait for a window whose title begins so; its whole title."""
    number = screen.find_window(f"^{name}")
    return screen.xdotool("getwindowname", number).strip()


def test_pictures_are_turned_in_a_window_that_names_them(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    (tmp_path / "shots").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        write_image(tmp_path / "shots" / f"{name}.png", still(number))
    (tmp_path / "shots" / "bad.png").write_text("no picture")
    write_image(tmp_path / "z.png", still(4))
    options = ("--compile", "off", "shots", "z.png")
    with command(screen, tmp_path, *options, title="a.png") as process:
        title = await_title(screen, "shots/a.png")
        assert title.startswith("shots/a.png · 1 of 5 - live-gradcam")
        for key, name, number in (
            ("n", "shots/b.png", 2), ("p", "shots/a.png", 1), ("End", "z.png", 5),
            ("Left", "shots/c.png", 4), ("Left", "shots/b.png", 2), ("Home", "shots/a.png", 1),
        ):  # fmt: skip
            screen.xdotool("key", key)
            assert await_title(screen, name).startswith(f"{name} · {number} of 5")
        screen.xdotool("key", "q")
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert "bad.png" in said


def test_a_slide_show_goes_round_waits_and_obeys(screen: VirtualScreen, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for number, name in enumerate(("a", "b")):
        write_image(tmp_path / "shots" / f"{name}.png", still(number))
    options = ("--compile", "off", "--kiosk", "--slideshow", "0.5", "shots")
    with command(screen, tmp_path, *options, title="[ab].png") as process:
        for name in ("a.png", "b.png", "a.png", "b.png"):
            await_title(screen, name)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)


def await_banner(screen: VirtualScreen) -> None:
    """Wait for the one large spot in the colour of banners' ground."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        screenshot = screen.grab().astype(int)
        blue, green, red = screenshot[..., 0], screenshot[..., 1], screenshot[..., 2]
        if ((red > 200) & (green > 140) & (green < 200) & (blue < 70)).sum() > 1500:
            return
        time.sleep(0.1)
    pytest.fail("no banner")


def test_without_a_source_the_kiosk_says_so_on_the_screen(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    absent = str(tmp_path / "absent.mp4")
    with command(screen, tmp_path, "--kiosk", "--compile", "off", absent) as process:
        await_banner(screen)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_hanging_connection_is_a_banner_and_the_window_closes_all_the_same(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    with (
        MjpegServer() as server,
        # What falls silent while it is opened is no source at all.
        command(screen, tmp_path, "--compile", "off", server.address, title=LIVE) as process,
    ):
        server.go_silent()
        await_banner(screen)
        screen.xdotool("key", "alt+F4")
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    # On a busy machine the connection hangs before the first picture is explained.
    assert " FPS" in said
