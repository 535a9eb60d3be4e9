"""Interlaced frames become whole ones, one for one, with libav's ``yadif``."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction

from live_gradcam.native import av

# Fewer rows than the filter looks at.
_MIN_ROWS = 4
# Any will do, times are put back from a list of our own: the filter doubles its clock.
_TIME_BASE = Fraction(1, 90_000)

_Shape = tuple[int, int, str]


def deinterlaced(
    frames: Iterator[av.VideoFrame], on_start: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    """Yield the frames with their own times; those marked as interlaced are deinterlaced.

    Nothing is done before the first such frame, so that ordinary films cost nothing. From there on
    frames come one later, because the filter looks at the next one.

    Args:
        frames: In presentation order.
        on_start: Called before the first frame that is deinterlaced.
    """
    deinterlacer: _Deinterlacer | None = None
    for frame in frames:
        if deinterlacer is None:
            if not frame.interlaced_frame or frame.height < _MIN_ROWS:
                yield frame
                continue
            on_start()
            deinterlacer = _Deinterlacer(frame)
        elif deinterlacer.shape != _shape(frame):
            yield from deinterlacer.finish()
            deinterlacer = None
            if not frame.interlaced_frame or frame.height < _MIN_ROWS:
                yield frame
                continue
            deinterlacer = _Deinterlacer(frame)
        yield from deinterlacer.take(frame)
    if deinterlacer is not None:
        yield from deinterlacer.finish()


def _shape(frame: av.VideoFrame) -> _Shape:
    return frame.width, frame.height, frame.format.name


class _Deinterlacer:
    def __init__(self, frame: av.VideoFrame) -> None:
        self.shape = _shape(frame)
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_TIME_BASE
        )
        # One frame per frame, whichever field is first, and whole frames are left alone.
        steps = [source, self._graph.add("yadif", "mode=send_frame:parity=auto:deint=interlaced")]
        if frame.format.name not in ("yuv420p", "yuv422p"):
            # Where the filter does not know a format, the result returns to it.
            steps.append(self._graph.add("format", frame.format.name))
        self._graph.link_nodes(*steps, self._graph.add("buffersink")).configure()
        self._waiting: deque[av.VideoFrame] = deque()

    def take(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        self._waiting.append(frame)
        self._graph.vpush(frame)
        yield from self._ready()

    def finish(self) -> Iterator[av.VideoFrame]:
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                frame = self._graph.vpull()
                original = self._waiting.popleft()
                frame.pts, frame.dts = original.pts, original.dts
                frame.colorspace, frame.color_range = original.colorspace, original.color_range
                yield frame
