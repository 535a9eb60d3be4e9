"""A window that lives while a network is loaded: it moves, and obeys who wants to leave."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import Self

from tests.conftest import ROOT
from tests.helpers.screen import HAS_SCREEN, PATIENCE_SECONDS, VirtualScreen

pytestmark = [
    pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox"),
]

_PROGRAM = """
import sys, time
from pathlib import Path
from live_gradcam import lifecycle
from live_gradcam.errors import ModelError
from live_gradcam.session.loading import load_in_window
from live_gradcam.show.window import Window

def load():
    print("loading", flush=True)
    while not Path("go").exists():
        time.sleep(0.02)
    if Path("go").read_text() == "wrong":
        raise ModelError("cannot load", "this")
    return "the network"

lifecycle.install_handlers()
may_quit = sys.argv[1:] != ["stay"]
try:
    with Window("loading test", width=480, height=300) as window:
        found = load_in_window(
            window, load, text="loading the network", may_quit=may_quit,
            abandon=lambda left: print("released", left, flush=True),
        )
    print("found", found, flush=True)
except ModelError as error:
    print("error", error, flush=True)
except lifecycle.Interrupted as interrupted:
    print("interrupted", flush=True)
    lifecycle.end_process(interrupted.exit_code)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[VirtualScreen]:
    with VirtualScreen(640, 400) as started:
        yield started


class Loading:
    """A process that loads something until it is told to go on."""

    def __init__(self, screen: VirtualScreen, folder: Path, *arguments: str) -> None:
        self.screen, self.folder = screen, folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            cwd=folder,
            env={**screen.environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "loading"
        screen.find_window("loading test")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self, text: str = "") -> None:
        whole = self.folder / "going"
        whole.write_text(text)
        whole.rename(self.folder / "go")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def loading(screen: VirtualScreen, folder: Path, *arguments: str) -> Iterator[Loading]:
    with Loading(screen, folder, *arguments) as process:
        yield process


def until(
    screen: VirtualScreen, what: str, holds: Callable[[NDArray[np.uint8]], bool]
) -> NDArray[np.uint8]:
    """Look again and again until something can be seen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if holds(shot := screen.grab()):
            return shot
    pytest.fail(f"never seen: {what}")


def _inside(shot: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of the screen, where the window stands, without its title bar."""
    return shot[120:280, 160:480]


def test_it_moves_and_ends_with_what_was_loaded(screen: VirtualScreen, tmp_path: Path) -> None:
    with loading(screen, tmp_path) as process:
        first = until(screen, "words on the screen", lambda shot: _inside(shot).max() > 200)
        until(screen, "something moves", lambda shot: bool((_inside(shot) != _inside(first)).any()))
        process.go_on()
        assert process.line() == "found the network"


def test_a_key_leaves_and_what_comes_later_is_released(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    with loading(screen, tmp_path) as process:
        screen.xdotool("key", "q")
        assert process.line() == "found None"
        process.go_on()
        assert process.line() == "released the network"


def test_an_exhibit_stays_whatever_key_is_pressed(screen: VirtualScreen, tmp_path: Path) -> None:
    with loading(screen, tmp_path, "stay") as process:
        screen.xdotool("key", "q")
        screen.xdotool("key", "Escape")
        before = screen.grab()
        until(screen, "it goes on", lambda shot: not np.array_equal(shot, before))
        assert process.process.poll() is None
        process.go_on()
        assert process.line() == "found the network"


def test_an_error_closes_the_window_and_reaches_the_caller(
    screen: VirtualScreen, tmp_path: Path
) -> None:
    with loading(screen, tmp_path) as process:
        process.go_on("wrong")
        assert process.line() == "error cannot load: this."


def test_an_interruption_ends_it_at_once(screen: VirtualScreen, tmp_path: Path) -> None:
    with loading(screen, tmp_path) as process:
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(PATIENCE_SECONDS) == 130
        # A machine that is too busy to end in good order is ended by the watchdog.
        assert process.line() in ("interrupted", "")
