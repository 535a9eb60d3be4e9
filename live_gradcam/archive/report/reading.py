"""An archive as it stands on disk, read in batches: memory does not depend on its size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, dataset

from live_gradcam.archive.dataset import Dataset
from live_gradcam.archive.report.groups import VERDICTS
from live_gradcam.archive.report.rows import MEASURES, NO_DAY, Rows
from live_gradcam.archive.schema import FILES, FRAMES
from live_gradcam.errors import SourceError, UsageError

BATCH = 8192
"""Rows that are looked at at once."""

_COLUMNS = [name for name in FRAMES.names if name not in ("thumbnail", "top_labels")]
_DAY = 86_400_000_000  # in microseconds
_NOT_READ = ("top_probabilities", "map", "map_height", "map_width")


class ArchiveReader:
    """The rows of an archive.

    Only parts of the plan that were committed are read: the others are not whole, or not wanted any
    more. The order is always the same.

    Args:
        folder: The archive.

    Attributes:
        folder: The archive.
        manifest: What `manifest.json` says; empty where there is none.
        parts: Ids of the parts that are complete, sorted.
        unfinished: Number of parts of the plan that are not done.
        planned: Number of all parts of the plan.

    Raises:
        SourceError: It is no archive, or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            cause = "it is a file" if folder.exists() else "there is no such folder"
            raise _no_archive(folder, cause)
        if not any((folder / each).is_dir() for each in ("files", "frames")):
            raise _no_archive(folder, "it has neither files nor frames")
        self.folder = folder
        self.manifest = _read_manifest(folder / "manifest.json")
        done = {each.stem for each in (folder / "files").glob("part-*.parquet")}
        planned = _planned(folder) or done
        self.planned = len(planned)
        self.unfinished = len(planned - done)
        self.parts = sorted(each.removeprefix("part-") for each in planned & done)
        rows = sorted((folder / "frames").glob("kind=*/part-*.parquet"))
        self._rows = [each for each in rows if each.stem in planned & done]

    def files(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Return the rows of the table of files, in batches."""
        paths = [self.folder / "files" / f"part-{each}.parquet" for each in self.parts]
        columns = [each for each in FILES.names if each not in ("modified", "part")]
        for path in paths:
            for batch in _batches(path, FILES, columns):
                yield batch.to_pylist()

    def rows(self) -> Iterator[Rows]:
        """Return the rows of the table of frames, in batches."""
        waiting: list[pa.Table] = []
        count = 0
        for number, path in enumerate(self._rows):
            for batch in _batches(path, FRAMES, _COLUMNS):
                found = pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows)
                waiting.append(pa.Table.from_batches([batch]).append_column("place", found))
                count += batch.num_rows
                if count >= BATCH:
                    yield _rows_of(pa.concat_tables(waiting))
                    waiting, count = [], 0
        if count:
            yield _rows_of(pa.concat_tables(waiting))

    def thumbnails(self, records: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
        """Return the thumbnails of some rows by their ids; those that have none are left out.

        Args:
            records: As `Rows.record` returns them.
        """
        wanted: dict[int, list[str]] = {}
        for record in records:
            wanted.setdefault(record["place"], []).append(record["id"])
        found: dict[str, bytes] = {}
        for place, ids in wanted.items():
            chosen = compute.is_in(compute.field("id"), pa.array(ids))
            for batch in _batches(self._rows[place], FRAMES, ["id", "thumbnail"], chosen):
                found |= {each["id"]: each["thumbnail"] for each in batch.to_pylist()}
        return {name: image for name, image in found.items() if image is not None}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        step = "The same archive command writes it again"
        raise SourceError("cannot read archive", str(path), "it is damaged", step) from exc
    return found if isinstance(found, dict) else {}


def _planned(folder: Path) -> set[str]:
    try:
        return {f"part-{each.id}" for each in Dataset(folder).parts()}
    except (OSError, ValueError, StopIteration, UsageError) as exc:
        cause = "the plan is damaged"
        step = "Copy files and frames elsewhere: a report of them needs no plan"
        raise SourceError("cannot read archive", str(folder / "plan"), cause, step) from exc


def _no_archive(folder: Path, cause: str) -> SourceError:
    step = f"Make one with: live-gradcam archive SOURCE -o {folder}"
    return SourceError("cannot read archive", str(folder), cause, step)


def _batches(
    path: Path, schema: pa.Schema, columns: Sequence[str], chosen: compute.Expression | None = None
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table; those that it does not have are null."""
    with _translated(path):
        source = dataset.dataset(str(path), schema=schema, format="parquet")
        scanner = source.scanner(columns=list(columns), filter=chosen, batch_size=BATCH)
        found = iter(scanner.to_batches())
    while True:
        with _translated(path):
            batch = next(found, None)
        if batch is None:
            return
        if batch.num_rows:
            yield batch


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as exc:
        beside = path.parents[2] / "files" / path.name
        both = f" and {beside}" if path.parent.name != "files" else ""
        step = f"Delete it{both}; the same archive command explains that part again"
        raise SourceError("cannot read archive", str(path), "it is damaged", step) from exc


def _rows_of(table: pa.Table) -> Rows:
    table = table.combine_chunks()
    labels, label_codes = _classes(table)
    folders, folder_codes = _encoded(table["folder"])
    moments = compute.fill_null(table["timestamp"].cast(pa.int64()), NO_DAY)
    days = _numbers(moments)
    return Rows(
        {name: _floats(table[name]) for name in MEASURES},
        labels,
        label_codes,
        folders,
        folder_codes,
        _encoded(table["file"])[1],
        np.where(days == NO_DAY, NO_DAY, days // _DAY),
        _verdicts(table),
        list(_maps(table)),
        partial(_record, table.drop_columns(_NOT_READ)),
    )


def _record(table: pa.Table, number: int) -> dict[str, Any]:
    (record,) = table.slice(number, 1).to_pylist()
    return dict(record)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(), np.float64)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), np.int64)


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Return the values of a column, each once, and the place of each row's value."""
    found = compute.fill_null(column, "").combine_chunks().dictionary_encode()
    return found.dictionary.to_pylist(), np.asarray(found.indices, np.int64)


def _classes(table: pa.Table) -> tuple[list[tuple[str, int]], NDArray[np.int64]]:
    """Return names and indices of classes: several may have one name."""
    names, codes = _encoded(table["label"])
    indices = _numbers(compute.fill_null(table["label_index"].cast(pa.int64()), -1))
    pairs, places = np.unique(np.stack([codes, indices], 1), axis=0, return_inverse=True)
    return [(names[code], index) for code, index in pairs.tolist()], places.reshape(-1)


def _verdicts(table: pa.Table) -> NDArray[np.int8]:
    found = compute.index_in(table["removal_verdict"], pa.array(VERDICTS))
    return np.asarray(compute.fill_null(found, -1).to_numpy(), np.int8)


def _maps(table: pa.Table) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Return the maps of each size, and the rows that they belong to."""
    heights, widths = (
        _numbers(compute.fill_null(table[each].cast(pa.int64()), 0))
        for each in ("map_height", "map_width")
    )
    lengths = _numbers(compute.fill_null(compute.list_value_length(table["map"]), -1))
    whole = (lengths == heights * widths) & (lengths > 0)
    for height, width in np.unique(np.stack([heights, widths], 1)[whole], axis=0).tolist():
        numbers = np.flatnonzero(whole & (heights == height) & (widths == width))
        values = table["map"].take(pa.array(numbers)).combine_chunks().flatten()
        maps = np.asarray(values.to_numpy(zero_copy_only=False), np.float32)
        finite = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
        yield numbers, finite.reshape(-1, height, width)
