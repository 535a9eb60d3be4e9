"""A camera that every machine has: it films a generated scene, at its own pace.

For tests and measurements of live sessions, and to try one out without a camera.
"""

from __future__ import annotations

import threading
import time

from live_gradcam.capture.live import LivePolicy, LiveReader
from live_gradcam.capture.scene import SceneSource
from live_gradcam.values import Image


class Pace:
    """Holds a reader to a rate, and ends every wait when it is stopped.

    Args:
        fps: Images a second.
    """

    def __init__(self, fps: float) -> None:
        self._step = 1.0 / fps
        self._due = time.monotonic()
        self._stopping = threading.Event()

    def wait(self) -> None:
        """Wait until the next image is due."""
        self._due = max(self._due + self._step, time.monotonic() - 0.1)
        self._stopping.wait(max(0.0, self._due - time.monotonic()))

    def stop(self) -> None:
        """End the wait, and every later one at once."""
        self._stopping.set()


class _Filming:
    """A connection to a scene, with one image at a time, as a camera has it."""

    warning = ""

    def __init__(self, scene: SceneSource, fps: float, frames: int | None) -> None:
        self.fps: float | None = fps
        self._frames = iter(scene)
        self._left = frames
        self._pace = Pace(fps)

    def read(self) -> Image | None:
        self._pace.wait()
        if self._left == 0:
            return None
        self._left = None if self._left is None else self._left - 1
        return next(self._frames).image

    def close(self) -> None:
        self._pace.stop()


class LiveScene(LiveReader):
    """A live source that films a generated scene.

    Args:
        seed: Decides the scene.
        width: Of the images, in pixels.
        height: Of the images, in pixels.
        fps: Images a second.
        frames: Number of images after which it hangs; ``None`` goes on for ever.
        name: For titles and messages.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        frames: int | None = None,
        name: str = "camera 0",
    ) -> None:
        scene = SceneSource(seed=seed, width=width, height=height, fps=fps)
        super().__init__(
            name=name,
            kind="camera",
            connect=lambda: _Filming(scene, fps, frames),
            # It always comes; on a busy machine the first one takes long.
            policy=LivePolicy(first_image_seconds=60.0, hang_seconds=60.0, stall_seconds=2.0),
        )
