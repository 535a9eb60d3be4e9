"""Names of classes: reading them, and finding the class that a name means."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from live_gradcam.errors import ModelError, UsageError

Labels: TypeAlias = str | Path | Sequence[str] | None
"""Names of classes, a file with them, or ``None`` for the weights' own."""

_SIZE_LIMIT = 16 << 20


def read_labels(path: Path) -> tuple[str, ...]:
    """Read names of classes from a file: text with one a line, or a JSON list or dictionary.

    Args:
        path: The file, UTF-8.

    Raises:
        ModelError: The file cannot be read or does not hold names.
    """
    what, where = "cannot use labels", str(path)
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise ModelError(what, where, "the file is too large to be a list of names")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ModelError(what, where, "it is not a UTF-8 text file", "Save it as UTF-8") from exc
    except FileNotFoundError as exc:
        raise ModelError(what, where, "there is no such file", "Check the path") from exc
    except OSError as exc:
        cause = "it is a folder" if path.is_dir() else exc.strerror or str(exc)
        raise ModelError(what, where, cause) from exc
    if "\0" in text:
        raise ModelError(what, where, "it is not a text file")
    if not text.strip():
        raise ModelError(what, where, "the file is empty")
    if text.lstrip()[0] not in "[{":
        return tuple(line.strip() for line in text.strip("\r\n").splitlines())
    try:
        return tidy_labels(json.loads(text), where)
    except (ValueError, RecursionError) as exc:
        raise ModelError(what, where, f"it is not valid JSON ({exc})") from exc


def tidy_labels(content: Any, where: str) -> tuple[str, ...]:  # noqa: ANN401 - JSON or a pickle
    """Return names in the order of the class indices, from any of the usual forms.

    Args:
        content: A list of names, ``{index: name}``, ``{name: index}``, or the ImageNet form
            ``{index: [wordnet id, name]}``.
        where: Source of the names, for messages.

    Raises:
        ModelError: It is none of these, or indices are missing.
    """
    what, step = "cannot use labels", "Give a list of names or a dictionary from index to name"
    if isinstance(content, Mapping):
        values = list(content.values())
        if values and all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            by_index = {value: key for key, value in content.items()}
        else:
            try:
                by_index = {int(key): value for key, value in content.items()}
            except (TypeError, ValueError) as exc:
                raise ModelError(what, where, "neither side of it is an index", step) from exc
        missing = [index for index in range(len(content)) if index not in by_index]
        if missing:
            cause = f"{len(content)} names, but none for index {missing[0]}"
            raise ModelError(what, where, cause, step)
        content = [by_index[index] for index in range(len(content))]
    if not isinstance(content, (list, tuple)) or not content:
        raise ModelError(what, where, f"it holds {type(content).__name__}, not names", step)
    names = [item[-1] if isinstance(item, (list, tuple)) and item else item for item in content]
    wrong = [name for name in names if not isinstance(name, (str, int))]
    if wrong:
        raise ModelError(what, where, f"{wrong[0]!r:.60} is not a name", step)
    return tuple(str(name).strip() for name in names)


def require_count(labels: Sequence[str], class_count: int, where: str) -> tuple[str, ...]:
    """Return the labels after checking that there is one for each class.

    Raises:
        ModelError: Their number differs from the network's.
    """
    if len(labels) != class_count:
        cause = f"{len(labels)} labels for a network of {class_count} classes"
        raise ModelError("labels do not match", where, cause, "Give one label for each class")
    return tuple(labels)


def resolve_labels(labels: Labels, class_count: int) -> tuple[str, ...]:
    """Return the names of all classes; ``class 0``, ``class 1``, ... if ``None``.

    Raises:
        ModelError: The file cannot be used, or the number of names is not that of the classes.
    """
    if labels is None:
        return tuple(f"class {index}" for index in range(class_count))
    if isinstance(labels, (str, Path)):
        return require_count(read_labels(Path(labels)), class_count, str(labels))
    return require_count(labels, class_count, "the given labels")


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
    near = get_close_matches(name, folded, 3, 0.5)
    hint = " or ".join(f"{labels[folded.index(each)]} ({folded.index(each)})" for each in near)
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
    return f"{shown}, ..." if len(labels) > 5 else shown
