"""How a network is cut in two: its traced graph is split at the explained layer's output.

What comes before is the trunk, what comes after the head, and ``head(trunk(x)) == network(x)``.
Nothing is hooked or patched, so any layer that all of the information flows through can be
explained. A layer inside a residual block, such as the norms of a transformer, has the block's
input flowing past it; where that has the layer's own shape, both travel together, side by side in
the channels, and the head takes them apart again.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import fx, nn
from typing_extensions import override

from live_gradcam.errors import ModelError

_OPAQUE_MODULES: set[type[nn.Module]] = set()
_OPAQUE_FUNCTIONS: set[Callable[..., Any]] = set()


def keep_whole(
    modules: Collection[type[nn.Module]], functions: Collection[Callable[..., Any]]
) -> None:
    """Tell that tracing cannot look into these: a library knows its own."""
    _OPAQUE_MODULES.update(modules)
    _OPAQUE_FUNCTIONS.update(functions)


class _Tracer(fx.Tracer):
    """Follows a network through all its modules, except those that stay whole."""

    def __init__(self, whole: nn.Module | None = None) -> None:
        super().__init__(autowrap_functions=tuple(_OPAQUE_FUNCTIONS))
        self._whole = whole

    @override
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            m is self._whole
            or isinstance(m, tuple(_OPAQUE_MODULES))
            or super().is_leaf_module(m, module_qualified_name)
        )


def trace(network: nn.Module) -> fx.GraphModule:
    """A network as a graph of its operations.

    Raises:
        Exception: Whatever the network's own code raises when it meets no numbers.
    """
    graph = _Tracer().trace(network, _defaults(network))
    return fx.GraphModule(network, graph, type(network).__name__)


def _defaults(network: nn.Module) -> dict[str, Any]:
    """What a forward's options are when it is given pixels only."""
    parameters = list(inspect.signature(network.forward).parameters.values())[1:]
    return {each.name: each.default for each in parameters if each.default is not each.empty}


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A network in two parts: ``head(trunk(x)) == network(x)``.

    Attributes:
        trunk: To the layer's output; with what flows past it behind its own channels, if anything
            does.
        head: From what the trunk gives to the network's output.
        carried: Names of the values that flow past the layer.
    """

    trunk: nn.Module
    head: nn.Module
    carried: tuple[str, ...] = ()


def find_layer(network: nn.Module, path: str) -> str:
    """The dotted name of a layer; ``-1`` in a path stands for the last child.

    Raises:
        ModelError: The network has no such layer.
    """
    names: list[str] = []
    place = network
    for part in path.split("."):
        children = {name: child for name, child in place._modules.items() if child is not None}
        name = next(reversed(children), part) if part == "-1" else part
        if name not in children:
            raise unknown_layer(network, path)
        names.append(name)
        place = children[name]
    return ".".join(names)


def unknown_layer(network: nn.Module, layer: str) -> ModelError:
    """The error about a layer that does not exist, with those that do."""
    names = [name for name, _ in network.named_modules() if name]
    near = get_close_matches(layer, names, 3, 0.4) or [n for n in names if "." not in n]
    return ModelError("unknown layer", layer, "", f"This network has {', '.join(near)}")


def flows_around(layer: str, *names: str) -> ModelError:
    """The error about a layer that not everything flows through."""
    return ModelError(
        "cannot explain layer",
        layer,
        f"information flows around it ({', '.join(names)})",
        "Name a layer that everything flows through",
    )


def cut_network(network: nn.Module, layer: str, *, carry: bool = False) -> Cut:
    """Split a network at a layer's output.

    Args:
        network: In evaluation mode; from ``(N, 3, H, W)`` to logits ``(N, classes)``.
        layer: Dotted name of the layer; ``-1`` stands for the last child.
        carry: Take along what flows past the layer, if it has the layer's shape. The channels must
            then be the last dimension.

    Raises:
        ModelError: The network has no such layer, cannot be traced, or information bypasses the
            layer.
    """
    layer = find_layer(network, layer)
    try:
        graph = _Tracer(network.get_submodule(layer)).trace(network, _defaults(network))
    except Exception as exc:  # tracing runs the network's own code
        raise ModelError(
            "cannot cut the network",
            type(network).__name__,
            f"its forward cannot be traced ({exc})",
            "Hand over its two parts with Classifier.from_parts(trunk, head, ...)",
        ) from exc
    places = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if len(places) != 1:
        cause = f"the layer runs {len(places)} times in one forward, not once"
        raise ModelError("cannot explain layer", layer, cause, "Name another layer")
    return _split(network, graph, places[0], carry=carry)


def channels_first(cut: Cut) -> Cut:
    """A cut at channels-last maps ``(N, h, w, C)`` as one at ``(N, C, h, w)``."""
    if not (isinstance(cut.trunk, fx.GraphModule) and isinstance(cut.head, fx.GraphModule)):
        from torchvision.ops import Permute

        trunk_part = nn.Sequential(cut.trunk, Permute([0, 3, 1, 2]))
        return Cut(trunk_part, nn.Sequential(Permute([0, 2, 3, 1]), cut.head))
    trunk, head = cut.trunk.graph, cut.head.graph
    (end,) = trunk.find_nodes(op="output")
    with trunk.inserting_before(end):
        end.args = (trunk.call_method("permute", (end.args[0], 0, 3, 1, 2)),)
    (start,) = head.find_nodes(op="placeholder")
    with head.inserting_after(start):
        back = head.call_method("permute", (start, 0, 2, 3, 1))
    start.replace_all_uses_with(back, delete_user_cb=lambda user: user is not back)
    cut.trunk.recompile()
    cut.head.recompile()
    return cut


def _split(network: nn.Module, graph: fx.Graph, place: fx.Node, *, carry: bool) -> Cut:
    before = _ancestors(place)
    constant = _constants(graph)
    needed = _ancestors(graph.find_nodes(op="output")[0], stop=place)
    wanted = [node for node in graph.nodes if node in needed and node is not place]
    # Where the two sides touch beside the layer; a parameter may serve both.
    past = [
        node
        for node in wanted
        if node in before
        and node not in constant
        and any(user in needed and user not in before for user in node.users)
    ]
    if past and not carry:
        raise flows_around(str(place.target), *(node.name for node in past))

    trunk, head = fx.Graph(), fx.Graph()
    in_trunk: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in before:
            in_trunk[node] = trunk.node_copy(node, in_trunk.__getitem__)
    values = [in_trunk[node] for node in (place, *past)]
    trunk.output(trunk.call_function(torch.cat, (values, -1)) if past else values[0])

    start = head.placeholder("activations")
    in_head = {place: start}
    if past:
        parts = head.call_method("chunk", (start, len(values), -1))
        for position, node in enumerate((place, *past)):
            in_head[node] = head.call_function(operator.getitem, (parts, position))
    for node in wanted:
        if node not in in_head and (node in constant or node not in before):
            in_head[node] = head.node_copy(node, in_head.__getitem__)
    return Cut(
        fx.GraphModule(network, trunk, "Trunk"),
        fx.GraphModule(network, head, "Head"),
        tuple(node.name for node in past),
    )


def _ancestors(node: fx.Node, stop: fx.Node | None = None) -> set[fx.Node]:
    """A node and everything that it is made from, not looking behind ``stop``."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            if current is not stop:
                pending.extend(current.all_input_nodes)
    return found


def _constants(graph: fx.Graph) -> set[fx.Node]:
    """Parameters, and what is made of nothing but them: the same for every picture."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op not in ("placeholder", "output") and found.issuperset(node.all_input_nodes):
            found.add(node)
    return found
