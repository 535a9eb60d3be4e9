"""Animated pictures: GIF, WebP and APNG, each frame for its own time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from live_gradcam.errors import SinkError
from live_gradcam.images.geometry import letterbox
from live_gradcam.native import av
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.atomic_file import AtomicFile
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

_FALLBACK_RATE = 25.0


@dataclass(frozen=True, slots=True)
class _Form:
    """How one kind is made: FFmpeg's names and options, seconds per tick, shortest frame."""

    muxer: str
    encoder: str
    pix_fmt: str
    tick: Fraction
    muxer_options: Mapping[str, str]
    encoder_options: Mapping[str, str]
    shortest_ticks: int = 1


ANIMATIONS: Mapping[str, _Form] = {
    # Browsers show a GIF's frames of less than two ticks for ten.
    ".gif": _Form("gif", "gif", "pal8", Fraction(1, 100), {"loop": "0"}, {}, 2),
    ".webp": _Form(
        "webp",
        "libwebp",
        "yuv420p",
        Fraction(1, 1000),
        {"loop": "0"},
        {"quality": "85", "compression_level": "1"},
    ),
    ".apng": _Form("apng", "apng", "rgb24", Fraction(1, 1000), {"plays": "0"}, {}),
}
"""File suffixes of animated pictures, and how they are made."""


class AnimationSink(Sink):
    """Sink that writes rendered frames into one animated picture, which is played for ever.

    A GIF has 256 colours for each frame, chosen for it, and at most 50 frames in a second; what
    comes faster is left out and said.

    Args:
        path: The file; its suffix, one of `ANIMATIONS`, chooses the kind.
        info: Where the frames come from.

    Raises:
        SinkError: The file cannot be created.
    """

    def __init__(self, path: Path, info: SourceInfo) -> None:
        self._path = path
        self._form = ANIMATIONS[path.suffix.lower()]
        rate = info.fps or (1.0 if info.kind == "pictures" else _FALLBACK_RATE)
        self._step = max(self._form.shortest_ticks, round(1 / (rate * self._form.tick)))
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._palette: av.filter.Graph | None = None
        self._size: tuple[int, int] | None = None
        self._waiting: av.packet.Packet[Any] | None = None
        self._start: float | None = None
        self._last: int | None = None
        self._first_step: int | None = None
        self._frames = self._left_out = self._fitted = 0
        self._closed = False
        try:
            self._file = AtomicFile(path)
        except OSError as exc:
            raise cannot_write("cannot create animation", path, exc) from exc

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing the user should know about it."""
        notes = []
        if self._left_out:
            notes.append(
                f"{self._path.name}: {self._left_out} frames left out: "
                f"it can show {1 / float(self._form.tick * self._form.shortest_ticks):.0f} a second"
            )
        if self._fitted and self._size is not None:
            width, height = self._size
            notes.append(
                f"{self._path.name}: pictures of another size are fitted into {width}x{height}"
            )
        return tuple(notes)

    @property
    def description(self) -> str:
        """File and frames."""
        if not self._frames:
            return f"{self._path} (nothing: there were no frames)"
        return f"{self._path} ({self._frames} {'frame' if self._frames == 1 else 'frames'})"

    def begin_source(self, fps: float | None) -> None:
        """See `Sink.begin_source`."""
        if fps:
            shortest = self._form.shortest_ticks
            self._first_step = max(shortest, round(1 / (fps * float(self._form.tick))))

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Add one rendered frame, to be shown until the next one's time.

        Raises:
            SinkError: The file cannot take it.
        """
        if rendered is None:
            raise ValueError("an animation needs the drawn picture")
        if self._closed:
            raise SinkError("cannot write animation", str(self._path), "it is closed")
        tick = self._tick(frame.pts_seconds)
        if tick is None:
            self._left_out += 1
            return
        try:
            stream = self._ensure_open(rendered)
            encoded = self._to_frame(rendered)
            encoded.pts, encoded.time_base = tick, self._form.tick
            for packet in stream.encode(encoded):
                self._mux(packet)
            self._file.commit()
        except (av.error.FFmpegError, OSError) as exc:
            self._release()
            raise cannot_write("cannot write animation", self._path, exc) from exc
        self._frames += 1

    def close(self) -> None:
        """Finish the file. An animation without frames leaves no file.

        Raises:
            SinkError: The end could not be written.
        """
        if self._closed:
            return
        try:
            if self._container is not None and self._stream is not None:
                for packet in self._stream.encode(None):
                    self._mux(packet)
                self._mux(None)
                self._container.close()
                self._file.commit()
        except (av.error.FFmpegError, OSError) as exc:
            raise cannot_write("cannot finish animation", self._path, exc) from exc
        finally:
            self._release()

    def _tick(self, pts_seconds: float) -> int | None:
        """Return the frame's tick from the first one; ``None`` where it comes too soon."""
        if self._start is None:
            self._start = pts_seconds
        tick = round((pts_seconds - self._start) / float(self._form.tick))
        if self._last is not None:
            if tick < self._last:  # a new beginning: it goes on where it is
                self._start -= float((self._last + self._step - tick) * self._form.tick)
                tick = self._last + self._step
            if tick - self._last < self._form.shortest_ticks:
                return None
            self._step = tick - self._last
        if self._first_step is not None:
            self._step, self._first_step = self._first_step, None
        self._last = tick
        return tick

    def _ensure_open(self, image: Image) -> av.video.stream.VideoStream:
        if self._stream is not None:
            return self._stream
        form = self._form
        self._size = (image.shape[1], image.shape[0])
        self._container = av.open(
            self._file, "w", format=form.muxer, container_options=dict(form.muxer_options)
        )
        stream = cast(
            "av.video.stream.VideoStream",
            self._container.add_stream(form.encoder, options=dict(form.encoder_options)),
        )
        stream.width, stream.height = self._size
        stream.pix_fmt = form.pix_fmt
        stream.time_base = stream.codec_context.time_base = form.tick
        if form.pix_fmt == "pal8":
            self._palette = _palette_graph(*self._size)
        self._stream = stream
        return stream

    def _to_frame(self, image: Image) -> av.VideoFrame:
        assert self._size is not None, "the file is open"
        if image.shape[1::-1] != self._size:
            self._fitted += 1
            image = letterbox(image, *self._size)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        if self._palette is None:
            return frame.reformat(format=self._form.pix_fmt)
        self._palette.push(frame)
        coloured = self._palette.pull()
        assert isinstance(coloured, av.VideoFrame), "the graph is one of images"
        return coloured

    def _mux(self, packet: av.packet.Packet[Any] | None) -> None:
        """Write the packet before: only now its length is known."""
        waiting, self._waiting = self._waiting, packet
        if waiting is None:
            return
        assert self._container is not None, "the file is open"
        assert waiting.pts is not None, "encoded frames have a time"
        ends = packet.pts if packet is not None else waiting.pts + self._step
        waiting.duration = (ends or 0) - waiting.pts
        waiting.time_base = self._form.tick
        self._container.mux_one(waiting)

    def _release(self) -> None:
        """Release everything; what is not committed is lost."""
        self._closed = True
        self._file.discard()
        if self._container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()
        self._container = self._stream = self._palette = None
        self._file.close()


def _palette_graph(width: int, height: int) -> av.filter.Graph:
    """A graph that gives every frame the 256 colours that suit it."""
    graph = av.filter.Graph()
    start = graph.add_buffer(
        width=width,
        height=height,
        format=av.VideoFormat("bgr24", width, height),
        time_base=Fraction(1, 100),
    )
    split = graph.add("split")
    generate = graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    end = graph.add("buffersink")
    start.link_to(split)
    split.link_to(generate, 0, 0)
    split.link_to(use, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(end)
    graph.configure()
    return graph
