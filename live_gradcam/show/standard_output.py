"""Pictures on standard output, for the next program in a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Literal, TypeAlias

from typing_extensions import override

from live_gradcam.errors import SinkError, UsageError
from live_gradcam.images.geometry import letterbox
from live_gradcam.native import av
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.film_stream import FilmStream
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

PictureFormat: TypeAlias = Literal["rawvideo", "y4m", "matroska"]
"""FFmpeg's names: bare pixels, pixels with a heading, H.264 in a container."""

_NAME = "standard output"
_WHAT = "cannot write the picture"
_DEFAULT_FPS = 25.0
# A cluster is written when it is whole: with one for each frame, nothing waits for the next ones.
_MATROSKA = {"live": "1", "flush_packets": "1", "cluster_time_limit": "1"}


class PictureStreamSink(Sink):
    """Writes what is drawn to standard output, every frame, while the program runs.

    Whatever else the program or a library would print there goes to the standard error output
    meanwhile. Images of another size than the first are letterboxed to it.

    Args:
        format: What is written.
        info: Where the frames come from.
        on_notice: Told once, with the first frame, how it is read.

    Raises:
        UsageError: Standard output is a terminal.
        SinkError: There is no standard output.
    """

    def __init__(
        self,
        format: PictureFormat,
        info: SourceInfo,
        *,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self._format = format
        self._fps = info.fps or _DEFAULT_FPS
        self._on_notice = on_notice
        self._size: tuple[int, int] | None = None
        self._film: FilmStream | None = None
        self._frames = 0
        self._failed = False
        self._out = _StandardOutput()

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one image.

        Raises:
            SinkError: It cannot be written, e.g. because nobody reads any more.
        """
        if rendered is None:
            raise ValueError("a film needs the drawn picture")
        if self._failed:
            raise SinkError(_WHAT, _NAME, "the output is closed")
        try:
            if self._size is None:
                self._size = rendered.shape[1], rendered.shape[0]
                self._begin(*self._size)
            if self._film is not None:
                self._film.write(rendered, frame.pts_seconds)
            else:
                self._out.write(self._bytes_of(letterbox(rendered, *self._size)))
        except (av.error.FFmpegError, OSError) as exc:
            self._fail(exc)
        self._frames += 1

    @override
    def close(self) -> None:
        """Write the end, and leave standard output as it was. Idempotent.

        Raises:
            SinkError: The end cannot be written.
        """
        film, self._film = self._film, None
        try:
            if film is not None and not self._failed:
                film.close()
        except (av.error.FFmpegError, OSError) as exc:
            film = None
            self._fail(exc)
        finally:
            if film is not None:
                film.discard()
            self._out.close()

    @property
    @override
    def description(self) -> str:
        frames = "frame" if self._frames == 1 else "frames"
        return f"{_NAME} ({self._format}, {self._frames} {frames})"

    def _begin(self, width: int, height: int) -> None:
        rate = Fraction(self._fps).limit_denominator(1001)
        # FFmpeg's own spelling: 25, or 30000/1001.
        what = f"bgr24 {width}x{height}" if self._format == "rawvideo" else f"{width}x{height}"
        reader = "ffmpeg -i -"
        if self._format == "rawvideo":
            reader = (
                f"ffmpeg -f rawvideo -pixel_format bgr24 -video_size {width}x{height} "
                f"-framerate {rate} -i -"
            )
        if self._on_notice is not None:
            self._on_notice(f"{_NAME}: {self._format} {what}; read it with {reader}")
        if self._format == "matroska":
            self._film = FilmStream(
                self._out,
                "matroska",
                (width, height),
                rate=self._fps,
                key_frame_seconds=1.0,
                options=_MATROSKA,
            )
        elif self._format == "y4m":
            heading = f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} "
            self._out.write((heading + "Ip A1:1 C444 XYSCSS=444 XCOLORRANGE=LIMITED\n").encode())

    def _bytes_of(self, image: Image) -> bytes:
        if self._format == "rawvideo":
            return image.tobytes()
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        return b"FRAME\n" + frame.reformat(format="yuv444p").to_ndarray().tobytes()

    def _fail(self, exc: OSError | av.error.FFmpegError) -> None:
        self._failed = True
        first = self._out.failure or exc
        error = cannot_write(_WHAT, _NAME, first)
        frames = "frame" if self._frames == 1 else "frames"
        cause = f"{error.cause}, after {self._frames} {frames}"
        raise SinkError(error.what, error.where, cause, error.next_step) from first


class _StandardOutput:
    """Standard output for bytes; shaped like a file for PyAV."""

    def __init__(self) -> None:
        self.failure: OSError | None = None
        """What went wrong first; FFmpeg has no words of its own for it."""
        try:
            if sys.stdout is None:
                raise OSError(errno.EBADF, "there is none")
            sys.stdout.flush()
            self._theirs = sys.stdout.fileno()
            terminal = os.isatty(self._theirs)
            self._descriptor: int | None = os.dup(self._theirs)
        except (OSError, ValueError) as exc:
            cause = str(getattr(exc, "strerror", None) or exc).lower()
            raise SinkError(_WHAT, _NAME, cause) from exc
        if terminal:
            os.close(self._descriptor)
            step = "Pipe it into a program, e.g. | ffplay -, or into a file with >"
            raise UsageError(_WHAT, _NAME, "it is a terminal", step)
        if os.name == "nt":
            import msvcrt

            msvcrt.setmode(self._descriptor, os.O_BINARY)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):  # there need be no standard error output
            os.dup2(2, self._theirs)

    def write(self, data: bytes) -> int:
        """Write all of it, waiting for whoever reads."""
        assert self._descriptor is not None, "it is open"
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as exc:
            self.failure = self.failure or exc
            raise
        return len(data)

    def close(self) -> None:
        """Give it back to whoever prints. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os.dup2(descriptor, self._theirs)
            os.close(descriptor)
