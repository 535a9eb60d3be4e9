"""libav's scale filter: formats, sizes and colour matrices, as the ffmpeg command line does it."""

from __future__ import annotations

from collections.abc import Hashable
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from live_gradcam.native import av

_TIME_BASE = Fraction(1, 90_000)  # any will do, times are not looked at


class Scaler:
    """Converts frames; keeps the filter graph of the last kind. Not for several threads at once.

    The filter knows where the colour samples of 4:2:0 lie, which PyAV's own `reformat` does not:
    up to 13 levels at edges where sizes change or there are more than 8 bits.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._graph: av.filter.Graph | None = None

    def convert(
        self,
        frame: av.VideoFrame,
        format_name: str,
        width: int | None = None,
        *,
        matrix: int | None = None,
        flags: str = "bicubic",
    ) -> NDArray[Any]:
        """Convert a frame to an array.

        Args:
            frame: A decoded frame.
            format_name: FFmpeg's name of a packed pixel format.
            width: Of the result, in pixels; ``None`` for the frame's own.
            matrix: Number of the colour matrix; ``None`` for the frame's own.
            flags: Of swscale.

        Raises:
            av.error.FFmpegError: swscale cannot convert this format.
        """
        width = width or frame.width
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        key = (kind, format_name, width, matrix, flags)
        if self._graph is None or key != self._key:
            self._graph = None
            size = f"{width}:{frame.height}:flags={flags}"
            colours = "" if matrix is None else f":in_color_matrix={matrix}"
            graph = av.filter.Graph()
            graph.threads = 1
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=_TIME_BASE
            )
            graph.link_nodes(
                source,
                graph.add("scale", size + colours),
                graph.add("format", format_name),
                graph.add("buffersink"),
            ).configure()
            self._graph, self._key = graph, key
        self._graph.vpush(frame)
        return self._graph.vpull().to_ndarray()
