"""Structure of a network: its layers by dotted name, and its forward as a `torch.fx` graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

from torch import fx, nn
from typing_extensions import override

from live_gradcam.errors import ModelError

_OPAQUE_MODULES: set[type[nn.Module]] = set()
_OPAQUE_FUNCTIONS: set[Callable[..., Any]] = set()


def keep_whole(
    modules: Collection[type[nn.Module]], functions: Collection[Callable[..., Any]]
) -> None:
    """Register modules and functions that `torch.fx` cannot trace: they become single nodes.

    The register is the process's, because networks are traced again long after they were found.
    """
    _OPAQUE_MODULES.update(modules)
    _OPAQUE_FUNCTIONS.update(functions)


def trace(network: nn.Module, *, leaf: nn.Module | None = None) -> fx.GraphModule:
    """Trace a network into a graph of its operations.

    Args:
        network: From ``(N, 3, H, W)``; other parameters of its forward keep their defaults.
        leaf: One of its modules, which becomes a single node, whatever it contains.

    Raises:
        Exception: Whatever the network's own code raises when it is given no numbers.
    """
    parameters = list(inspect.signature(network.forward).parameters.values())[1:]
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    graph = _Tracer(leaf).trace(network, defaults)
    return fx.GraphModule(network, graph, type(network).__name__)


class _Tracer(fx.Tracer):
    """Follows a network through all its modules, except those that stay whole.

    Args:
        leaf: A module that stays whole, too; traced networks are copied and sent without one.
    """

    def __init__(self, leaf: nn.Module | None = None) -> None:
        super().__init__(autowrap_functions=tuple(_OPAQUE_FUNCTIONS))
        self._leaf = leaf

    @override
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            m is self._leaf
            or isinstance(m, tuple(_OPAQUE_MODULES))
            or super().is_leaf_module(m, module_qualified_name)
        )


def find_layer(network: nn.Module, path: str) -> str:
    """Return the dotted name of a layer; ``-1`` in a path stands for the last child.

    Raises:
        ModelError: The network has no such layer.
    """
    names: list[str] = []
    parent = network
    for part in path.split("."):
        children = {name: child for name, child in parent._modules.items() if child is not None}
        name = next(reversed(children), part) if part == "-1" else part
        if name not in children:
            raise _unknown_layer(network, path)
        names.append(name)
        parent = children[name]
    return ".".join(names)


def _unknown_layer(network: nn.Module, layer: str) -> ModelError:
    names = [name for name, _ in network.named_modules() if name]
    near = get_close_matches(layer, names, 3, 0.4) or [n for n in names if "." not in n]
    return ModelError("unknown layer", layer, "", f"This network has {', '.join(near)}")
