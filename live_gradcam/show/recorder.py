"""Video files that survive a crash: what browsers play, with the source's times and sound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np

from live_gradcam.budget import thread_budget
from live_gradcam.errors import SinkError
from live_gradcam.images.geometry import letterbox
from live_gradcam.native import av, cv2
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.atomic_file import AtomicFile
from live_gradcam.show.film_ends import count_playable, has_frames_after
from live_gradcam.show.film_formats import FORMATS, muxer_options, ticks_for
from live_gradcam.show.sink import Sink
from live_gradcam.show.sound import Sound, SoundSource
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

_KEYFRAME_SECONDS = 1.0
_SMALLEST_SIDE = 16
# A step back in time of less than this is a stumble, more is a new beginning.
_RESTART_SECONDS = 1.0
_SECONDS_PER_PICTURE = 1.0

_BT601, _BT709, _LIMITED_RANGE = 6, 1, 1  # codes of ITU-T H.273


class VideoSink(Sink):
    """Sink that encodes rendered frames in an ``.mp4``, ``.mov``, ``.mkv`` or ``.webm`` file.

    The file can be played up to the last fifth of a second at every moment, whatever becomes of
    the process. Every frame keeps its own time: to the source's tick in MP4, to the millisecond in
    Matroska and WebM. The last one lasts as long as the one before it. Odd sizes are padded to even
    ones by repeating the edge.

    Args:
        path: The file; its suffix chooses the container.
        info: Where the frames come from.
        fps: Nominal rate in frames per second; the source's own by default.
        threads: Threads of the encoder; its share of the budget by default.
        audio_from: A file whose sound is copied; the source's own by default.

    Raises:
        SinkError: The file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        *,
        fps: float | None = None,
        threads: int | None = None,
        audio_from: Path | None = None,
    ) -> None:
        self._path = path
        self._live = info.live
        still = info.kind == "pictures"
        self._rate = fps or info.fps or (1 / _SECONDS_PER_PICTURE if still else None)
        self._time_base = ticks_for(info.time_base)
        self._threads = threads or thread_budget().encoding
        self._film_path = info.path
        self._sound_source = audio_from or info.path or info.open_again
        self._film_frames = info.frame_count
        self._own_sound = self._sound_source in (info.path, info.open_again)
        self._has_sound = info.has_sound
        self._start_seconds = info.start_seconds
        self._format = FORMATS[path.suffix.lower()]
        self._notes: list[str] = []
        self._frames = 0
        self._size: tuple[int, int] | None = None
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._sound: Sound | None = None
        self._first_tick: int | None = None
        self._last_tick: int | None = None
        self._step = max(1, round(1 / ((self._rate or 25.0) * float(self._time_base))))
        self._first_step: int | None = None
        self._offset = 0
        self._moved = 0
        self._last_keyframe: int | None = None
        self._closed = False
        try:
            self._file = AtomicFile(path)
        except OSError as exc:
            raise cannot_write("cannot create video", path, exc) from exc

    @property
    def path(self) -> Path:
        """The video file."""
        return self._path

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know about the recording."""
        notes = list(self._notes)
        if self._moved:
            frames = "frame" if self._moved == 1 else "frames"
            notes.append(
                f"{self._path.name}: {self._moved} {frames} moved in time to stay in order"
            )
        if self._sound is not None:
            notes += [f"{self._path.name}: {note}" for note in self._sound.notes]
        return tuple(notes)

    @property
    def description(self) -> str:
        """File, frames and length."""
        if not self._frames:
            return f"{self._path} (nothing: there were no frames)"
        frames = "frame" if self._frames == 1 else "frames"
        return f"{self._path} ({self._frames} {frames}, {self.seconds:.1f} s)"

    @property
    def seconds(self) -> float:
        """Length of the recording so far."""
        if self._first_tick is None or self._last_tick is None:
            return 0.0
        return float((self._last_tick + self._step - self._first_tick) * self._time_base)

    def begin_source(self, fps: float | None) -> None:
        """See `Sink.begin_source`."""
        if fps:
            self._first_step = max(1, round(1 / (fps * float(self._time_base))))

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Encode one rendered frame at its own time.

        Raises:
            SinkError: The file cannot take it. What was recorded before is finalised.
        """
        if rendered is None:
            raise ValueError("a recording needs the drawn picture")
        if self._closed:
            raise SinkError("cannot write video", str(self._path), "the recording is closed")
        with self._failing_cleanly("cannot write video"):
            container, stream = self._ensure_open(frame, rendered)
            tick = self._tick(frame.pts_seconds)
            encoded = self._to_yuv(rendered)
            encoded.pts = tick
            encoded.time_base = self._time_base
            if self._wants_keyframe(tick):
                encoded.pict_type = 1  # AV_PICTURE_TYPE_I
                self._last_keyframe = tick
            if self._sound is not None:
                self._sound.copy_until(container, float((tick + self._step) * self._time_base))
            for packet in stream.encode(encoded):
                container.mux_one(packet)
            self._file.commit()
            self._frames += 1

    def close(self) -> None:
        """Finish the file. A recording without frames leaves no file.

        Raises:
            SinkError: The end could not be written; the message says what can be played.
        """
        if self._closed:
            return
        with self._failing_cleanly("cannot finish video"):
            if self._container is not None and self._stream is not None:
                last = self._stream.encode(None)
                if last:
                    last[-1].duration = self._step
                    last[-1].time_base = self._time_base
                for packet in last:
                    self._container.mux_one(packet)
                if self._sound is not None:
                    self._sound.copy_until(self._container, self._sound_end())
                    self._sound.finish(self._container)
                self._container.close()
                self._file.commit()
        self._release()

    def _ensure_open(
        self, frame: Frame, image: Image
    ) -> tuple[av.container.OutputContainer, av.video.stream.VideoStream]:
        """Return the container, opened with the first image because only that knows its size."""
        if self._container is not None and self._stream is not None:
            return self._container, self._stream
        height, width = image.shape[:2]
        self._size = (max(_even(width), _SMALLEST_SIDE), max(_even(height), _SMALLEST_SIDE))
        form = self._format
        options = muxer_options(form, self._time_base)
        container = av.open(self._file, "w", format=form.muxer, container_options=options)
        self._container = container
        stream = cast(
            "av.video.stream.VideoStream",
            container.add_stream(form.encoder, options=dict(form.encoder_options)),
        )
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.framerate = Fraction(self._rate or 25.0).limit_denominator(1001)
        context.thread_count = self._threads
        context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
        context.color_primaries = context.color_trc = _BT709
        self._stream = stream
        if self._live or frame.index > 0:
            # Begun midway: the file begins with its first image, not with the source.
            self._offset = -round(Fraction(frame.pts_seconds) / self._time_base)
        elif self._sound_source is not None:
            self._add_sound(container, self._sound_source)
        elif self._has_sound:
            self._notes.append(f"{self._path.name}: no sound: the film can be read only once")
        return container, stream

    def _add_sound(self, container: av.container.OutputContainer, source: SoundSource) -> None:
        try:
            start = self._start_seconds if self._own_sound else 0.0
            self._sound = Sound(source, start_seconds=start)
            self._sound.add_tracks(container, muxer_options(self._format, self._time_base))
        except (av.error.FFmpegError, OSError, ValueError) as exc:
            # A recording without its sound is better than none, if it says so; an address may
            # hold a password.
            said = getattr(exc, "strerror", None) or exc
            self._notes.append(f"{self._path.name}: no sound: {said}")
            self._close_sound()
            self._sound = None

    def _tick(self, pts_seconds: float) -> int:
        """Return the frame's time in ticks, later than that of the frame before."""
        tick = round(Fraction(pts_seconds) / self._time_base) + self._offset
        last = self._last_tick
        if last is None:
            self._first_tick = tick
        elif tick <= last:
            self._moved += 1
            if (last - tick) * self._time_base >= _RESTART_SECONDS:
                self._offset += last + self._step - tick
                tick = last + self._step
            else:
                tick = last + 1
        else:
            self._step = tick - last
        if self._first_step is not None:
            self._step, self._first_step = self._first_step, None
        self._last_tick = tick
        return tick

    def _wants_keyframe(self, tick: int) -> bool:
        # A second one right behind the first brings that into the file, and thereby its header.
        if self._last_keyframe is None or self._frames == 1:
            return True
        # Now, if waiting for the next frame would make it too late.
        return (
            float((tick + self._step - self._last_keyframe) * self._time_base) > _KEYFRAME_SECONDS
        )

    def _to_yuv(self, image: Image) -> av.VideoFrame:
        assert self._size is not None, "the container is open"
        width, height = self._size
        if image.shape[1::-1] != self._size:
            image = self._fitted(image)
        # BT.601 in limited range, three times faster than swscale and exact to a grey level.
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
        assert planes.shape == (height * 3 // 2, width), "4:2:0 of an even size"
        return av.VideoFrame.from_ndarray(planes, format="yuv420p")

    def _fitted(self, image: Image) -> Image:
        assert self._size is not None, "the container is open"
        width, height = self._size
        if (max(_even(image.shape[1]), _SMALLEST_SIDE) != width) or (
            max(_even(image.shape[0]), _SMALLEST_SIDE) != height
        ):
            note = f"{self._path.name}: pictures of another size are fitted into {width}x{height}"
            if note not in self._notes:
                self._notes.append(note)
            return letterbox(image, width, height)
        right, bottom = width - image.shape[1], height - image.shape[0]
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(padded, np.uint8)

    def _sound_end(self) -> float | None:
        """Return the end of the sound in seconds; ``None`` where it ends by itself."""
        assert self._last_tick is not None, "frames were written"
        if not self._own_sound:
            return None
        last = float(self._last_tick * self._time_base)
        if self._film_path is None:
            cut = self._film_frames is not None and self._frames < self._film_frames
            return last + float(self._step * self._time_base) if cut else None
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            if has_frames_after(self._film_path, last + self._start_seconds):
                return last + float(self._step * self._time_base)
        return None

    @contextlib.contextmanager
    def _failing_cleanly(self, what: str) -> Iterator[None]:
        """Turn a failure of the file into a `SinkError` that says what is left of it."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as exc:
            self._fail(what, exc)

    def _fail(self, what: str, exc: OSError | av.error.FFmpegError) -> NoReturn:
        self._release()
        left = count_playable(self._path)
        error = cannot_write(what, self._path, exc)
        if left is None:
            kept = "nothing of it can be played"
            self._file.remove()
        else:
            frames, seconds = left
            kept = f"its first {frames} frames ({seconds:.1f} s) are kept and can be played"
        raise SinkError(what, error.where, f"{error.cause}; {kept}", error.next_step) from exc

    def _release(self) -> None:
        """Release everything; what is not committed is lost."""
        self._closed = True
        self._file.discard()
        for release in (self._close_container, self._close_sound, self._file.close):
            with contextlib.suppress(av.error.FFmpegError, OSError):
                release()

    def _close_container(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = self._stream = None

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()


def _even(size: int) -> int:
    return size + size % 2
