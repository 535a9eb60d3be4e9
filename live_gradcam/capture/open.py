"""`open_source`: one string says where frames come from."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from pathlib import Path

from live_gradcam.capture.address import find_web_film
from live_gradcam.capture.camera import find_camera
from live_gradcam.capture.device import device_spec
from live_gradcam.capture.medium import AddressMedium
from live_gradcam.capture.open_live import open_camera, open_device, open_scene, open_screen
from live_gradcam.capture.open_path import (
    FORMS,
    VIDEO_DEVICE,
    as_path_text,
    images_in,
    matches,
    missing_file,
    open_film,
    open_path,
    open_standard,
)
from live_gradcam.capture.pattern import is_numbered, numbered_files
from live_gradcam.capture.pipes import STANDARD_INPUT, standard_input_file
from live_gradcam.capture.screen import is_screen, screen_spec
from live_gradcam.capture.source import Source
from live_gradcam.capture.source_options import SourceOptions
from live_gradcam.capture.stream import SCHEMES, StreamSource
from live_gradcam.credentials import parse_address, printable, scheme_of
from live_gradcam.errors import SourceError

_SCENE = re.compile(r"scene(?::(\d+))?")


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
    options = SourceOptions(
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
            return open_camera(int(text), options)
        if not text:
            raise SourceError("cannot open source", "", "its name is empty", FORMS)
        if scene := _SCENE.fullmatch(text):
            return open_scene(int(scene[1]) if scene[1] else seed, options)
        if (screen := screen_spec(text)) is not None:
            return open_screen(screen, options)
        if (device := device_spec(text)) is not None:
            return open_device(*device, options)
        if text == STANDARD_INPUT:
            return open_standard(options)
        if (scheme := scheme_of(text)) is not None:
            return _open_address(text, scheme, options)
    return open_path(as_path_text(str(spec)), options)


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
    text = as_path_text(str(spec))
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return tuple(images_in(path))
        if path.exists():
            return (path,)
        if is_numbered(text) and (numbered := numbered_files(text)):
            return tuple(numbered)
        return tuple(match for match in matches(text) if match.is_file())
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
    path = Path(as_path_text(str(spec))).expanduser()
    try:
        path.stat()
    except FileNotFoundError as exc:
        if not VIDEO_DEVICE.match(text) and find_camera(text) is None:
            raise missing_file(text) from exc
    except (OSError, ValueError):
        return  # opening says why


def _open_address(address: str, scheme: str, options: SourceOptions) -> Source:
    if scheme not in SCHEMES:
        raise SourceError(
            "cannot open source",
            printable(address),
            f"{scheme}:// addresses are not supported",
            f"Use one of {', '.join(sorted(SCHEMES))}",
        )
    if (film := find_web_film(parse_address(address).url)) is not None:
        return open_film(AddressMedium(address, whole=film.whole), film.kind, options)
    return StreamSource(
        address, max_outage_seconds=options.max_outage_seconds, on_notice=options.on_notice
    ).open()
