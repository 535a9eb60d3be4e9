"""Names of classes in structured content: JSON, a checkpoint's entry, or a table's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from live_gradcam.class_names import as_index
from live_gradcam.errors import ModelError

NAME_KEYS = (
    "name",
    "class_name",
    "classname",
    "label_name",
    "display_name",
    "label",
    "class",
    "names",
    "labels",
    "classes",
    "category",
    "category_name",
    "title",
    "species",
    "description",
)
"""Names that columns and entries of names have, the surest first."""

INDEX_KEYS = (
    "index",
    "idx",
    "class_index",
    "class_idx",
    "class_id",
    "classid",
    "label_id",
    "labelid",
    "label_index",
    "category_id",
    "id",
    "target",
    "number",
    "nr",
    "no",
    "#",
    "",
)
"""Names that columns and entries of indices have."""

_HOLDERS = (
    "id2label",
    "label_names",
    "class_names",
    "classnames",
    "class_to_idx",
    "label2id",
    "idx_to_class",
    "classes",
    "names",
    "labels",
    "categories",
    "vocab",
)
_WHAT = "cannot use labels"
_STEP = "Give a list of names or a dictionary from index to name"
_SYNSET = re.compile(r"n\d{8}")


class Named(NamedTuple):
    """Names of classes in the order of the class indices, and what was interpreted for it."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def names_of(content: Any, where: str) -> Named:  # noqa: ANN401 - JSON or a checkpoint's entry
    """Return the names in any of the usual forms; see `tidy_labels`.

    Raises:
        ModelError: It is none of them, indices are missing, or a name is empty.
    """
    held = _held(content)
    if held is not None:
        return names_of(held, where)
    notes: tuple[str, ...] = ()
    if isinstance(content, Mapping):
        content, notes = _from_pairs(content, where)
    elif _are_records(content):
        content, notes = _from_records(content, where)
    if not isinstance(content, (list, tuple)) or not content:
        raise ModelError(_WHAT, where, f"it holds {type(content).__name__}, not names", _STEP)
    names = [item[-1] if isinstance(item, (list, tuple)) and item else item for item in content]
    wrong = [name for name in names if not isinstance(name, (str, int))]
    if wrong:
        raise ModelError(_WHAT, where, f"{wrong[0]!r:.60} is not a name", _STEP)
    tidy = tuple(str(name).strip() for name in names)
    if "" in tidy:
        cause = f"the name of class {tidy.index('')} is empty"
        raise ModelError(_WHAT, where, cause, "Give every class a name")
    return Named(tidy, notes)


def index_column(values: Sequence[str]) -> int | None:
    """Return the first index of a column that numbers its rows from 0 or 1, each once."""
    if not values or not all(value.isascii() and value.isdecimal() for value in values):
        return None
    if max(map(len, values)) > 9:
        return None
    numbers = sorted(map(int, values))
    return numbers[0] if numbers[0] in (0, 1) and numbers == _counted(numbers) else None


def in_order(names: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    """Return names in the order of their indices."""
    return [name for _, name in sorted(zip(indices, names, strict=True), key=lambda pair: pair[0])]


def from_one(names: Sequence[str]) -> str:
    """Return the sentence for indices that begin with 1."""
    return f"its indices begin with 1: class 0 is {names[0]!r}"


def _counted(numbers: list[int]) -> list[int]:
    return list(range(numbers[0], numbers[0] + len(numbers)))


def _held(content: Any) -> Any:  # noqa: ANN401
    """Return the names that a larger document has, or ``None``."""
    if not isinstance(content, Mapping):
        return None
    for key in _HOLDERS:
        if isinstance(content.get(key), (list, tuple, Mapping)) and content[key]:
            return content[key]
    for value in content.values():
        if isinstance(value, Mapping):
            inner = _held(value)
            if inner is not None:
                return inner
    return None


def _as_index(value: Any) -> int | None:  # noqa: ANN401
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return as_index(value) if isinstance(value, str) else None


def _from_pairs(content: Mapping[Any, Any], where: str) -> tuple[list[Any], tuple[str, ...]]:
    """Return the names of a dictionary, whose keys or values are indices."""
    keys, values = list(content), list(content.values())
    if _are_records(values):
        return _from_records([{**v, "index": k} for k, v in content.items()], where)
    by_key, by_value = ([_as_index(each) for each in side] for side in (keys, values))
    whole = [not any(index is None for index in side) for side in (by_key, by_value)]
    integers = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    if whole[0] and whole[1] and integers and not _is_count(by_value):
        whole[1] = False
    if whole[1] and (integers or not whole[0]):
        indices, names = by_value, keys
    elif whole[0]:
        indices, names = by_key, values
    else:
        raise ModelError(_WHAT, where, "neither side of it is an index", _STEP)
    numbers = [index for index in indices if index is not None]
    known = set(numbers)
    first = 1 if known and min(known) == 1 and _is_count(numbers) else 0
    missing = [index for index in range(first, first + len(numbers)) if index not in known]
    if missing:
        cause = f"{len(numbers)} names, but none for index {missing[0]}"
        raise ModelError(_WHAT, where, cause, _STEP)
    ordered = in_order(names, numbers)
    return ordered, (from_one(ordered),) if first else ()


def _is_count(indices: Sequence[int | None]) -> bool:
    numbers = sorted(index for index in indices if index is not None)
    return bool(numbers) and numbers[0] in (0, 1) and numbers == _counted(numbers)


def _from_records(
    records: Sequence[Mapping[str, Any]], where: str
) -> tuple[list[Any], tuple[str, ...]]:
    """Return the names of a list of entries, in the order of their indices where they have any."""
    lower = [{str(key).strip().lower(): value for key, value in each.items()} for each in records]
    name_key = next((key for key in NAME_KEYS if all(_is_name(e.get(key)) for e in lower)), None)
    if name_key is None:
        cause = "no entry of it has a name for every class"
        raise ModelError(_WHAT, where, cause, 'Call it "name": [{"id": 0, "name": "cat"}]')
    names = [each[name_key] for each in lower]
    index_key = next(
        (
            k
            for k in INDEX_KEYS
            if k != name_key and all(_as_index(e.get(k)) is not None for e in lower)
        ),
        None,
    )
    if index_key is None:
        return names, ()
    indices = [int(each[index_key]) for each in lower]
    if len(set(indices)) != len(indices):
        twice = next(index for index in indices if indices.count(index) > 1)
        raise ModelError(_WHAT, where, f"{index_key} {twice} is there twice", _STEP)
    ordered = in_order(names, indices)
    if _is_count(indices):
        return ordered, (from_one(ordered),) if min(indices) == 1 else ()
    return ordered, (f"its {index_key} has gaps: classes are numbered in the order of {index_key}",)


def _are_records(content: Any) -> bool:  # noqa: ANN401
    listed = isinstance(content, (list, tuple)) and bool(content)
    return listed and all(isinstance(each, Mapping) for each in content)


def _is_name(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) and bool(value.strip())


def without_synsets(names: Sequence[str]) -> list[str]:
    """Return names without the WordNet numbers that stand before every one of them."""
    parts = [re.split(r"[\s,:;]+", name, maxsplit=1) for name in names]
    if all(len(each) == 2 and _SYNSET.fullmatch(each[0]) and each[1] for each in parts):
        return [each[1] for each in parts]
    return list(names)
