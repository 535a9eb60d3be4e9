"""Names of what a network puts out: two sides of one logit, classes, or plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.label_files import LabelList, read_label_lists
from live_gradcam.explain.networks.label_records import names_of
from live_gradcam.explain.networks.labels import Labels, label_notes, resolve_labels
from live_gradcam.values import OutputKind

_GIVEN = "the given labels"


def name_outputs(labels: Labels, kind: OutputKind, count: int) -> tuple[str, ...]:
    """Return a name for each score.

    A binary output takes the names of its negative and its positive side, in this order, or that of
    the positive side alone. Plain numbers without names are called ``output``.

    Args:
        labels: Names, a file with them, or ``None``.
        kind: Meaning of the output.
        count: Number of scores; 2 for a binary output.

    Raises:
        ModelError: The file cannot be used, or the number of names does not fit.
    """
    if kind.name == "raw" and labels is None:
        return ("output",) if count == 1 else tuple(f"output {index}" for index in range(count))
    if kind.name != "binary" or labels is None:
        return resolve_labels(labels, count)
    where = str(labels) if isinstance(labels, (str, Path)) else _GIVEN
    names = _binary_names(labels).names
    if len(names) == 1:
        return (f"not {names[0]}", names[0])
    if len(names) != 2:
        cause = f"{len(names)} labels for a network of one output, which is binary"
        step = "Give one label, or two: the negative one and the positive one"
        raise ModelError("labels do not match", where, cause, step)
    return tuple(names)


def label_notes_of(labels: Labels, kind: OutputKind, count: int) -> tuple[str, ...]:
    """Return one sentence for each thing that `name_outputs` had to interpret; as for it."""
    if kind.name == "binary" and labels is not None:
        return _binary_names(labels).notes
    return label_notes(labels, count)


def _binary_names(labels: str | Path | Sequence[str] | Mapping[Any, Any]) -> LabelList:
    if isinstance(labels, (str, Path)):
        return read_label_lists(Path(labels))[0]
    if isinstance(labels, Mapping):
        named = names_of(labels, _GIVEN)
        return LabelList(named.names, notes=named.notes)
    return LabelList(tuple(labels))


def count_labels(labels: Labels) -> int | None:
    """Return the number of given labels; ``None`` where none are given or they are in a file."""
    return None if labels is None or isinstance(labels, (str, Path)) else len(labels)
