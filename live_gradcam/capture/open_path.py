"""Files, folders, patterns and pipes, opened with the options that were given."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from live_gradcam.capture.animation import AnimationSource
from live_gradcam.capture.camera import find_camera
from live_gradcam.capture.images import ImagesSource, is_image_file, natural_key
from live_gradcam.capture.medium import Medium
from live_gradcam.capture.open_live import open_camera
from live_gradcam.capture.pattern import is_numbered, numbered_files
from live_gradcam.capture.pipes import (
    open_pipe,
    open_raw_file,
    open_standard_input,
    standard_input_file,
)
from live_gradcam.capture.source import Source
from live_gradcam.capture.source_options import SourceOptions
from live_gradcam.capture.video import VideoSource
from live_gradcam.credentials import printable
from live_gradcam.errors import SourceError
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import Sniffed, cannot_open, read_head, sniff

_FILE_ADDRESS = re.compile(r"file://(localhost)?(?=/)", re.IGNORECASE)
VIDEO_DEVICE = re.compile(r"/dev/video\d+$")
"""The path of a camera on Linux."""

# Those of Pillow's formats whose animations FFmpeg reads as well, with its own frame times.
_ANIMATION_DEMUXERS = {"GIF": "gif", "PNG": "apng"}
FORMS = (
    "Give a camera number, a video, a picture, a folder, a quoted pattern such as 'p_*.png', "
    "an rtsp:// or http:// address, - for standard input, screen, window:TITLE, or scene"
)
"""What can be opened, for people who gave something else."""


def as_path_text(text: str) -> str:
    """Return the path of a ``file://`` address (RFC 8089); any other text as it is."""
    if (found := _FILE_ADDRESS.match(text)) is None:
        return text
    literal = text[found.end() :]
    decoded = unquote(literal)
    # Some programs write the path as it is.
    if decoded != literal and not Path(decoded).exists() and Path(literal).exists():
        return literal
    return re.sub(r"^/(?=[A-Za-z]:)", "", decoded) if os.name == "nt" else decoded


def open_path(text: str, options: SourceOptions) -> Source:
    """Open a file, folder, pipe or device file, a pattern, or a camera by its name.

    Args:
        text: Its path, or the pattern.
        options: Of `open_source`.

    Raises:
        SourceError: There is none, or it cannot be read.
    """
    path = Path(text).expanduser()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as exc:
        return _open_missing(text, options, exc)
    except (OSError, ValueError) as exc:
        raise cannot_open(path, exc) from exc
    if stat.S_ISCHR(mode) and VIDEO_DEVICE.match(str(path.resolve())):
        return open_camera(text, options)
    if stat.S_ISFIFO(mode):
        return _open_pipe(path, options)
    if stat.S_ISDIR(mode):
        paths = images_in(path)
        if not paths:
            raise SourceError("cannot open pictures", text, "the folder holds no pictures", FORMS)
        name = path.resolve().name or text
        return _open_images(paths, options, name=name, root=path, find=lambda: images_in(path))
    return _open_file(path, options)


def _open_missing(text: str, options: SourceOptions, missing: FileNotFoundError) -> Source:
    """Open what is no file of that very name: a pattern, a camera's name, an absent camera."""
    if VIDEO_DEVICE.match(text):
        return open_camera(text, options)
    if is_numbered(text):
        return _open_numbered(text, options)
    if glob.has_magic(text):
        found = [path for path in matches(text) if path.is_file()]
        paths = _sorted_images(found)
        if paths:

            def find() -> list[Path]:
                return _sorted_images(matches(text))

            return _open_images(paths, options, name=text, root=None, find=find)
        if len(found) == 1:
            return _open_file(found[0], options)
        cause = "no picture is among the matches" if found else "no file matches"
        raise SourceError("cannot open pictures", text, cause, "Check the pattern and its folder")
    if (camera := find_camera(text)) is not None:
        return open_camera(camera.index, options)
    raise missing_file(text) from missing


def missing_file(text: str) -> SourceError:
    """Return the error of a file that is not there."""
    return SourceError("cannot open source", printable(text), "there is no such file", FORMS)


def _open_numbered(text: str, options: SourceOptions) -> Source:
    try:
        paths = numbered_files(text)
    except OSError as exc:
        raise cannot_open(Path(text).parent, exc) from exc
    if not paths:
        raise SourceError(
            "cannot open pictures",
            text,
            "there is no such file, and none with a number in its place",
            "Check the pattern and its folder",
        )
    return _open_images(paths, options, name=Path(text).name, root=None, film=True)


def open_standard(options: SourceOptions) -> Source:
    """Open standard input, or the file that it comes from."""
    if (path := standard_input_file()) is not None:
        return _open_file(path, options)
    return open_standard_input(
        strict=options.strict,
        stream=options.stream,
        keep_timestamps=options.keep_timestamps,
        loop=options.loop,
        fps=options.fps,
        raw=options.raw,
        on_notice=options.on_notice,
    )


def _open_pipe(path: Path, options: SourceOptions) -> Source:
    raw = options.raw
    try:
        # Opening it otherwise waits for whoever writes, which nothing could end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        raise cannot_open(path, exc) from exc
    return open_pipe(
        descriptor,
        path.name,
        strict=options.strict,
        stream=options.stream,
        keep_timestamps=options.keep_timestamps,
        loop=options.loop,
        fps=options.fps,
        raw=raw,
        on_notice=options.on_notice,
    )


def open_film(medium: Path | Medium, verdict: Sniffed, options: SourceOptions) -> Source:
    """Open a film in a file or at an address."""
    return VideoSource(
        medium,
        loop=options.loop,
        strict=options.strict,
        stream=options.stream,
        keep_timestamps=options.keep_timestamps,
        sniffed=verdict,
        on_notice=options.on_notice,
    )


def _open_file(path: Path, options: SourceOptions) -> Source:
    if (raw := options.raw) is not None:
        return open_raw_file(
            path, raw, loop=options.loop, strict=options.strict, on_notice=options.on_notice
        )
    verdict = sniff(path)
    if verdict.content == "video":
        return open_film(path, verdict, options)
    if verdict.content == "image":
        if is_animated(path, verdict.format):
            demuxer = _ANIMATION_DEMUXERS.get(verdict.format)
            # FFmpeg takes all frames of the older GIF, which says no times, for one.
            if demuxer is not None and not read_head(path).startswith(b"GIF87a"):
                return open_film(path, Sniffed("video", demuxer), options)
            return AnimationSource(
                path, loop=options.loop, strict=options.strict, on_notice=options.on_notice
            )
        return _open_images([path], options, name=path.name, root=None)
    raise SourceError("cannot open source", str(path), verdict.description, FORMS)


def _open_images(
    paths: Sequence[Path],
    options: SourceOptions,
    *,
    name: str,
    root: Path | None,
    film: bool = False,
    find: Callable[[], Sequence[Path]] | None = None,
) -> Source:
    return ImagesSource(
        paths,
        name=name,
        root=root,
        fps=options.fps,
        film=film,
        loop=options.loop,
        strict=options.strict,
        on_notice=options.on_notice,
        find=find,
    )


def matches(pattern: str) -> list[Path]:
    """List what matches a pattern, in no order."""
    pattern = str(Path(pattern).expanduser())
    # Path.glob takes no absolute patterns, which shells and people do.
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207


def _sorted_images(paths: Iterable[Path]) -> list[Path]:
    return sorted((path for path in paths if is_image_file(path)), key=natural_key)


def images_in(folder: Path) -> list[Path]:
    """List a folder's images in natural order.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        return _sorted_images(folder.iterdir())
    except OSError as exc:
        raise cannot_open(folder, exc) from exc
