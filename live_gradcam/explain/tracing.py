"""Structure of a network: its layers by dotted name, and its forward as a `torch.fx` graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from torch import fx, nn
from typing_extensions import override

from live_gradcam.errors import ModelError
from live_gradcam.wording import did_you_mean

_OPAQUE_MODULES: set[type[nn.Module]] = set()
_OPAQUE_FUNCTIONS: set[Callable[..., Any]] = set()
# As many names of layers as fit into a sentence.
_MOST_NAMES = 12


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
            or getattr(m, "stays_whole", False)
            or isinstance(m, tuple(_OPAQUE_MODULES))
            or super().is_leaf_module(m, module_qualified_name)
        )


# Names that wrappers put before those of the network inside, which is explained without them.
_WRAPPERS = frozenset({"_orig_mod", "module"})


def find_layer(network: nn.Module, path: str) -> str:
    """Return the dotted name of a layer; ``-1`` in a path stands for the last child.

    What ``torch.compile`` and ``DataParallel`` put before a name may stand there or not.

    Raises:
        ModelError: The network has no such layer.
    """
    names: list[str] = []
    parent = network
    for part in path.split("."):
        children = {name: child for name, child in parent._modules.items() if child is not None}
        name = next(reversed(children), part) if part == "-1" else part
        if name not in children:
            if name in _WRAPPERS and path != name:
                continue
            raise _unknown_layer(network, path)
        names.append(name)
        parent = children[name]
    if not names:
        raise _unknown_layer(network, path)
    return ".".join(names)


def canonical_name(network: nn.Module, layer: str) -> str:
    """Return the first of the names of a layer that has several."""
    module = network.get_submodule(layer)
    names = (name for name, each in network.named_modules() if each is module)
    return str(next(names))


def _unknown_layer(network: nn.Module, layer: str) -> ModelError:
    names = [name for name, _ in network.named_modules() if name]
    hint = did_you_mean(layer, names)
    top = [name for name in names if "." not in name]
    shown = ", ".join(top[:_MOST_NAMES]) + (", ..." if len(top) > _MOST_NAMES else "")
    step = f"{hint}This network has {shown}" if top else "This network has no layers"
    return ModelError("unknown layer", layer, "", step)
