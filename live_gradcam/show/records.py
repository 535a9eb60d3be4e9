"""One record for each frame: JSON lines for programs, CSV for spreadsheets."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from live_gradcam.errors import SinkError
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image

RecordFormat: TypeAlias = Literal["jsonl", "csv"]

RECORD_FORMATS: Mapping[str, RecordFormat] = {".jsonl": "jsonl", ".csv": "csv"}
"""File suffixes of records."""


def record(
    frame: Frame, explanation: Explanation, *, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make the record of one explained frame, ready for JSON.

    Args:
        frame: The frame.
        explanation: Its explanation.
        extra: More keys at the end, e.g. of the truth meter.

    Returns:
        ``index``, ``pts_seconds``, ``original_pts_seconds`` (the source's own), ``source``,
        ``explained`` (class index of the shown map, or ``None``), ``method`` (that made the map),
        ``output`` (``softmax``, ``sigmoid``, ``binary`` or ``raw``: how probabilities follow from
        logits), ``predictions`` (best first: ``class_index``, ``label``, ``logit``,
        ``probability``, which is ``None`` for ``raw``, whose logit is the number itself),
        ``region`` (``[x, y, width, height]`` of what the network saw, in frame pixels), ``roi``
        (likewise, the part of the frame that was explained; only where it was not all), ``int8``
        (`live_gradcam.values.Int8Fidelity`; only where the network is in 8 bits) and
        ``timings_ms``.
        Numbers that are not finite are ``None``.
    """
    content: dict[str, Any] = _finite(
        {
            "index": frame.index,
            "pts_seconds": frame.pts_seconds,
            "original_pts_seconds": frame.pts_seconds + frame.start_seconds,
            "source": frame.source,
            "explained": explanation.explained[0] if explanation.explained else None,
            "method": explanation.method,
            "output": explanation.output.name,
            "predictions": [
                {
                    "class_index": prediction.class_index,
                    "label": prediction.label,
                    "logit": prediction.logit,
                    "probability": prediction.probability,
                }
                for prediction in explanation.predictions
            ],
            "region": explanation.region.as_list(),
            **({} if explanation.roi is None else {"roi": explanation.roi.as_list()}),
            **({} if explanation.int8 is None else {"int8": explanation.int8._asdict()}),
            "timings_ms": dict(explanation.timings_ms),
            **(extra or {}),
        }
    )
    return content


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Convert ``value`` to Python's own types, without NaN and infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and not math.isfinite(number):
        return None
    return number


def json_line(content: Mapping[str, Any]) -> str:
    """Format a record as one line of JSON."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a record to the cells of one row.

    The best prediction's cells are ``class_index``, ``label``, ``logit`` and ``probability``, those
    of the next ones begin with ``top2_``, ``top3_`` and so on, those of ``int8`` with ``int8_``.
    """
    row: dict[str, Any] = {}
    for key, value in content.items():
        if key == "predictions":
            for place, prediction in enumerate(value, 1):
                prefix = "" if place == 1 else f"top{place}_"
                row.update({prefix + name: cell for name, cell in prediction.items()})
        elif key in ("region", "roi"):
            names = (f"{key}_{name}" for name in ("x", "y", "width", "height"))
            row.update(zip(names, value, strict=True))
        elif key == "int8":
            row.update({f"int8_{name}": figure for name, figure in value.items()})
        elif key == "timings_ms":
            row.update({f"{stage}_ms": duration for stage, duration in value.items()})
        elif isinstance(value, (Mapping, list)):
            row[key] = json.dumps(value, ensure_ascii=False)
        else:
            row[key] = value
    return row


def csv_line(cells: Sequence[object]) -> str:
    """Format cells as one row of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


class RecordSink(Sink):
    """Sink of one record a frame, each written through at once.

    Args:
        path: The file; emptied if it exists. ``None`` is standard output.
        format: JSON lines or CSV. The columns of CSV are those of the first record.

    Raises:
        SinkError: The file cannot be created.
    """

    needs_rendered = False

    def __init__(self, path: Path | None, *, format: RecordFormat = "jsonl") -> None:
        self._path = path
        self._format = format
        self._where = "standard output" if path is None else str(path)
        self._columns: Sequence[str] | None = None
        self._count = 0
        self._failed = False
        self._out = _Lines(path) if path is not None else None
        self._put: Callable[[bytes], None] = self._out.put if self._out else _put_on_stdout

    @property
    def path(self) -> Path | None:
        """The file; ``None`` for standard output."""
        return self._path

    @property
    def description(self) -> str:
        """File and number of records."""
        return f"{self._where} ({self._count} {'record' if self._count == 1 else 'records'})"

    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        """Write one record; the rendered image does not matter.

        Raises:
            SinkError: It cannot be written. The records before are complete.
        """
        if self._failed or (self._out is not None and self._out.closed):
            raise SinkError("cannot write records", self._where, "the output is closed")
        content = record(frame, explanation, extra=extra)
        text = json_line(content) if self._format == "jsonl" else self._csv_rows(content)
        try:
            self._put(text.encode("utf-8", "backslashreplace"))
        except OSError as exc:
            self._failed = True
            failure = cannot_write("cannot write records", self._where, exc)
            kept = f"{self._count} complete records are kept" if self._out else ""
            cause = "; ".join(part for part in (failure.cause, kept) if part)
            raise SinkError(failure.what, failure.where, cause, failure.next_step) from exc
        self._count += 1

    def close(self) -> None:
        """Close the file; standard output stays open. Idempotent."""
        if self._out is not None:
            self._out.close()

    def _csv_rows(self, content: Mapping[str, Any]) -> str:
        row = flat(content)
        heading = ""
        if self._columns is None:
            self._columns = tuple(row)
            heading = csv_line(self._columns)
        return heading + csv_line([row.get(column) for column in self._columns])


class _Lines:
    """A file that holds whole lines only."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as exc:
            raise cannot_write("cannot create records", path, exc) from exc
        self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._size = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def put(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            if self._regular:
                os.ftruncate(self._file.fileno(), self._size)
            raise
        self._size += len(data)

    def close(self) -> None:
        self._file.close()


def _put_on_stdout(data: bytes) -> None:
    # Past Python's own buffer: what cannot be written must not fail again when Python ends.
    try:
        sys.stdout.flush()
        descriptor = sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        if sys.stdout is None:
            raise OSError(errno.EBADF, "there is no standard output") from None
        sys.stdout.write(data.decode("utf-8"))
        return
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
