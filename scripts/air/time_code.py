"""Time as black and white blocks, which survive JPEG, H.264 and an overlay; and a camera of it."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from live_gradcam.capture.live import LivePolicy, LiveReader
from live_gradcam.capture.live_scene import Pace
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image

_BITS = 28  # milliseconds, for three days
_CHECK_BITS = 4
_ROWS = 2
_TICKS_PER_SECOND = 1000
# A heat map changes the brightness of both halves of a bit alike; text and outlines do not.
_LEAST_CONTRAST = 40.0


def draw_time(image: Image, seconds: float) -> int:
    """Draw a time over the middle of an image.

    Each bit is two blocks, of which one is white: the left one for 1, the right one for 0.

    Args:
        image: ``uint8 (H, W, 3)``, drawn on.
        seconds: Of any clock.

    Returns:
        The time in milliseconds as it is read again.
    """
    code = int(seconds * _TICKS_PER_SECOND) % (1 << _BITS)
    for halves, value in zip(_places(image), _bits(code), strict=True):
        for half, (top, left, height, width) in enumerate(halves):
            image[top : top + height, left : left + width] = 255 if half != value else 0
    return code


def read_time(image: NDArray[np.uint8]) -> int | None:
    """Read the time that `draw_time` has drawn; ``None`` where there is none that is whole."""
    values = []
    for halves in _places(image):
        first, second = (
            float(
                image[
                    top + height // 4 : top + height - height // 4,
                    left + width // 4 : left + width - width // 4,
                ].mean()
            )
            for top, left, height, width in halves
        )
        if abs(first - second) < _LEAST_CONTRAST:
            return None
        values.append(int(first > second))
    code = sum(value << place for place, value in enumerate(values[:_BITS]))
    return code if values == _bits(code) else None


def _bits(code: int) -> list[int]:
    check = sum((code >> place) & 15 for place in range(0, _BITS, 4)) % 16
    return [(code >> place) & 1 for place in range(_BITS)] + [
        (check >> place) & 1 for place in range(_CHECK_BITS)
    ]


def _places(
    image: NDArray[np.uint8],
) -> list[tuple[tuple[int, int, int, int], tuple[int, int, int, int]]]:
    """Where the two halves of each bit are: top, left, height, width."""
    height, width = image.shape[:2]
    columns = (_BITS + _CHECK_BITS) // _ROWS
    side = width / (2 * columns + 8)  # so that an image that was scaled has them, too
    left, top = (width - 2 * columns * side) / 2, height / 2 - side
    places = []
    for number in range(_BITS + _CHECK_BITS):
        row, column = divmod(number, columns)
        first, second, end = (round(left + (2 * column + half) * side) for half in range(3))
        y, bottom = (round(top + (row + below) * side) for below in range(2))
        places.append(
            ((y, first, bottom - y, second - first), (y, second, bottom - y, end - second))
        )
    return places


class _Filming:
    warning = ""

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.fps: float | None = fps
        self._still = render_scene(4, width=width, height=height).image
        self._noise = np.random.default_rng(0)
        self._pace = Pace(fps)

    def read(self) -> Image | None:
        self._pace.wait()
        image: Image = self._still.copy()
        # A strip that changes everywhere, so that no encoder finds a still picture.
        strip = image[: image.shape[0] // 8]
        strip[:] = self._noise.integers(0, 256, (*strip.shape[:2], 1), np.uint8)
        draw_time(image, time.monotonic())
        return image

    def close(self) -> None:
        self._pace.stop()


class TimedCamera(LiveReader):
    """A camera whose images carry the time at which they were taken.

    Args:
        width: Of the images, in pixels.
        height: Of the images, in pixels.
        fps: Images a second.
    """

    def __init__(self, width: int, height: int, fps: float) -> None:
        super().__init__(
            name="camera 0",
            kind="camera",
            connect=lambda: _Filming(width, height, fps),
            policy=LivePolicy(first_image_seconds=60.0, hang_seconds=60.0, stall_seconds=2.0),
        )
