"""Cuts of a network in two: its traced graph is split at the explained layer's output.

What comes before is the trunk, what comes after the head, and ``head(trunk(x)) == network(x)``.
Nothing is hooked or patched, so any layer that all of the information flows through can be
explained. A layer inside a residual block, such as the norms of a transformer, has the block's
input flowing past it; where that has the layer's own shape, both travel together, side by side in
the channels, and the head takes them apart again. Sizes that the head reads of earlier values are
no flow, see `live_gradcam.explain.cutting.sizes`.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import fx, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.flow import ancestors, descendants, measured_inputs, pixel_free
from live_gradcam.explain.cutting.sizes import RecordSizes, StandIn
from live_gradcam.explain.tracing import canonical_name, find_layer, trace


class FlowsAround(ModelError):
    """Some of the network's pixels reach its output past the layer."""


class RunsSeveral(ModelError):
    """The layer runs several times in one forward, or never.

    Attributes:
        count: Number of runs.
    """

    def __init__(self, layer: str, count: int) -> None:
        self.count = count
        cause = f"the layer runs {count} times in one forward, not once"
        super().__init__("cannot explain layer", layer, cause, "Name another layer")


class NoInfluence(ModelError):
    """The output is the same whatever the layer puts out."""

    def __init__(self, layer: str) -> None:
        cause = "the network's output does not depend on it"
        super().__init__("cannot explain layer", layer, cause, "Name another layer")


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


def cut_network(
    network: nn.Module, layer: str, *, carry: bool = False, run: int | None = None
) -> Cut:
    """Split a network at a layer's output.

    Args:
        network: In evaluation mode; from ``(N, 3, H, W)`` to logits ``(N, classes)``.
        layer: Dotted name of the layer; ``-1`` stands for the last child.
        carry: Take along what flows past the layer, if it has the layer's shape. The channels must
            then be the last dimension.
        run: Which of the layer's runs in one forward, from 0; ``None`` if there is but one.

    Raises:
        ModelError: The network has no such layer, cannot be traced, or information bypasses the
            layer; `RunsSeveral` where ``run`` must be said.
    """
    layer = canonical_name(network, find_layer(network, layer))
    try:
        whole = trace(network, leaf=network.get_submodule(layer))
    except Exception as exc:  # tracing runs the network's own code
        raise ModelError(
            "cannot cut the network",
            type(network).__name__,
            f"its forward cannot be traced ({exc})",
            "Hand over its two parts with Classifier.from_parts(trunk, head, ...)",
        ) from exc
    return cut_graph(whole, layer, carry=carry, run=run)


def cut_graph(
    whole: fx.GraphModule, layer: str, *, carry: bool = False, run: int | None = None
) -> Cut:
    """Split a traced network at a layer's output; its parameters are shared, its graph copied.

    Args:
        whole: A traced network in which the layer is one node.
        layer: Dotted name of the layer.
        carry: As for `cut_network`.
        run: As for `cut_network`.

    Raises:
        ModelError: There is no such run of the layer, or information bypasses it.
    """
    runs = [node for node in whole.graph.nodes if node.op == "call_module" and node.target == layer]
    if len(runs) <= (run or 0) or (run is None and len(runs) != 1):
        raise RunsSeveral(layer, len(runs))
    return cut_at(whole, runs[run or 0], carry=carry)


def flows_around(layer: str, *names: str) -> FlowsAround:
    """Return the error about a layer that some values bypass.

    Args:
        layer: Dotted name of the layer.
        names: Of the values that bypass it.
    """
    return FlowsAround(
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


def cut_at(whole: fx.GraphModule, layer: fx.Node, *, carry: bool = False) -> Cut:
    """Split a traced network at one value.

    Args:
        whole: A traced network; not modified.
        layer: The value in its graph.
        carry: As for `cut_network`.

    Raises:
        ModelError: Information bypasses the value, or the output does not depend on it.
    """
    graph = whole.graph
    before = ancestors(layer)
    after = descendants(layer) | {layer}
    free = pixel_free(graph)
    measured: dict[fx.Node, None] = {}
    needed = _needed(graph, layer, after, free, measured)
    if layer not in needed:
        raise NoInfluence(str(layer.target))
    wanted = [node for node in graph.nodes if node in needed and node is not layer]
    # Values by which the two sides touch beside the layer; a parameter may serve both.
    past = [
        node
        for node in wanted
        if node in before
        and node not in free
        and any(
            user in needed and user not in before and node not in measured_inputs(user)
            for user in node.users
        )
    ]
    if past and not carry:
        raise flows_around(str(layer.target), *(node.name for node in past))

    in_trunk_too = set(before).union(*(ancestors(node) for node in measured))
    trunk, head = fx.Graph(), fx.Graph()
    in_trunk: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in in_trunk_too:
            in_trunk[node] = trunk.node_copy(node, in_trunk.__getitem__)
    values = [in_trunk[node] for node in (layer, *past)]
    out = trunk.call_function(torch.cat, (values, -1)) if past else values[0]

    start = head.placeholder("activations")
    in_head = {layer: start}
    if past:
        parts = head.call_method("chunk", (start, len(values), -1))
        for position, node in enumerate((layer, *past)):
            in_head[node] = head.call_function(operator.getitem, (parts, position))
    root: dict[str, nn.Module] = {}
    if measured:
        recorder = RecordSizes()
        name = _free_name(whole, "record_sizes")
        root[name] = recorder
        out = trunk.call_module(name, (out, *(in_trunk[node] for node in measured)))
        for position, node in enumerate(measured):
            if node not in in_head:
                stand_in = f"{_free_name(whole, 'stand_in')}_{position}"
                root[stand_in] = StandIn(recorder, position)
                in_head[node] = head.call_module(stand_in, (start,))
    trunk.output(out)
    for node in wanted:
        if node not in in_head and (node in free or node not in before):
            in_head[node] = head.node_copy(node, in_head.__getitem__)
    return Cut(
        _module(whole, trunk, "Trunk", root),
        _module(whole, head, "Head", root),
        tuple(node.name for node in past),
    )


def _needed(
    graph: fx.Graph,
    layer: fx.Node,
    after: set[fx.Node],
    free: set[fx.Node],
    measured: dict[fx.Node, None],
) -> set[fx.Node]:
    """Return what the output is made from when the layer is given.

    Args:
        graph: Of the whole network.
        layer: The given value; what it is made from is not needed.
        after: The layer and everything that it has a part in.
        free: Of `pixel_free`.
        measured: Receives the values before the layer of which only the shape is needed.
    """
    found: set[fx.Node] = set()
    pending = [*graph.find_nodes(op="output")]
    while pending:
        current = pending.pop()
        if current in found:
            continue
        found.add(current)
        if current is layer:
            continue
        only_measured = measured_inputs(current)
        for each in current.all_input_nodes:
            if each in only_measured and each not in after and each not in free:
                measured[each] = None
            else:
                pending.append(each)
    for node in found.intersection(measured):  # needed as a whole elsewhere
        if node in after:
            del measured[node]
    return found


def _free_name(whole: fx.GraphModule, name: str) -> str:
    while hasattr(whole, name) or hasattr(whole, f"{name}_0"):
        name += "_"
    return name


def _module(
    whole: fx.GraphModule, graph: fx.Graph, name: str, extra: dict[str, nn.Module]
) -> fx.GraphModule:
    """Make a module of a graph over a network's modules and some more."""
    for key, module in extra.items():
        whole.add_module(key, module)
    try:
        return fx.GraphModule(whole, graph, name)
    finally:
        for key in extra:
            delattr(whole, key)
