"""The source code that a network's graph comes from, found by following imports.

What is compiled from a network may be used again only as long as the code that made it is the same.
That code is in the modules of the network's classes and of the functions that its traced parts
call, and in all that these import, directly or not. So a module that is added, split or moved is
found without being listed anywhere.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import PurePath
from types import FunctionType

from torch import fx, nn

_OWN_PACKAGE = __name__.partition(".")[0]
# Folders of what a package manager installed, and nobody edits without changing its version.
_INSTALLED = frozenset({"site-packages", "dist-packages"})

_COMMENT_OR_ALIAS = re.compile(r"#[^\n]*|[ \t]as[ \t]+\w+")
_FOR_TYPES = re.compile(
    r"^([ \t]*)if (?:typing\.)?TYPE_CHECKING:[ \t]*\n(?:\1[ \t]+[^\n]*\n|[ \t]*\n)*", re.MULTILINE
)
# What looks like an import in a string is one more name, which does no harm.
_IMPORT = re.compile(
    r"(?:^|;|:)[ \t]*(?:"
    r"from[ \t]+(\.*)[ \t]*([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|(?:[^\n;\\]|\\\n)*)"
    r"|import[ \t]+((?:[^\n;\\]|\\\n)*))",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w.]+")


def source_versions(network: nn.Module, also: Iterable[str] = ()) -> Mapping[str, str]:
    """Return the version of everything that a network's code comes from, by name.

    The version of a module is a hash of its source. An installed package other than this one counts
    as a whole, with the version that it states; the standard library is left out.

    Args:
        network: Its submodules may be of any classes, traced ones among them.
        also: Names of further modules that take part.
    """
    found: dict[str, str] = {}
    whole: set[str] = set(sys.stdlib_module_names)  # packages that need no further look
    waiting = [*also, *_modules_of(network)]
    while waiting:
        name = waiting.pop()
        package = name.partition(".")[0]
        if name in found or package in whole:
            continue
        spec = _find_spec(name)
        if package != _OWN_PACKAGE and _is_installed(_find_spec(package)):
            version = _stated_version(package)
            if version is not None:
                found[package] = version
                whole.add(package)
                continue
            if name not in sys.modules:  # nothing of it has been used
                continue
        if spec is None:  # no module, but something in one
            continue
        source = _read(spec)
        found[name] = hashlib.sha256(source).hexdigest()
        is_package = spec.submodule_search_locations is not None
        waiting += _imports(source, name if is_package else name.rpartition(".")[0])
        waiting += _homes(vars(sys.modules[name]).values() if name in sys.modules else ())
    return dict(sorted(found.items()))


def _modules_of(network: nn.Module) -> Iterator[str]:
    """Names of the modules of all classes and traced functions in a network."""
    for part in network.modules():
        yield from _homes(type(part).__mro__)
        if isinstance(part, fx.GraphModule):
            functions = (node.target for node in part.graph.nodes if node.op == "call_function")
            yield from filter(None, (getattr(each, "__module__", None) for each in functions))


def _homes(values: Iterable[object]) -> set[str]:
    """Names of the modules where classes and functions were defined."""
    defined = (value for value in values if isinstance(value, (type, FunctionType)))
    return {each.__module__ for each in defined if isinstance(each.__module__, str)}


def _find_spec(name: str) -> ModuleSpec | None:
    """The specification of a module, loaded or not; ``None`` if there is none of this name."""
    if name in sys.modules:
        module = sys.modules[name]
        path = getattr(module, "__file__", None)
        if module.__spec__ is None and path is not None:  # the script that is run
            return importlib.util.spec_from_file_location(name, path)
        return module.__spec__
    # Looking into a package that is not loaded would run its code.
    parent = name.rpartition(".")[0]
    if parent and not hasattr(sys.modules.get(parent), "__path__"):
        return None
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _is_installed(spec: ModuleSpec | None) -> bool:
    return spec is not None and not _INSTALLED.isdisjoint(PurePath(spec.origin or "").parts)


def _stated_version(package: str) -> str | None:
    if package in sys.modules and hasattr(sys.modules[package], "__version__"):
        return str(sys.modules[package].__version__)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # distributed under another name
        return None


def _read(spec: ModuleSpec) -> bytes:
    """The source of a module, or its binary; nothing where it has no file."""
    read = getattr(spec.loader, "get_data", None)
    if read is None or spec.origin is None:
        return b""
    try:
        return bytes(read(spec.origin))
    except OSError:
        return b""


@functools.lru_cache(maxsize=256)
def _imports(source: bytes, package: str) -> frozenset[str]:
    """Names that a module may import, at its top or in its functions, but not for types alone.

    Args:
        source: Of the module.
        package: Which it lies in, for relative imports.
    """
    # Read by its lines: a syntax tree of some thousand objects could set off the garbage collector,
    # which stops the session for a tenth of a second.
    text = source.decode("utf-8", "replace").replace("\r\n", "\n")
    text = _FOR_TYPES.sub("", _COMMENT_OR_ALIAS.sub("", text))
    names: set[str] = set()
    for level, base, members, modules in _IMPORT.findall(text):
        if level:
            parts = package.split(".")
            above = parts[: len(parts) + 1 - len(level)]
            base = ".".join([*above, *filter(None, [base])])
        names.update(_NAME.findall(modules) if modules else [base])
        names.update(f"{base}.{member}" for member in _NAME.findall(members))
    return frozenset(names)
