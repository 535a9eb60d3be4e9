"""Video files: every frame that can be decoded, in order, with its own timestamp."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from live_gradcam.capture.colour import wide_colour
from live_gradcam.capture.conversion import FrameConverter, orientation_of
from live_gradcam.capture.decoder import Decoder
from live_gradcam.capture.deinterlace import deinterlaced
from live_gradcam.capture.medium import FileMedium, Medium, PipeMedium
from live_gradcam.capture.pieces import FrameRange, frames_of
from live_gradcam.capture.source import Source
from live_gradcam.capture.timeline import Timeline
from live_gradcam.errors import SourceError
from live_gradcam.images.geometry import letterbox, square_width
from live_gradcam.images.pixels import MAX_PIXELS, turn
from live_gradcam.images.sniff import Sniffed, sniff, unfinished_iso
from live_gradcam.native import av
from live_gradcam.values import Frame, Image, SourceInfo

# AVI stores when a frame is decoded, not when it is shown.
_WITHOUT_PRESENTATION_TIMES = frozenset(["avi"])


class VideoSource(Source):
    """The frames of a video file, upright, with their original timestamps.

    ``round(frame.pts_seconds / info.time_base)`` is the frame's own tick as FFmpeg presents it
    (edit lists applied), counted from the beginning of the file: its earliest picture or sound is
    at 0, as FFmpeg has it. Frames that cannot be decoded are left out and counted in `skipped`;
    frames of another size than the first are letterboxed to it. Oblong pixels become square ones by
    scaling the width, interlaced frames are deinterlaced, HDR and wide gamuts become SDR BT.709.

    Args:
        source: A video file, whose content decides what it is, not its name; or what else a film's
            bytes come from, which is closed with the source.
        loop: Begin again at the end; index and time go on.
        strict: Damage is an error.
        stream: Number of the video stream in the file; ``None`` for the one marked as default, or
            the largest.
        keep_timestamps: Times as the file has them, wherever they begin.
        sniffed: Result of `sniff`, if the caller has it already; needed for what is no file.
        on_notice: Told each note when it arises; must not close the source.
        wanted: Asked with a frame's index and time in seconds whether it is to be yielded. Frames
            that are not count nevertheless, and cost no more than decoding. The first one is
            yielded in any case.
        piece: The piece of the film that is read, of those that
            `live_gradcam.capture.pieces.find_pieces` found; ``None`` for the whole. Its frames have
            their numbers and times in the whole film.

    Raises:
        SourceError: The file cannot be opened, or not one frame can be decoded.
        UsageError: There is no such stream.
    """

    def __init__(
        self,
        source: str | Path | Medium,
        *,
        loop: bool = False,
        strict: bool = False,
        stream: int | None = None,
        keep_timestamps: bool = False,
        sniffed: Sniffed | None = None,
        on_notice: Callable[[str], None] | None = None,
        wanted: Callable[[int, float], bool] | None = None,
        piece: FrameRange | None = None,
    ) -> None:
        medium = FileMedium(Path(source)) if isinstance(source, (str, Path)) else source
        self._medium = medium
        verdict = sniffed or sniff(Path(medium.where))
        if verdict.content != "video":
            cause = verdict.description or "the file is a picture"
            raise SourceError("cannot open video", medium.where, cause)
        self._format = verdict.format
        self._loop = loop and medium.repeatable
        self._strict = strict
        self._stream = stream
        self._on_notice = on_notice
        self._wanted = wanted
        self._piece = piece
        self._notes: list[str] = []
        self._noted: set[str] = set()
        self._earlier_damage = 0
        self._unshowable = 0
        self._delivered = 0 if piece is None else piece.first_frame
        self._size: tuple[int, int] | None = None
        self._orientation: tuple[tuple[int, int], int] | None = None
        self._shown_width = 0
        self._converter = FrameConverter()
        self._closed = self._ended = False
        self._lock = threading.Lock()
        try:
            self._decoder = self._open_decoder()
        except BaseException:
            medium.close()
            raise
        try:
            self._frames = self._decode()
            self._timeline = Timeline(
                self._decoder.time_base,
                self._decoder.rate,
                start=self._decoder.start,
                presentation_times=self._format not in _WITHOUT_PRESENTATION_TIMES,
            )
            self._start: int | None = 0 if keep_timestamps else None
            if piece is not None and not keep_timestamps:
                self._start = piece.origin
            self._waiting = self._next_frame()
            if self._waiting is None:
                cause = self._decoder.last_error or "it is empty"
                raise SourceError(
                    "cannot open video", medium.where, f"not one frame can be decoded ({cause})"
                )
            self._info = self._describe(self._waiting)
        except BaseException:
            self._decoder.close()
            medium.close()
            raise
        if self._decoder.choice:
            self._note("stream", self._decoder.choice)
        if loop and not medium.repeatable:
            self._note("loop", f"{medium.name}: what was read cannot be read again, it ends once")
        if self._format == "mov" and medium.path and (cause := unfinished_iso(medium.path)):
            self._note("unfinished", f"{medium.name}: {cause}")

    @property
    def info(self) -> SourceInfo:
        """Properties of the film; width and height are those of the first upright frame."""
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know."""
        skipped = self.skipped
        if not skipped:
            return tuple(self._notes)
        frames = "frame" if skipped == 1 else "frames"
        return (*self._notes, f"{self._medium.name}: {skipped} damaged {frames} left out")

    @property
    def creation_time(self) -> str:
        """When the film was made, as the file says it; mostly ISO 8601, empty where it does not."""
        return self._decoder.creation_time

    @property
    def skipped(self) -> int:
        """Number of frames that could not be decoded so far."""
        return self._earlier_damage + self._decoder.damaged + self._unshowable

    @property
    def waited_seconds(self) -> float | None:
        """Time so far that a pipe has let its reader wait; ``None`` for what is no pipe."""
        medium = self._medium
        return medium.waited_seconds if isinstance(medium, PipeMedium) else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is left.

        Raises:
            SourceError: The film is damaged and ``strict`` is set.
        """
        while True:
            # The lock is not held while the consumer works, so any thread can close.
            with self._lock:
                if self._closed or self._ended:
                    return
                frame, self._waiting = self._waiting or self._next_frame(), None
                if frame is None:
                    self._ended = True
                    self._note_damage()
                    return
            yield frame

    def interrupt(self) -> None:
        """End a wait for more of a pipe, from any thread."""
        self._medium.interrupt()

    def close(self) -> None:
        """Release the file. Idempotent; waits for at most one frame that is being decoded."""
        self._medium.interrupt()
        with self._lock:
            if not self._closed:
                self._closed = True
                self._waiting = None
                self._frames.close()  # type: ignore[attr-defined]
                self._decoder.close()
                self._medium.close()

    def _open_decoder(self) -> Decoder:
        decoder = Decoder(self._medium, self._format, exact=self._strict, stream=self._stream)
        if self._piece is not None:
            try:
                decoder.seek(self._piece.start)
            except BaseException as exc:
                decoder.close()
                if isinstance(exc, (av.error.FFmpegError, ValueError)):
                    raise SourceError("cannot read video", self._medium.where, str(exc)) from exc
                raise
        return decoder

    def _decode(self) -> Iterator[av.VideoFrame]:
        frames = self._decoder.frames()
        return deinterlaced(
            frames if self._piece is None else frames_of(self._piece, frames),
            lambda: self._note(
                "interlaced", f"{self._medium.name}: interlaced, it is deinterlaced"
            ),
        )

    def _next_frame(self) -> Frame | None:
        delivered_before_round = -1
        while True:
            for decoded in self._frames:
                self._check_strict()
                tick = self._tick(decoded)
                if not self._is_wanted(tick):
                    self._delivered += 1
                    continue
                image = self._convert(decoded)
                if image is not None:
                    return self._make_frame(image, tick)
            self._check_strict()
            # A round that gives nothing would be repeated for ever.
            if not self._loop or self._delivered in (0, delivered_before_round):
                return None
            delivered_before_round = self._delivered
            self._reopen()

    def _reopen(self) -> None:
        self._earlier_damage += self._decoder.damaged
        self._decoder.close()
        self._decoder = self._open_decoder()
        self._frames = self._decode()
        self._timeline.restart()

    def _tick(self, decoded: av.VideoFrame) -> int:
        repaired_before = self._timeline.repaired
        tick = self._timeline.tick(decoded.pts, decoded.dts)
        if self._timeline.repaired and not repaired_before:
            self._note(
                "timestamps",
                f"{self._medium.name}: timestamps go backwards or jump, they were mended",
            )
        return tick

    def _is_wanted(self, tick: int) -> bool:
        if self._wanted is None or self._start is None or self._size is None:
            return True
        seconds = float((tick - self._start) * self._decoder.time_base)
        return self._wanted(self._delivered, seconds)

    def _make_frame(self, image: Image, tick: int) -> Frame:
        if self._start is None:
            # Never negative, should a picture come before what the file calls its beginning.
            self._start = min(tick, self._decoder.file_start)
        index, self._delivered = self._delivered, self._delivered + 1
        base = self._decoder.time_base
        return Frame(
            image,
            index,
            float((tick - self._start) * base),
            self._medium.name,
            start_seconds=float(self._start * base),
        )

    def _convert(self, decoded: av.VideoFrame) -> Image | None:
        coded_size = (decoded.width, decoded.height)
        try:
            if not 0 < decoded.width * decoded.height <= MAX_PIXELS:
                raise ValueError(f"impossible frame size {decoded.width}x{decoded.height}")
            if self._orientation is None or self._orientation[0] != coded_size:
                self._note_colours(decoded)
                self._orientation = (coded_size, orientation_of(decoded))
                self._shown_width = square_width(decoded.width, self._decoder.pixel_aspect)
            image = turn(self._converter.to_bgr(decoded, self._shown_width), self._orientation[1])
        except (av.error.FFmpegError, ValueError, MemoryError) as exc:
            self._unshowable += 1
            if self._strict:
                raise self._damage_error(str(exc)) from exc
            return None
        height, width = image.shape[:2]
        if self._size is None:
            self._size = (width, height)
        elif self._size != (width, height):
            first = f"{self._size[0]}x{self._size[1]}"
            self._note(
                "size",
                f"{self._medium.name}: the picture's size changes from {first} to "
                f"{width}x{height}; it is letterboxed to {first}",
            )
            image = letterbox(image, *self._size)
        return image

    def _check_strict(self) -> None:
        if self._strict and self._decoder.damaged:
            raise self._damage_error(self._decoder.last_error)

    def _damage_error(self, cause: str) -> SourceError:
        return SourceError(
            "cannot decode video",
            self._medium.where,
            f"damaged behind frame {self._delivered - 1} ({cause})",
            "Leave out --strict to step over damaged frames",
        )

    def _note_colours(self, decoded: av.VideoFrame) -> None:
        colours = wide_colour(decoded.color_trc, decoded.color_primaries)
        if colours is not None:
            self._note("colours", f"{self._medium.name}: {colours.description}")

    def _describe(self, first: Frame) -> SourceInfo:
        height, width = first.image.shape[:2]
        rate = self._decoder.known_rate
        again = self._medium.path is None and self._medium.repeatable
        return SourceInfo(
            name=self._medium.name,
            kind="video",
            live=False,
            width=width,
            height=height,
            fps=float(rate) if rate is not None else None,
            frame_count=None if self._loop else self._decoder.frame_count,
            time_base=self._decoder.time_base,
            path=self._medium.path,
            open_again=self._open_again if again else None,
            has_sound=self._decoder.has_sound,
            duration_seconds=None if self._loop else self._decoder.duration_seconds,
            start_seconds=first.start_seconds,
        )

    def _open_again(self) -> av.container.InputContainer:
        return self._medium.open(self._format)

    def _note(self, kind: str, sentence: str) -> None:
        """Note something once, however often it happens."""
        if kind not in self._noted:
            self._noted.add(kind)
            self._notes.append(sentence)
            if self._on_notice is not None:
                self._on_notice(sentence)

    def _note_damage(self) -> None:
        if self.skipped and self._on_notice is not None:
            self._on_notice(self.notes[-1])
