"""H.264 that is written from its beginning to its end, and can be watched meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from live_gradcam.images.geometry import letterbox
from live_gradcam.native import av, cv2
from live_gradcam.values import Image

_TICKS = 90_000  # a second, as MPEG-TS counts it
_SMALLEST_SIDE = 16
_BT601, _BT709, _LIMITED_RANGE = 6, 1, 1  # codes of ITU-T H.273
# Nothing is held back in the encoder: what was written can be seen.
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "21", "forced-idr": "1"}


class FilmStream:
    """A film of images of one size, each shown from its own time on.

    Args:
        target: A path, or what has ``write``.
        muxer: FFmpeg's name of the container.
        size: Width and height in pixels; odd ones grow by one.
        rate: Nominal frames per second.
        key_frame_seconds: So often a receiver can begin, or a segment.
        options: Of the container.

    Raises:
        av.error.FFmpegError: It cannot be opened.
        OSError: It cannot be opened.
    """

    def __init__(
        self,
        target: Any,  # noqa: ANN401 - a path, or what has `write`
        muxer: str,
        size: tuple[int, int],
        *,
        rate: float,
        key_frame_seconds: float,
        options: Mapping[str, str],
    ) -> None:
        self._size = tuple(max(side + side % 2, _SMALLEST_SIDE) for side in size)
        self._key_every = round(key_frame_seconds * _TICKS)
        self._closed = False
        self._first_seconds: float | None = None
        self._last = self._key = -1
        self._container = av.open(target, "w", format=muxer, options=dict(options))
        try:
            self._stream: Any = self._container.add_stream("libx264", options=_ENCODER)
            self._stream.width, self._stream.height = self._size
            self._stream.pix_fmt = "yuv420p"
            context = self._stream.codec_context
            self._stream.time_base = context.time_base = Fraction(1, _TICKS)
            context.framerate = Fraction(rate).limit_denominator(1001)
            context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
            context.color_primaries = context.color_trc = _BT709
        except BaseException:
            self._container.close()
            raise

    def write(self, image: Image, seconds: float) -> None:
        """Write one image; one that is no later than the last comes a tick behind it.

        Args:
            image: ``uint8 (H, W, 3)`` BGR; of another size, it is letterboxed.
            seconds: Its time; the film begins with that of the first.

        Raises:
            av.error.FFmpegError: It cannot be written.
            OSError: It cannot be written.
        """
        if self._first_seconds is None:
            self._first_seconds = seconds
        tick = max(self._last + 1, round((seconds - self._first_seconds) * _TICKS))
        self._last = tick
        # BT.601 in limited range, three times faster than swscale.
        planes = np.asarray(cv2.cvtColor(self._fitted(image), cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = tick, Fraction(1, _TICKS)
        if self._key < 0 or tick >= self._key + self._key_every:
            # On the grid of the film's beginning, so that no segment is longer than another.
            self._key = tick - tick % self._key_every
            frame.pict_type = 1  # AV_PICTURE_TYPE_I
        for packet in self._stream.encode(frame):
            self._container.mux_one(packet)

    def close(self) -> None:
        """Write the end. Idempotent.

        Raises:
            av.error.FFmpegError: It cannot be written.
            OSError: It cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        if self._last >= 0:
            for packet in self._stream.encode(None):
                self._container.mux_one(packet)
        self._container.close()

    def discard(self) -> None:
        """Release everything, whatever becomes of the end."""
        self._closed = True
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _fitted(self, image: Image) -> Image:
        width, height = self._size
        own_height, own_width = image.shape[:2]
        if 0 <= width - own_width <= 1 and 0 <= height - own_height <= 1:
            if (own_width, own_height) == (width, height):
                return image
            right, bottom = width - own_width, height - own_height
            grown = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
            return np.asarray(grown, np.uint8)
        return letterbox(image, width, height)
