"""Standard input and named pipes as sources."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from live_gradcam.capture.images import ImagesSource
from live_gradcam.capture.medium import FileMedium, PipeMedium
from live_gradcam.capture.raw import RAW, RawFormat, RawVideoSource
from live_gradcam.capture.source import Source
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.images.read import load_image
from live_gradcam.images.sniff import Sniffed

STANDARD_INPUT = "-"
_NAME = "standard input"
# Pictures that follow one another in a pipe: first bytes, the seam between two, the demuxer.
_SEAMS = {
    "JPEG": (b"\xff\xd8\xff", b"\xff\xd9\xff\xd8\xff", "mjpeg"),
    "PNG": (b"\x89PNG", b"IEND\xaeB`\x82\x89PNG", "png_pipe"),
}
# Demuxers of what has no times of its own, which take them from a rate.
_WITHOUT_TIMES = frozenset(["mjpeg", "png_pipe", "h264", "hevc", "m4v", "obu"])
_STEP = "Pipe a film or a picture into it, e.g. ffmpeg -i clip.mp4 -f matroska - | ..."
_RAW_STEP = f"{_STEP}; raw video needs --input-format {RAW} --size WIDTHxHEIGHT"


def standard_input_file() -> Path | None:
    """Return the file that standard input is redirected from, where it is one."""
    try:
        path = Path("/dev/stdin")
        return path if stat.S_ISREG(os.fstat(0).st_mode) and path.exists() else None
    except OSError:
        return None


def open_standard_input(
    *,
    strict: bool = False,
    stream: int | None = None,
    keep_timestamps: bool = False,
    loop: bool = False,
    fps: float | None = None,
    raw: RawFormat | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Source:
    """Open what comes from standard input; see `open_pipe`."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise SourceError("cannot open source", _NAME, "nothing is piped into it", _STEP)
    return open_pipe(
        os.dup(0),
        _NAME,
        strict=strict,
        stream=stream,
        keep_timestamps=keep_timestamps,
        loop=loop,
        fps=fps,
        raw=raw,
        on_notice=on_notice,
    )


def open_raw_file(
    path: Path,
    form: RawFormat,
    *,
    loop: bool = False,
    strict: bool = False,
    on_notice: Callable[[str], None] | None = None,
) -> Source:
    """Open a file of raw video.

    Raises:
        SourceError: It does not hold one frame.
    """
    medium = FileMedium(path)
    return RawVideoSource(medium, form, loop=loop, strict=strict, on_notice=on_notice)


def open_pipe(
    descriptor: int,
    name: str,
    *,
    strict: bool = False,
    stream: int | None = None,
    keep_timestamps: bool = False,
    loop: bool = False,
    fps: float | None = None,
    raw: RawFormat | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Source:
    """Open what comes from a pipe: a film, a picture, or pictures one after the other.

    Args:
        descriptor: Of the pipe, open for reading; closed with the source, or where opening fails.
        name: For titles and messages.
        strict: Damage is an error.
        stream: Number of the video stream.
        keep_timestamps: Times as the film has them.
        loop: Begin again at the end, where that is possible: a picture's.
        fps: Frames per second of what has no times of its own, such as MJPEG; 25 by default.
        raw: What comes is raw video of this format, and nothing else.
        on_notice: Told each note when it arises.

    Raises:
        SourceError: Neither a film nor a picture comes.
    """
    medium = PipeMedium(descriptor, name)
    if raw is not None:
        return RawVideoSource(medium, raw, strict=strict, on_notice=on_notice)
    try:
        verdict = medium.sniff()
        if verdict.content == "image":
            magic, seam, demuxer = _SEAMS.get(verdict.format, (b"", b"\0" * 64, ""))
            data = medium.read_picture(magic, seam)
            if data is not None:
                medium.close()
                return ImagesSource(
                    [Path(name)],
                    name=name,
                    loop=loop,
                    strict=strict,
                    on_notice=on_notice,
                    read=lambda _: load_image(data),
                )
            verdict = replace(verdict, content="video", format=demuxer)
        if verdict.content != "video":
            step = _RAW_STEP if medium.length else _STEP
            raise SourceError("cannot open source", name, _in_words(verdict), step)
        if fps is not None and verdict.format in _WITHOUT_TIMES:
            medium.demuxer_options = {"framerate": f"{fps:.6f}"}
    except BaseException:
        medium.close()
        raise
    return VideoSource(
        medium,
        loop=loop,
        strict=strict,
        stream=stream,
        keep_timestamps=keep_timestamps,
        sniffed=verdict,
        on_notice=on_notice,
    )


def _in_words(verdict: Sniffed) -> str:
    return verdict.description.replace("the file", "what comes")
