"""A matrix of films as people have them, made by the ffmpeg command line and compared with it.

    python scripts/films.py [--only NAME] [--keep FOLDER]

Containers, codecs, starts, pixel shapes, colours, rotations, transparency, interlace and several
streams. For each film: frames out are the frames that ffmpeg decodes, times are within a tick of
ffmpeg's own, the aspect is exact, and colours are within 3 levels of ffmpeg's own conversion to RGB
(8 of its ``tonemap`` filter for HDR).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from live_gradcam.capture.open import open_source
from live_gradcam.values import Frame

SECONDS = 0.5
_RATE = 24
_SMOOTH = "gradients=s={size}:r={rate}:d={seconds}:c0=red:c1=lime:c2=blue:c3=white:n=4:seed=3:x0=9"
# High dynamic range magnifies what 4:2:0 leaves of saturated colours side by side.
_MUTED = "gradients=s={size}:r={rate}:d={seconds}:c0=0x905040:c1=0x408060:n=2:seed=3:x0=9:y0=9"
_MOVING = "testsrc2=s={size}:r={rate}:d={seconds}"
_TONEMAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
    "zscale=t=bt709:m=gbr:r=pc,format=gbrp"
)
# What is smooth has no edges where the scalers of two versions differ; the rest is noise.
_PERCENTILE = 99.5


@dataclass(frozen=True, slots=True)
class Film:
    """A film of the matrix.

    Attributes:
        name: Of the file; its extension chooses the container.
        arguments: Of ffmpeg, after the inputs.
        size: Of the frames as they are stored.
        filters: Applied before encoding.
        picture: Generator of the frames, of lavfi.
        shown: Size as a person sees it; ``None`` for ``size``.
        reference: Filters with which ffmpeg gives the frames to compare with.
        levels: Permitted difference, of 255; ``None`` where colours are not compared.
        rate: Frames per second.
        seconds: Length.
        stream: Of the file, that is the film.
        second: Size of a second video stream, in front of the film.
        second_frames: Its length; ``None`` for that of the film.
        second_last: It comes behind the film.
            alpha: Transparent parts, which lie on white.
        copied: Arguments of ffmpeg for a second pass that copies the film.
    """

    name: str
    arguments: str = ""
    size: str = "128x96"
    filters: str = ""
    picture: str = _SMOOTH
    shown: str | None = None
    reference: str = ""
    levels: float | None = 3
    rate: int = _RATE
    seconds: float = SECONDS
    stream: int = 0
    second: str = ""
    second_frames: int | None = None
    second_last: bool = False
    alpha: bool = False
    copied: str = ""


_X264 = "-c:v libx264 -preset ultrafast -qp 8 -pix_fmt yuv420p"
_X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:qp=8"
_TEN = "-pix_fmt yuv420p10le"
_FFV1 = "-c:v ffv1"
_MPEG2 = "-c:v mpeg2video -q:v 2 -pix_fmt yuv420p"
_PQ = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"
_HLG = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
_CLEAR = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*lt(X,W/2)'"
_FIELDS = "tinterlace=interleave_top,fieldorder=tff"
_DEINTERLACE = "yadif=mode=send_frame:deint=interlaced"


_HDR10 = f"scale=out_color_matrix=bt2020nc,{_PQ}"
_HYBRID = f"scale=out_color_matrix=bt2020nc,{_HLG}"
_TO_BT709 = "zscale=t=bt709:p=bt709:m=gbr:r=pc,format=gbrp"


def _tagged(pixels: str, primaries: str, transfer: str, matrix: str, extent: str = "tv") -> str:
    return (
        f"scale=out_color_matrix={matrix}:out_range={extent},format={pixels},setparams="
        f"color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}:range={extent}"
    )


FILMS: tuple[Film, ...] = (
    # Containers and codecs
    Film("h264.mp4", _X264),
    Film("bframes.mp4", f"{_X264} -bf 3"),
    Film("hevc.mp4", f"{_X265} -pix_fmt yuv420p"),
    Film("av1.mp4", "-c:v libaom-av1 -cpu-used 8 -crf 10 -b:v 0 -pix_fmt yuv420p"),
    Film("mpeg4.mp4", "-c:v mpeg4 -q:v 2"),
    Film("h264.mov", _X264),
    Film("mjpeg.mov", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
    Film("prores.mov", "-c:v prores_ks -profile:v 3"),
    Film("qtrle.mov", "-c:v qtrle"),
    Film("h264.mkv", _X264),
    Film("ffv1.mkv", f"{_FFV1} -pix_fmt yuv444p"),
    Film("gbrp.mkv", f"{_FFV1} -pix_fmt gbrp"),
    Film("gray.mkv", f"{_FFV1} -pix_fmt gray"),
    Film("vp8.webm", "-c:v libvpx -deadline realtime -b:v 4M -pix_fmt yuv420p"),
    Film("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -crf 10 -b:v 0 -pix_fmt yuv420p"),
    Film("mpeg4.avi", "-c:v mpeg4 -q:v 2"),
    Film("mjpeg.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj422p"),
    Film("huffyuv.avi", "-c:v huffyuv -pix_fmt yuv422p"),
    Film("flv1.flv", "-c:v flv -q:v 2"),
    Film("h264.flv", _X264),
    Film("h264.ts", _X264),
    Film("mpeg2.ts", _MPEG2),
    Film("camcorder.mts", f"{_X264} -f mpegts -mpegts_m2ts_mode 1"),
    Film("mpeg1.mpg", "-c:v mpeg1video -q:v 2"),
    Film("mpeg2.vob", _MPEG2),
    Film("mpeg2.mxf", _MPEG2),
    Film("wmv2.wmv", "-c:v wmv2 -q:v 2"),
    Film("theora.ogv", "-c:v libtheora -q:v 10 -pix_fmt yuv420p"),
    Film("h263.3gp", "-c:v h263 -q:v 2", size="176x144", shown="176x144"),
    Film("raw.h264", _X264),
    Film("raw.hevc", f"{_X265} -pix_fmt yuv420p"),
    Film("raw.m2v", f"{_MPEG2} -f mpeg2video"),
    Film("raw.m4v", "-c:v mpeg4 -q:v 2 -f m4v"),
    Film("raw.mjpeg", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
    Film("raw.y4m", "-pix_fmt yuv420p"),
    Film("vp9.ivf", "-c:v libvpx-vp9 -deadline realtime -crf 10 -b:v 0 -pix_fmt yuv420p"),
    Film("av1.obu", "-c:v libaom-av1 -cpu-used 8 -crf 10 -b:v 0 -pix_fmt yuv420p"),
    Film("ffv1.nut", f"{_FFV1} -pix_fmt yuv420p"),
    Film("mpeg2.wtv", _MPEG2, levels=3),
    Film("animated.gif", "", rate=20),
    Film("animated.apng", "-f apng", rate=20),
    # Beginnings
    Film("20s.mkv", f"{_X264} -output_ts_offset 20"),
    Film("hour.ts", f"{_X264} -output_ts_offset 3600"),
    Film("20s.mp4", f"{_X264} -output_ts_offset 20"),
    # Pixel shapes
    Film("pal.dv", "-target pal-dv", size="720x576", rate=25, seconds=0.16, shown="768x576",
         filters="setsar=16/15", reference=f"{_DEINTERLACE},scale=768:576,setsar=1"),
    Film("dvd-wide.mpg", _MPEG2, size="720x576", filters="setsar=64/45", shown="1024x576",
         seconds=0.2, reference="scale=1024:576,setsar=1"),
    Film("dvd-ntsc.mpg", _MPEG2, size="720x480", filters="setsar=8/9", shown="640x480",
         seconds=0.2, reference="scale=640:480,setsar=1"),
    Film("anamorphic.mkv", _X264, filters="setsar=4/3", shown="170x96",
         reference="scale=170:96,setsar=1"),
    Film("hdv.mp4", _X264, size="144x108", filters="setsar=4/3", shown="192x108",
         reference="scale=192:108,setsar=1"),
    # Colours
    Film("bt601.mp4", _X264,
         filters=_tagged("yuv420p", "smpte170m", "smpte170m", "smpte170m")),
    Film("bt709.mp4", _X264, filters=_tagged("yuv420p", "bt709", "bt709", "bt709")),
    Film("bt709-full.mp4", _X264, filters=_tagged("yuv420p", "bt709", "bt709", "bt709", "pc")),
    Film("bt601-full.mkv", _FFV1, filters=_tagged("yuv420p", "bt470bg", "bt709", "bt470bg", "pc")),
    Film("ten-bit.mkv", f"{_X265} {_TEN}",
         filters=_tagged("yuv420p10le", "bt709", "bt709", "bt709")),
    Film("bt2020.mkv", f"{_FFV1} -pix_fmt yuv444p10le", reference=_TO_BT709,
         filters=_tagged("yuv444p10le", "bt2020", "bt2020-10", "bt2020nc")),
    Film("hdr10.mkv", f"{_FFV1} -pix_fmt yuv444p10le", filters=_HDR10, reference=_TONEMAP,
         levels=8),
    Film("hdr10.mp4", "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params "
         "log-level=none:qp=4:hdr10=1:max-cll=600,100:colorprim=bt2020:transfer=smpte2084:"
         "colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
         "WP(15635,16450)L(10000000,1)", picture=_MUTED, filters=_HDR10, reference=_TONEMAP,
         levels=8),
    Film("hlg.mkv", f"{_FFV1} -pix_fmt yuv444p10le", filters=_HYBRID, reference=_TONEMAP,
         levels=8),
    Film("hlg.webm", "-c:v libvpx-vp9 -profile:v 2 -deadline realtime -crf 4 -b:v 0 -pix_fmt "
         "yuv420p10le", picture=_MUTED, filters=_HYBRID, reference=_TONEMAP, levels=8),
    # Rotation
    Film("turned-90.mp4", _X264, copied="-metadata:s:v rotate=90", shown="96x128"),
    Film("turned-180.mov", _X264, copied="-metadata:s:v rotate=180"),
    Film("turned-270.mp4", _X264, copied="-metadata:s:v rotate=270", shown="96x128"),
    Film("turned-anamorphic.mp4", _X264, copied="-metadata:s:v rotate=90", filters="setsar=4/3",
         shown="96x170", levels=None),
    # Transparency
    Film("alpha-vp9.webm", "-c:v libvpx-vp9 -deadline realtime -crf 4 -b:v 0 -pix_fmt yuva420p "
         "-auto-alt-ref 0", filters=_CLEAR, alpha=True),
    Film("alpha-vp8.webm", "-c:v libvpx -deadline realtime -b:v 8M -pix_fmt yuva420p "
         "-auto-alt-ref 0", filters=_CLEAR, alpha=True),
    Film("alpha-prores.mov", "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le",
         filters=_CLEAR, alpha=True),
    Film("alpha-qtrle.mov", "-c:v qtrle -pix_fmt argb", filters=_CLEAR, alpha=True),
    Film("alpha-png.mov", "-c:v png -pix_fmt rgba", filters=_CLEAR, alpha=True),
    Film("alpha.gif", "", filters=f"{_CLEAR},split[a][b];[a]palettegen=reserve_transparent=1[p];"
         "[b][p]paletteuse", rate=20, alpha=True),
    Film("alpha.apng", "-f apng -pix_fmt rgba", filters=_CLEAR, rate=20, alpha=True),
    # Interlace
    Film("fields.ts", f"{_MPEG2} -flags +ildct+ilme -top 1", picture=_MOVING, rate=48,
         filters=_FIELDS, reference=_DEINTERLACE),
    Film("fields.mkv", f"{_X264} -x264-params tff=1", picture=_MOVING, rate=48, filters=_FIELDS,
         reference=_DEINTERLACE),
    Film("fields.mts", f"{_X264} -x264-params tff=1 -f mpegts -mpegts_m2ts_mode 1",
         picture=_MOVING, rate=48, filters=_FIELDS, reference=_DEINTERLACE),
    # Several streams
    Film("second-default.mkv", f"{_X264} -disposition:v:0 0 -disposition:v:1 default",
         second="256x192", stream=1),
    Film("second-larger.mkv", f"{_X264} -disposition:v:0 0 -disposition:v:1 0", second="64x48",
         stream=1),
    Film("picture-first.mp4", f"{_X264} -c:v:0 mjpeg -pix_fmt:v:0 yuvj420p", second="320x240",
         second_frames=1, stream=1),
    Film("cover.mp4", f"{_X264} -c:v:1 mjpeg -pix_fmt:v:1 yuvj420p -disposition:v:1 attached_pic",
         second="320x240", second_frames=1, second_last=True),
)  # fmt: skip
"""The matrix."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result for one film; ``faults`` is empty where it comes out right."""

    film: Film
    faults: tuple[str, ...]
    levels: float | None = None


def make(film: Film, folder: Path) -> Path:
    """Write a film with the ffmpeg command line, unless it is there."""
    path = folder / film.name
    if path.exists():
        return path
    picture = film.picture.format(size=film.size, rate=film.rate, seconds=film.seconds)
    command = ["ffmpeg", "-v", "error", "-y"]
    inputs = [picture]
    if film.second:
        seconds = film.seconds if film.second_frames is None else film.second_frames / film.rate
        other = f"testsrc2=s={film.second}:r={film.rate}:d={seconds}"
        inputs.insert(len(inputs) if film.second_last else 0, other)
    for each in inputs:
        command += ["-f", "lavfi", "-i", each]
    if film.second:
        command += ["-map", "0:v", "-map", "1:v"]
    if film.filters:
        command += ["-filter_complex" if ";" in film.filters else "-vf", film.filters]
    command += film.arguments.split()
    if not film.copied:
        _run([*command, str(path)])
        return path
    first = path.with_name(f"first-{path.name}")
    _run([*command, str(first)])
    copied = ["-c", "copy", *film.copied.split(), str(path)]
    _run(["ffmpeg", "-v", "error", "-y", "-i", str(first), *copied])
    return path


def examine(film: Film, path: Path) -> Verdict:
    """Read a film and compare it with what ffmpeg says of it."""
    with open_source(path) as source:
        frames = list(source)
        info = source.info
    faults = []
    times, tick = _times(film, path)
    reference = _decode(film, path)
    if len(frames) != len(reference):
        faults.append(f"{len(frames)} frames, ffmpeg decodes {len(reference)}")
    if len(times) == len(frames):
        apart = max(
            (abs(frame.pts_seconds - time) for frame, time in zip(frames, times, strict=True)),
            default=0.0,
        )
        if apart > tick * 1.001:
            faults.append(f"times are {apart:.4f} s apart, a tick is {tick:.4f} s")
    shown = film.shown or film.size
    if f"{info.width}x{info.height}" != shown:
        faults.append(f"{info.width}x{info.height} instead of {shown}")
    levels = None
    if film.levels is not None and not faults:
        levels = _difference(frames, reference)
        if levels > film.levels:
            faults.append(f"colours are {levels:.1f} levels apart")
    return Verdict(film, tuple(faults), levels)


def examine_all(films: Iterable[Film], folder: Path, workers: int = 2) -> list[Verdict]:
    """Make and examine films, several at a time."""
    chosen = list(films)
    with ThreadPoolExecutor(workers) as pool:
        paths = list(pool.map(lambda film: make(film, folder), chosen))
        return list(pool.map(examine, chosen, paths))


def _times(film: Film, path: Path) -> tuple[list[float], float]:
    """Return ffprobe's times of the frames from the file's beginning on, and a tick, in seconds."""
    told = json.loads(
        _run(
            [
                "ffprobe",
                "-v",
                "error",
                "-select_streams",
                str(film.stream),
                "-of",
                "json",
                "-show_entries",
                "frame=best_effort_timestamp:stream=time_base:format=start_time",
                str(path),
            ]
        )
    )
    tick = Fraction(told["streams"][0]["time_base"])
    stamps = [frame.get("best_effort_timestamp") for frame in told["frames"]]
    if None in stamps:
        return [], float(tick)
    start = Fraction(told["format"].get("start_time", "0"))
    start = min(start, stamps[0] * tick)
    return [float(stamp * tick - start) for stamp in stamps], float(tick)


def _decode(film: Film, path: Path) -> np.ndarray:
    """Return ffmpeg's own frames, ``uint8 (N, H, W, 3)`` RGB."""
    width, height = map(int, (film.shown or film.size).split("x"))
    decoder = []
    if film.name.startswith(("alpha-vp8", "alpha-vp9")):
        decoder = ["-c:v", "libvpx-vp9" if "vp9" in film.name else "libvpx"]
    filters = film.reference
    if film.levels is None:
        filters = f"scale={width}:{height},setsar=1"
    pixels = "rgba" if film.alpha else "rgb24"
    data = _run(
        ["ffmpeg", "-v", "error", *decoder, "-i", str(path), "-map", f"0:{film.stream}",
         *(["-vf", filters] if filters else []), "-fps_mode", "passthrough",
         "-pix_fmt", pixels, "-f", "rawvideo", "-"]
    )  # fmt: skip
    frames = np.frombuffer(data, np.uint8).reshape(
        -1, height, width, len(pixels) if film.alpha else 3
    )
    if not film.alpha:
        return frames
    opacity = frames[..., 3:] / 255
    return np.rint(frames[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def _difference(frames: Sequence[Frame], reference: np.ndarray) -> float:
    ours = np.stack([frame.image[..., ::-1] for frame in frames]).astype(int)
    return float(np.percentile(np.abs(ours - reference), _PERCENTILE))


def _run(command: Sequence[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()[-800:]}")
    return done.stdout


def main() -> int:
    """Examine the matrix and print a line for each film."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="films whose name contains this")
    parser.add_argument("--keep", type=Path, help="folder that keeps the films")
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [film for film in FILMS if arguments.only in film.name]
        for verdict in examine_all(chosen, folder):
            wrong += bool(verdict.faults)
            levels = "" if verdict.levels is None else f"{verdict.levels:.1f} levels"
            said = "; ".join(verdict.faults) or "ok"
            print(f"{verdict.film.name:24}{said:60}{levels}")
    print(f"{len(chosen) - wrong} of {len(chosen)} films come out right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
