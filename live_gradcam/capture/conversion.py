"""Conversion of decoded film frames to upright BGR images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np

from live_gradcam.capture.colour import to_sdr, wide_colour
from live_gradcam.images.pixels import over_white
from live_gradcam.native import av, cv2
from live_gradcam.values import Image

# Numbers of ISO/IEC 23091-2 (matrix) and of FFmpeg's AVColorRange.
_BT601_OR_UNSAID = frozenset([2, 5, 6])
_LIMITED_OR_UNSAID = frozenset([0, 1])
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


def orientation_of(frame: av.VideoFrame) -> int:
    """Return the EXIF orientation (1 to 8) that a film frame's display matrix stands for."""
    side_data = cast("Mapping[str, Any]", frame.side_data)
    try:
        data = side_data["DISPLAYMATRIX"]
    except KeyError:
        return 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float) / 65536
    scale = float(np.sqrt(abs(a * d - b * c))) or 1.0
    a, b, c, d = (int(np.clip(np.rint(value / scale), -2, 2)) for value in (a, b, c, d))
    return _ORIENTATIONS.get((a, b, c, d), 1)


def to_bgr(frame: av.VideoFrame) -> Image:
    """Convert a film frame, minding its own colour matrix and range.

    Most films are 8-bit 4:2:0 in the matrix of BT.601, or do not say: OpenCV converts those to the
    level. The rest is for swscale, which is as fast in one thread (more cost more than they bring)
    and knows every format, but is up to 3 of 255 levels too dark. HDR and wide gamuts become SDR
    BT.709 (see `live_gradcam.capture.colour`).

    Returns:
        ``uint8 (H, W, 3)``, BGR, C-contiguous; transparent parts on white.
    """
    wide = wide_colour(frame.color_trc, frame.color_primaries)
    if wide is not None:
        return to_sdr(frame, wide)
    if _is_plain(frame):
        planes = frame.to_ndarray()
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)
    if _has_alpha(frame.format.name):
        return over_white(np.asarray(frame.to_ndarray(format="bgra", threads=1), np.uint8))
    return np.ascontiguousarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)


def _is_plain(frame: av.VideoFrame) -> bool:
    return (
        frame.format.name == "yuv420p"
        and frame.width % 2 == frame.height % 2 == 0
        and frame.colorspace in _BT601_OR_UNSAID
        and frame.color_range in _LIMITED_OR_UNSAID
    )


@lru_cache(maxsize=64)
def _has_alpha(format_name: str) -> bool:
    if format_name == "pal8":  # four components a colour, but one a pixel
        return True
    return any(component.is_alpha for component in av.VideoFormat(format_name).components)
