"""The maps themselves in one file for NumPy: ``maps.npz``.

Frames are spooled beside the output, so that memory does not grow with their number; the archive
is made of them when the run ends, whatever ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import SinkError
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import check_writable
from live_gradcam.show.panels import shown_label
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

SUFFIX = ".npz"
"""File suffix of maps for NumPy."""

KEYS = {
    "evidence": "float32 (N, K, h, w): the maps, signed; NaN beyond a smaller map's own size",
    "sizes": "int64 (N, 2): rows and columns of each frame's maps",
    "classes": "int64 (N, K): the class of each map; -1 where a frame has fewer",
    "labels": "str (N, K): its name",
    "regions": "int64 (N, 4): x, y, width, height of what the maps cover, in frame pixels",
    "rois": "int64 (N, 4): likewise, the part that was explained; the whole frame where it was all",
    "image_sizes": "int64 (N, 2): rows and columns of the frame",
    "names": "str (N): file or source of the frame",
    "indices": "int64 (N): its number in the source",
    "pts_seconds": "float64 (N): its time",
    "predicted": "int64 (N, P): the best classes, best first; -1 where a frame has fewer",
    "predicted_labels": "str (N, P): their names",
    "logits": "float32 (N, P): their scores",
    "probabilities": "float32 (N, P): their probabilities; NaN where the output is plain numbers",
    "method": "str (): what made the maps",
    "unit": "str (): of the maps",
    "output": "str (): what the network's output means",
}
"""The arrays of an archive, for N frames, at most K maps and P predictions of each."""

_TIME = (1980, 1, 1, 0, 0, 0)  # the same run makes the same file
_ROWS = 1024


class MapArchiveSink(Sink):
    """Sink of all evidence of all frames, with classes, regions and names; see `KEYS`.

    Args:
        path: The file; it appears, complete, when the sink is closed.

    Raises:
        SinkError: No file can be made there.
    """

    needs_rendered = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._most = {"maps": 0, "rows": 0, "columns": 0, "predictions": 0}
        self._longest = {"labels": 1, "names": 1, "predicted_labels": 1}
        self._facts = {"method": "", "unit": "", "output": ""}
        self._broken = False
        self._spools: tuple[IO[bytes], IO[bytes]] | None = None
        folder = path.resolve().parent
        try:
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(13, os.strerror(13), str(path))
            self._device = path.exists() and not stat.S_ISREG(path.stat().st_mode)
            if not self._device:
                check_writable(folder)
            place = None if self._device else folder
            # Without a name where the system can: a process that is killed leaves nothing behind.
            self._spools = (self._spool(place), self._spool(place))
        except OSError as exc:
            raise cannot_write("cannot create maps", path, exc) from exc

    @staticmethod
    def _spool(folder: Path | None) -> IO[bytes]:
        file: IO[bytes] = tempfile.TemporaryFile(dir=folder, prefix=".maps.", suffix=".part")  # noqa: SIM115
        return file

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def description(self) -> str:
        """File and number of frames."""
        return f"{self._path} (maps of {self._count} {'frame' if self._count == 1 else 'frames'})"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Keep the maps of one frame; the rendered image does not matter.

        Raises:
            SinkError: They cannot be kept. Those of the frames before are written at the end.
        """
        if self._spools is None or self._broken:
            raise SinkError("cannot write maps", str(self._path), "the output is closed")
        maps = np.ascontiguousarray(explanation.evidence, np.float32)
        row = _row(frame, explanation)
        line = json.dumps(row).encode("utf-8") + b"\n"
        ends = [spool.tell() for spool in self._spools]
        try:
            for spool, data in zip(self._spools, (maps.tobytes(), line), strict=True):
                spool.write(data)
                spool.flush()
        except OSError as exc:
            self._broken = True
            self._take_back(ends)
            raise cannot_write("cannot write maps", self._path, exc) from exc
        self._count += 1
        sizes = (*maps.shape, len(explanation.predictions))
        for name, size in zip(self._most, sizes, strict=True):
            self._most[name] = max(self._most[name], size)
        for name, before in self._longest.items():
            texts = row[name] if isinstance(row[name], list) else [row[name]]
            self._longest[name] = max(before, *map(len, texts), 1)
        if self._count == 1:
            output = explanation.output.name
            self._facts = {"method": explanation.method, "unit": explanation.unit, "output": output}

    def _take_back(self, ends: list[int]) -> None:
        for spool, end in zip(self._spools or (), ends, strict=False):
            with contextlib.suppress(OSError):
                spool.seek(end)
                spool.truncate()

    def close(self) -> None:
        """Write the archive. Idempotent.

        Raises:
            SinkError: It cannot be written; there is none then, or the one that was there before.
        """
        spools, self._spools = self._spools, None
        if spools is None:
            return
        try:
            if self._count:
                self._write_archive(*spools)
        except OSError as exc:
            raise cannot_write("cannot write maps", self._path, exc) from exc
        finally:
            for spool in spools:
                with contextlib.suppress(OSError):
                    spool.close()

    def _write_archive(self, evidence: IO[bytes], lines: IO[bytes]) -> None:
        target = self._path.resolve()
        if self._device:
            with target.open("wb", buffering=0) as device:
                self._write_arrays(cast("IO[bytes]", _Forward(device)), evidence, lines)
            return
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as file:
                self._write_arrays(file, evidence, lines)
            beside.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise

    def _write_arrays(self, file: IO[bytes], evidence: IO[bytes], lines: IO[bytes]) -> None:
        most, count = self._most, self._count
        with zipfile.ZipFile(file, "w") as archive:
            shape = (count, most["maps"], most["rows"], most["columns"])
            with _array(archive, "evidence", np.dtype("<f4"), shape) as put:
                for maps in _read_maps(evidence, lines):
                    whole = np.full(shape[1:], np.nan, np.float32)
                    whole[: maps.shape[0], : maps.shape[1], : maps.shape[2]] = maps
                    put(whole.tobytes())
            for name, kind, width, fill in self._columns():
                inner = () if width is None else (width,)
                with _array(archive, name, kind, (count, *inner)) as put:
                    for values in _read_column(lines, name, width, fill):
                        put(np.array(values, kind).tobytes())
            for name, text in self._facts.items():
                with _array(archive, name, np.dtype(f"<U{max(1, len(text))}"), ()) as put:
                    put(np.array(text, f"<U{max(1, len(text))}").tobytes())

    def _columns(self) -> Iterator[tuple[str, np.dtype[Any], int | None, Any]]:
        """Yield name, type, number of values of a frame, and what fills up to that."""
        maps, best = self._most["maps"], self._most["predictions"]
        whole, text = np.dtype("<i8"), self._longest
        yield "sizes", whole, 2, 0
        yield "classes", whole, maps, -1
        yield "labels", np.dtype(f"<U{text['labels']}"), maps, ""
        yield "regions", whole, 4, 0
        yield "rois", whole, 4, 0
        yield "image_sizes", whole, 2, 0
        yield "names", np.dtype(f"<U{text['names']}"), None, ""
        yield "indices", whole, None, 0
        yield "pts_seconds", np.dtype("<f8"), None, 0.0
        yield "predicted", whole, best, -1
        yield "predicted_labels", np.dtype(f"<U{text['predicted_labels']}"), best, ""
        yield "logits", np.dtype("<f4"), best, float("nan")
        yield "probabilities", np.dtype("<f4"), best, float("nan")


def _row(frame: Frame, explanation: Explanation) -> dict[str, Any]:
    """Return all of a frame but its maps, ready for JSON."""
    found = explanation.predictions
    height, width = frame.image.shape[:2]
    return {
        "maps": list(explanation.evidence.shape),
        "sizes": list(explanation.evidence.shape[1:]),
        "classes": list(map(int, explanation.explained)),
        "labels": [shown_label(explanation, i) for i in range(len(explanation.explained))],
        "regions": explanation.region.as_list(),
        "rois": [0, 0, width, height] if explanation.roi is None else explanation.roi.as_list(),
        "image_sizes": list(frame.image.shape[:2]),
        "names": frame.source,
        "indices": frame.index,
        "pts_seconds": float(frame.pts_seconds),
        "predicted": [each.class_index for each in found],
        "predicted_labels": [each.label for each in found],
        "logits": [float(each.logit) for each in found],
        "probabilities": [
            float("nan") if each.probability is None else float(each.probability) for each in found
        ],
    }


def _read_maps(evidence: IO[bytes], lines: IO[bytes]) -> Iterator[NDArray[np.float32]]:
    evidence.seek(0)
    lines.seek(0)
    for line in lines:
        shape = json.loads(line)["maps"]
        data = evidence.read(4 * int(np.prod(shape)))
        yield np.frombuffer(data, np.float32).reshape(shape)


def _read_column(
    lines: IO[bytes], name: str, width: int | None, fill: object
) -> Iterator[list[Any]]:
    """Yield the values of a column, many frames at a time."""
    lines.seek(0)
    rows: list[Any] = []
    for line in lines:
        value = json.loads(line)[name]
        if width is not None:
            value = value + [fill] * (width - len(value))
        rows.append(value)
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


@contextlib.contextmanager
def _array(
    archive: zipfile.ZipFile, name: str, kind: np.dtype[Any], shape: tuple[int, ...]
) -> Iterator[Callable[[bytes], object]]:
    """Begin an array in the archive; give its bytes to what is yielded."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy", _TIME), "w", force_zip64=True) as file:
        header = {"descr": kind.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        yield file.write


class _Forward:
    """A device as a file that can only be written: an archive then needs no way back."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - a raw file
        self._file = file

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""
