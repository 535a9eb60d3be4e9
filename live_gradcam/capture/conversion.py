"""Conversion of decoded film frames to upright BGR images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np

from live_gradcam.capture.colour import to_sdr, wide_colour
from live_gradcam.capture.scaler import Scaler
from live_gradcam.images.pixels import over_white
from live_gradcam.native import av, cv2
from live_gradcam.values import Image

# Numbers of ISO/IEC 23091-2 (matrix) and of FFmpeg's AVColorRange.
_BT601_OR_UNSAID = frozenset([2, 5, 6])
_LIMITED_OR_UNSAID = frozenset([0, 1])
# Those that `reformat`, which is the fastest, converts as the ffmpeg command line does.
_EIGHT_BITS = frozenset(["yuv420p", "yuvj420p", "yuv422p", "yuvj422p"])
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


class FrameConverter:
    """Converts the frames of one film or stream to images. Not for several threads at once."""

    def __init__(self) -> None:
        self._scaler = Scaler()

    def to_bgr(self, frame: av.VideoFrame, width: int | None = None) -> Image:
        """Convert a film frame, minding its own colour matrix and range.

        Most films are 8-bit 4:2:0 in the matrix of BT.601, or do not say: OpenCV converts those to
        the level. The rest is for swscale, which is as fast in one thread (more cost more than they
        bring) and knows every format, but is up to 3 of 255 levels too dark. HDR and wide gamuts
        become SDR BT.709 (see `live_gradcam.capture.colour`).

        Args:
            frame: A decoded frame.
            width: Of the result, in pixels; ``None`` for the frame's own.

        Returns:
            ``uint8 (H, W, 3)``, BGR, C-contiguous; transparent parts on white.
        """
        wide = wide_colour(frame.color_trc, frame.color_primaries)
        if wide is not None:
            return to_sdr(frame, wide, self._scaler, width)
        same_size = width in (None, frame.width)
        if same_size and _is_plain(frame):
            planes = frame.to_ndarray()
            return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)
        if _has_alpha(frame.format.name):
            return over_white(np.asarray(self._scaler.convert(frame, "bgra", width), np.uint8))
        if same_size and frame.format.name in _EIGHT_BITS:
            return np.ascontiguousarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)
        # What comes out as BGR directly is up to 5 levels off in swscale's faster code.
        rgb = self._scaler.convert(frame, "rgb24", width)
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)


def _is_plain(frame: av.VideoFrame) -> bool:
    return (
        frame.format.name == "yuv420p"
        and frame.width % 2 == frame.height % 2 == 0
        and frame.colorspace in _BT601_OR_UNSAID
        and frame.color_range in _LIMITED_OR_UNSAID
    )


@lru_cache(maxsize=64)
def _has_alpha(format_name: str) -> bool:
    # A palette has four components a colour, but one a pixel.
    components = av.VideoFormat(format_name).components
    return format_name == "pal8" or any(component.is_alpha for component in components)
