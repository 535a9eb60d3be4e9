"""From what a decoder gives to what everybody here expects: upright BGR of a constant size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from live_gradcam.native import av, cv2
from live_gradcam.values import Image

if TYPE_CHECKING:
    from av import VideoFrame

MAX_PIXELS = 40_000_000
"""Pictures and film frames with more pixels are refused before they are decoded."""

_GROUND = 255

_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: lambda image: cv2.transpose(image),
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}

# x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2), as (a, b, c, d).
_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def turn(image: Image, orientation: int) -> Image:
    """Make a picture upright.

    Args:
        image: ``uint8 (H, W, 3)``.
        orientation: 1 to 8 as in EXIF 2.3, tag 274; anything else leaves the picture as it is.
    """
    function = _TURNS.get(orientation)
    turned: Image = function(image) if function else image
    return turned


def orientation_of(frame: VideoFrame) -> int:
    """The EXIF orientation (1 to 8) that a film frame's display matrix stands for."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float) / 65536
            scale = float(np.sqrt(abs(a * d - b * c))) or 1.0
            key = tuple(int(np.clip(np.rint(value / scale), -2, 2)) for value in (a, b, c, d))
            return _ORIENTATIONS.get(key, 1)  # type: ignore[call-overload, no-any-return]
    return 1


def to_bgr(frame: VideoFrame) -> Image:
    """Convert a film frame, minding its own colour matrix and range.

    One conversion thread: at 1280x720 it is the fastest (swscale's own threads cost more than they
    bring), and the rest of the machine is busy explaining.

    Returns:
        ``uint8 (H, W, 3)``, BGR, C-contiguous; transparent parts on white.
    """
    if _has_alpha(frame.format.name):
        return over_white(np.asarray(frame.to_ndarray(format="bgra", threads=1), np.uint8))
    return np.ascontiguousarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)


@lru_cache(maxsize=64)
def _has_alpha(format_name: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(format_name).components)


def over_white(colour_and_alpha: Image) -> Image:
    """Lay a picture with straight alpha on a white ground.

    Args:
        colour_and_alpha: ``uint8 (H, W, 4)``, alpha last.

    Returns:
        ``uint8 (H, W, 3)``, colours in the same order.
    """
    alpha = colour_and_alpha[..., 3:].astype(np.uint16)
    colour = colour_and_alpha[..., :3].astype(np.uint16)
    return ((colour * alpha + _GROUND * (255 - alpha) + 127) // 255).astype(np.uint8)


def letterbox(image: Image, width: int, height: int) -> Image:
    """Fit a picture into a size without distorting it, with black bars around it.

    Args:
        image: ``uint8 (H, W, 3)``.
        width: Of the result, in pixels.
        height: Of the result, in pixels.

    Returns:
        ``uint8 (height, width, 3)``; the picture itself where it has that size already.
    """
    own_height, own_width = image.shape[:2]
    if (own_width, own_height) == (width, height):
        return image
    scale = min(width / own_width, height / own_height)
    inner_width = max(1, min(width, round(own_width * scale)))
    inner_height = max(1, min(height, round(own_height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    result = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    result[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image, (inner_width, inner_height), interpolation=how
    )
    return result
