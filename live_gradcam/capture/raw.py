"""Uncompressed video without a container: whoever reads it has to know what it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from typing_extensions import override

from live_gradcam.capture.medium import FileMedium, PipeMedium
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.sniff import Sniffed
from live_gradcam.native import av
from live_gradcam.values import Frame, SourceInfo
from live_gradcam.wording import did_you_mean

RAW = "rawvideo"
"""FFmpeg's name of video without a container, for ``input_format``."""

DEFAULT_PIXEL_FORMAT = "bgr24"
DEFAULT_FPS = 25.0
_USUAL = (
    *("bgr24", "rgb24", "bgr0", "rgb0", "bgra", "rgba", "gray", "gray16le", "yuv420p", "yuv422p"),
    *("yuv444p", "yuvj420p", "yuyv422", "uyvy422", "nv12", "nv21", "p010le", "yuv420p10le"),
)
_COMMON = "bgr24, rgb24, gray, yuv420p, nv12 or another of ffmpeg -pix_fmts"


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What raw video consists of.

    Attributes:
        width: In pixels.
        height: In pixels.
        pixel_format: FFmpeg's name, such as ``bgr24``, ``rgb24``, ``gray``, ``yuv420p``, ``nv12``.
        fps: Frames per second, which give the frames their times.

    Raises:
        UsageError: There is no such pixel format, or none that raw video can have.
    """

    width: int
    height: int
    pixel_format: str = DEFAULT_PIXEL_FORMAT
    fps: float = DEFAULT_FPS

    def __post_init__(self) -> None:
        if self.width * self.height > MAX_PIXELS:
            cause = f"it has more than {MAX_PIXELS // 1_000_000} megapixels"
            raise UsageError("cannot read raw video", f"{self.width}x{self.height}", cause)
        what, given = "--pixel-format names no format", self.pixel_format
        try:
            bits = self._format.padded_bits_per_pixel
        except ValueError as exc:
            step = f"{did_you_mean(given, _USUAL)}Write {_COMMON}"
            raise UsageError(what, given, "FFmpeg has none of that name", step) from exc
        if not bits or given == "pal8":
            cause = "raw video cannot have its pixels"
            raise UsageError(what, given, cause, f"Write {_COMMON}")

    @property
    def frame_bytes(self) -> int:
        """Length of a frame, without gaps between rows and planes."""
        form, pixels = self._format, self.width * self.height
        if all(each.width * each.height == pixels for each in form.components):
            return math.ceil(self.width * form.padded_bits_per_pixel / 8) * self.height
        # In packed 4:2:2, an odd row is filled up to whole pairs of pixels.
        narrowest: dict[int, int] = {}
        for each in form.components:
            narrowest[each.plane] = min(each.width, narrowest.get(each.plane, each.width))
        length = 0
        for each in form.components:
            unit = narrowest[each.plane]
            length += math.ceil(each.width / unit) * unit * each.height * math.ceil(each.bits / 8)
        return length

    @property
    def demuxer_options(self) -> dict[str, str]:
        """What FFmpeg's demuxer is told."""
        return {
            "video_size": f"{self.width}x{self.height}",
            "pixel_format": self.pixel_format,
            "framerate": f"{self.fps:.6f}",
        }

    @property
    def _format(self) -> av.VideoFormat:
        return av.VideoFormat(self.pixel_format, self.width, self.height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.pixel_format}"


def raw_format(
    width: int | None, height: int | None, pixel_format: str | None, fps: float | None
) -> RawFormat:
    """Make the format of what was asked for.

    Raises:
        UsageError: No size is given, or the pixel format is unknown.
    """
    if width is None or height is None:
        step = "Add --size WIDTHxHEIGHT, e.g. --size 640x480"
        raise UsageError("cannot read raw video", "", "it does not say what size it has", step)
    return RawFormat(width, height, pixel_format or DEFAULT_PIXEL_FORMAT, fps or DEFAULT_FPS)


class RawVideoSource(VideoSource):
    """Raw video of a file or pipe. A last frame that is torn is left out, and said.

    Args:
        medium: A file or a pipe; closed with the source.
        form: What the frames are.
        loop: Files: begin again at the end.
        strict: A torn frame is an error.
        on_notice: Told each note when it arises.

    Raises:
        SourceError: There is not one frame.
    """

    def __init__(
        self,
        medium: FileMedium | PipeMedium,
        form: RawFormat,
        *,
        loop: bool = False,
        strict: bool = False,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        medium.demuxer_options = form.demuxer_options
        self._raw_medium, self._form = medium, form
        try:
            super().__init__(
                medium,
                loop=loop,
                strict=strict,
                sniffed=Sniffed("video", RAW),
                on_notice=on_notice,
            )
        except SourceError as exc:
            length = medium.length
            if not 0 < length < form.frame_bytes:
                raise
            cause = f"{length} bytes are no frame of {form}, which has {form.frame_bytes}"
            step = "Check --size and --pixel-format"
            raise SourceError("cannot read raw video", medium.where, cause, step) from exc

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know."""
        return (*self._notes, self._torn) if self.skipped else tuple(self._notes)

    @override
    def _describe(self, first: Frame) -> SourceInfo:
        # Nobody else can open it without knowing what it is, in search of sound, say.
        return replace(super()._describe(first), path=None, open_again=None)

    @property
    def _torn(self) -> str:
        left = self._raw_medium.length % self._form.frame_bytes
        return (
            f"{self._raw_medium.name}: its last {left} bytes are no whole frame of {self._form} "
            f"({self._form.frame_bytes} bytes) and are left out; if the picture looks skewed, "
            "check --size and --pixel-format"
        )
