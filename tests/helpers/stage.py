"""A session in a window of its own process, which says on stdout what becomes of it.

    python -m tests.helpers.stage FOLDER [--kiosk]

Each line is a JSON object with one key: ``state``, ``notice``, ``camera`` (once for each frame that
a camera has given, with its number), ``opened`` or ``over``.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from live_gradcam import lifecycle
from live_gradcam.capture.live import LivePolicy, LiveReader
from live_gradcam.capture.live_scene import Pace
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.explain.explainer import Explainer
from live_gradcam.pipeline import RunOptions
from live_gradcam.scenes import render_scene
from live_gradcam.session import run_session
from live_gradcam.session.state import SessionState
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.values import Image
from tests.helpers.live import tiny_classifier

WIDTH, HEIGHT = 640, 480
TITLE = "live-gradcam in a test"
CLOCK_ROWS = 6
CLOCK_STEPS = 50


def still(seed: int) -> Image:
    """Render a scene whose left half is darker; the same for the same seed."""
    image = render_scene(seed, width=WIDTH, height=HEIGHT, objects=2).image
    image[:, : WIDTH // 2] //= 2
    return image


def read_clock(screenshot: NDArray[np.uint8]) -> float:
    """Return the brightness of the strip at the lower edge, which each frame changes."""
    strip = screenshot[-CLOCK_ROWS + 2 : -1, WIDTH // 2 - 20 : WIDTH // 2 + 20]
    return float(np.median(strip))


class Ticking:
    """A camera before a still scene, with a strip at its lower edge that tells the frame."""

    warning = ""

    def __init__(self, seed: int) -> None:
        self.fps: float | None = 30.0
        self._image = still(seed)
        self._pace = Pace(30.0)
        self._number = 0

    def read(self) -> Image | None:
        self._pace.wait()
        self._number += 1
        say(camera=self._number)
        image: Image = self._image.copy()
        image[-CLOCK_ROWS:] = self._number % CLOCK_STEPS * 5
        return image

    def close(self) -> None:
        self._pace.stop()


def open_camera(seed: int) -> Source:
    """Open a live source with a thread of its own."""
    return LiveReader(
        name=f"camera {seed}",
        kind="camera",
        connect=lambda: Ticking(seed),
        policy=LivePolicy(first_image_seconds=60.0, hang_seconds=60.0, stall_seconds=60.0),
    ).open()


def say(**message: object) -> None:
    """Print one line, whole, for the process that listens."""
    os.write(sys.stdout.fileno(), (json.dumps(message, default=str) + "\n").encode())


def flatten(state: SessionState) -> dict[str, Any]:
    """List the choices of a state by name, without the values that they are grouped in."""
    settings = asdict(state.settings)
    return {**asdict(state), **settings, **state.settings.key._asdict()}


def main() -> NoReturn:
    """Run the session and leave with its exit code."""
    folder, kiosk = Path(sys.argv[1]), "--kiosk" in sys.argv
    lifecycle.install_handlers()
    try:
        with (
            Explainer(tiny_classifier(), compile="off", precision="fp32") as explainer,
            lifecycle.cooperative() as stop,
        ):
            source = None if kiosk else open_camera(1)
            summary = run_session(
                source,
                explainer,
                (),
                overlay=OverlayOptions(),
                options=RunOptions(),
                window_title=TITLE,
                kiosk=kiosk,
                reopen=_film if kiosk else None,
                next_source=lambda: open_camera(2),
                folder=folder,
                stop=stop,
                on_notice=lambda text: say(notice=text),
                on_state=lambda state: say(state=flatten(state)),
            )
            if source is not None:
                source.close()
            say(over=summary.frames)
    except lifecycle.Interrupted as interrupted:
        lifecycle.end_process(interrupted.exit_code)
    lifecycle.end_process(0)


def _film() -> Source:
    say(opened=True)
    return SceneSource(seed=1, width=WIDTH, height=HEIGHT, max_frames=12)


if __name__ == "__main__":
    main()
