"""`open_sink`: one string says where explained frames go, into a file or on air."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from live_gradcam.air.address import (
    CAMERA,
    ServeAddress,
    is_on_air,
    is_served,
    refuse_unknown_scheme,
    serve_address,
)
from live_gradcam.air.http_sink import HttpSink
from live_gradcam.air.push import PushSink, can_send
from live_gradcam.air.virtual_camera import VirtualCameraSink
from live_gradcam.choices import StreamFormat
from live_gradcam.credentials import parse_address, printable, scheme_of
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.native import av
from live_gradcam.show import open as files
from live_gradcam.show.sink import Sink
from live_gradcam.values import SourceInfo


def open_sink(
    spec: str | Path,
    info: SourceInfo,
    *,
    overwrite: bool = False,
    fps: float | None = None,
    max_frames: int | None = None,
    threads: int | None = None,
    auth: tuple[str, str] | None = None,
    origins: Sequence[str] = (),
    format: StreamFormat | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Sink:
    """Open one output for the frames of one source.

    ==========================  ==================================================================
    ``http://:8090/``           serves the picture: a page, MJPEG, and the records as events
    ``rtsp://server/name``      sends it to a server; so do ``rtmp``, ``udp``, ``tcp``, ``srt``
    ``camera``                  a virtual camera, for video calls
    a file, a folder, ``-``     see `live_gradcam.show.open.open_sink`
    ==========================  ==================================================================

    Args:
        spec: One of the forms above. A ``Path`` is always a file or a folder.
        info: Where the frames come from.
        overwrite: Replace an existing output.
        fps: Nominal rate of a recording; the source's own by default.
        max_frames: How many frames there will be at most, where that is known.
        threads: Threads of the video encoder; its share of the budget by default.
        auth: Name and password that a served picture asks for.
        origins: Whose pages may read what is served, besides those of this machine.
        format: Of standard output.
        on_notice: Told where the picture is served and who can watch, and when a server is lost.

    Raises:
        UsageError: The form is unknown, the output exists, a single image cannot hold it, or
            nothing can listen at the address.
        SinkError: The output cannot be created.
    """
    if isinstance(spec, str) and is_on_air(spec):
        validate_outputs([spec])
        if spec == CAMERA:
            return VirtualCameraSink(info)
        if can_send(spec):
            return PushSink(spec, on_notice=on_notice)
        return HttpSink(serve_address(spec), auth=auth, origins=origins, on_notice=on_notice)
    return files.open_sink(
        spec,
        info,
        overwrite=overwrite,
        fps=fps,
        max_frames=max_frames,
        threads=threads,
        format=format,
        on_notice=on_notice,
    )


def introduce(sinks: Sequence[Sink]) -> None:
    """Let the pages that are served list all outputs of a session."""
    for sink in sinks:
        if isinstance(sink, HttpSink):
            sink.list_outputs(sinks)


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
    places: set[object] = set()
    for spec in specs:
        if not (isinstance(spec, str) and is_on_air(spec)):
            continue
        place = _place(spec)
        if place in places and place != ServeAddress("127.0.0.1", 0):
            raise UsageError("two outputs are the same", printable(spec), "", "Name it once")
        places.add(place)
    files.validate_outputs(
        [spec for spec in specs if not is_on_air(spec)], source_paths, overwrite=overwrite
    )


def _place(spec: str) -> object:
    """Return what two outputs share exactly if they are the same.

    Raises:
        UsageError: It is no address that can be served or sent to.
    """
    if spec == CAMERA:
        return spec
    if can_send(spec):
        _refuse_unspoken(spec)
        try:
            return parse_address(spec).url
        except SourceError as exc:
            raise UsageError(
                "cannot send the picture", exc.where, exc.cause, exc.next_step
            ) from exc
    if not is_served(spec):
        refuse_unknown_scheme(spec)
    return serve_address(spec)


def _refuse_unspoken(spec: str) -> None:
    """Refuse what this build of FFmpeg cannot speak, and say which other one can.

    Raises:
        UsageError: It is SRT, which PyAV's own FFmpeg is built without.
    """
    if scheme_of(spec) != "srt":
        return
    try:
        av.open("srt:", format="mpegts").close()  # no address: nothing is asked
    except av.error.ProtocolNotFoundError as exc:
        cause = "PyAV's FFmpeg is built without SRT"
        step = (
            "Pipe it to your own: -o - --format matroska | "
            "ffmpeg -i - -c copy -f mpegts 'srt://...'"
        )
        raise UsageError("cannot send the picture", printable(spec), cause, step) from exc
    except (av.error.FFmpegError, OSError, ValueError):
        return
