"""`open_source`: one string says where frames come from."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from live_gradcam.capture.camera import CameraSource, find_camera
from live_gradcam.capture.credentials import printable, scheme_of
from live_gradcam.capture.images import ImagesSource, is_image_file, natural_key
from live_gradcam.capture.scene import SceneSource
from live_gradcam.capture.source import Source
from live_gradcam.capture.stream import SCHEMES, StreamSource
from live_gradcam.capture.video import VideoSource
from live_gradcam.errors import SourceError
from live_gradcam.images.sniff import cannot_open, sniff

_SCENE = re.compile(r"scene(?::(\d+))?")
_VIDEO_DEVICE = re.compile(r"/dev/video\d+$")
_FORMS = (
    "Give a camera number, a video, a picture, a folder, a quoted pattern such as 'p_*.png', "
    "an rtsp:// or http:// address, or scene"
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
    seed: int = 0,
    on_notice: Callable[[str], None] | None = None,
) -> Source:
    """Open whatever frames can come from.

    ==========================  ==============================================================
    ``0``, ``/dev/video0``      a camera by number or device; a camera's name works as well
    ``clip.mp4``                a video file, whatever its name; so is ``./0`` a file
    ``mug.jpg``                 an image
    ``photos``                  a folder: its images in natural order
    ``"shots/*/p_*.png"``       a pattern: its images in natural order
    ``rtsp://host/stream``      a network stream: rtsp, rtsps, http, https, rtmp, tcp, udp
    ``scene``, ``scene:7``      generated scenes, with a seed
    ==========================  ==============================================================

    Args:
        spec: One of the forms above. A ``Path`` is always a file, folder or pattern.
        loop: Files, images: begin again at the end.
        width: Asked of a camera; size of a scene.
        height: Asked of a camera; size of a scene.
        fps: Asked of a camera; rate of a scene; images per second for images.
        max_outage_seconds: Cameras, streams: give up after an outage of that length; ``None``
            never gives up once there has been an image.
        strict: Files, images: damage is an error instead of being stepped over and counted.
        seed: Of the scene, unless the spec says one.
        on_notice: Told each sentence the user should know, when it arises, from any thread.

    Raises:
        SourceError: The source does not exist or cannot be read.
    """
    options = _SourceOptions(loop, width, height, fps, max_outage_seconds, strict, seed, on_notice)
    text = str(spec).strip()
    if not isinstance(spec, Path):
        if isinstance(spec, int) or text.isdecimal():
            return _open_camera(int(text), options)
        if not text:
            raise SourceError("cannot open source", "", "its name is empty", _FORMS)
        if scene := _SCENE.fullmatch(text):
            return _open_scene(int(scene[1]) if scene[1] else seed, options)
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
        or scheme_of(text) is not None
    ):
        return ()
    text = _as_path_text(str(spec))
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return tuple(_images_in(path))
        if path.exists():
            return (path,)
        return tuple(match for match in _matches(text) if match.is_file())
    except (OSError, ValueError, SourceError):
        return ()


@dataclass(frozen=True, slots=True)
class _SourceOptions:
    """Options of `open_source`."""

    loop: bool
    width: int | None
    height: int | None
    fps: float | None
    max_outage_seconds: float | None
    strict: bool
    seed: int
    on_notice: Callable[[str], None] | None


def _as_path_text(text: str) -> str:
    return re.sub(r"^file://(localhost)?(?=/)", "", text, flags=re.IGNORECASE)


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
    if stat.S_ISDIR(mode):
        paths = _images_in(path)
        if not paths:
            raise SourceError("cannot open pictures", text, "the folder holds no pictures", _FORMS)
        return _open_images(paths, options, name=path.resolve().name or text, root=path)
    return _open_file(path, options)


def _open_missing(text: str, options: _SourceOptions, missing: FileNotFoundError) -> Source:
    """Open what is no file of that very name: a pattern, a camera's name, an absent camera."""
    if _VIDEO_DEVICE.match(text):
        return _open_camera(text, options)
    if glob.has_magic(text):
        found = [path for path in _matches(text) if path.is_file()]
        paths = sorted((path for path in found if is_image_file(path)), key=natural_key)
        if paths:
            return _open_images(paths, options, name=text, root=None)
        if len(found) == 1:
            return _open_file(found[0], options)
        cause = "no picture is among the matches" if found else "no file matches"
        raise SourceError("cannot open pictures", text, cause, "Check the pattern and its folder")
    if (camera := find_camera(text)) is not None:
        return _open_camera(camera.index, options)
    raise SourceError(
        "cannot open source", printable(text), "there is no such file", _FORMS
    ) from missing


def _open_file(path: Path, options: _SourceOptions) -> Source:
    verdict = sniff(path)
    if verdict.content == "video":
        return VideoSource(
            path,
            loop=options.loop,
            strict=options.strict,
            sniffed=verdict,
            on_notice=options.on_notice,
        )
    if verdict.content == "image":
        return _open_images([path], options, name=path.name, root=None)
    raise SourceError("cannot open source", str(path), verdict.description, _FORMS)


def _open_images(
    paths: Sequence[Path], options: _SourceOptions, *, name: str, root: Path | None
) -> Source:
    return ImagesSource(
        paths,
        name=name,
        root=root,
        fps=options.fps,
        loop=options.loop,
        strict=options.strict,
        on_notice=options.on_notice,
    )


def _matches(pattern: str) -> list[Path]:
    pattern = str(Path(pattern).expanduser())
    # Path.glob takes no absolute patterns, which shells and people do.
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207


def _images_in(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if is_image_file(path)), key=natural_key)
    except OSError as exc:
        raise cannot_open(folder, exc) from exc


def _open_camera(device: int | str, options: _SourceOptions) -> Source:
    return CameraSource(
        device,
        width=options.width,
        height=options.height,
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
    return StreamSource(
        address, max_outage_seconds=options.max_outage_seconds, on_notice=options.on_notice
    ).open()


def _open_scene(seed: int, options: _SourceOptions) -> Source:
    sizes = {"width": options.width, "height": options.height}
    given = {name: value for name, value in sizes.items() if value is not None}
    if options.fps is not None:
        return SceneSource(seed=seed, fps=options.fps, **given)
    return SceneSource(seed=seed, **given)
