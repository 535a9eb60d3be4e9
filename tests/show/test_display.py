"""What a window needs of the display before it is opened."""

from __future__ import annotations

import ctypes.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from live_gradcam.show.display import screen_area
from live_gradcam.values import Region
from tests.helpers.screen import HAS_SCREEN, PATIENCE_SECONDS, VirtualScreen


@pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")
@pytest.mark.skipif(ctypes.util.find_library("X11-xcb") is None, reason="needs libX11-xcb")
def test_qt_and_the_systems_libx11_agree_whose_events_they_are() -> None:
    # OpenCV's wheels bring a libX11-xcb that fits an older libX11 than the system's: where Qt calls
    # it, events get lost, and one window of twenty stays unpainted on a busy machine.
    code = (
        "from live_gradcam.show.window import Window\n"
        "Window('a window', width=64, height=48).close()"
    )
    with VirtualScreen(320, 240) as screen:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **screen.environment,
                "LD_DEBUG": "bindings",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )
    bound = re.findall(r"to (\S+) \[0\]: normal symbol `XSetEventQueueOwner'", done.stderr)
    assert bound
    assert all(Path(library).name == "libX11-xcb.so.1" for library in bound)


@pytest.mark.skipif(not HAS_SCREEN, reason="needs Xvfb, xdotool and openbox")
def test_of_two_screens_side_by_side_the_first_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    screens = ["-screen", "0", "800x600x24", "-screen", "1", "640x480x24", "+xinerama"]
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), *screens, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            monkeypatch.setenv("DISPLAY", f":{int(pipe.readline())}")
        monkeypatch.delenv("XAUTHORITY", raising=False)
        assert screen_area() == Region(0, 0, 800, 600)
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE_SECONDS)
