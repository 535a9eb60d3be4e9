"""Frames, films and read-back for the tests of outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.native import av, cv2
from live_gradcam.values import Explanation, Frame, Image, Prediction, Region, SourceInfo


@dataclass(frozen=True)
class Film:
    """A film, read packet by packet and frame by frame."""

    pictures: list[np.ndarray]
    times: list[Fraction]
    sound: list[list[Fraction]]
    codec: str
    pix_fmt: str
    size: tuple[int, int]
    keyframes: list[Fraction]


def decode_image(path: Path) -> Image:
    """Decode an image file with OpenCV."""
    image = cv2.imread(str(path))
    assert image is not None, path
    return np.asarray(image, np.uint8)


def read_film(path: Path) -> Film:
    """Everything about a film; raises where it cannot be decoded to its end."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        pictures, times, keyframes = [], [], []
        for frame in file.decode(stream):
            pictures.append(frame.to_ndarray(format="bgr24"))
            times.append(frame.pts * frame.time_base)
            if frame.key_frame:
                keyframes.append(times[-1])
        context = stream.codec_context
        codec, pix_fmt, size = context.name, context.pix_fmt, (context.width, context.height)
    return Film(pictures, times, sound_of(path), codec, pix_fmt, size, keyframes)


def sound_of(path: Path) -> list[list[Fraction]]:
    """The packet times of each audio track."""
    with av.open(str(path)) as file:
        tracks: dict[int, list[Fraction]] = {stream.index: [] for stream in file.streams.audio}
        if tracks:
            for packet in file.demux(file.streams.audio):
                if packet.dts is not None and packet.size:
                    tracks[packet.stream.index].append(packet.pts * packet.time_base)
    return list(tracks.values())


def source_info(path: Path) -> SourceInfo:
    """What a source would say about a film."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return SourceInfo(
            path.name,
            "video",
            False,
            stream.width,
            stream.height,
            fps=float(stream.average_rate) if stream.average_rate else None,
            time_base=stream.time_base,
            path=path,
        )


def frames_of(path: Path) -> Iterator[Frame]:
    """A film's frames as a source would give them."""
    with av.open(str(path)) as file:
        for index, frame in enumerate(file.decode(file.streams.video[0])):
            picture = frame.to_ndarray(format="bgr24")
            yield Frame(picture, index, float(frame.pts * frame.time_base), path.name)


@pytest.fixture
def explained() -> Explanation:
    """An explanation with all there is to record."""
    return Explanation(
        predictions=(
            Prediction(504, "coffee mug", 12.25, 0.75),
            Prediction(849, "teapot", 10.5, 0.125),
            Prediction(883, "vase, 花瓶", -1.5, 0.0625),
        ),
        explained=(504,),
        evidence=np.ones((1, 7, 7), np.float32),
        region=Region(4, 2, 48, 40),
        labels=("coffee mug",),
        timings_ms={"preprocess": 1.5, "network": 8.0},
    )


@pytest.fixture
def scene_info() -> SourceInfo:
    """Generated frames without times of their own."""
    return SourceInfo("scene", "scene", False, 64, 48, fps=25.0)


def numbered(count: int, *, width: int = 64, height: int = 48, fps: float = 25.0) -> list[Frame]:
    """Grey frames that get lighter."""
    return [
        Frame(np.full((height, width, 3), 20 + 2 * (n % 100), np.uint8), n, n / fps, "scene")
        for n in range(count)
    ]


def noisy(count: int, *, width: int = 160, height: int = 120, fps: float = 25.0) -> list[Frame]:
    """Frames that need many bytes."""
    generator = np.random.default_rng(7)

    def picture() -> Image:
        return generator.integers(0, 256, (height, width, 3), np.uint8)

    return [Frame(picture(), n, n / fps, "scene") for n in range(count)]
