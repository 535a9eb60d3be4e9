"""Names of what a network puts out: two sides of one logit, classes, or plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.labels import Labels, read_labels, resolve_labels
from live_gradcam.values import OutputKind


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
    where = str(labels) if isinstance(labels, (str, Path)) else "the given labels"
    names: Sequence[str] = read_labels(Path(labels)) if isinstance(labels, (str, Path)) else labels
    if len(names) == 1:
        return (f"not {names[0]}", names[0])
    if len(names) != 2:
        cause = f"{len(names)} labels for a network of one output, which is binary"
        step = "Give one label, or two: the negative one and the positive one"
        raise ModelError("labels do not match", where, cause, step)
    return tuple(names)


def count_labels(labels: Labels) -> int | None:
    """Return the number of given labels; ``None`` where none are given or they are in a file."""
    return None if labels is None or isinstance(labels, (str, Path)) else len(labels)
