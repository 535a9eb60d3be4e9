"""The sound of the source, beside the images: copied where the container takes it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from live_gradcam.native import av
from live_gradcam.show.sound_track import AudioStream, Packet, SoundTrack, seconds_of
from live_gradcam.show.sound_trial import find_way

# A file may name other files and addresses; its sound comes from itself alone.
_OPTIONS = {"protocol_whitelist": "file"}
# A track whose first packet is not among so many has none for our purposes.
_MAX_PROBED_PACKETS = 4096
_TRIAL_PACKETS = 4

SoundSource: TypeAlias = "Path | Callable[[], av.container.InputContainer]"
"""A file, or what opens the container of a film that is no file."""


class Sound:
    """All tracks of sound of a file, on their way into another one; the default one stays it.

    Args:
        source: The source file, or what opens the container of a film that is no file.
        start_seconds: Time of the file's own clock that becomes 0.

    Raises:
        av.error.FFmpegError: The file cannot be read.
    """

    def __init__(self, source: SoundSource, *, start_seconds: float = 0.0) -> None:
        self._start_seconds = start_seconds
        self._is_file = isinstance(source, Path)
        self._input: av.container.InputContainer
        if isinstance(source, Path):
            self._input = av.open(
                f"file:{source.absolute()}", container_options=_OPTIONS, metadata_errors="replace"
            )
        else:
            self._input = source()
        self._tracks: dict[int, SoundTrack] = {}
        self._ready: deque[Packet] = deque()
        self._packets: Iterator[Packet] = iter(())
        self._ended = False
        self.copied = 0
        """Number of packets written so far."""
        self.notes: list[str] = []
        """One sentence for each thing the user should know."""

    def add_tracks(
        self, output: av.container.OutputContainer, container_options: Mapping[str, str]
    ) -> None:
        """Give ``output`` a stream for each track, in the form that it can hold.

        Args:
            output: Its header is not written yet.
            container_options: The options that it was opened with.
        """
        streams = list(self._input.streams.audio)
        known = [stream for stream in streams if stream.codec_context is not None]
        self._packets = self._read(known)
        self._ready = self._probe(known)
        for number, stream in enumerate(streams, 1):
            title = f"audio track {number}"
            head = [each for each in self._ready if each.stream.index == stream.index]
            if stream in known and not head:
                # The file's header waits for the first packet of every track: one without any
                # would keep a recording unreadable to its end.
                continue
            way = find_way(
                stream, head[:_TRIAL_PACKETS], output.format.name, container_options, title
            )
            if way.note:
                self.notes.append(way.note)
            if way.make is None:
                continue
            track = way.make()
            track.add_to(output, before_zero=seconds_of(head[0]) < 0)
            self._tracks[stream.index] = track

    def copy_until(self, output: av.container.OutputContainer, seconds: float | None) -> None:
        """Mux what begins before ``seconds``; ``None`` for all that is left."""
        while self._tracks:
            if not self._ready:
                packet = next(self._packets, None)
                if packet is None:
                    break
                self._ready.append(packet)
            packet = self._ready[0]
            if seconds is not None and seconds_of(packet) >= seconds:
                return
            self._ready.popleft()
            track = self._tracks.get(packet.stream.index)
            if track is not None:
                self._mux(output, track, packet)
        if seconds is None:
            self.finish(output)

    def finish(self, output: av.container.OutputContainer) -> None:
        """Mux what encoders still hold. Idempotent."""
        if not self._ended:
            self._ended = True
            for track in list(self._tracks.values()):
                self._mux(output, track, None)

    def close(self) -> None:
        """Close the source file. Idempotent."""
        self._tracks.clear()
        with contextlib.suppress(av.error.FFmpegError):
            self._input.close()

    def _mux(
        self, output: av.container.OutputContainer, track: SoundTrack, packet: Packet | None
    ) -> None:
        seconds = seconds_of(packet) if packet is not None else None
        try:
            for ready in track.put(packet):
                output.mux_one(ready)
                self.copied += 1
        except av.error.InvalidDataError:
            if "some of the sound is damaged" not in self.notes:
                self.notes.append("some of the sound is damaged")
        except (av.error.FFmpegError, ValueError) as exc:
            del self._tracks[track.source.index]
            at = "at its end" if seconds is None else f"at {seconds:.1f} s"
            self.notes.append(f"the sound ends early, {at}: {getattr(exc, 'strerror', exc)}")

    def _read(self, streams: list[AudioStream]) -> Iterator[Packet]:
        # Stepping over the images is a jump, which not every medium allows.
        packets = self._input.demux(streams if self._is_file else ())
        wanted = {stream.index for stream in streams}
        while streams:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as exc:
                self.notes.append(f"the sound ends early: {exc.strerror}")
                return
            if packet is None:
                return
            if packet.dts is not None and packet.size and packet.stream.index in wanted:
                yield self._shifted(packet)

    def _shifted(self, packet: Packet) -> Packet:
        if self._start_seconds and packet.time_base is not None:
            ticks = round(self._start_seconds / packet.time_base)
            packet.dts = packet.dts - ticks if packet.dts is not None else None
            packet.pts = packet.pts - ticks if packet.pts is not None else None
        return packet

    def _probe(self, streams: list[AudioStream]) -> deque[Packet]:
        """Read ahead until every track has shown what a trial needs."""
        wanting = {stream.index: _TRIAL_PACKETS for stream in streams}
        ready: deque[Packet] = deque()
        while wanting and len(ready) < _MAX_PROBED_PACKETS:
            packet = next(self._packets, None)
            if packet is None:
                break
            ready.append(packet)
            index = packet.stream.index
            if index in wanting:
                wanting[index] -= 1
                if not wanting[index]:
                    del wanting[index]
        return ready
