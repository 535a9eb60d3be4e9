"""Odd media made on the fly, small and known to the pixel."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from live_gradcam.native import av

COLOURS = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0), "grey": (128, 128, 128)}
"""BGR."""


def quadrants(width: int, height: int) -> np.ndarray:
    """Red top left, green top right, blue bottom left, grey bottom right; ``uint8`` BGR."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = COLOURS["red"]
    image[: height // 2, width // 2 :] = COLOURS["green"]
    image[height // 2 :, : width // 2] = COLOURS["blue"]
    image[height // 2 :, width // 2 :] = COLOURS["grey"]
    return image


def corners(image: np.ndarray) -> list[str]:
    """The nearest colour of each quadrant's middle: top left and right, bottom left and right."""
    height, width = image.shape[:2]
    names = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            pixel = image[y, x].astype(int)
            names.append(min(COLOURS, key=lambda name: np.abs(pixel - COLOURS[name]).sum()))
    return names


def counting_image(number: int, width: int, height: int) -> np.ndarray:
    """Grey whose level tells the number up to 25: 20 + 9 * number."""
    return np.full((height, width, 3), 20 + 9 * number, np.uint8)


def number_in(image: np.ndarray) -> int:
    """The number that `counting_image` was given."""
    return round((float(image.mean()) - 20) / 9)


def write_film(
    path: Path,
    *,
    frames: int = 12,
    width: int = 64,
    height: int = 48,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    image: Callable[[int, int, int], np.ndarray] = counting_image,
    rotation: int = 0,
    audio_tracks: int = 0,
    colour: tuple[int, int] | None = None,
) -> Path:
    """Write a film and return its path.

    Args:
        path: Its extension chooses the container.
        frames: How many.
        width: In pixels.
        height: In pixels.
        codec: Name of FFmpeg's encoder.
        pix_fmt: What is encoded.
        rate: Frames per second.
        ticks: Time of each frame in `time_base`; regular where ``None``.
        time_base: Seconds per tick; one frame where ``None``.
        options: Of the encoder.
        container_options: Of the container.
        image: Makes image number n of a size, ``uint8`` BGR or BGRA.
        rotation: Degrees for the display matrix.
        audio_tracks: How many tracks of a quiet tone accompany it.
        colour: FFmpeg's numbers of the colour matrix and range.
    """
    base = time_base or Fraction(1, rate)
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = stream.codec_context.time_base = base
        if colour is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = colour
        if rotation:
            stream.set_display_rotation(rotation)
        sounds = [container.add_stream("aac", rate=48_000) for _ in range(audio_tracks)]
        for number in range(frames):
            pixels = image(number, width, height)
            frame = av.VideoFrame.from_ndarray(pixels, "bgra" if pixels.shape[2] == 4 else "bgr24")
            if colour is None:
                frame = frame.reformat(format=pix_fmt)
            else:
                frame = frame.reformat(
                    format=pix_fmt, dst_colorspace=colour[0], dst_color_range=colour[1]
                )
                frame.colorspace, frame.color_range = colour
            frame.pts = ticks[number] if ticks is not None else number
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for sound in sounds:
            _write_tone(container, sound, frames / rate)
    return path


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """Write a file that holds sound only."""
    with av.open(str(path), "w") as container:
        _write_tone(container, container.add_stream("aac", rate=48_000), seconds)
    return path


def _write_tone(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    count = int(seconds * 48_000) // 1024 + 1
    for number in range(count):
        wave = np.sin(np.arange(1024, dtype=np.float32) * 0.05)[None] * 0.1
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 1024, Fraction(1, 48_000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def packet_spans(path: Path) -> list[tuple[int, int]]:
    """Where the image packets of a film lie: ``(offset, size)`` in bytes, in decoding order."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return [(packet.pos, packet.size) for packet in packets if packet.pts is not None]


def zero_packets(path: Path, numbers: Sequence[int]) -> None:
    """Overwrite whole packets of a film with zeros."""
    spans = packet_spans(path)
    data = bytearray(path.read_bytes())
    for number in numbers:
        offset, size = spans[number]
        data[offset : offset + size] = bytes(size)
    path.write_bytes(data)


def start_later(path: Path, ticks: int) -> None:
    """Make an MP4's edit list begin that many media ticks later (ISO/IEC 14496-12, 8.6.6)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    assert data[at] == 0
    (entries,) = struct.unpack_from(">I", data, at + 4)
    assert entries == 1
    (media_time,) = struct.unpack_from(">i", data, at + 12)
    struct.pack_into(">i", data, at + 12, media_time + ticks)
    path.write_bytes(data)
