"""Results as files: JSON with everything, CSV with a row for each image and method."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import UsageError
from live_gradcam.evaluate.summary import IMAGE_METRICS, METHOD_METRICS
from live_gradcam.evaluate.values import EvaluationResult
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import already_exists, check_writable, replace_file

SUFFIXES = (".json", ".csv", ".html", ".htm")
"""Endings of outputs."""

_FIRST_COLUMNS = (
    *("picture", "method", "labels", "predicted", "predicted_probability", "top1", "top3"),
    *("explained_index", "probability", "blank"),
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
        overwrite: ``True`` if existing files may be replaced.

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


def format_json(result: EvaluationResult) -> str:
    """Return everything as JSON. The same images, network and options give the same text."""
    return json.dumps(result.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def format_csv(result: EvaluationResult) -> str:
    """Return CSV with one row for each image and method.

    Text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    labels = {each.class_index: each.label for each in result.summary.classes}
    metrics = [metric.key for metric in METHOD_METRICS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_FIRST_COLUMNS, *metrics])
    for image in result.images:
        best = image.predictions[0]
        for method, measured in image.methods.items():
            own = measured.explained_object
            true = "|".join(labels[index] for index in image.labels)
            row = [
                *(image.name, method, true, best.label, best.probability, image.top1, image.top3),
                *(measured.class_index, measured.probability, measured.blank),
                *((own.inside, own.area, own.hit, own.chance) if own else [None] * 4),
                *(metric.value(measured) for metric in IMAGE_METRICS),
            ]
            writer.writerow([_cell(each) for each in row])
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
