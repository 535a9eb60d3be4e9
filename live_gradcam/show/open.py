"""`open_sink`: one string says where explained frames go."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from live_gradcam.choices import StreamFormat
from live_gradcam.credentials import scheme_of
from live_gradcam.errors import UsageError
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.animation import ANIMATIONS, AnimationSink
from live_gradcam.show.film_formats import FORMATS
from live_gradcam.show.hls import SUFFIX as HLS_SUFFIX
from live_gradcam.show.hls import HlsSink
from live_gradcam.show.images import (
    ENCODER_OPTIONS,
    FolderSink,
    ImageSink,
    already_exists,
    image_name,
)
from live_gradcam.show.map_archive import SUFFIX as MAPS_SUFFIX
from live_gradcam.show.map_archive import MapArchiveSink
from live_gradcam.show.map_images import MapFolderSink, is_maps_folder
from live_gradcam.show.recorder import VideoSink
from live_gradcam.show.records import RECORD_FORMATS, RecordSink
from live_gradcam.show.sink import Sink
from live_gradcam.show.standard_output import PictureStreamSink
from live_gradcam.values import SourceInfo

_SUFFIXES = tuple(
    dict.fromkeys(
        (*FORMATS, *ANIMATIONS, *ENCODER_OPTIONS, *RECORD_FORMATS, MAPS_SUFFIX, HLS_SUFFIX)
    )
)


def open_sink(
    spec: str | Path,
    info: SourceInfo,
    *,
    overwrite: bool = False,
    fps: float | None = None,
    max_frames: int | None = None,
    threads: int | None = None,
    format: StreamFormat | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Sink:
    """Open one output for the frames of one source.

    ==========================  ==================================================================
    ``out.mp4``, ``.mov``,      a film with the source's times and sound: H.264, in WebM VP9
    ``.mkv``, ``.webm``
    ``hls/live.m3u8``           HLS: a list of segments beside it, rolling for what is live
    ``out.gif``, ``.webp``,     an animated picture with the source's times
    ``.apng``
    ``out.png``, ``out.jpg``    the image of a source with a single frame; so is ``.webp``
    ``out/``, a folder          an image for each frame
    ``maps/``, ``clip-maps/``   a 16-bit grey PNG of the map for each frame
    ``out.npz``                 the maps of all frames, for NumPy
    ``out.jsonl``, ``out.csv``  a record for each frame
    ``-``                       standard output: JSON lines, or what ``format`` says
    ==========================  ==================================================================

    Args:
        spec: One of the forms above. A ``Path`` is always a file or a folder.
        info: Where the frames come from.
        overwrite: Replace an existing output.
        fps: Nominal rate of a recording; the source's own by default.
        max_frames: How many frames there will be at most, where that is known.
        threads: Threads of the video encoder; its share of the budget by default.
        format: Of standard output: records, or the drawn picture.
        on_notice: Told how pictures on standard output are read.

    Raises:
        UsageError: The form is unknown, the output exists, or a single image cannot hold it.
        SinkError: The output cannot be created.
    """
    validate_outputs([spec], overwrite=overwrite)
    if spec == "-":
        if format is None or format == "jsonl":
            return RecordSink(None)
        return PictureStreamSink(format, info, on_notice=on_notice)
    path = Path(spec)
    suffix = path.suffix.lower()
    if is_maps(spec):
        return MapFolderSink(path, info, overwrite=overwrite)
    if is_folder(spec):
        return FolderSink(path, info, overwrite=overwrite)
    if suffix == MAPS_SUFFIX:
        return MapArchiveSink(path)
    if suffix == HLS_SUFFIX:
        endless = info.kind == "scene" and max_frames is None
        return HlsSink(path, info, rolling=info.live or endless)
    if suffix in FORMATS:
        return VideoSink(path, info, fps=fps, threads=threads)
    single = info.frame_count == 1 or max_frames == 1
    if suffix in ANIMATIONS and not (single and suffix in ENCODER_OPTIONS):
        return AnimationSink(path, info)
    if suffix in ENCODER_OPTIONS:
        if not single:
            raise UsageError(
                "one picture cannot hold the output",
                str(spec),
                f"{info.name} has more than one frame",
                f"Give a folder such as {path.with_suffix('')}/, a film such as "
                f"{path.with_suffix('.mp4')}, an animation such as {path.with_suffix('.gif')}, "
                "or add --max-frames 1",
            )
        return ImageSink(path)
    return RecordSink(path, format=RECORD_FORMATS.get(suffix, "jsonl"))


def validate_outputs(
    specs: Sequence[str | Path],
    source_paths: Sequence[Path] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Refuse outputs that cannot be right, before anything is opened or created.

    Args:
        specs: The outputs, each in one of the forms of `open_sink`.
        source_paths: The files that are read.
        overwrite: Existing outputs may be replaced.

    Raises:
        UsageError: An output has an unknown form, is read at the same time, exists, or is named
            twice.
        SinkError: The folder of an output does not exist.
    """
    seen: dict[str, str] = {}
    for spec in specs:
        _check_form(spec)
        identity = _identity(spec)
        if identity in seen:
            raise UsageError(
                "two outputs are the same",
                str(spec),
                f"it is {seen[identity]} again",
                "Name it once",
            )
        seen[identity] = str(spec)
        if spec == "-":
            continue
        path = Path(spec)
        try:
            _check_sources(path, source_paths)
            _check_place(path)
            if not overwrite:
                _check_absent(path, source_paths)
        except OSError as exc:  # a name that is too long, a folder that must not be looked into
            raise cannot_write("cannot create output", path, exc) from exc


def _identity(spec: str | Path) -> str:
    """Return a key that two specs share exactly if they name the same output."""
    try:
        return "-" if spec == "-" else os.path.normcase(Path(spec).resolve())
    except (OSError, RuntimeError) as exc:  # links in a circle, a working folder that is gone
        error = exc if isinstance(exc, OSError) else OSError(errno.ELOOP, "links go in a circle")
        raise cannot_write("cannot create output", spec, error) from exc


def is_folder(spec: str | Path) -> bool:
    """Return whether an output is a folder, or would become one."""
    if isinstance(spec, str) and (spec == "camera" or scheme_of(spec) is not None):
        return False
    path = Path(spec)
    if path.is_dir():
        return True
    if path.exists():
        return False
    return str(spec).endswith(("/", os.sep)) or not path.suffix


def is_maps(spec: str | Path) -> bool:
    """Return whether an output is a folder of maps, going by its name."""
    return spec != "-" and is_folder(spec) and is_maps_folder(str(spec))


def is_playlist(spec: str | Path) -> bool:
    """Return whether an output is HLS, which can be watched while it is written."""
    return spec != "-" and Path(spec).suffix.lower() == HLS_SUFFIX


def is_record(spec: str | Path) -> bool:
    """Return whether an output has a record for each frame."""
    return spec == "-" or (not is_folder(spec) and Path(spec).suffix.lower() in RECORD_FORMATS)


def _is_device(path: Path) -> bool:
    """Return whether nothing is lost by writing there: it is a device or a pipe."""
    return path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()


def _check_form(spec: str | Path) -> None:
    path = Path(spec)
    allowed = ", ".join(_SUFFIXES)
    step = f"Use {allowed}, a folder, or - for standard output"
    if not str(spec).strip() or "\0" in str(spec):
        raise UsageError("unknown output", str(spec), "it has no name", step)
    if spec == "-" or path.suffix.lower() in _SUFFIXES:
        return
    try:
        if is_folder(spec) or _is_device(path):
            return
    except OSError:
        return  # _check_place says what is wrong with it
    cause = (
        f"its ending {path.suffix} is not known" if path.suffix else "it is a file without ending"
    )
    raise UsageError("unknown output", str(spec), cause, step)


def _check_sources(path: Path, source_paths: Sequence[Path]) -> None:
    for source in source_paths:
        same_file = path.exists() and source.exists() and path.samefile(source)
        beside = path.is_dir() and source.exists() and path.samefile(source.resolve().parent)
        # In a folder, images keep their names: next to their originals means over them.
        if same_file or (beside and image_name(source.name, 0) == source.name):
            raise UsageError(
                "output equals input",
                str(path),
                f"it would replace {source}" if beside else "it is read at the same time",
                "Choose another name",
            )


def _check_place(path: Path) -> None:
    parent = path.resolve().parent
    if not parent.is_dir():
        problem = errno.ENOTDIR if parent.exists() else errno.ENOENT
        raise cannot_write("cannot create output", path, OSError(problem, os.strerror(problem)))


def _check_absent(path: Path, source_paths: Sequence[Path]) -> None:
    if path.is_dir():
        images = [s for s in source_paths if s.suffix.lower() in ENCODER_OPTIONS]
        names = {image_name(source.name, 0) for source in images}
        for name in sorted(names | {image_name("", 0)}):
            if (path / name).exists():
                raise already_exists(path / name)
    elif path.exists() and not _is_device(path):
        raise already_exists(path)
