"""Results as files: JSON with everything, CSV with a row for each picture and method."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from live_gradcam.errors import UsageError
from live_gradcam.evaluate.summary import METHOD_COLUMNS
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import already_exists, check_writable, replace_file

SUFFIXES = (".json", ".csv", ".html", ".htm")
"""What outputs may end in."""

_FIRST_COLUMNS = (
    "picture",
    "method",
    "labels",
    "predicted",
    "predicted_probability",
    "top1",
    "top3",
)
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_outputs(
    outputs: Sequence[Path], read: Sequence[Path] = (), *, overwrite: bool = False
) -> None:
    """Refuse outputs that cannot be right, before anything slow begins.

    Args:
        outputs: The files.
        read: Files that are read, and folders that hold such.
        overwrite: Whether existing files may be replaced.

    Raises:
        UsageError: An output has an unknown ending, exists, is read, or is named twice.
        SinkError: It cannot be created.
    """
    seen: set[Path] = set()
    for path in outputs:
        if path.suffix.lower() not in SUFFIXES:
            step = f"Use {', '.join(SUFFIXES[:3])}"
            raise UsageError("unknown output", str(path), "its ending is not known", step)
        try:
            target = path.resolve()
            if target in seen:
                raise UsageError("two outputs are the same", str(path), "", "Name it once")
            seen.add(target)
            if path.is_dir():
                raise UsageError("unknown output", str(path), "it is a folder", "Name a file")
            if any(each.exists() and path.exists() and path.samefile(each) for each in read):
                cause = "it is read at the same time"
                raise UsageError("output equals input", str(path), cause, "Choose another name")
            if path.exists() and not overwrite:
                raise already_exists(path)
            check_writable(target.parent)
        except (OSError, RuntimeError) as exc:
            error = exc if isinstance(exc, OSError) else OSError(str(exc))
            raise cannot_write("cannot create output", path, error) from exc


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole; an existing one is replaced by the complete new one or not at all.

    Raises:
        SinkError: It cannot be written.
    """
    try:
        replace_file(path, text.encode("utf-8", "backslashreplace"))
    except OSError as exc:
        raise cannot_write("cannot write results", path, exc) from exc


def as_json(result: Mapping[str, Any]) -> str:
    """All that was found. The same pictures, network and settings give the same text."""
    return json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(result: Mapping[str, Any]) -> str:
    """One row for each picture and method.

    Text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    labels = {row["class_index"]: row["label"] for row in result["classes"]}
    columns = [each.key for each in METHOD_COLUMNS]
    objects = ("inside", "area", "pointing", "chance")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIRST_COLUMNS, "explained_index", "probability", "blank", *columns])
    for record in result["pictures"]:
        best = record["predictions"][0]
        for method, measured in record["methods"].items():
            own = [
                each
                for each in measured.get("objects", ())
                if each["class_index"] == measured["class_index"]
            ]
            cells = {**measured, **(_object_cells(own[0]) if own else dict.fromkeys(objects))}
            row = [
                record["name"],
                method,
                "|".join(labels[index] for index in record["labels"]),
                best["label"],
                best["probability"],
                record["top1"],
                record["top3"],
                measured["class_index"],
                measured["probability"],
                measured["blank"],
                *(cells.get(key) for key in columns),
            ]
            writer.writerow([_cell(each) for each in row])
    return text.getvalue()


def _object_cells(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "inside": item["inside"],
        "area": item["area"],
        "pointing": item["hit"],
        "chance": item["chance"],
    }


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
