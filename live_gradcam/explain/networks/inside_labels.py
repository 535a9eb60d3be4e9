"""Search for the names of classes that training programs leave in their checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from live_gradcam.explain.networks.inert import Inert, children, plain
from live_gradcam.explain.networks.labels import tidy_labels

_KEYS = (
    "classes",
    "class_names",
    "classnames",
    "labels",
    "label_names",
    "categories",
    "class_to_idx",
    "idx_to_class",
    "id2label",
    "label2id",
    "idx2label",
    "label2idx",
    "class_to_index",
    "index_to_class",
    "class_labels",
    "class_list",
    "target_names",
    "vocab",
    "names",
)
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class InsideLabels:
    """Names of classes that a checkpoint has.

    Attributes:
        path: Keys that lead to them.
        content: In the file's own form: a list, or a dictionary between names and indices.
    """

    path: tuple[str, ...]
    content: Any

    @property
    def where(self) -> str:
        """Their place in the file, for messages."""
        return " > ".join(repr(key) for key in self.path)

    @property
    def count(self) -> int:
        """Number of names."""
        return len(self.content)


def find_labels(content: object) -> tuple[InsideLabels, ...]:
    """Return all names of classes in a checkpoint, those nearest to its surface first."""
    return tuple(sorted(_search(content, (), set()), key=lambda found: len(found.path)))


def _search(content: object, path: tuple[str, ...], seen: set[int]) -> Iterator[InsideLabels]:
    if id(content) in seen or (isinstance(content, Inert) and content.is_network):
        return
    seen.add(id(content))
    parts = {key.lower(): (key, value) for key, value in children(content)}
    for wanted in _KEYS:
        if wanted in parts:
            key, value = parts.pop(wanted)
            names = plain(value)
            if _are_names(names):
                yield InsideLabels((*path, key), names)
            else:
                parts[wanted] = (key, value)
    if len(path) >= _DEEPEST:
        return
    for key, value in parts.values():
        if isinstance(value, (Mapping, Inert)) and not isinstance(value, Tensor):
            yield from _search(value, (*path, key), seen)


def _are_names(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, str) for each in value)
    if not isinstance(value, Mapping) or not value:
        return False
    pairs = list(value.items())
    return all(_is_index(key) and isinstance(name, str) for key, name in pairs) or all(
        isinstance(name, str) and _is_index(index) for name, index in pairs
    )


def _is_index(value: object) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and value.isascii()
    return isinstance(value, int) and not isinstance(value, bool)


def take_labels(
    found: tuple[InsideLabels, ...], class_count: int, where: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names for a number of classes, and a sentence about where they come from.

    Args:
        found: All that are in the file.
        class_count: The network's.
        where: The file, for messages.

    Raises:
        ModelError: There are as many names as classes, but not one for each.
    """
    for each in found:
        if each.count == class_count:
            names = tidy_labels(each.content, where)
            return names, (f"the names of the classes were found under {each.where} in the file",)
    if not found:
        return None, ()
    first = found[0]
    return None, (
        f"the {first.count} names under {first.where} were left out: "
        f"the network has {class_count} classes",
    )
