"""How a track of sound gets into a container, found by trying it in memory first.

Many muxers take a stream and refuse its packets later, when the header of a recording is written
and its images would be lost with the sound. What is chosen here has been muxed, and read back.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from live_gradcam.native import av
from live_gradcam.show.sound_track import (
    AudioStream,
    CopiedTrack,
    EncodedTrack,
    Packet,
    SoundTrack,
    codec_name,
    seconds_of,
)

_ENCODERS = {"webm": "libopus"}
_ENCODER = "aac"
_ENCODER_TITLES = {"libopus": "Opus", "aac": "AAC"}
_BIT_FILTERS = {"aac": ("aac_adtstoasc",)}
# One family for those who read: a container may write another member's name.
_FAMILIES = {"mp1": "mp3", "mp2": "mp3"}


@dataclass(frozen=True, slots=True)
class Way:
    """How a track is written.

    Attributes:
        make: Makes the track; ``None`` where it cannot be written at all.
        note: What the user should know; empty where everything is kept.
    """

    make: Callable[[], SoundTrack] | None
    note: str = ""


def find_way(
    stream: AudioStream,
    head: Sequence[Packet],
    format_name: str,
    container_options: Mapping[str, str],
    title: str,
) -> Way:
    """Choose the way that keeps the most: copy, copy through a filter, encode anew, leave out.

    Args:
        stream: The track that is read.
        head: Its first packets; they stay as they are.
        format_name: FFmpeg's name of the container.
        container_options: Options of its muxer.
        title: What the track is called in notes.
    """
    codec = codec_name(stream)
    if stream.codec_context is None:
        return Way(None, f"{title} is left out: FFmpeg does not know its codec")
    for bit_filter in ("", *_BIT_FILTERS.get(codec, ())):

        def copy(name: str = bit_filter) -> SoundTrack:
            return CopiedTrack(stream, name)

        if _can_copy(copy, stream, head, format_name, container_options):
            return Way(copy)
    encoder = _ENCODERS.get(format_name, _ENCODER)
    if not _can_decode(stream, head):
        return Way(None, f"{title} ({codec}) is left out: {format_name} cannot hold it")
    note = f"{title} ({codec}) becomes {_ENCODER_TITLES[encoder]}: {format_name} cannot hold it"
    return Way(lambda: EncodedTrack(stream, encoder), note)


def _can_copy(
    make: Callable[[], SoundTrack],
    stream: AudioStream,
    head: Sequence[Packet],
    format_name: str,
    options: Mapping[str, str],
) -> bool:
    """Return whether packets come back from a container as they were put into it."""
    memory = io.BytesIO()
    try:
        output = av.open(memory, "w", format=format_name, container_options=dict(options))
        with _closing(output) as out:
            track = make()
            track.add_to(out, before_zero=bool(head) and seconds_of(head[0]) < 0)
            for packet in head:
                for ready in track.put(_copy_of(packet)):
                    out.mux_one(ready)
        memory.seek(0)
        with av.open(memory, metadata_errors="replace") as back:
            found = back.streams.audio[0]
            sizes = [packet.size for packet in back.demux(found) if packet.size]
            return _family(found) == _family(stream) and bool(sizes)
    except (av.error.FFmpegError, ValueError, IndexError, OSError):
        return False


@contextlib.contextmanager
def _closing(output: av.container.OutputContainer) -> Iterator[av.container.OutputContainer]:
    """Close a trial; after a failure there is nothing left to fail at."""
    try:
        yield output
    except BaseException:
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            output.close()
        raise
    output.close()


def _can_decode(stream: AudioStream, head: Sequence[Packet]) -> bool:
    decoded = 0
    with contextlib.suppress(av.error.FFmpegError, ValueError):
        for packet in head:
            try:
                decoded += len(stream.codec_context.decode(_copy_of(packet)))
            except av.error.InvalidDataError:
                continue
        stream.codec_context.flush_buffers()
    # The first packets of some codecs give nothing yet.
    return decoded > 0 or (0 < len(head) < 3 and stream.codec_context.is_open)


def _family(stream: AudioStream) -> str:
    name = codec_name(stream)
    return _FAMILIES.get(name, name)


def _copy_of(packet: Packet) -> Packet:
    copy: Packet = av.Packet(bytes(packet))
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
    copy.duration = packet.duration
    copy.is_keyframe = True
    return copy
