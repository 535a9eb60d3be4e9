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
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.images import read_image
from live_gradcam.native import av
from live_gradcam.session import KEYS
from scripts.faults.servers import MjpegServer
from tests.conftest import ROOT
from tests.helpers.screen import HAS_SCREEN, VirtualScreen
from tests.helpers.stage import HEIGHT, TITLE, WIDTH, clock_in, still

pytestmark = pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")

# What xdotool calls the keys that are no letters.
_X_NAMES = {
    "esc": "Escape",
    "?": "question",
    ".": "period",
    "[": "bracketleft",
    "]": "bracketright",
    "right": "Right",
}
# The parts of the picture where nothing is written.
MIDDLE = np.s_[150:330, 200:440]
BESIDE = np.s_[190:290, 20:90]
EDGE = np.s_[190:290, 0:4]
PATIENCE_SECONDS = 60.0


class Stage:
    """A session in a process of its own, on a screen of the picture's size."""

    def __init__(self, screen: VirtualScreen, folder: Path, *options: str) -> None:
        self.screen = screen
        self.folder = folder
        self.state: dict[str, Any] = {"fullscreen": False, "held": None}
        self.notices: list[str] = []
        self.opened = 0
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
        self._reader = threading.Thread(target=self._read, name="reader of the stage")
        self._reader.start()

    def find(self) -> None:
        """Wait for the window and give it the keyboard."""
        number = self.screen.xdotool("search", "--sync", "--onlyvisible", "--name", TITLE).split()[
            0
        ]
        self.screen.xdotool("windowfocus", "--sync", number)

    def press(self, key: str) -> None:
        """Press a key and take in what the session says meanwhile."""
        self.pressed.add(key)
        self.screen.xdotool("key", _X_NAMES.get(key, key))

    def see(self) -> np.ndarray:
        """A screenshot; takes in what the session has said."""
        while not self._lines.empty():
            said = json.loads(self._lines.get())
            self.state = said.get("state", self.state)
            self.opened += "opened" in said
            self.frames = said.get("over", self.frames)
            if "notice" in said:
                self.notices.append(said["notice"])
        return self.screen.grab()

    def until(self, what: str, holds: Callable[[np.ndarray], bool]) -> np.ndarray:
        """Look again and again until something can be seen."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            picture = self.see()
            if holds(picture):
                return picture
            if self.process.poll() is not None:
                break
            time.sleep(0.03)
        self.close()
        error = self.process.stderr.read() if self.process.stderr else ""
        pytest.fail(f"never seen: {what}; state {self.state}; {self.notices}; {error[-2000:]}")

    def press_until(self, key: str, holds: Callable[[np.ndarray], bool]) -> np.ndarray:
        """Press a key and wait for its effect."""
        self.press(key)
        return self.until(f"the effect of {key}", holds)

    def end(self) -> int:
        """Wait for its end."""
        code = self.process.wait(timeout=60)
        self.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


@pytest.fixture(scope="module")
def screen() -> Iterator[VirtualScreen]:
    with VirtualScreen(WIDTH, HEIGHT) as made:
        yield made


@pytest.fixture
def stage(screen: VirtualScreen, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    with contextlib.ExitStack() as stack:

        def begin(*options: str) -> Stage:
            made = Stage(screen, tmp_path, *options)
            stack.callback(made.close)
            made.find()
            return made

        yield begin


def differ(first: np.ndarray, second: np.ndarray, where: Any = MIDDLE) -> float:
    """Mean absolute difference of two pictures, grey levels."""
    return float(np.abs(first[where].astype(int) - second[where]).mean())


def colormap(show: Stage) -> str:
    return show.state["overlay"]["colormap"]


def red_dot(picture: np.ndarray) -> int:
    """How many pixels are the red of the recording's dot, in the corner where it is drawn."""
    corner = picture[:120, WIDTH // 2 :].astype(int)
    blue, green, red = corner[..., 0], corner[..., 1], corner[..., 2]
    return int(((red > 215) & (green < 75) & (blue < 85)).sum())


def test_every_key_in_a_real_window(stage: Callable[..., Stage], tmp_path: Path) -> None:
    show = stage()
    plain = still(1)

    # f: the picture fills the screen, to the last pixel.
    filled = plain * 0.42
    show.press_until("f", lambda p: show.state["fullscreen"] and differ(p, filled, EDGE) < 4)

    # Frames go on; space stops them, "." shows one more, space lets them go on.
    def runs() -> bool:
        first = clock_in(show.see())
        time.sleep(0.15)
        return clock_in(show.see()) != first

    show.until("frames go on", lambda _: runs())
    show.press_until("space", lambda _: show.state["frozen"] and not runs() and not runs())
    stopped = clock_in(show.see())
    show.press_until("period", lambda p: clock_in(p) != stopped)
    show.until("it stands still again", lambda _: not runs() and not runs())
    show.press_until("space", lambda _: runs())
    show.pressed |= {"."}

    # i: the figures go and come.
    figures = np.s_[16:90, 520:620]
    with_figures = show.see()
    show.press_until("i", lambda p: differ(p, with_figures, figures) > 8)
    without = show.see()

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
    seen = [show.see()]
    for name in ("viridis", "magma", "inferno", "plasma", "cividis", "jet", "hot"):
        show.press_until("c", lambda p: differ(p, seen[-1]) > 0.5 and colormap(show) == name)  # noqa: B023
        seen.append(show.see())
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

    # j and l: the layer before, and back; k: other maps of the same picture.
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

    # t: the truth meter writes its numbers; s: picture and record are saved, never over others.
    notes = np.s_[380:460, 400:620]
    show.press_until("t", lambda p: show.state["truth"] and differ(p, without, notes) > 8)
    records = []
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
    show.press_until("x", lambda p: show.state["scrambled"] and differ(p, without) > 0.5)
    show.press_until("x", lambda p: not show.state["scrambled"] and differ(p, without) < 2)

    # r: a red dot, and a film that can be played.
    assert red_dot(show.see()) < 20
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

    # n: the next camera sees something else. Unknown keys do nothing.
    other = still(2)
    for key in ("y", "Tab", "F5"):
        show.screen.xdotool("key", key)
    show.press_until("n", lambda p: differ(p, other * 0.42, BESIDE) < 12)
    show.press("right")
    show.press("f")
    show.until("it shrinks", lambda _: not show.state["fullscreen"])

    show.press("q")
    assert show.end() == 0
    assert show.see() is not None
    assert show.frames is not None
    assert show.frames > 50
    missing = {key for binding in KEYS for key in binding.keys} - show.pressed - {"esc"}
    assert not missing


@pytest.mark.parametrize("way", ["esc", "close", "interrupt"])
def test_it_ends_by_key_by_mouse_and_by_signal(stage: Callable[..., Stage], way: str) -> None:
    show = stage()
    if way == "esc":
        show.press("esc")
    elif way == "close":
        show.screen.xdotool("key", "alt+F4")
    else:
        show.process.send_signal(signal.SIGINT)
    assert show.end() == (130 if way == "interrupt" else 0)


def test_a_kiosk_fills_the_screen_and_only_the_desktop_or_a_signal_ends_it(
    stage: Callable[..., Stage],
) -> None:
    show = stage("--kiosk")
    show.until("its film began again", lambda _: show.opened >= 3)
    for key in ("q", "esc"):
        show.press(key)
    before = show.opened
    show.until("it goes on", lambda _: show.opened > before)
    assert float(show.see()[2:8, 2:8].mean()) != pytest.approx(0.0, abs=1.0)
    show.screen.xdotool("key", "alt+F4")
    assert show.end() == 0


@contextlib.contextmanager
def command(
    screen: VirtualScreen, folder: Path, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "live_gradcam", "run", "--model", "scenes", *arguments],
        cwd=folder,
        env={**screen.environment, "PYTHONPATH": os.fspath(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^live-gradcam")
        yield process
    finally:
        process.kill()
        process.communicate()


def await_banner(screen: VirtualScreen) -> None:
    """Wait for the one large spot in the colour of banners' ground."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        picture = screen.grab().astype(int)
        blue, green, red = picture[..., 0], picture[..., 1], picture[..., 2]
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
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_hanging_connection_is_a_banner_and_the_window_closes_all_the_same(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    with (
        MjpegServer() as server,
        command(screen, tmp_path, "--compile", "off", server.address) as process,
    ):
        server.go_silent()
        await_banner(screen)
        screen.xdotool("key", "alt+F4")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "capture to show" in said
