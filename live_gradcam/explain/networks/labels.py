"""Names of classes: reading them, and checking that each class has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.label_files import LabelList, read_label_lists
from live_gradcam.explain.networks.label_records import names_of

Labels: TypeAlias = str | Path | Sequence[str] | Mapping[Any, Any] | None
"""Names of classes, a file or a dictionary with them, or ``None`` for the weights' own."""


def read_labels(path: Path) -> tuple[str, ...]:
    """Read names of classes from a file.

    One name a line; a name and its index on each line, in either order, behind a comma, semicolon,
    tab, colon or space (only if the indices count the names from 0 or 1: otherwise the numbers are
    part of the names); a table with a heading; the ``names`` of YAML; JSON and JSON lines of any of
    the forms of `tidy_labels`.

    Args:
        path: The file, UTF-8.

    Raises:
        ModelError: The file cannot be read or does not hold names.
    """
    return read_label_lists(path)[0].names


def tidy_labels(content: Any, where: str) -> tuple[str, ...]:  # noqa: ANN401 - JSON or a pickle
    """Return names in the order of the class indices, from any of the usual forms.

    Args:
        content: A list of names, ``{index: name}``, ``{name: index}``, the ImageNet form
            ``{index: [wordnet id, name]}``, a list of entries ``{"id": 0, "name": "cat"}``, or a
            document that has one of these under ``id2label``, ``classes``, ``names``,
            ``categories``, ``class_to_idx`` and the like.
        where: Source of the names, for messages.

    Raises:
        ModelError: It is none of these, indices are missing, or a name is empty.
    """
    return names_of(content, where).names


def require_count(
    labels: Sequence[str],
    class_count: int,
    where: str,
    lines: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the labels after checking that there is one for each class.

    Args:
        labels: Names of classes.
        class_count: The network's.
        where: Source of the names, for messages.
        lines: For each name its line there, if it has lines.
        notes: What was interpreted in reading them, for the message.

    Raises:
        ModelError: Their number differs from the network's, or a name is empty.
    """
    found = len(labels)
    if found == class_count:
        empty = next((i for i, name in enumerate(labels) if not str(name).strip()), None)
        if empty is not None:
            cause = f"the name of class {empty} is empty"
            raise ModelError("cannot use labels", where, cause, "Give every class a name")
        return tuple(labels)
    cause = f"{_counted(found, 'label')} for a network of {class_count} classes"
    if lines:
        last = min(found, class_count + 1) - 1
        which = "the first one too many" if found > class_count else "the last one"
        cause += f"; {which} is {labels[last]!r:.60} in line {lines[last]}"
    cause = "; ".join([cause, *notes])
    step = "Give one label for each class"
    if found == class_count - 1:
        step = (
            "If the network has a class for the background, add its name where it has its place, "
            "first or last"
        )
    elif found == class_count + 1:
        step = (
            "If one of them is a heading or names a background that this network does not have, "
            "leave it out"
        )
    raise ModelError("labels do not match", where, cause, step)


def resolve_labels(labels: Labels, class_count: int) -> tuple[str, ...]:
    """Return the names of all classes; ``class 0``, ``class 1``, ... if ``None``.

    Raises:
        ModelError: The file cannot be used, or the number of names is not that of the classes.
    """
    return _resolve(labels, class_count).names


def label_notes(labels: Labels, class_count: int) -> tuple[str, ...]:
    """Return one sentence for each thing that `resolve_labels` had to interpret.

    Only files and dictionaries have such things; names that several classes share are one.
    """
    if not isinstance(labels, (str, Path, Mapping)):
        return ()
    found = _resolve(labels, class_count)
    seen: dict[str, int] = {}
    for index, name in enumerate(found.names):
        if name in seen:
            twice = (
                f"two classes are called {name!r} ({seen[name]} and {index}): "
                "name such a class by its index"
            )
            return (*found.notes, twice)
        seen[name] = index
    return found.notes


def _resolve(labels: Labels, class_count: int) -> LabelList:
    if labels is None:
        return LabelList(tuple(f"class {index}" for index in range(class_count)))
    if isinstance(labels, Mapping):
        named = names_of(labels, "the given labels")
        return LabelList(require_count(named.names, class_count, "the given labels"), named.notes)
    if not isinstance(labels, (str, Path)):
        return LabelList(require_count(labels, class_count, "the given labels"))
    lists = read_label_lists(Path(labels))
    for each in lists:
        if len(each.names) == class_count:
            return each
    first = lists[0]
    require_count(first.names, class_count, str(labels), first.lines, first.notes)
    raise AssertionError("a number that differs is refused")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
