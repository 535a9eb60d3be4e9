"""The methods that there are, found in the modules of this package."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import MappingProxyType

from live_gradcam.errors import UsageError
from live_gradcam.explain.heads import Head, MultiLayerHead
from live_gradcam.explain.methods.base import Method
from live_gradcam.protocol import MethodFacts
from live_gradcam.wording import did_you_mean


def _find_methods() -> Iterator[type[Method]]:
    """Yield every subclass of `Method` with a name that a module beside this one defines."""
    package = import_module(__name__.rpartition(".")[0])
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(import_module(module.name)).values():
            is_own = getattr(value, "__module__", "") == module.name and isinstance(value, type)
            if is_own and issubclass(value, Method) and "name" in vars(value):
                yield value


def _by_place(method: type[Method]) -> tuple[bool, int, str]:
    return method.place is None, method.place or 0, method.name


METHODS: MappingProxyType[str, type[Method]] = MappingProxyType(
    {method.name: method for method in sorted(_find_methods(), key=_by_place)}
)
"""Every method by its name, the default one first."""

QUICK_METHODS = tuple(name for name, method in METHODS.items() if method.reruns == "nothing")
"""Names of the methods that need one forward only: those that keep up with a camera."""


METHOD_FACTS = tuple(
    MethodFacts(each.name, each.title, each.contrasts, each.reruns == "nothing")
    for each in METHODS.values()
)
"""What front doors need to know of each method, in the same order."""


def require_method(name: str, head: Head | None = None) -> type[Method]:
    """Return the method of a name.

    Args:
        name: A name in `METHODS`.
        head: If given, the method must be able to explain what this head explains.

    Raises:
        UsageError: There is no such method, or it does not work on several layers at once.
    """
    method = METHODS.get(name)
    if method is None:
        step = f"{did_you_mean(name, METHODS)}Choose from {', '.join(METHODS)}"
        raise UsageError("unknown method", name, "", step)
    if isinstance(head, MultiLayerHead) and name not in QUICK_METHODS:
        cause = f"{method.title} explains one layer"
        step = f"Name one layer, or use {', '.join(QUICK_METHODS)}"
        raise UsageError("cannot fuse layers", name, cause, step)
    return method


def methods_markdown() -> str:
    """Return the README's table of the methods that have a place."""
    rows = ["| `--method` | paper | map of class c | unit |", "|---|---|---|---|"]
    rows += [
        f"| `{each.name}` | [{each.title}]({each.link()}) | `{each.definition}` | {each.unit} |"
        for each in METHODS.values()
        if each.place is not None
    ]
    return "\n".join(rows) + "\n"
