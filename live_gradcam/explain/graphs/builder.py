"""A `torch.fx` graph that grows value by value, and computes while it grows.

Every value is computed for one picture, so that shapes are known and all that is made from
constants and shapes alone is folded; and for two, which tells the dimension of the batch: a graph
that was written for one picture takes any number of them. Each operation becomes a module, so that
it can be named as the layer to explain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from typing_extensions import override

Operation: TypeAlias = Callable[..., Tensor]
"""From tensors to one tensor."""

# A few numbers in a file must not become gigabytes.
_MOST_ELEMENTS = 1 << 27


class GraphError(Exception):
    """The graph cannot be rebuilt; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the graph.

    Attributes:
        tensor: Its content, for one picture.
        node: Where it comes from; ``None`` for a constant.
        two: Its content for two pictures; ``None`` for a constant.
    """

    tensor: Tensor
    node: fx.Node | None = None
    two: Tensor | None = None

    @property
    def is_constant(self) -> bool:
        """True if it does not depend on the picture."""
        return self.node is None

    @property
    def batch_axis(self) -> int | None:
        """The dimension that grows with the number of pictures; ``None`` if none does."""
        if self.two is None or self.two.ndim != self.tensor.ndim:
            return None
        pairs = enumerate(zip(self.tensor.shape, self.two.shape, strict=True))
        return next((axis for axis, (one, two) in pairs if one != two), None)


class Function(nn.Module):
    """One operation without weights, as a module."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.operation = operation

    @override
    def forward(self, *values: Tensor) -> Tensor:
        return self.operation(*values)


class GraphBuilder:
    """Builds a network around one input.

    Args:
        pixels: An input ``(2, ...)`` of the network: two pictures.
    """

    def __init__(self, pixels: Tensor) -> None:
        self._root = nn.Module()
        self._graph = fx.Graph()
        self._constants = 0
        self._names: set[str] = set()
        self.input = Value(pixels[:1], self._graph.placeholder("pixels"), pixels)

    def constant(self, tensor: Tensor) -> Value:
        """Return a constant; numbers with a fraction become float32."""
        if tensor.numel() > _MOST_ELEMENTS:
            raise GraphError(f"it holds a constant of {tensor.numel()} numbers")
        return Value(tensor.float() if tensor.is_floating_point() else tensor)

    @torch.no_grad()
    def apply(self, name: str, operation: nn.Module | Operation, *values: Value) -> Value:
        """Apply an operation, and return its result.

        Args:
            name: Of the layer that it becomes.
            operation: A module, or a function of tensors.
            values: What it is applied to; if all are constant, so is the result.
        """
        tensor = operation(*(value.tensor for value in values))
        if tensor.numel() > _MOST_ELEMENTS:
            raise GraphError(f"{name} makes {tensor.numel()} numbers of one picture")
        if all(value.is_constant for value in values):
            return self.constant(tensor)
        module = operation if isinstance(operation, nn.Module) else Function(operation)
        target = self._unique(name)
        _add_submodule(self._root, target, module.eval())
        arguments = tuple(self._node_of(value) for value in values)
        pair = module(*(value.tensor if value.two is None else value.two for value in values))
        return Value(tensor, self._graph.call_module(target, arguments), pair)

    def module_of(self, value: Value) -> nn.Module | None:
        """Return the module that a value comes from."""
        if value.node is None or value.node.op != "call_module":
            return None
        return self._root.get_submodule(str(value.node.target))

    def finish(self, output: Value) -> fx.GraphModule:
        """Return the network, with this output."""
        if output.node is None:
            raise GraphError("its output does not depend on the picture")
        self._graph.output(output.node)
        network = fx.GraphModule(self._root, self._graph, "Network")
        network.graph.eliminate_dead_code()
        network.recompile()
        network.delete_all_unused_submodules()
        return network.eval().requires_grad_(False)

    def _node_of(self, value: Value) -> fx.Node:
        if value.node is not None:
            return value.node
        name = f"constant_{self._constants}"
        self._constants += 1
        self._root.register_buffer(name, value.tensor.contiguous())
        return self._graph.get_attr(name)

    def _unique(self, name: str) -> str:
        parts = [re.sub(r"\W", "_", part) or "_" for part in name.split(".")]
        path = ".".join(f"_{part}" if hasattr(nn.Module, part) else part for part in parts)
        chosen, count = path, 1
        while chosen in self._names:
            count += 1
            chosen = f"{path}_{count}"
        self._names.add(chosen)
        return chosen


def _add_submodule(root: nn.Module, path: str, module: nn.Module) -> None:
    *parents, last = path.split(".")
    place = root
    for part in parents:
        if part not in place._modules:
            place.add_module(part, nn.Module())
        place = place.get_submodule(part)
    if last in place._modules:  # a folder of other layers has this name: its layers move in
        folder: Any = place._modules[last]
        for name, child in folder.named_children():
            module.add_module(name, child)
    place.add_module(last, module)


def keep_batch(value: Value, shape: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Return a reshape of a value to a shape for one picture, which takes any number of them.

    A reshape keeps the order in memory. So the batch becomes a part of that dimension which begins
    behind as many elements as lie outside of the batch before.
    """
    target = [int(each) for each in shape]
    outside = _outside_batch(value)
    if outside is None:
        return lambda values: values.reshape(target)
    begins = [math.prod(target[:place]) for place in range(len(target))]
    if outside in begins:
        place = begins.index(outside)
        # The last dimension holds features, which the next layer wants as many of as ever.
        if place == len(target) - 1 and place > 0:
            place -= 1
    else:
        place = max(i for i, begin in enumerate(begins) if begin < outside)
    target[place] = -1
    return lambda values: values.reshape(target)


def _outside_batch(value: Value) -> int | None:
    """Return the product of all dimensions that are outside of the batch in memory."""
    axis, one, two = value.batch_axis, value.tensor, value.two
    if axis is None or two is None:
        return None
    before, length = math.prod(one.shape[:axis]), one.shape[axis]
    for outer in (each for each in range(1, length + 1) if length % each == 0):
        # Transformers of torch put the batch behind the tokens, inside one dimension.
        parts = two.reshape(before, outer, 2, length // outer, -1)
        if torch.allclose(parts[:, :, 0].flatten(), one.flatten().to(two.dtype), 1e-3, 1e-4):
            return before * outer
    raise GraphError("it mixes the pictures of a batch")
