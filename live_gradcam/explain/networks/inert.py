"""Objects of a pickle as data: what a file says about them, and nothing of what they would do.

`Inert` stands for every object that is no tensor and no container of Python's own. It keeps the
name of the class, the arguments and the state, so that a training run's settings can be read, and
has no behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

# Deeper than any settings, and far from the interpreter's own limit.
_DEEPEST = 12
# More than the largest list of classes, with all that stands around it.
_MOST_VALUES = 200_000
_ARRAY_TYPE = re.compile(r"[?biufSU]\d{0,4}")


class Inert:
    """Class, function or object that a pickle names; never imported, called or made.

    Attributes:
        name: Full name of the class or function.
        is_object: ``True`` for an object of the class, ``False`` for the bare name.
        arguments: What the pickle would make the object from.
        state: What the pickle would set on it: mostly its attributes by name.
        entries: Items that it holds as a dictionary.
        elements: Items that it holds as a list or set.
    """

    __slots__ = ("arguments", "elements", "entries", "is_object", "name", "state")

    def __init__(
        self, name: str, arguments: tuple[Any, ...] = (), *, is_object: bool = False
    ) -> None:
        self.name = name
        self.is_object = is_object
        self.arguments = arguments
        self.state: Any = None
        self.entries: dict[Any, Any] = {}
        self.elements: list[Any] = []

    @property
    def attributes(self) -> dict[Any, Any]:
        """Attributes and entries by name."""
        state = self.state[0] if _is_pair(self.state) else self.state
        return {**(state if isinstance(state, Mapping) else {}), **self.entries}

    @property
    def is_network(self) -> bool:
        """True for an object of a class of ``torch.nn.Module``."""
        return {"_modules", "_parameters"} <= self.attributes.keys()


def _is_pair(state: object) -> bool:
    """Return ``True`` for attributes of a class with slots."""
    return isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Mapping)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    """Return a value of a checkpoint as Python's own containers, numbers and texts.

    Settings of training libraries (``argparse.Namespace``, OmegaConf, yacs, ...) become
    dictionaries, NumPy's arrays and numbers lists and numbers, paths texts; the rest stays. What is
    larger than any list of classes is cut off.
    """
    return _Plain().convert(value, 0)


class _Plain:
    """Conversion that ends: containers of a file may hold each other, a thousand times over."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def convert(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return None
        if isinstance(value, Inert):
            return self._object(value, depth)
        if isinstance(value, Mapping):
            return {key: self.convert(each, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.convert(each, depth + 1) for each in value]
        return value

    def _object(self, value: Inert, depth: int) -> Any:  # noqa: ANN401
        for pattern, read in _READERS:
            if pattern.fullmatch(value.name):
                return read(value)
        if not value.is_object:
            return value
        attributes = value.attributes
        # A container and a value of OmegaConf, settings of mmengine.
        for inner in ("_content", "_val", "_cfg_dict"):
            if inner in attributes:
                return self.convert(attributes[inner], depth + 1)
        if value.elements and not attributes:
            return self.convert(value.elements, depth + 1)
        if not attributes:
            return value
        return {key: self.convert(each, depth + 1) for key, each in attributes.items()}


def children(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the named parts of a container or of an object's data."""
    if isinstance(value, Inert):
        attributes = value.attributes
        value = attributes.get("_content", attributes) if value.is_object else {}
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(key, str):
                yield key, each


def _read_path(value: Inert) -> Any:  # noqa: ANN401
    return "/".join(str(each) for each in value.arguments).replace("//", "/")


def _read_array_type(value: object) -> np.dtype[Any] | None:
    """Return the type of an array's numbers or texts; ``None`` for Python objects."""
    if not isinstance(value, Inert) or not value.arguments:
        return None
    code = value.arguments[0]
    if not isinstance(code, str) or not _ARRAY_TYPE.fullmatch(code):
        return None
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
    return np.dtype(f"{order}{code}" if order in ("<", ">") else code)


def _read_scalar(value: Inert) -> Any:  # noqa: ANN401
    kind = _read_array_type(value.arguments[0]) if len(value.arguments) == 2 else None
    content = _as_bytes(value.arguments[-1]) if value.arguments else None
    if kind is None or content is None or len(content) != kind.itemsize:
        return value
    return np.frombuffer(content, kind)[0].item()


def _read_array(value: Inert) -> Any:  # noqa: ANN401
    if not isinstance(value.state, tuple) or len(value.state) != 5:
        return value
    _, shape, kind, _, content = value.state
    if isinstance(content, list):  # of Python objects
        return [each for each in content if isinstance(each, (str, int, float))]
    array_type, numbers = _read_array_type(kind), _as_bytes(content)
    if array_type is None or numbers is None or not isinstance(shape, tuple) or len(shape) != 1:
        return value
    if array_type.itemsize == 0 or len(numbers) % array_type.itemsize:
        return value
    return np.frombuffer(numbers, array_type).tolist()


def _read_buffer(value: Inert) -> Any:  # noqa: ANN401
    if len(value.arguments) < 3:
        return value
    content, kind, shape = value.arguments[:3]
    array = Inert(value.name, is_object=True)
    array.state = (1, shape, kind, False, content)
    return _read_array(array)


def _as_bytes(content: object) -> bytes | None:
    """Return an array's bytes, which torch's pickles may hold as a text of the same length."""
    if isinstance(content, str) and all(ord(letter) < 256 for letter in content):
        return content.encode("latin-1")
    return content if isinstance(content, bytes) else None


_READERS: Sequence[tuple[re.Pattern[str], Callable[[Inert], Any]]] = (
    (re.compile(r"pathlib\..*"), _read_path),
    (re.compile(r"numpy\.(_?core)\.multiarray\.scalar"), _read_scalar),
    (re.compile(r"numpy\.(_?core)\.multiarray\._reconstruct"), _read_array),
    (re.compile(r"numpy\.(_?core)\.numeric\._frombuffer"), _read_buffer),
)
