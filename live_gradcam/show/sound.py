"""The sound of the source, copied packet by packet beside the images."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from live_gradcam.native import av

# A file may name other files and addresses; its sound comes from itself alone.
_OPTIONS = {"protocol_whitelist": "file"}
# A track whose first packet is not among so many has none for our purposes.
_MAX_PROBED_PACKETS = 4096


class SoundCopy:
    """All audio tracks of a file, on their way into another one.

    Args:
        path: The source file.
        not_before: Packets earlier than this time in seconds are left out.

    Raises:
        av.error.FFmpegError: The file cannot be read.
    """

    def __init__(self, path: Path, *, not_before: float | None = None) -> None:
        self._not_before = -math.inf if not_before is None else not_before
        self._input: av.container.InputContainer = av.open(
            f"file:{path.absolute()}", container_options=_OPTIONS, metadata_errors="replace"
        )
        self._tracks: dict[int, av.audio.stream.AudioStream] = {}
        self._ready: deque[av.packet.Packet[Any]] = deque()
        self._packets: Iterator[av.packet.Packet[Any]] = iter(())
        self.copied = 0
        """Number of packets written so far."""
        self.notes: list[str] = []
        """One sentence for each thing the user should know."""

    def add_tracks(self, output: av.container.OutputContainer) -> None:
        """Give ``output`` a stream for each track that it can hold."""
        usable: list[av.audio.stream.AudioStream] = []
        for number, stream in enumerate(self._input.streams.audio, 1):
            codec = stream.codec_context.name if stream.codec_context else "unknown"
            if stream.codec_context is not None and codec in output.supported_codecs:
                usable.append(stream)
            else:
                self.notes.append(
                    f"audio track {number} ({codec}) is left out: the container "
                    f"{output.format.name} cannot hold it"
                )
        if not usable:
            return
        self._packets = self._read(usable)
        # The file's header waits for the first packet of every track: one without any would keep
        # a recording unreadable to its end.
        started = {packet.stream.index for packet in self._probe(len(usable))}
        for stream in usable:
            if stream.index in started:
                track = output.add_stream_from_template(stream)
                track.metadata.update(stream.metadata)
                self._tracks[stream.index] = track
        self._ready = deque(p for p in self._ready if p.stream.index in self._tracks)

    def copy_until(self, output: av.container.OutputContainer, seconds: float | None) -> None:
        """Mux the packets that begin before ``seconds``; ``None`` for all that are left."""
        while self._tracks:
            if not self._ready:
                packet = next(self._packets, None)
                if packet is None:
                    return
                if packet.stream.index not in self._tracks:
                    continue
                self._ready.append(packet)
            packet = self._ready[0]
            if seconds is not None and _seconds(packet) >= seconds:
                return
            self._ready.popleft()
            packet.stream = self._tracks[packet.stream.index]
            output.mux_one(packet)
            self.copied += 1

    def close(self) -> None:
        """Close the source file. Idempotent."""
        with contextlib.suppress(av.error.FFmpegError):
            self._input.close()

    def _read(self, streams: list[av.audio.stream.AudioStream]) -> Iterator[av.packet.Packet[Any]]:
        packets = self._input.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as exc:
                self.notes.append(f"the sound ends early: {exc.strerror}")
                return
            if packet is None:
                return
            if packet.dts is not None and packet.size and _seconds(packet) >= self._not_before:
                yield packet

    def _probe(self, tracks: int) -> deque[av.packet.Packet[Any]]:
        """Read ahead until every track has shown a packet."""
        seen: set[int] = set()
        for packet in self._packets:
            self._ready.append(packet)
            seen.add(packet.stream.index)
            if len(seen) == tracks or len(self._ready) >= _MAX_PROBED_PACKETS:
                break
        return self._ready


def _seconds(packet: av.packet.Packet[Any]) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return 0.0 if stamp is None else float(stamp * packet.time_base)
