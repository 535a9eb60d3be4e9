"""One pass through a film file with FFmpeg: decoded frames out, damage counted and stepped over."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from live_gradcam.budget import thread_budget
from live_gradcam.errors import SourceError
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.sniff import unfinished_iso
from live_gradcam.native import av

# A file that yields nothing but errors is over; FFmpeg itself would go on looking for ever.
_MAX_ERRORS_IN_A_ROW = 200
_FALLBACK_RATE = Fraction(25)
# A program stream does not say how long it is, and FFmpeg's guess is far off for short ones.
_WITHOUT_LENGTH = frozenset(["mpeg", "mpegvideo"])
_OPTIONS = {
    # Nothing but this one file is ever opened, whatever it says inside.
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
}
_FORMAT_OPTIONS = {"mov": {"enable_drefs": "0", "use_absolute_path": "0"}}


class Decoder:
    """An open film file; `frames` may be iterated once.

    Args:
        path: A regular file.
        format_name: The one demuxer that may read it.
        exact: Decode in one thread, so that every error is seen at its own packet.

    Raises:
        SourceError: The file is broken, or has no moving image.
    """

    def __init__(self, path: Path, format_name: str, *, exact: bool = False) -> None:
        self._path = path
        self._format = format_name
        self.damaged = 0
        """Number of packets that could not be read or decoded so far."""
        self.last_error = ""
        """FFmpeg's message about the last of them."""
        try:
            self._container = av.open(
                f"file:{path.absolute()}",
                format=format_name,
                container_options=dict(_OPTIONS, **_FORMAT_OPTIONS.get(format_name, {})),
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            raise SourceError(
                "cannot open video", str(path), _why_not(path, format_name, exc)
            ) from exc
        try:
            self.stream = self._choose_stream()
            context = self.stream.codec_context
            context.thread_type = "AUTO"
            context.thread_count = 1 if exact else thread_budget().decoding
            context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
        except BaseException:
            self._container.close()
            raise

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the film's timestamps."""
        base = self.stream.time_base
        return base if base is not None and base > 0 else Fraction(1, 90_000)

    @property
    def known_rate(self) -> Fraction | None:
        """Nominal frames per second, where the file says something sensible."""
        for rate in (self.stream.average_rate, self.stream.guessed_rate):
            if rate is not None and 0 < rate <= 1000:
                return Fraction(rate)
        return None

    @property
    def rate(self) -> Fraction:
        """Nominal frames per second, or a guess."""
        return self.known_rate or _FALLBACK_RATE

    @property
    def start(self) -> int:
        """Tick at which the film begins."""
        return self.stream.start_time or 0

    @property
    def duration_seconds(self) -> float | None:
        """Length, where the file says something sensible."""
        candidates = []
        if self.stream.duration is not None:
            candidates.append(float(self.stream.duration * self.time_base))
        if self._container.duration is not None:
            candidates.append(self._container.duration / av.time_base)
        return next((length for length in candidates if 0 < length < 1e7), None)

    @property
    def frame_count(self) -> int | None:
        """Number of frames, as stored or estimated from the length."""
        if self.stream.frames > 0:
            return int(self.stream.frames)
        if self._format in _WITHOUT_LENGTH:
            return None
        if self.duration_seconds is not None and self.known_rate is not None:
            return max(1, round(self.duration_seconds * self.known_rate))
        return None

    def frames(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be decoded, in presentation order."""
        errors_in_a_row = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError, MemoryError) as exc:
                if isinstance(exc, av.error.EOFError):
                    continue
                self._count_damage(exc)
                errors_in_a_row += 1
                if errors_in_a_row > _MAX_ERRORS_IN_A_ROW:
                    return
                continue
            for frame in frames:
                errors_in_a_row = 0
                yield frame

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._container.close()

    def _packets(self) -> Iterator[Any]:
        errors_in_a_row = 0
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, ValueError) as exc:
                # The generator died with its exception; a new one goes on behind the damage.
                self._count_damage(exc)
                errors_in_a_row += 1
                if errors_in_a_row > _MAX_ERRORS_IN_A_ROW:
                    return
                packets = self._container.demux(self.stream)
                continue
            if packet is None:
                return
            errors_in_a_row = 0
            yield packet

    def _count_damage(self, exc: Exception) -> None:
        self.damaged += 1
        self.last_error = (getattr(exc, "strerror", "") or str(exc)).lower()

    def _choose_stream(self) -> av.VideoStream:
        cover = av.stream.Disposition.attached_pic
        films = [
            stream for stream in self._container.streams.video if not stream.disposition & cover
        ]
        if not films:
            cause = "the file holds no moving picture"
            if self._container.streams.audio:
                cause = "the file holds sound only"
            elif self._format == "mov":
                cause = unfinished_iso(self._path) or cause
            raise SourceError("cannot open video", str(self._path), cause)
        stream = max(films, key=lambda film: (film.codec_context is not None, -film.index))
        if stream.codec_context is None:
            raise SourceError(
                "cannot open video", str(self._path), "its codec is not known to this FFmpeg"
            )
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise SourceError(
                "cannot open video",
                str(self._path),
                f"{width}x{height} has more than {MAX_PIXELS // 1_000_000} megapixels",
            )
        return stream


def _why_not(path: Path, format_name: str, exc: Exception) -> str:
    if format_name == "mov":
        try:
            cause = unfinished_iso(path)
        except OSError:
            cause = ""
        if cause:
            return cause
    if isinstance(exc, (av.error.InvalidDataError, av.error.EOFError)):
        return "the file is damaged or truncated"
    return str(getattr(exc, "strerror", "") or exc).lower()
