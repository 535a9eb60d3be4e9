"""Names of classes: reading them, and finding the class that a name means."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.networks.label_files import LabelList, read_label_lists
from live_gradcam.explain.networks.label_records import names_of
from live_gradcam.wording import near_in_spelling

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


def find_class(labels: Sequence[str], wanted: str | int) -> int:
    """Return the index of the class that a name or an index means.

    A name matches a whole label, else one of a label's synonyms (``tabby, tabby cat``), else a part
    of exactly one label; case, ``_`` and repeated spaces do not matter.

    Args:
        labels: Of all classes, in order.
        wanted: Name or index.

    Raises:
        UsageError: No class or several classes match.
    """
    if not isinstance(wanted, str):
        return _checked_index(labels, operator.index(wanted), str(wanted))
    name = _folded(wanted)
    folded = [_folded(label) for label in labels]
    if name not in folded and name.lstrip("-").isdecimal():
        return _checked_index(labels, int(name), wanted)
    synonyms = [[part.strip() for part in label.split(",")] for label in folded]
    rounds = (
        [index for index, label in enumerate(folded) if label == name],
        [index for index, parts in enumerate(synonyms) if name in parts],
        [index for index, label in enumerate(folded) if name and name in label],
    )
    matches = next((found for found in rounds if found), [])
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(f"{labels[index]} ({index})" for index in matches[:5])
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        cause = f"{len(matches)} classes match: {listed}{more}"
        raise UsageError("ambiguous class", wanted, cause, "Give the index")
    near = near_in_spelling(
        name, ([label, *parts] for label, parts in zip(folded, synonyms, strict=True))
    )
    hint = " or ".join(f"{labels[index]} ({index})" for index in near)
    step = f"Closest: {hint}" if hint else f"Classes are {_examples(labels)}"
    raise UsageError("unknown class", wanted, f"the network has {len(labels)} classes", step)


def class_lookup(labels: Sequence[str]) -> Callable[[str], int | None]:
    """Return a fast and strict function from names to class indices, for labelled data.

    Unlike `find_class` it takes no parts of labels: a folder called ``cat`` is no ``catamaran``.

    Args:
        labels: Of all classes, in order.

    Returns:
        A function from a name to a class index. The name is a whole label, else a synonym, else an
        index; the result is ``None`` where no class or more than one has that name.
    """
    folded = [_folded(label) for label in labels]
    whole = _unambiguous((label, index) for index, label in enumerate(folded))
    synonyms = _unambiguous(
        (part.strip(), index) for index, label in enumerate(folded) for part in label.split(",")
    )

    def find(name: str) -> int | None:
        wanted = _folded(name)
        for table in (whole, synonyms):
            if wanted in table:
                return table[wanted]
        if (
            wanted.isascii()
            and wanted.isdecimal()
            and len(wanted) < 10
            and int(wanted) < len(labels)
        ):
            return int(wanted)
        return None

    return find


def _unambiguous(pairs: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    table: dict[str, int | None] = {}
    for name, index in pairs:
        table[name] = index if table.get(name, index) == index else None
    return table


def _checked_index(labels: Sequence[str], index: int, wanted: str) -> int:
    if not 0 <= index < len(labels):
        cause = f"the network has {len(labels)} classes, 0 to {len(labels) - 1}"
        raise UsageError("unknown class", wanted, cause, "Give an index in this range or a name")
    return index


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _examples(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return f"{shown} and {len(labels) - 5} more" if len(labels) > 5 else shown
