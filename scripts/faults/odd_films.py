"""Films as they come from telephones, cameras, editors and bad cables: a table of odd ones.

Each entry makes one film. What must come out of it is what another reader finds in it: `decodable`
asks FFmpeg's own program where it is installed, else PyAV directly.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from live_gradcam.native import av
from scripts.faults.media import packet_spans, quadrants, start_later, write_film, zero_packets

_FFPROBE = (
    *("ffprobe", "-v", "quiet", "-select_streams", "v:0", "-of", "csv=p=0"),
    *("-show_entries", "frame=best_effort_timestamp_time"),
)
_MILLISECONDS = Fraction(1, 1000)
_B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=2"}
_OPEN_GOP = {"x264-params": "bframes=3:b-adapt=0:open-gop=1:keyint=6:scenecut=0"}
_INTRA = {"x264-params": "keyint=1:bframes=0:qp=10"}
_VARIABLE = (0, 40, 90, 91, 200, 333, 334, 500, 777, 778, 1000, 20_000)


@dataclass(frozen=True, slots=True)
class OddFilm:
    """One film.

    Attributes:
        what: Makes it odd.
        name: Its file's name.
        make: Writes it to a path.
    """

    what: str
    name: str
    make: Callable[[Path], object]


def decodable(path: Path) -> list[float]:
    """Time in seconds of every frame that can be decoded, in order of showing."""
    if shutil.which("ffprobe") is None:
        return _decodable_with_pyav(path)
    done = subprocess.run(
        [*_FFPROBE, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = csv.reader(done.stdout.splitlines())
    return [float(row[0]) for row in rows if row and row[0] not in ("", "N/A")]


def _decodable_with_pyav(path: Path) -> list[float]:
    times = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            times += [float(frame.pts * stream.time_base) for frame in frames]
    return times


def _film(**options: object) -> Callable[[Path], object]:
    return lambda path: write_film(path, image=_moving, **options)  # type: ignore[arg-type]


def _moving(number: int, width: int, height: int) -> np.ndarray:
    """Something that no two frames share."""
    image = quadrants(width, height)
    left = number * 5 % max(1, width)
    image[:, left : left + max(1, width // 8)] = 255
    return image


def _damaged(*numbers: int, **options: object) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        write_film(path, image=_moving, **options)  # type: ignore[arg-type]
        zero_packets(path, numbers)

    return make


def _cut_off(**options: object) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        write_film(path, image=_moving, **options)  # type: ignore[arg-type]
        offset, _ = packet_spans(path)[7]
        path.write_bytes(path.read_bytes()[: offset + 1])

    return make


def _later(ticks: int, **options: object) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        write_film(path, image=_moving, **options)  # type: ignore[arg-type]
        start_later(path, ticks)

    return make


FILMS: tuple[OddFilm, ...] = (
    OddFilm("variable rate", "vfr.mp4", _film(ticks=_VARIABLE, time_base=_MILLISECONDS)),
    OddFilm("variable rate", "vfr.mkv", _film(ticks=_VARIABLE, time_base=_MILLISECONDS)),
    OddFilm(
        "variable rate, B-frames",
        "vfr-b.mp4",
        _film(ticks=_VARIABLE, time_base=_MILLISECONDS, options=_B_FRAMES),
    ),
    OddFilm("rate 30000/1001", "ntsc.mp4", _film(
        ticks=range(0, 12_012, 1001), time_base=Fraction(1, 30_000)
    )),
    OddFilm("begins at 5 s", "late.mkv", _film(
        ticks=range(5000, 5480, 40), time_base=_MILLISECONDS
    )),
    OddFilm("rotated by 90", "r90.mp4", _film(rotation=90)),
    OddFilm("rotated by 180", "r180.mp4", _film(rotation=180)),
    OddFilm("rotated by 270", "r270.mov", _film(rotation=270)),
    OddFilm("odd size 63x47", "odd.mkv", _film(codec="ffv1", width=63, height=47)),
    OddFilm("odd size 65x49, 4:4:4", "odd.mp4", _film(pix_fmt="yuv444p", width=65, height=49)),
    OddFilm("odd size 17x1", "thin.mkv", _film(codec="ffv1", width=17, height=1)),
    OddFilm("10 bits", "deep.mp4", _film(pix_fmt="yuv420p10le")),
    OddFilm("10 bits, H.265", "deep.mkv", _film(
        codec="libx265", pix_fmt="yuv420p10le", options={"x265-params": "log-level=none"}
    )),
    OddFilm("10 bits, ProRes", "prores.mov", _film(codec="prores_ks", pix_fmt="yuv422p10le")),
    OddFilm("alpha", "alpha.mov", _film(codec="qtrle", pix_fmt="argb")),
    OddFilm("B-frames", "b.mp4", _film(options=_B_FRAMES)),
    OddFilm("B-frames", "b.ts", _film(options=_B_FRAMES)),
    OddFilm("open GOP", "open.mp4", _film(frames=24, options=_OPEN_GOP)),
    OddFilm("open GOP", "open.mkv", _film(frames=24, options=_OPEN_GOP)),
    OddFilm("an edit list", "edit.mp4", _later(4 * 512, options=_INTRA)),
    OddFilm("an edit list, B-frames", "edit-b.mp4", _later(4 * 512, options=_B_FRAMES)),
    OddFilm("two audio tracks", "two.mp4", _film(audio_tracks=2)),
    OddFilm("three audio tracks", "three.mkv", _film(audio_tracks=3)),
    OddFilm("fragments", "pieces.mp4", _film(
        container_options={"movflags": "frag_keyframe+empty_moov"}
    )),
    OddFilm("damaged middle", "damaged.mp4", _damaged(4, 5, 8, options=_INTRA)),
    OddFilm("damaged middle", "damaged.mkv", _damaged(4, 5, options=_INTRA)),
    OddFilm("cut off", "cut.mkv", _cut_off(options=_INTRA)),
    OddFilm("cut off", "cut.mp4", _cut_off(
        options=_INTRA, container_options={"movflags": "faststart"}
    )),
    OddFilm("one frame", "one.mp4", _film(frames=1)),
    OddFilm("one frame", "one.mkv", _film(frames=1)),
    OddFilm("4K", "4k.mp4", _film(frames=5, width=3840, height=2160)),
    OddFilm("VP9", "vp9.webm", _film(codec="libvpx-vp9")),
    OddFilm("AVI without presentation times", "mpeg4.avi", _film(codec="mpeg4")),
    OddFilm("Flash video", "h264.flv", _film()),
    OddFilm("Windows Media", "wmv2.wmv", _film(codec="wmv2")),
)  # fmt: skip
