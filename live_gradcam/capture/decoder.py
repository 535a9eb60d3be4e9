"""One pass through a film file with FFmpeg: decoded frames out, damage counted and stepped over."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

from live_gradcam.budget import thread_budget
from live_gradcam.capture.film_streams import choose_film
from live_gradcam.capture.medium import AddressMedium, Medium
from live_gradcam.errors import SourceError
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.images.sniff import unfinished_iso
from live_gradcam.native import av

# A file that yields nothing but errors is over; FFmpeg itself would go on looking for ever.
_MAX_ERRORS_IN_A_ROW = 200
_FALLBACK_RATE = Fraction(25)
# A program stream does not say how long it is, and FFmpeg's guess is far off for short ones.
_WITHOUT_LENGTH = frozenset(["mpeg", "mpegvideo"])
# A pixel that is more oblong than this is a mistake in the file.
_NARROWEST = Fraction(1, 8)
# Matroska stores transparency beside the picture, which only these decoders look at.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_DAMAGE = (av.error.InvalidDataError, ValueError)
_MICROSECONDS = Fraction(1, av.time_base)


class Decoder:
    """An open film; `frames` may be iterated once.

    Args:
        medium: Where the film's bytes come from.
        format_name: The one demuxer that may read it.
        exact: Decode in one thread, so that every error is seen at its own packet.
        stream: Number of the stream in the file; ``None`` for the film among several.

    Raises:
        SourceError: The film is broken, or has no moving image.
        UsageError: There is no such stream.
    """

    def __init__(
        self,
        medium: Medium,
        format_name: str,
        *,
        exact: bool = False,
        stream: int | None = None,
    ) -> None:
        self._medium = medium
        self._format = format_name
        self.damaged = 0
        """Number of packets that could not be read or decoded so far."""
        self.last_error = ""
        """FFmpeg's message about the last of them."""
        try:
            self._container = medium.open(format_name)
        except (av.error.FFmpegError, ValueError, OSError) as exc:
            raise SourceError("cannot open video", medium.where, self._why_not(exc)) from exc
        try:
            self.stream, self.choice = self._choose_stream(stream)
            self._context = self._choose_context()
            self._context.thread_type = "AUTO"
            self._context.thread_count = 1 if exact else thread_budget().decoding
            self._context.options = {**self._context.options, "max_pixels": str(MAX_PIXELS)}
        except BaseException:
            self._container.close()
            raise

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of the film's timestamps."""
        base = self.stream.time_base
        return base if base is not None and base > 0 else Fraction(1, 90_000)

    @property
    def has_sound(self) -> bool:
        """True if the film has sound."""
        return bool(self._container.streams.audio)

    @property
    def creation_time(self) -> str:
        """When the film was made, as the file says it; empty where it does not."""
        for metadata in (self._container.metadata, self.stream.metadata):
            if found := metadata.get("creation_time", ""):
                return str(found)
        return ""

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
    def file_start(self) -> int:
        """Tick at which the file begins, the earliest of pictures and sound."""
        microseconds = self._container.start_time
        if microseconds is None:
            return self.start
        return round(microseconds * _MICROSECONDS / self.time_base)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel by its height; 1 where unknown."""
        for aspect in (self.stream.sample_aspect_ratio, self._context.sample_aspect_ratio):
            if aspect is not None and _NARROWEST <= aspect <= 1 / _NARROWEST:
                return Fraction(aspect)
        return Fraction(1)

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
                frames = self._context.decode(packet)
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

    def seek(self, tick: int) -> None:
        """Go on at the last key frame that is shown at a tick, or before.

        Raises:
            av.error.FFmpegError: It cannot be found.
        """
        self._container.seek(tick, stream=self.stream, backward=True)

    def ticks(self) -> list[tuple[int, bool]] | None:
        """Return the tick of every frame and whether it is a key frame, without decoding any.

        Returns:
            In the order of the file; ``None`` where a frame has no time of its own.
        """
        found: dict[int, bool] = {}
        self._container.seek(self.start, stream=self.stream, backward=True)
        for packet in self._container.demux(self.stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None or packet.pts in found or packet.is_corrupt:
                return None
            found[packet.pts] = bool(packet.is_keyframe)
        return list(found.items())

    def looks_interlaced(self) -> bool:
        """Return whether the first frame is interlaced; ``frames`` gives nothing useful then."""
        first = next(self.frames(), None)
        return first is not None and bool(first.interlaced_frame)

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
                if isinstance(self._medium, AddressMedium) and not isinstance(exc, _DAMAGE):
                    raise self._cut_off(exc) from exc
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

    def _cut_off(self, exc: Exception) -> SourceError:
        cause = "the connection was cut before the end"
        if isinstance(exc, (av.error.ExitError, av.error.TimeoutError)):
            cause = "the server fell silent before the end"
        return SourceError("cannot read video", self._medium.where, cause, "Try again")

    def _choose_stream(self, asked: int | None) -> tuple[av.VideoStream, str]:
        where = self._medium.where
        try:
            stream, choice = choose_film(self._container, where, asked)
        except SourceError as exc:
            path = self._medium.path
            cause = unfinished_iso(path) if self._format == "mov" and path is not None else ""
            if not cause or self._container.streams.audio:
                raise
            raise SourceError("cannot open video", where, cause) from exc
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise SourceError(
                "cannot open video",
                where,
                f"{width}x{height} has more than {MAX_PIXELS // 1_000_000} megapixels",
            )
        return stream, choice

    def _choose_context(self) -> av.VideoCodecContext:
        context = self.stream.codec_context
        name = _ALPHA_DECODERS.get(context.name, "")
        if not name or self.stream.metadata.get("alpha_mode") != "1":
            return context
        try:
            decoder = av.CodecContext.create(name, "r")
        except (av.error.FFmpegError, ValueError):  # built without it
            return context
        decoder.extradata = context.extradata
        return cast("av.VideoCodecContext", decoder)

    def _why_not(self, exc: Exception) -> str:
        path = self._medium.path
        if self._format == "mov" and path is not None:
            try:
                cause = unfinished_iso(path)
            except OSError:
                cause = ""
            if cause:
                return cause
        if isinstance(exc, av.error.HTTPError):
            return f"the server says: {exc.strerror}".lower()
        if isinstance(exc, (av.error.InvalidDataError, av.error.EOFError)):
            return "the file is damaged or truncated"
        return str(getattr(exc, "strerror", "") or exc).lower()
