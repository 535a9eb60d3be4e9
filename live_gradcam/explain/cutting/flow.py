"""What flows in a traced network: pixels, or only sizes, which say nothing of what a picture shows.

``x.view(x.size(0), -1)`` reads the number of images from ``x``, not their pixels. Such reads are
told apart here, so that they neither hide the layers that everything flows through, nor tie a part
of the network to the number of images that it was traced with.
"""

from __future__ import annotations

import torch
from torch import fx
from torch.nn import Module

from live_gradcam.explain.cutting.sizes import RecordSizes

# Reads of a tensor's form; what they are called on gives no numbers.
_METHODS = frozenset(
    {
        *("size", "dim", "ndimension", "numel", "nelement", "get_device", "is_floating_point"),
        *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "element_size"),
    }
)
_ATTRIBUTES = frozenset({"shape", "device", "dtype", "ndim", "is_cuda", "layout", "requires_grad"})
_aten = torch.ops.aten
_FUNCTIONS = frozenset(
    {
        *(torch.zeros_like, torch.ones_like, torch.empty_like, torch.full_like, torch.numel, len),
        *(_aten.sym_size.int, _aten.sym_numel.default, _aten.zeros_like.default),
        *(_aten.ones_like.default, _aten.full_like.default, _aten.new_zeros.default),
        *(_aten.new_ones.default, _aten.new_full.default, _aten.empty_like.default),
    }
)
# These take the numbers of the first and the form of the second.
_AS_ANOTHER = frozenset({"expand_as", "view_as", "reshape_as", "type_as"})


def measured_inputs(node: fx.Node) -> set[fx.Node]:
    """Return the inputs of a node of which it reads the form only: shape, type and device."""
    first, *others = (each if isinstance(each, fx.Node) else None for each in (*node.args, None))
    if node.op == "call_method":
        if node.target in _METHODS:
            found = {first}
        elif node.target in _AS_ANOTHER:
            found = set(others) - {first}
        else:
            found = set()
    elif node.op == "call_function":
        of_attribute = node.target is getattr and node.args[1] in _ATTRIBUTES
        found = {first} if of_attribute or node.target in _FUNCTIONS else set()
    elif node.op == "call_module" and isinstance(_module_of(node), RecordSizes):
        found = set(others) - {first}
    else:
        found = set()
    # `x.new_full(size, fill)` and the like may take numbers from elsewhere in the same call.
    return {each for each in found if each is not None and _uses(node, each) == 1}


def _uses(node: fx.Node, of: fx.Node) -> int:
    count = 0

    def note(each: fx.Node) -> fx.Node:
        nonlocal count
        count += each is of
        return each

    fx.map_arg((node.args, node.kwargs), note)
    return count


def _module_of(node: fx.Node) -> Module | None:
    owner = node.graph.owning_module
    return None if owner is None else owner.get_submodule(str(node.target))


def pixel_free(graph: fx.Graph) -> set[fx.Node]:
    """Return what no pixel has a part in: parameters, sizes, and what is made of nothing else."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if found.issuperset(set(node.all_input_nodes) - measured_inputs(node)):
            found.add(node)
    return found


def ancestors(node: fx.Node) -> set[fx.Node]:
    """Return a node and everything that it is made from, sizes included."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending.extend(current.all_input_nodes)
    return found


def descendants(node: fx.Node) -> set[fx.Node]:
    """Return everything that a node has a part in, without the node itself."""
    found: set[fx.Node] = set()
    pending = [*node.users]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending.extend(current.users)
    return found


def bottlenecks(graph: fx.Graph) -> list[fx.Node]:
    """Return the values that all pixels flow through, in order: later ones need no other value."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    free = pixel_free(graph)
    found = []
    farthest = 0
    for node in graph.nodes:
        if node.op in ("get_attr", "output") or node in free:
            continue
        here = order[node]
        if node.op != "placeholder" and farthest <= here:
            found.append(node)
        uses = [order[user] for user in node.users if node not in measured_inputs(user)]
        farthest = max([farthest, *uses])
    return found
