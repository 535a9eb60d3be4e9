"""Explaining the files of somebody's own pipeline: a batch of paths in, a batch of rows out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from live_gradcam.archive.listing import named_files
from live_gradcam.archive.options import ArchiveOptions, Every, parse_every
from live_gradcam.archive.part_explainer import PartExplainer
from live_gradcam.archive.parts import ArchiveFile, Part
from live_gradcam.archive.schema import FRAMES
from live_gradcam.choices import DEFAULT_MODEL
from live_gradcam.errors import UsageError

_KIND, _ERROR = "kind", "error"

ROWS = FRAMES.append(pa.field(_KIND, pa.string(), nullable=False)).append(
    pa.field(_ERROR, pa.string(), nullable=False)
)
"""Columns of the rows: those of an archive, ``kind`` (``picture`` or ``frame``), and ``error``."""


class ExplainFiles:
    """Explains batches of files; made for ``ray.data.Dataset.map_batches``.

    Each worker makes one, which loads the network once::

        ray.data.from_items(paths).map_batches(ExplainFiles, concurrency=2, batch_size=64)

    Args:
        model: The network, as `live_gradcam.load_classifier` takes it.
        column: Column with paths and URIs of pictures and films; ``None`` for ``path``, ``file``,
            ``filename`` or ``item``, whichever there is.
        bytes_column: Column with the content of the files, where they are read already; their
            paths are names then.
        every: Which frames of films are explained: ``"1s"``, or ``10`` for each tenth.
        **options: Further fields of `live_gradcam.archive.options.ArchiveOptions`, such as
            ``maps=True``, ``class_name`` or ``device``.

    Raises:
        ModelError: The network cannot be used.
        UsageError: An option has a value that does not exist.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        column: str | None = None,
        bytes_column: str = "bytes",
        every: str | int | Every = "1s",
        **options: Any,  # noqa: ANN401 - fields of a dataclass
    ) -> None:
        self._column = column
        self._bytes_column = bytes_column
        wanted = every if isinstance(every, Every) else parse_every(str(every))
        self._explainer = PartExplainer(
            ArchiveOptions(dataset="", model=model, every=wanted, **options)
        )

    def __call__(self, batch: Mapping[str, np.ndarray]) -> pa.Table:
        """Explain a batch.

        Args:
            batch: Columns, as ``batch_format="numpy"`` gives them.

        Returns:
            A row for each picture and each explained frame, in order, see `ROWS`. A file that
            cannot be explained, or not to its end, has a row with the ``error``, frame -1 and no
            figures; ``error`` is empty in all others.

        Raises:
            UsageError: The batch has no column of paths.
        """
        names = [str(each) for each in self._names(batch)]
        contents = batch.get(self._bytes_column)
        if contents is None:
            return self._rows(named_files(names))
        with tempfile.TemporaryDirectory(prefix="live-gradcam-") as folder:
            files = []
            for number, (name, content) in enumerate(zip(names, contents, strict=True)):
                path = Path(folder) / f"{number}{Path(name).suffix}"
                path.write_bytes(content)
                (file,) = named_files([str(path)])
                files.append(replace(file, file=name, name=name, modified_ns=None))
            return self._rows(files)

    def _names(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        known = ("path", "file", "filename", "item") if self._column is None else (self._column,)
        for name in known:
            if name in batch:
                return batch[name]
        cause = f"it has {', '.join(batch)}"
        raise UsageError("no column of paths in the batch", " ".join(known), cause, "Name one")

    def _rows(self, files: list[ArchiveFile]) -> pa.Table:
        pictures = tuple(each for each in files if each.kind == "picture")
        parts = [Part("", (each,)) for each in files if each.kind == "film"]
        if pictures:
            parts.insert(0, Part("", pictures))
        tables = [ROWS.empty_table()]
        for part in parts:
            columns, errors = self._explainer.rows_of(part)
            count = len(columns["file"])
            kind = "frame" if part.is_film else "picture"
            tables.append(_table({**columns, _KIND: [kind] * count, _ERROR: [""] * count}))
            if errors:
                folders = {each.file: each.folder for each in part.files}
                broken: dict[str, list[Any]] = {
                    "id": [f"{file}#-1" for file in errors],
                    "file": list(errors),
                    "folder": [folders[file] for file in errors],
                    "frame": [-1] * len(errors),
                    _KIND: [kind] * len(errors),
                    _ERROR: list(errors.values()),
                }
                tables.append(_table(broken))
        return pa.concat_tables(tables)


def _table(columns: Mapping[str, list[Any]]) -> pa.Table:
    count = len(columns["file"])
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(count, field.type)
        for field in ROWS
    ]
    return pa.Table.from_arrays(arrays, schema=ROWS)
