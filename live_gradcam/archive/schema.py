"""The tables of an archive as Parquet: their columns, and the one place that writes and reads them.

``frames`` has a row for each picture and each explained frame of a film, ``files`` one for each
file (one for each piece, where a long film was explained in pieces). The kind of a row of
``frames``, ``picture`` or ``frame``, is in the name of its folder, ``kind=...``, where pandas,
polars and DuckDB read it as a column.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.images.tables import column_of_files
from live_gradcam.os_errors import cannot_write
from live_gradcam.wording import did_you_mean, install_step

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as exc:
    raise UsageError(
        "cannot use archives", "", "pyarrow is not installed", install_step("archive")
    ) from exc

FRAMES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # "FILE#N", N the frame, 0 for a picture
        pa.field("file", pa.string(), nullable=False),  # path or URI, as it was listed
        pa.field("folder", pa.string(), nullable=False),
        pa.field("frame", pa.int64(), nullable=False),  # number in the film, from 0
        pa.field("time_s", pa.float64()),  # from the film's beginning; null for pictures
        pa.field("timestamp", pa.timestamp("us", "UTC")),
        pa.field("label", pa.string()),  # of the explained class
        pa.field("label_index", pa.int32()),
        pa.field("probability", pa.float32()),  # 0..1; null where the output is plain numbers
        pa.field("score", pa.float32()),  # the logit
        pa.field("top_labels", pa.list_(pa.string())),  # best first
        pa.field("top_probabilities", pa.list_(pa.float32())),
        pa.field("positive_share", pa.float32()),
        pa.field("concentration", pa.float32()),
        pa.field("center_x", pa.float32()),
        pa.field("center_y", pa.float32()),
        pa.field("box_share", pa.float32()),
        pa.field("border_share", pa.float32()),
        pa.field("removal_fall", pa.float32()),
        pa.field("removal_control", pa.float32()),
        pa.field("map", pa.list_(pa.float16())),  # rows of the map one after another, in logits
        pa.field("map_height", pa.int16()),
        pa.field("map_width", pa.int16()),
        pa.field("thumbnail", pa.binary()),  # JPEG
    ]
)
"""Columns of ``frames``; see `live_gradcam.archive.statistics` for the figures."""

FILES = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("folder", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # picture or film
        pa.field("size", pa.int64()),  # null where it was not there
        pa.field("modified", pa.timestamp("us", "UTC")),
        pa.field("status", pa.string(), nullable=False),  # ok, partly or failed
        pa.field("error", pa.string(), nullable=False),  # empty where it is ok
        pa.field("frames", pa.int64(), nullable=False),  # that were explained
        pa.field("seconds", pa.float64(), nullable=False),  # that it took
        pa.field("part", pa.string(), nullable=False),
    ]
)
"""Columns of ``files``."""


def write_rows(path: Path, schema: pa.Schema, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a table, whole or not at all; one that is there is replaced.

    Args:
        path: The file; its folder is made if need be.
        schema: `FRAMES` or `FILES`.
        columns: Values of each column; a column that is missing is null.

    Raises:
        SinkError: It cannot be written.
    """
    count = len(columns["file"])
    arrays = [
        pa.nulls(count, field.type)
        if field.name not in columns
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    table = pa.Table.from_arrays(arrays, schema=schema)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            parquet.write_table(table, beside, compression="zstd")
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as exc:
        raise cannot_write("cannot write rows", path, exc) from exc


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read some columns of a table that `write_rows` wrote.

    Raises:
        UsageError: It is damaged.
    """
    try:
        with parquet.ParquetFile(path) as file:
            rows: list[dict[str, Any]] = file.read(columns=list(columns)).to_pylist()
            return rows
    except (OSError, pa.ArrowException) as exc:
        step = "Delete it, and the same command writes it again"
        raise UsageError("cannot read rows", str(path), "the file is damaged", step) from exc


def path_column(source: Path | BinaryIO, where: str, column: str | None) -> Iterator[str]:
    """Yield the paths in a column of a Parquet file, batch by batch.

    Args:
        source: The file.
        where: Its name, for messages.
        column: The column; ``None`` for the first one whose name is that of a column of files.

    Raises:
        SourceError: It cannot be read.
        UsageError: There is no such column, or it holds no texts.
    """
    try:
        with parquet.ParquetFile(source) as file:
            names = file.schema_arrow.names
            if column is None:
                place = column_of_files(names)
                chosen = None if place is None else names[place]
            else:
                chosen = column if column in names else None
            if chosen is None:
                known = ", ".join(names[:8])
                if column is None:
                    cause = f"none of its columns is known to hold paths: {known}"
                    raise UsageError("cannot use table", where, cause, "Name it with --column")
                meant = did_you_mean(column, names)
                raise UsageError("no such column", column, f"{where} has {known}", meant)
            for batch in file.iter_batches(columns=[chosen]):
                for value in batch.column(0).to_pylist():
                    if isinstance(value, dict):  # a picture as Hugging Face stores it
                        value = value.get("path")
                    if value is None:
                        continue
                    if not isinstance(value, str):
                        cause = f"its column {chosen} holds no paths"
                        raise UsageError("cannot use table", where, cause, "Name it with --column")
                    yield value
    except (OSError, pa.ArrowException) as exc:
        raise SourceError("cannot read table", where, "it is damaged, or no Parquet") from exc
