"""Cuts of a network in two: its traced graph is split at the explained layer's output.

What comes before is the trunk, what comes after the head, and ``head(trunk(x)) == network(x)``.
Nothing is hooked or patched, so any layer that all of the information flows through can be
explained. A layer inside a residual block, such as the norms of a transformer, has the block's
input flowing past it; where that has the layer's own shape, both travel together, side by side in
the channels, and the head takes them apart again.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import fx, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.tracing import find_layer, trace


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A network in two parts: ``head(trunk(x)) == network(x)``.

    Attributes:
        trunk: To the layer's output; with what flows past it behind its own channels, if anything
            does.
        head: From the trunk's output to the network's.
        carried: Names of the values that flow past the layer.
    """

    trunk: nn.Module
    head: nn.Module
    carried: tuple[str, ...] = ()


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
        whole = trace(network, leaf=network.get_submodule(layer))
    except Exception as exc:  # tracing runs the network's own code
        raise ModelError(
            "cannot cut the network",
            type(network).__name__,
            f"its forward cannot be traced ({exc})",
            "Hand over its two parts with Classifier.from_parts(trunk, head, ...)",
        ) from exc
    return cut_graph(whole, layer, carry=carry)


def cut_graph(whole: fx.GraphModule, layer: str, *, carry: bool = False) -> Cut:
    """Split a traced network at a layer's output; its parameters are shared, its graph copied.

    Args:
        whole: A traced network in which the layer is one node.
        layer: Dotted name of the layer.
        carry: As for `cut_network`.

    Raises:
        ModelError: The layer does not run exactly once, or information bypasses it.
    """
    runs = [node for node in whole.graph.nodes if node.op == "call_module" and node.target == layer]
    if len(runs) != 1:
        cause = f"the layer runs {len(runs)} times in one forward, not once"
        raise ModelError("cannot explain layer", layer, cause, "Name another layer")
    return _split(whole, runs[0], carry=carry)


def flows_around(layer: str, *names: str) -> ModelError:
    """Return the error about a layer that some values bypass.

    Args:
        layer: Dotted name of the layer.
        names: Of the values that bypass it.
    """
    return ModelError(
        "cannot explain layer",
        layer,
        f"information flows around it ({', '.join(names)})",
        "Name a layer that everything flows through",
    )


def channels_first(cut: Cut) -> Cut:
    """Turn a cut at channels-last maps ``(N, h, w, C)`` into one at ``(N, C, h, w)``."""
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


def _split(whole: fx.GraphModule, layer: fx.Node, *, carry: bool) -> Cut:
    graph = whole.graph
    before = _ancestors(layer)
    constant = _constants(graph)
    needed = _ancestors(graph.find_nodes(op="output")[0], stop=layer)
    wanted = [node for node in graph.nodes if node in needed and node is not layer]
    # Values by which the two sides touch beside the layer; a parameter may serve both.
    past = [
        node
        for node in wanted
        if node in before
        and node not in constant
        and any(user in needed and user not in before for user in node.users)
    ]
    if past and not carry:
        raise flows_around(str(layer.target), *(node.name for node in past))

    trunk, head = fx.Graph(), fx.Graph()
    in_trunk: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in before:
            in_trunk[node] = trunk.node_copy(node, in_trunk.__getitem__)
    values = [in_trunk[node] for node in (layer, *past)]
    trunk.output(trunk.call_function(torch.cat, (values, -1)) if past else values[0])

    start = head.placeholder("activations")
    in_head = {layer: start}
    if past:
        parts = head.call_method("chunk", (start, len(values), -1))
        for position, node in enumerate((layer, *past)):
            in_head[node] = head.call_function(operator.getitem, (parts, position))
    for node in wanted:
        if node not in in_head and (node in constant or node not in before):
            in_head[node] = head.node_copy(node, in_head.__getitem__)
    return Cut(
        fx.GraphModule(whole, trunk, "Trunk"),
        fx.GraphModule(whole, head, "Head"),
        tuple(node.name for node in past),
    )


def _ancestors(node: fx.Node, stop: fx.Node | None = None) -> set[fx.Node]:
    """Return a node and everything that it is made from, but nothing that ``stop`` is made from."""
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
    """Return parameters and what is made of nothing but them: the same for every image."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op not in ("placeholder", "output") and found.issuperset(node.all_input_nodes):
            found.add(node)
    return found
