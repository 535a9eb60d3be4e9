"""What does not depend on the picture is computed once, when the graph is made."""

from __future__ import annotations

import torch
from torch import Tensor, fx

# Larger ones are left to the engines: weights in another order would stand in the file twice.
_MOST_NUMBERS = 1 << 20


def fold_constants(traced: fx.GraphModule) -> None:
    """Replace operations on constants by their results, in place."""
    values: dict[fx.Node, Tensor] = {}
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            value = getattr(traced, str(node.target))
        elif node.op == "call_function" and _is_constant(node, values):
            arguments = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            value = node.target(*arguments[0], **arguments[1])
        else:
            continue
        if isinstance(value, Tensor) and value.numel() <= _MOST_NUMBERS:
            values[node] = value
    for number, (node, value) in enumerate(values.items()):
        if node.op == "get_attr" or all(user in values for user in node.users):
            continue
        traced.register_buffer(f"constant{number}", value.detach().contiguous().clone())
        with traced.graph.inserting_before(node):
            node.replace_all_uses_with(traced.graph.get_attr(f"constant{number}"))
    traced.graph.eliminate_dead_code()
    traced.recompile()


def _is_constant(node: fx.Node, values: dict[fx.Node, Tensor]) -> bool:
    """True for an operation of torch's on constants alone that gives the same every time."""
    operation = node.target
    return (
        isinstance(operation, torch._ops.OpOverload)
        and not operation._schema.is_mutable
        and torch.Tag.nondeterministic_seeded not in operation.tags
        and all(each in values for each in node.all_input_nodes)
    )
