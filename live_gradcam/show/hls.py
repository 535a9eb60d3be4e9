"""HLS: a list of short films in a folder, which any web server serves and browsers play."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from typing_extensions import override

from live_gradcam.errors import SinkError
from live_gradcam.native import av
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.film_stream import FilmStream
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image, SourceInfo

SUFFIX = ".m3u8"
"""Ending of the list; its segments lie beside it."""

_SEGMENT_SECONDS = 2
# Players begin three segments before the end, and may lag.
_LISTED_SEGMENTS = 6
_DEFAULT_FPS = 25.0
_FLAGS = "temp_file+independent_segments"
_LIVE_FLAGS = "delete_segments+program_date_time"
_STAMP = "%Y%m%dT%H%M%S%f"


def _now() -> datetime:
    return datetime.now(timezone.utc)


class HlsSink(Sink):
    """Writes H.264 in segments of two seconds, and the list of them (RFC 8216).

    The list is whole at every moment, also after a kill. Of what is live, it names the last twelve
    seconds, and what it no longer names is removed; of everything else it names all, and says in
    the end that it is complete. The segments' names have the time of the run in them: no file of
    somebody else is replaced, and no cache shows one of an earlier run.

    Args:
        path: The list, ``folder/live.m3u8``.
        info: Where the frames come from.
        rolling: Name the last segments only.
        now: Returns the present time.

    Raises:
        SinkError: Nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        *,
        rolling: bool,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._path = path
        self._fps = info.fps or _DEFAULT_FPS
        self._rolling = rolling
        self._stamp = now().strftime(_STAMP)[:-3]
        self._film: FilmStream | None = None
        self._frames = 0
        self._first_seconds = self._last_seconds = 0.0
        self._closed = False
        try:
            tempfile.TemporaryFile(dir=path.absolute().parent).close()  # before anything is removed
            remove_earlier(path)
        except OSError as exc:
            raise cannot_write("cannot create the film", path, exc) from exc

    @property
    @override
    def path(self) -> Path:
        return self._path

    @property
    @override
    def on_air(self) -> str:
        return f"on air as {self._path.name}" if self._rolling else ""

    @property
    @override
    def description(self) -> str:
        if not self._frames:
            return f"{self._path} (nothing: there were no frames)"
        frames = "frame" if self._frames == 1 else "frames"
        seconds = self._last_seconds - self._first_seconds + 1 / self._fps
        kept = ", the end of it kept" if self._rolling else ""
        return f"{self._path} ({self._frames} {frames}, {seconds:.1f} s{kept})"

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one image.

        Raises:
            SinkError: It cannot be written. The segments before stay listed.
        """
        if rendered is None:
            raise ValueError("a film needs the drawn picture")
        if self._closed:
            raise SinkError("cannot write the film", str(self._path), "the output is closed")
        try:
            if self._film is None:
                self._film = self._open(rendered.shape[1], rendered.shape[0])
                self._first_seconds = frame.pts_seconds
            self._film.write(rendered, frame.pts_seconds)
        except (av.error.FFmpegError, OSError) as exc:
            self._closed = True
            if self._film is not None:
                self._film.discard()
            raise cannot_write("cannot write the film", self._path, exc) from exc
        self._frames += 1
        self._last_seconds = frame.pts_seconds

    @override
    def close(self) -> None:
        """Write the last segment, and that it is the last. Idempotent.

        Raises:
            SinkError: It cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        if self._film is None:
            return
        try:
            self._film.close()
            if not self._rolling:
                self._call_complete()
        except (av.error.FFmpegError, OSError) as exc:
            raise cannot_write("cannot finish the film", self._path, exc) from exc
        finally:
            self._film.discard()

    def _open(self, width: int, height: int) -> FilmStream:
        place = self._path.absolute()
        segment = str(place.with_name(f"{place.stem}-{self._stamp}")).replace("%", "%%")
        options = {
            "hls_time": str(_SEGMENT_SECONDS),
            "hls_list_size": str(_LISTED_SEGMENTS if self._rolling else 0),
            "hls_segment_filename": f"{segment}-%05d.ts",
            "hls_flags": f"{_FLAGS}+{_LIVE_FLAGS}" if self._rolling else _FLAGS,
        }
        if not self._rolling:
            options["hls_playlist_type"] = "event"  # it grows, and nothing leaves it
        return FilmStream(
            str(place),
            "hls",
            (width, height),
            rate=self._fps,
            key_frame_seconds=_SEGMENT_SECONDS,
            options=options,
        )

    def _call_complete(self) -> None:
        """Make of the list that grew one that is complete from the beginning (``VOD``)."""
        text = self._path.read_text(encoding="utf-8")
        whole = self._path.with_name(self._path.name + ".tmp")
        kind = "#EXT-X-PLAYLIST-TYPE:"
        whole.write_text(text.replace(f"{kind}EVENT", f"{kind}VOD"), encoding="utf-8")
        whole.replace(self._path)


def remove_earlier(path: Path) -> None:
    """Remove a list, and those segments of it whose names only we give.

    Raises:
        OSError: The list cannot be read or removed.
    """
    if not path.exists():
        return
    own = re.compile(rf"{re.escape(path.stem)}-\d{{8}}T\d{{9}}-(?=\d{{5,}}\.ts)")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    runs = {found[0] for line in lines if (found := own.match(line))}
    for each in path.parent.iterdir():
        # Also those that the list names no longer.
        if (found := own.match(each.name)) and found[0] in runs:
            with contextlib.suppress(FileNotFoundError):
                each.unlink()
    path.unlink()
