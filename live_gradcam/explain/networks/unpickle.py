"""Reader of pickles in which nothing can happen: tensors are read, every other object is data.

torch's own restricted reader refuses a checkpoint for one ``argparse.Namespace`` beside its
weights. This one reads it, and is stricter where it matters: it knows the instructions of a pickle,
but no way to import, to look up or to call what a pickle names. A name becomes an `Inert`, calling
it another one; only plain tensors and Python's own containers are made, by the functions below.
`torch.load` lends the rest: archives, storages and memory mapping.
"""

from __future__ import annotations

import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import Tensor

from live_gradcam.explain.networks.inert import Inert
from live_gradcam.explain.networks.pickled_names import is_constant, may_be_called, may_stand

# No text or number of a real checkpoint is longer than its whole list of contents may be.
_LONGEST = 3 << 19
_MARK = object()
_GETATTR = ("builtins", "getattr")  # of a member of an enumeration: judged where it is called


class RefusedNamesError(Exception):
    """A pickle asks for something that could run code.

    Args:
        names: What it asks for.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(", ".join(self.names))


class InertUnpickler:
    """Reads one pickle, in the form that `torch.load` expects of a pickle module.

    Args:
        file: Source of the bytes.
    """

    def __init__(self, file: BinaryIO, **_: object) -> None:
        self._read = file.read
        self._readline = file.readline
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._refused: dict[str, None] = {}
        self.persistent_load: Callable[[Any], Any] | None = None

    def load(self) -> Any:  # noqa: ANN401 - a checkpoint may hold anything
        """Read the pickle to its end.

        Raises:
            RefusedNamesError: It asks for something that could run code.
            Exception: It is damaged.
        """
        read, instructions = self._read, _INSTRUCTIONS
        while True:
            code = read(1)
            if code == b".":
                break
            try:
                run = instructions[code]
            except KeyError:
                raise UnpicklingError(f"instruction {code!r}") from None
            run(self)
        if self._refused:
            raise RefusedNamesError(self._refused)
        return self._stack.pop()

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        """Return what stands for a name; torch's reader asks here, after storages."""
        if not may_stand(module, name) and (module, name) != _GETATTR:
            self._refused[f"{module}.{name}"] = None
        if module == "torch":
            kind = torch.__dict__.get(name)
            if isinstance(kind, torch.dtype):
                return kind
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return torch.UntypedStorage
        return Inert(f"{module}.{name}")

    # Reading

    def _take(self, count: int) -> bytes:
        if count > _LONGEST:
            raise UnpicklingError("too long")
        content: bytes = self._read(count)
        if len(content) != count:
            raise EOFError
        return content

    def _line(self) -> str:
        line: bytes = self._readline()
        if len(line) > _LONGEST or not line.endswith(b"\n"):
            raise EOFError
        return line[:-1].decode("utf-8")

    def _number(self, form: str) -> Any:  # noqa: ANN401
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _push_number(self, form: str) -> None:
        self._stack.append(self._number(form))

    def _push_long(self, form: str) -> None:
        content = self._take(self._number(form))
        self._stack.append(int.from_bytes(content, "little", signed=True))

    def _push_text(self, form: str) -> None:
        self._stack.append(str(self._take(self._number(form)), "utf-8", "surrogatepass"))

    def _push_bytes(self, form: str) -> None:
        self._stack.append(self._take(self._number(form)))

    def _push_old_text(self, form: str) -> None:
        content = self._take(self._number(form))
        self._stack.append(content.decode("latin-1"))

    def _skip(self, count: int) -> None:
        self._take(count)

    # The stack

    def _push(self, value: Any) -> None:  # noqa: ANN401
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        stack = self._stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                items = stack[place + 1 :]
                del stack[place:]
                return items
        raise UnpicklingError("no mark")

    def _tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise UnpicklingError("too few values")
        items = tuple(self._stack[-count:])
        self._stack[-count:] = [items]

    def _remember(self, form: str) -> None:
        self._memo[self._number(form)] = self._stack[-1]

    def _recall(self, form: str) -> None:
        self._stack.append(self._memo[self._number(form)])

    # Containers

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Inert):
            target.elements.extend(items)
        elif type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(items)
        else:
            raise UnpicklingError("not a list")

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        entries = target.entries if isinstance(target, Inert) else target
        if not isinstance(entries, dict) or len(items) % 2:
            raise UnpicklingError("not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            entries[key] = value

    # Names and objects

    def _global(self, module: str, name: str) -> None:
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        module = IMPORT_MAPPING.get(module, module)
        self._stack.append(self.find_class(module, name))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise UnpicklingError("not a name")
        self._stack.append(self.find_class(module, name))

    def _call(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(function, arguments, called=True))

    def _new_object(self) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(kind, arguments, called=False))

    def _new_object_with_keywords(self) -> None:
        self._stack.pop()
        self._new_object()

    def _made(self, maker: Any, arguments: Any, *, called: bool) -> Any:  # noqa: ANN401
        """Return what a call gives: a tensor, a container, or an object as data."""
        if not isinstance(maker, Inert) or not isinstance(arguments, tuple):
            raise UnpicklingError("not a call")
        name = maker.name
        if maker.is_object:  # whatever it is, calling it would run its code
            self._refused[name] = None
            return Inert(name, arguments, is_object=True)
        if name == "builtins.getattr":
            return self._member(arguments)
        if called and not may_be_called(name):
            self._refused[name] = None
        if name == "torch._tensor._rebuild_from_type_v2" and len(arguments) == 4:
            return self._made(arguments[0], arguments[2], called=True)
        if name in ("copyreg._reconstructor", "copyreg.__newobj__"):
            kind = arguments[0] if arguments else None
            name = kind.name if isinstance(kind, Inert) else name
        made = _MAKERS[name](arguments) if name in _MAKERS else None
        return Inert(name, arguments, is_object=True) if made is None else made

    def _member(self, arguments: tuple[Any, ...]) -> Inert:
        owner = arguments[0] if arguments else None
        if (
            isinstance(owner, Inert)
            and len(arguments) == 2
            and is_constant(owner.name, arguments[1])
        ):
            return Inert(owner.name, arguments[1:], is_object=True)
        self._refused["builtins.getattr"] = None
        return Inert("builtins.getattr", arguments, is_object=True)

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Inert):
            target.state = state
        elif isinstance(target, OrderedDict) and isinstance(state, Mapping):
            # torch keeps the versions of a state dict's modules here.
            target.__dict__["_metadata"] = state.get("_metadata")

    def _persistent(self) -> None:
        key = self._stack.pop()
        kind = key[0] if isinstance(key, tuple) and key else None
        kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else kind
        if kind == "module":  # torch's old form beside a whole network: its class and its source
            self._stack.append(key[1] if len(key) > 1 else None)
            return
        if kind != "storage" or self.persistent_load is None:
            raise UnpicklingError("not a storage")
        self._stack.append(self.persistent_load(key))


def _tensor(arguments: tuple[Any, ...]) -> Tensor | None:
    """Return the tensor over a storage that a pickle describes.

    Raises:
        UnpicklingError: It would reach beyond its storage.
    """
    storage, offset, size, stride = arguments[:4]
    size, stride = tuple(size), tuple(stride)
    numbers = (offset, *size, *stride)
    if not all(isinstance(each, int) and each >= 0 for each in numbers) or len(size) != len(stride):
        raise UnpicklingError("not a shape")
    untyped = storage._untyped_storage
    dtype = storage.dtype
    if len(arguments) > 6 and isinstance(arguments[6], torch.dtype):
        dtype = arguments[6]
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if all(size) and (last + 1) * dtype.itemsize > untyped.nbytes():
        raise UnpicklingError("beyond the storage")
    return torch.empty((0,), dtype=dtype).set_(untyped, offset, size, stride)


def _inner_tensor(arguments: tuple[Any, ...]) -> Tensor | None:
    return arguments[0] if arguments and isinstance(arguments[0], Tensor) else None


def _ordered_dict(arguments: tuple[Any, ...]) -> OrderedDict[Any, Any]:
    pairs = arguments[0] if arguments and isinstance(arguments[0], (list, tuple)) else ()
    return OrderedDict(tuple(pair) for pair in pairs)


def _dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return dict(arguments[0]) if arguments and isinstance(arguments[0], dict) else {}


def _list(arguments: tuple[Any, ...]) -> list[Any]:
    return list(arguments[0]) if arguments and isinstance(arguments[0], _CONTAINERS) else []


def _tuple(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_list(arguments))


def _encode(arguments: tuple[Any, ...]) -> bytes | None:
    """Return bytes that pickles of old protocols hold as a text."""
    text = arguments[0] if arguments else None
    return text.encode("latin-1") if isinstance(text, str) else None


def _bytes(arguments: tuple[Any, ...]) -> bytes | None:
    if not arguments:
        return b""
    return arguments[0] if isinstance(arguments[0], bytes) else None


_CONTAINERS = (list, tuple, set, frozenset, dict)
_MAKERS: Mapping[str, Callable[[tuple[Any, ...]], Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": lambda arguments: _tensor(arguments[:6]),
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_parameter": _inner_tensor,
    "torch._utils._rebuild_parameter_with_state": _inner_tensor,
    "torch.nn.parameter.Parameter": _inner_tensor,
    "torch.Size": _tuple,
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytes,
    "builtins.bytes": _bytes,
    "builtins.dict": _dictionary,
    "builtins.frozenset": lambda arguments: frozenset(_list(arguments)),
    "builtins.list": _list,
    "builtins.set": lambda arguments: set(_list(arguments)),
    "builtins.tuple": _tuple,
    "collections.Counter": _dictionary,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda arguments: {},
    "collections.deque": _list,
}


def _with(method: Callable[..., None], *values: object) -> Callable[[InertUnpickler], None]:
    return lambda reader: method(reader, *values)


_Reader = InertUnpickler
_INSTRUCTIONS: Mapping[bytes, Callable[[InertUnpickler], None]] = {
    # Numbers and texts
    b"N": lambda reader: reader._push(None),
    b"\x88": lambda reader: reader._push(True),
    b"\x89": lambda reader: reader._push(False),
    b"J": _with(_Reader._push_number, "<i"),
    b"K": _with(_Reader._push_number, "<B"),
    b"M": _with(_Reader._push_number, "<H"),
    b"G": _with(_Reader._push_number, ">d"),
    b"\x8a": _with(_Reader._push_long, "<B"),
    b"\x8b": _with(_Reader._push_long, "<I"),
    b"X": _with(_Reader._push_text, "<I"),
    b"\x8c": _with(_Reader._push_text, "<B"),
    b"\x8d": _with(_Reader._push_text, "<Q"),
    b"T": _with(_Reader._push_old_text, "<I"),
    b"U": _with(_Reader._push_old_text, "<B"),
    b"B": _with(_Reader._push_bytes, "<I"),
    b"C": _with(_Reader._push_bytes, "<B"),
    b"\x8e": _with(_Reader._push_bytes, "<Q"),
    b"\x96": _with(_Reader._push_bytes, "<Q"),
    # The stack and the memo
    b"(": lambda reader: reader._push(_MARK),
    b"0": lambda reader: _drop(reader._stack.pop()),
    b"1": lambda reader: _drop(reader._since_mark()),
    b"2": lambda reader: reader._push(reader._stack[-1]),
    b"q": _with(_Reader._remember, "<B"),
    b"r": _with(_Reader._remember, "<I"),
    b"h": _with(_Reader._recall, "<B"),
    b"j": _with(_Reader._recall, "<I"),
    b"\x94": lambda reader: reader._memo.__setitem__(len(reader._memo), reader._stack[-1]),
    b"\x80": _with(_Reader._skip, 1),
    b"\x95": _with(_Reader._skip, 8),
    # Containers
    b"]": lambda reader: reader._push([]),
    b"}": lambda reader: reader._push({}),
    b")": lambda reader: reader._push(()),
    b"\x8f": lambda reader: reader._push(set()),
    b"l": lambda reader: reader._push(reader._since_mark()),
    b"t": lambda reader: reader._push(tuple(reader._since_mark())),
    b"\x91": lambda reader: reader._push(frozenset(reader._since_mark())),
    b"\x85": _with(_Reader._tuple, 1),
    b"\x86": _with(_Reader._tuple, 2),
    b"\x87": _with(_Reader._tuple, 3),
    b"a": lambda reader: reader._append([reader._stack.pop()]),
    b"e": lambda reader: reader._append(reader._since_mark()),
    b"\x90": lambda reader: reader._append(reader._since_mark()),
    b"s": lambda reader: reader._set_items([reader._stack.pop(-2), reader._stack.pop()]),
    b"u": lambda reader: reader._set_items(reader._since_mark()),
    # Names and objects
    b"c": lambda reader: reader._global(reader._line(), reader._line()),
    b"\x93": _Reader._stack_global,
    b"R": _Reader._call,
    b"\x81": _Reader._new_object,
    b"\x92": _Reader._new_object_with_keywords,
    b"b": _Reader._build,
    b"Q": _Reader._persistent,
}


def _drop(_: object) -> None:
    """Forget a value."""


def _load(file: BinaryIO, **_: object) -> Any:  # noqa: ANN401
    return InertUnpickler(file).load()


def pickle_module() -> Any:  # noqa: ANN401 - torch's parameter is untyped
    """Return this reader in the form of `torch.load`'s ``pickle_module``."""
    return SimpleNamespace(__name__="live_gradcam", Unpickler=InertUnpickler, load=_load)
