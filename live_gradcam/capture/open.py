"""`open_source`: one string says where frames come from."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from live_gradcam.capture.address import find_web_film
from live_gradcam.capture.animation import AnimationSource
from live_gradcam.capture.camera import CameraSource, find_camera
from live_gradcam.capture.device import DeviceSource, device_spec
from live_gradcam.capture.images import ImagesSource, is_image_file, natural_key
from live_gradcam.capture.medium import AddressMedium, Medium
from live_gradcam.capture.pattern import is_numbered, numbered_files
from live_gradcam.capture.pipes import (
    STANDARD_INPUT,
    open_pipe,
    open_raw_file,
    open_standard_input,
    standard_input_file,
)
from live_gradcam.capture.raw import RAW, RawFormat, raw_format
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.screen import ScreenSource, ScreenSpec, is_screen, screen_spec
from live_gradcam.capture.source import Source
from live_gradcam.capture.stream import SCHEMES, StreamSource
from live_gradcam.capture.video import VideoSource
from live_gradcam.credentials import parse_address, printable, scheme_of
from live_gradcam.errors import SourceError
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import Sniffed, cannot_open, read_head, sniff

_FILE_ADDRESS = re.compile(r"file://(localhost)?(?=/)", re.IGNORECASE)
_SCENE = re.compile(r"scene(?::(\d+))?")
_VIDEO_DEVICE = re.compile(r"/dev/video\d+$")
# Those of Pillow's formats whose animations FFmpeg reads as well, with its own frame times.
_ANIMATION_DEMUXERS = {"GIF": "gif", "PNG": "apng"}
_FORMS = (
    "Give a camera number, a video, a picture, a folder, a quoted pattern such as 'p_*.png', "
    "an rtsp:// or http:// address, - for standard input, screen, window:TITLE, or scene"
)


def open_source(
    spec: str | int | Path,
    *,
    loop: bool = False,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    max_outage_seconds: float | None = None,
    strict: bool = False,
    stream: int | None = None,
    keep_timestamps: bool = False,
    seed: int = 0,
    input_format: str | None = None,
    pixel_format: str | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Source:
    """Open whatever frames can come from.

    ==========================  ==============================================================
    ``0``, ``/dev/video0``      a camera by number or device; a camera's name works as well
    ``clip.mp4``                a video file, whatever its name; so is ``./0`` a file
    ``mug.jpg``                 an image; an animated GIF, PNG, WebP or AVIF is a film
    ``photos``                  a folder: its images in natural order
    ``"shots/*/p_*.png"``       a pattern: its images in natural order
    ``frame_%04d.png``          numbered images: a film of 25 frames a second, or ``fps``
    ``-``                       standard input, or a named pipe: a film, images, raw video
    ``https://host/clip.mp4``   a film on a web server, read once like a file
    ``rtsp://host/stream``      a network stream: rtsp, rtsps, http, https, rtmp, tcp, udp
    ``v4l2:/dev/video0``        a device by FFmpeg's name for it: ``dshow:``, ``avfoundation:``, ...
    ``screen``, ``screen:2``    a screen; ``screen:left,top,width,height`` a part of the desktop
    ``window:TITLE``            a window, by its title or a part of it
    ``scene``, ``scene:7``      generated scenes, with a seed
    ==========================  ==============================================================

    Args:
        spec: One of the forms above. A ``Path`` is always a file, folder or pattern.
        loop: Files, images: begin again at the end.
        width: Asked of a camera; size of a scene, of raw video.
        height: Asked of a camera; size of a scene, of raw video.
        fps: Asked of a camera; rate of a scene, a screen, raw video; images per second for images.
        max_outage_seconds: Cameras, screens, streams: give up after an outage of that length;
            ``None`` never gives up once there has been an image.
        strict: Files, images: damage is an error instead of being stepped over and counted.
        stream: Films: number of the video stream in the file, as ffprobe counts; ``None`` for the
            one marked as default, or the largest.
        keep_timestamps: Films: times as the file has them, instead of from 0 on.
        seed: Of the scene, unless the spec says one.
        input_format: Asked of a camera: the images' format as they leave it, such as ``mjpeg``.
            ``rawvideo`` says that a pipe or file holds frames without a container.
        pixel_format: Of raw video, by FFmpeg's name; ``bgr24`` by default.
        on_notice: Told each sentence the user should know, when it arises, from any thread.

    Raises:
        SourceError: The source does not exist or cannot be read.
        UsageError: The film has no such stream.
    """
    options = _SourceOptions(
        loop=loop,
        width=width,
        height=height,
        fps=fps,
        max_outage_seconds=max_outage_seconds,
        strict=strict,
        stream=stream,
        keep_timestamps=keep_timestamps,
        seed=seed,
        input_format=input_format,
        pixel_format=pixel_format,
        on_notice=on_notice,
    )
    text = str(spec).strip()
    if not isinstance(spec, Path):
        if isinstance(spec, int) or text.isdecimal():
            return _open_camera(int(text), options)
        if not text:
            raise SourceError("cannot open source", "", "its name is empty", _FORMS)
        if scene := _SCENE.fullmatch(text):
            return _open_scene(int(scene[1]) if scene[1] else seed, options)
        if (screen := screen_spec(text)) is not None:
            return _open_screen(screen, options)
        if (device := device_spec(text)) is not None:
            return _open_device(*device, options)
        if text == STANDARD_INPUT:
            return _open_standard_input(options)
        if (scheme := scheme_of(text)) is not None:
            return _open_address(text, scheme, options)
    return _open_path(_as_path_text(str(spec)), options)


def source_files(spec: str | int | Path) -> tuple[Path, ...]:
    """List the files of this machine that `open_source` would read, without opening any.

    For checks that must come first, such as that no output overwrites an input.
    """
    text = str(spec).strip()
    if not isinstance(spec, Path) and (
        isinstance(spec, int)
        or not text
        or text.isdecimal()
        or _SCENE.fullmatch(text)
        or is_screen(text)
        or device_spec(text) is not None
        or scheme_of(text) is not None
    ):
        return ()
    if text == STANDARD_INPUT and not isinstance(spec, Path):
        path = standard_input_file()
        return () if path is None else (path.resolve(),)
    text = _as_path_text(str(spec))
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return tuple(_images_in(path))
        if path.exists():
            return (path,)
        if is_numbered(text) and (numbered := numbered_files(text)):
            return tuple(numbered)
        return tuple(match for match in _matches(text) if match.is_file())
    except (OSError, ValueError, SourceError):
        return ()


def require_source(spec: str | int | Path) -> None:
    """Refuse a file that is not there, before anything slow or visible is begun.

    Raises:
        SourceError: The source would be a file, and there is none.
    """
    text = str(spec).strip()
    if not isinstance(spec, Path) and (not text or text.isdecimal() or _SCENE.fullmatch(text)):
        return
    if text == STANDARD_INPUT or is_numbered(text):
        return
    if not isinstance(spec, Path) and (screen_spec(text) or device_spec(text)) is not None:
        return
    if source_files(spec) or scheme_of(text) is not None or glob.has_magic(text):
        return
    path = Path(_as_path_text(str(spec))).expanduser()
    try:
        path.stat()
    except FileNotFoundError as exc:
        if not _VIDEO_DEVICE.match(text) and find_camera(text) is None:
            raise _missing(text) from exc
    except (OSError, ValueError):
        return  # opening says why


@dataclass(frozen=True, slots=True, kw_only=True)
class _SourceOptions:
    """Options of `open_source`."""

    loop: bool
    width: int | None
    height: int | None
    fps: float | None
    max_outage_seconds: float | None
    strict: bool
    stream: int | None
    keep_timestamps: bool
    seed: int
    input_format: str | None
    pixel_format: str | None
    on_notice: Callable[[str], None] | None

    @property
    def raw(self) -> RawFormat | None:
        """Format of raw video; ``None`` where the content says what it is."""
        if self.input_format != RAW:
            return None
        return raw_format(self.width, self.height, self.pixel_format, self.fps)


def _as_path_text(text: str) -> str:
    """Return the path of a ``file://`` address (RFC 8089); any other text as it is."""
    if (found := _FILE_ADDRESS.match(text)) is None:
        return text
    literal = text[found.end() :]
    decoded = unquote(literal)
    # Some programs write the path as it is.
    if decoded != literal and not Path(decoded).exists() and Path(literal).exists():
        return literal
    return re.sub(r"^/(?=[A-Za-z]:)", "", decoded) if os.name == "nt" else decoded


def _open_path(text: str, options: _SourceOptions) -> Source:
    path = Path(text).expanduser()
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as exc:
        return _open_missing(text, options, exc)
    except (OSError, ValueError) as exc:
        raise cannot_open(path, exc) from exc
    if stat.S_ISCHR(mode) and _VIDEO_DEVICE.match(str(path.resolve())):
        return _open_camera(text, options)
    if stat.S_ISFIFO(mode):
        return _open_pipe(path, options)
    if stat.S_ISDIR(mode):
        paths = _images_in(path)
        if not paths:
            raise SourceError("cannot open pictures", text, "the folder holds no pictures", _FORMS)
        name = path.resolve().name or text
        return _open_images(paths, options, name=name, root=path, find=lambda: _images_in(path))
    return _open_file(path, options)


def _open_missing(text: str, options: _SourceOptions, missing: FileNotFoundError) -> Source:
    """Open what is no file of that very name: a pattern, a camera's name, an absent camera."""
    if _VIDEO_DEVICE.match(text):
        return _open_camera(text, options)
    if is_numbered(text):
        return _open_numbered(text, options)
    if glob.has_magic(text):
        found = [path for path in _matches(text) if path.is_file()]
        paths = _sorted_images(found)
        if paths:

            def find() -> list[Path]:
                return _sorted_images(_matches(text))

            return _open_images(paths, options, name=text, root=None, find=find)
        if len(found) == 1:
            return _open_file(found[0], options)
        cause = "no picture is among the matches" if found else "no file matches"
        raise SourceError("cannot open pictures", text, cause, "Check the pattern and its folder")
    if (camera := find_camera(text)) is not None:
        return _open_camera(camera.index, options)
    raise _missing(text) from missing


def _missing(text: str) -> SourceError:
    return SourceError("cannot open source", printable(text), "there is no such file", _FORMS)


def _open_numbered(text: str, options: _SourceOptions) -> Source:
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


def _open_standard_input(options: _SourceOptions) -> Source:
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


def _open_pipe(path: Path, options: _SourceOptions) -> Source:
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


def _open_film(medium: Path | Medium, verdict: Sniffed, options: _SourceOptions) -> Source:
    return VideoSource(
        medium,
        loop=options.loop,
        strict=options.strict,
        stream=options.stream,
        keep_timestamps=options.keep_timestamps,
        sniffed=verdict,
        on_notice=options.on_notice,
    )


def _open_file(path: Path, options: _SourceOptions) -> Source:
    if (raw := options.raw) is not None:
        return open_raw_file(
            path, raw, loop=options.loop, strict=options.strict, on_notice=options.on_notice
        )
    verdict = sniff(path)
    if verdict.content == "video":
        return _open_film(path, verdict, options)
    if verdict.content == "image":
        if is_animated(path, verdict.format):
            demuxer = _ANIMATION_DEMUXERS.get(verdict.format)
            # FFmpeg takes all frames of the older GIF, which says no times, for one.
            if demuxer is not None and not read_head(path).startswith(b"GIF87a"):
                return _open_film(path, Sniffed("video", demuxer), options)
            return AnimationSource(
                path, loop=options.loop, strict=options.strict, on_notice=options.on_notice
            )
        return _open_images([path], options, name=path.name, root=None)
    raise SourceError("cannot open source", str(path), verdict.description, _FORMS)


def _open_images(
    paths: Sequence[Path],
    options: _SourceOptions,
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


def _matches(pattern: str) -> list[Path]:
    pattern = str(Path(pattern).expanduser())
    # Path.glob takes no absolute patterns, which shells and people do.
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207


def _sorted_images(paths: Iterable[Path]) -> list[Path]:
    return sorted((path for path in paths if is_image_file(path)), key=natural_key)


def _images_in(folder: Path) -> list[Path]:
    try:
        return _sorted_images(folder.iterdir())
    except OSError as exc:
        raise cannot_open(folder, exc) from exc


def _open_camera(device: int | str, options: _SourceOptions) -> Source:
    return CameraSource(
        device,
        width=options.width,
        height=options.height,
        fps=options.fps,
        input_format=options.input_format,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def _open_device(kind: str, device: str, options: _SourceOptions) -> Source:
    return DeviceSource(
        kind,
        device,
        width=options.width,
        height=options.height,
        fps=options.fps,
        input_format=options.input_format,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def _open_screen(screen: ScreenSpec, options: _SourceOptions) -> Source:
    return ScreenSource(
        screen,
        fps=options.fps,
        max_outage_seconds=options.max_outage_seconds,
        on_notice=options.on_notice,
    ).open()


def _open_address(address: str, scheme: str, options: _SourceOptions) -> Source:
    if scheme not in SCHEMES:
        raise SourceError(
            "cannot open source",
            printable(address),
            f"{scheme}:// addresses are not supported",
            f"Use one of {', '.join(sorted(SCHEMES))}",
        )
    if (film := find_web_film(parse_address(address).url)) is not None:
        return _open_film(AddressMedium(address, whole=film.whole), film.kind, options)
    return StreamSource(
        address, max_outage_seconds=options.max_outage_seconds, on_notice=options.on_notice
    ).open()


def _open_scene(seed: int, options: _SourceOptions) -> Source:
    sizes = {"width": options.width, "height": options.height}
    given = {name: value for name, value in sizes.items() if value is not None}
    if options.fps is not None:
        return SceneSource(seed=seed, fps=options.fps, **given)
    return SceneSource(seed=seed, **given)
