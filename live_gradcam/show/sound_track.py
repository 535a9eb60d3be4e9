"""One track of sound on its way into a container: its packets as they are, or encoded anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeAlias

from live_gradcam.native import av

Packet: TypeAlias = "av.packet.Packet[Any]"
AudioStream: TypeAlias = "av.audio.stream.AudioStream"

# Encoders that say in the file how much of their beginning is not to be heard, and how much.
_PRIMING_ENCODERS = {"aac": "aac", "mp3": "libmp3lame"}
_MATROSKA = frozenset(["matroska", "webm"])
_BITS_PER_CHANNEL = 64_000
_AAC_RATES = frozenset(
    [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000]
)
_OPUS_RATE = 48_000


def codec_name(stream: AudioStream) -> str:
    """Name of a track's codec, whichever decoder reads it."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else "unknown"


def seconds_of(packet: Packet) -> float:
    """Decoding time of a packet in seconds."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return 0.0 if stamp is None or packet.time_base is None else float(stamp * packet.time_base)


class SoundTrack(ABC):
    """One track on its way into a container.

    Args:
        source: The track that is read.
    """

    def __init__(self, source: AudioStream) -> None:
        self.source = source
        self.target: AudioStream | None = None

    @abstractmethod
    def add_to(self, output: av.container.OutputContainer, *, before_zero: bool) -> None:
        """Give ``output`` the stream for this track.

        Args:
            output: Where it goes; its header is not written yet.
            before_zero: The track begins before the images.

        Raises:
            av.error.FFmpegError: It takes no such stream.
            ValueError: It takes no such stream.
        """

    @abstractmethod
    def put(self, packet: Packet | None) -> Iterator[Packet]:
        """Yield what is ready to be muxed after one more packet; after the last one for ``None``.

        Raises:
            av.error.FFmpegError: The packet is broken.
        """

    def _name_target(self) -> None:
        assert self.target is not None, "the stream was added"
        self.target.metadata.update(self.source.metadata)
        self.target.disposition = self.source.disposition


class CopiedTrack(SoundTrack):
    """A track whose packets are kept as they are, to the byte and to the tick.

    Args:
        source: The track that is read.
        bit_filter: Name of a bit-stream filter that brings packets into the container's form.
    """

    def __init__(self, source: AudioStream, bit_filter: str = "") -> None:
        super().__init__(source)
        self._filter: av.bitstream.BitStreamFilterContext | None = None
        if bit_filter:
            self._filter = av.bitstream.BitStreamFilterContext(bit_filter, in_stream=source)
        self._last_dts: int | None = None
        self._step = 0
        self._shortest_step = 1

    def add_to(self, output: av.container.OutputContainer, *, before_zero: bool) -> None:
        """See `SoundTrack.add_to`."""
        encoder = _PRIMING_ENCODERS.get(codec_name(self.source))
        # Matroska's clock is coarser than the shortest packets of sound.
        self._shortest_step = 0 if output.format.name in _MATROSKA else 1
        if before_zero and encoder and output.format.name in _MATROSKA:
            # Matroska says how much of the beginning is not heard, and moves nothing for it, but
            # takes that from an encoder alone.
            target: AudioStream = output.add_stream(  # type: ignore[assignment]
                encoder, rate=self.source.rate, layout=self.source.layout.name
            )
            target.codec_context.open()
            if self.source.codec_context.extradata:
                target.codec_context.extradata = self.source.codec_context.extradata
        else:
            target = output.add_stream_from_template(self.source)
        self.target = target
        self._name_target()

    def put(self, packet: Packet | None) -> Iterator[Packet]:
        """See `SoundTrack.put`."""
        assert self.target is not None, "the stream was added"
        if packet is None:
            return
        base = packet.time_base
        for ready in self._filter.filter(packet) if self._filter is not None else [packet]:
            ready.time_base = base
            ready.stream = self.target
            self._keep_in_order(ready)
            yield ready

    def _keep_in_order(self, packet: Packet) -> None:
        """Mend what no container takes: a step back in time, and a last packet without length."""
        dts = packet.dts if packet.dts is not None else packet.pts
        assert dts is not None, "packets without a time are not put"
        if self._last_dts is not None:
            if dts < self._last_dts + self._shortest_step:
                dts = self._last_dts + self._shortest_step
                packet.pts = dts if packet.pts is None else max(packet.pts, dts)
            self._step = dts - self._last_dts
        packet.dts = dts
        if not packet.duration:
            packet.duration = self._step
        self._last_dts = dts


class EncodedTrack(SoundTrack):
    """A track that is decoded and encoded anew.

    Args:
        source: The track that is read.
        encoder: ``aac`` or ``libopus``.
    """

    def __init__(self, source: AudioStream, encoder: str) -> None:
        super().__init__(source)
        self._encoder = encoder
        self._rate = _OPUS_RATE if encoder == "libopus" else source.rate
        if self._rate not in _AAC_RATES:
            self._rate = 48_000
        channels = source.channels or 2
        self._layout = "5.1" if channels >= 6 else "stereo" if channels >= 2 else "mono"
        self._channels = {"5.1": 6, "stereo": 2, "mono": 1}[self._layout]
        self._graph: av.filter.Graph | None = None
        self._form: tuple[int, str, str] | None = None

    def add_to(self, output: av.container.OutputContainer, *, before_zero: bool) -> None:
        """See `SoundTrack.add_to`."""
        del before_zero  # the encoder knows its own priming
        target: AudioStream = output.add_stream(  # type: ignore[assignment]
            self._encoder, rate=self._rate, layout=self._layout
        )
        target.codec_context.bit_rate = _BITS_PER_CHANNEL * self._channels
        target.codec_context.time_base = Fraction(1, self._rate)
        target.codec_context.open()
        self.target = target
        self._name_target()

    def put(self, packet: Packet | None) -> Iterator[Packet]:
        """See `SoundTrack.put`."""
        assert self.target is not None, "the stream was added"
        try:
            decoded = self.source.codec_context.decode(packet)
        except av.error.EOFError:
            decoded = []
        for frame in decoded:
            yield from self._encode(frame)
        if packet is None:
            if self._graph is not None:
                self._graph.push(None)
                yield from self._drain()
            yield from self.target.encode(None)

    def _encode(self, frame: av.AudioFrame) -> Iterator[Packet]:
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if form != self._form:
            if self._graph is not None:
                self._graph.push(None)
                yield from self._drain()
            self._graph, self._form = self._make_graph(frame), form
        assert self._graph is not None, "it was just made"
        self._graph.push(frame)
        yield from self._drain()

    def _drain(self) -> Iterator[Packet]:
        assert self._graph is not None, "there is one"
        assert self.target is not None, "the stream was added"
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, av.AudioFrame), "the graph is one of sound"
            yield from self.target.encode(frame)

    def _make_graph(self, frame: av.AudioFrame) -> av.filter.Graph:
        assert self.target is not None, "the stream was added"
        size = self.target.codec_context.frame_size or 1024
        form = f"sample_fmts=fltp:sample_rates={self._rate}:channel_layouts={self._layout}"
        if self._encoder == "libopus":
            form = form.replace("fltp", "flt")
        graph = av.filter.Graph()
        start = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base,
        )
        steps = [
            # What is missing becomes silence, so that the rest stays in step with the images.
            graph.add("aresample", f"{self._rate}:async=1"),
            graph.add("aformat", form),
            graph.add("asetnsamples", f"n={size}:p=0"),
            graph.add("abuffersink"),
        ]
        for step in steps:
            start.link_to(step)
            start = step
        graph.configure()
        return graph
