"""The promise of the screen as a source: quick, and exact."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

from live_gradcam.bench.live import Promise
from live_gradcam.capture.screen import ScreenSource, screen_spec
from tests.helpers.screen import VirtualScreen

SCREEN_BAR_FPS = 25.0
# More than the bar, so that it is the machine's rate and not the one asked for.
_ASKED_FPS = 60.0
_FILL = """
import sys
import cv2
import numpy as np
width, height = map(int, sys.argv[1:])
rows, columns = np.mgrid[:height, :width]
picture = np.dstack([rows % 251, columns % 241, (rows * 7 + columns * 3) % 256]).astype(np.uint8)
cv2.namedWindow("all", cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
cv2.setWindowProperty("all", cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN)
cv2.imshow("all", picture)
print("shown", flush=True)
while True:
    cv2.waitKey(50)
"""


def measure_screen(screen: VirtualScreen, size: tuple[int, int], seconds: float) -> Promise:
    """Read a whole screen as a camera does, with one core for it.

    Args:
        screen: Which this process is on.
        size: Its width and height.
        seconds: Length of the run.
    """
    spec = screen_spec("screen")
    assert spec is not None
    cores = os.sched_getaffinity(0)
    command = [sys.executable, "-c", _FILL, *map(str, size)]
    with subprocess.Popen(command, env=screen.environment, stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            time.sleep(1.0)  # the desktop shows it
            wanted = screen.grab()
            os.sched_setaffinity(0, {max(cores)})
            count, exact = 0, 0
            with ScreenSource(spec, fps=_ASKED_FPS) as source:
                began = last = time.monotonic()
                while last - began < seconds:
                    frame = source.newest(1.0)
                    if frame is not None:
                        last = time.monotonic()
                        count += 1
                        exact += bool(np.array_equal(frame.image, wanted))
                dropped = source.dropped
        finally:
            os.sched_setaffinity(0, cores)
            program.kill()
    rate = (count + dropped) / (last - began)
    colours = len(np.unique(wanted.reshape(-1, 3), axis=0))
    return Promise(
        f"a screen of {size[0]}x{size[1]} under Xvfb, read on one core",
        f"at least {SCREEN_BAR_FPS:g} frames a second, pixels exact",
        f"{rate:.1f} a second ({_ASKED_FPS:g} asked for); {exact} of {count} exact, of "
        f"{colours} colours",
        rate >= SCREEN_BAR_FPS and exact == count,
        {"fps": rate, "frames": float(count), "exact": float(exact)},
    )
