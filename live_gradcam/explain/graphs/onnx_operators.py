"""What the operations of ONNX without weights are in torch.

Source: the operators' specification, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from live_gradcam.explain.graphs.builder import GraphBuilder, GraphError, Value, keep_batch


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operation of an ONNX graph, with its inputs.

    Attributes:
        builder: Grows the network.
        kind: Name of the operation.
        name: Name for its layer.
        inputs: ``None`` where an optional one is left out.
        attributes: By name; tensors are torch's.
        opset: Version of the operations.
        outputs: Number of its results.
        is_last_use: For each input, ``True`` if nothing else reads it.
    """

    builder: GraphBuilder
    kind: str
    name: str
    inputs: Sequence[Value | None]
    opset: int
    outputs: int = 1
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_last_use: Sequence[bool] = ()

    def value(self, index: int) -> Value:
        """Return an input that must be there."""
        value = self.optional(index)
        if value is None:
            raise GraphError(f"{self.kind} lacks its input {index}")
        return value

    def optional(self, index: int) -> Value | None:
        """Return an input, ``None`` where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> Tensor | None:
        """Return a constant input, ``None`` where it is left out."""
        value = self.optional(index)
        if value is not None and not value.is_constant:
            raise GraphError(f"the input {index} of {self.kind} depends on the picture")
        return None if value is None else value.tensor

    def numbers(self, attribute: str, index: int) -> list[int] | None:
        """Return integers that are an attribute in old versions and an input in new ones."""
        if attribute in self.attributes:
            return [int(each) for each in self.attributes[attribute]]
        tensor = self.constant(index)
        return None if tensor is None else [int(each) for each in tensor.flatten().tolist()]

    def apply(self, operation: nn.Module | Callable[..., Tensor], *values: Value) -> Value:
        """Apply an operation to values, by default to the first input."""
        return self.builder.apply(self.name, operation, *(values or (self.value(0),)))


Converter: TypeAlias = Callable[[Call], "Value | Sequence[Value]"]


def _simple(operation: Callable[..., Tensor]) -> Converter:
    def convert(call: Call) -> Value:
        return call.apply(operation, *(call.value(i) for i in range(len(call.inputs))))

    return convert


def _layer(make: Callable[[Mapping[str, Any]], nn.Module]) -> Converter:
    return lambda call: call.apply(make(call.attributes))


def _divide(left: Tensor, right: Tensor) -> Tensor:
    if left.is_floating_point() or right.is_floating_point():
        return left / right
    return torch.div(left, right, rounding_mode="trunc")


def _fold(operation: Callable[[Tensor, Tensor], Tensor]) -> Converter:
    def convert(call: Call) -> Value:
        result = call.value(0)
        for index in range(1, len(call.inputs)):
            result = call.apply(operation, result, call.value(index))
        return result

    return convert


def _mean_of(call: Call) -> Value:
    total = _fold(torch.add)(call)
    assert isinstance(total, Value)
    count = len(call.inputs)
    return call.apply(lambda values: values / count, total)


def _add(call: Call) -> Value:
    """Add; behind a matrix product with constant weights it is the bias of a linear layer."""
    for product, bias in ((0, 1), (1, 0)):
        value, added = call.value(product), call.value(bias)
        layer = call.builder.module_of(value)
        if (
            isinstance(layer, nn.Linear)
            and layer.bias is None
            and added.is_constant
            and added.tensor.shape[-1:] == (layer.out_features,)
            and added.tensor.numel() == layer.out_features
            and call.is_last_use[product]
        ):
            layer.bias = nn.Parameter(added.tensor.flatten(), requires_grad=False)
            assert value.two is not None
            return Value(value.tensor + added.tensor, value.node, value.two + added.tensor)
    return call.apply(torch.add, call.value(0), call.value(1))


def _reduce(operation: Callable[[Tensor, list[int], bool], Tensor]) -> Converter:
    def convert(call: Call) -> Value:
        axes = call.numbers("axes", 1)
        keep = bool(call.attributes.get("keepdims", 1))
        if not axes:
            if call.attributes.get("noop_with_empty_axes", 0):
                return call.value(0)
            axes = list(range(call.value(0).tensor.ndim))
        chosen = axes
        return call.apply(lambda values: operation(values, chosen, keep))

    return convert


def _clip(call: Call) -> Value:
    low = call.attributes.get("min", call.constant(1))
    high = call.attributes.get("max", call.constant(2))
    bounds = (
        -math.inf if low is None else float(low),
        math.inf if high is None else float(high),
    )
    return call.apply(nn.ReLU6() if bounds == (0, 6) else nn.Hardtanh(*bounds))


def _softmax(kind: Callable[..., Tensor], layer: type[nn.Module]) -> Converter:
    def convert(call: Call) -> Value:
        count = call.value(0).tensor.ndim
        axis = int(call.attributes.get("axis", -1 if call.opset >= 13 else 1)) % count
        if axis == count - 1 or call.opset >= 13:
            return call.apply(layer(dim=axis))

        def flat(values: Tensor) -> Tensor:
            return kind(values.flatten(axis), dim=-1).reshape(values.shape)

        return call.apply(flat)

    return convert


def _hard_sigmoid(call: Call) -> Value:
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        return call.apply(nn.Hardsigmoid())
    return call.apply(lambda values: (alpha * values + beta).clamp(0, 1))


def _reshape(call: Call) -> Value:
    shape = call.numbers("shape", 1) or []
    source = call.value(0).tensor.shape
    if not call.attributes.get("allowzero", 0):
        shape = [source[i] if each == 0 else each for i, each in enumerate(shape)]
    if call.value(0).is_constant or not shape:
        return call.apply(lambda values: values.reshape(shape))
    target = call.value(0).tensor.reshape(shape).shape
    return call.apply(keep_batch(call.value(0), target))


def _flatten(call: Call) -> Value:
    axis = int(call.attributes.get("axis", 1))
    if axis == 1:
        return call.apply(nn.Flatten())
    shape = call.value(0).tensor.shape
    axis %= len(shape) + 1
    sizes = (math.prod(shape[:axis]), math.prod(shape[axis:]))
    return call.apply(keep_batch(call.value(0), sizes))


def _transpose(call: Call) -> Value:
    order = call.attributes.get("perm") or range(call.value(0).tensor.ndim - 1, -1, -1)
    wanted = [int(each) for each in order]
    return call.apply(lambda values: values.permute(wanted))


def _squeeze(call: Call) -> Value:
    source = call.value(0).tensor
    axes = call.numbers("axes", 1)
    if axes is None:
        axes = [axis for axis, length in enumerate(source.shape) if length == 1]
    wanted = tuple(axes)
    return call.apply(lambda values: values.squeeze(wanted))


def _unsqueeze(call: Call) -> Value:
    axes = call.numbers("axes", 1) or []
    count = call.value(0).tensor.ndim + len(axes)
    wanted = sorted(axis % count for axis in axes)

    def unsqueeze(values: Tensor) -> Tensor:
        for axis in wanted:
            values = values.unsqueeze(axis)
        return values

    return call.apply(unsqueeze)


def _concat(call: Call) -> Value:
    values = [call.value(index) for index in range(len(call.inputs))]
    axis = int(call.attributes["axis"])
    varying = next((i for i, value in enumerate(values) if value.batch_axis is not None), None)
    batch = None if varying is None else values[varying].batch_axis
    fixed = [value.batch_axis is None for value in values]
    if batch == axis % values[0].tensor.ndim:
        raise GraphError("it mixes the pictures of a batch")

    def concat(*parts: Tensor) -> Tensor:
        if varying is None or batch is None:
            return torch.cat(parts, axis)
        # Class tokens and the like: the same for every picture of a batch.
        count = parts[varying].shape[batch]
        sizes = [-1] * parts[varying].ndim
        sizes[batch] = count
        spread = [
            part.expand(sizes) if is_fixed else part
            for part, is_fixed in zip(parts, fixed, strict=True)
        ]
        return torch.cat(spread, axis)

    return call.apply(concat, *values)


def _split(call: Call) -> list[Value]:
    axis = int(call.attributes.get("axis", 0))
    length = call.value(0).tensor.shape[axis]
    sizes = call.numbers("split", 1)
    if sizes is None:
        each = -(-length // call.outputs)
        sizes = [min(each, length - each * index) for index in range(call.outputs)]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]

    def part(start: int, size: int) -> Callable[[Tensor], Tensor]:
        return lambda values: values.narrow(axis, start, size)

    pairs = zip(starts, sizes, strict=True)
    return [call.apply(part(start, size)) for start, size in pairs]


def _slice(call: Call) -> Value:
    source = call.value(0).tensor
    starts, ends = call.numbers("starts", 1) or [], call.numbers("ends", 2) or []
    axes = call.numbers("axes", 3) or list(range(len(starts)))
    steps = call.numbers("steps", 4) or [1] * len(starts)
    wanted = [slice(None)] * source.ndim
    flips: list[int] = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = source.shape[axis]
        if step < 0:
            taken = range(length)[start : None if end < -length else end : step]
            if step != -1 or len(taken) != length:
                raise GraphError("it slices backwards")
            flips.append(axis)
            continue
        wanted[axis] = slice(start, None if end >= length else end, step)
    if all(each == slice(None) for each in wanted) and not flips:
        return call.value(0)
    index = tuple(wanted)
    return call.apply(lambda values: values[index].flip(flips) if flips else values[index])


def _gather(call: Call) -> Value:
    axis = int(call.attributes.get("axis", 0))
    indices = call.constant(1)
    assert indices is not None
    length = call.value(0).tensor.shape[axis]
    wanted = torch.where(indices < 0, indices + length, indices).long()
    if wanted.ndim == 0:
        position = int(wanted)
        return call.apply(lambda values: values.select(axis, position))
    shape = (*call.value(0).tensor.shape[: axis % call.value(0).tensor.ndim], *wanted.shape)
    if wanted.ndim == 1:
        return call.apply(lambda values, index: values.index_select(axis, index),
                          call.value(0), Value(wanted))  # fmt: skip
    raise GraphError(f"it gathers an array of indices {shape}")


def _shape(call: Call) -> Value:
    shape = list(call.value(0).tensor.shape)
    start, end = call.attributes.get("start", 0), call.attributes.get("end", len(shape))
    return call.builder.constant(torch.tensor(shape[start:end]))


def _cast(call: Call) -> Value:
    kind = int(call.attributes["to"])
    # Half and double precision become float32, which a graph without them computes in.
    floats, whole = (1, 10, 11, 16), {2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64}
    if kind in floats:
        if call.value(0).tensor.is_floating_point():
            return call.value(0)
        return call.apply(lambda values: values.float())
    if kind == 9:
        return call.apply(lambda values: values.bool())
    if kind not in whole:
        raise GraphError(f"it casts to ONNX's type {kind}")
    wanted = whole[kind]
    return call.apply(lambda values: values.to(wanted))


def _expand(call: Call) -> Value:
    shape = call.numbers("shape", 1) or []
    target = np.broadcast_shapes(tuple(call.value(0).tensor.shape), tuple(shape))
    if math.prod(target) > 1 << 27:
        raise GraphError(f"it expands to {tuple(target)}")
    if tuple(target) == tuple(call.value(0).tensor.shape):
        return call.value(0)
    sizes = list(target)
    axis = call.value(0).batch_axis
    if axis is not None:
        sizes[axis - call.value(0).tensor.ndim] = -1
    return call.apply(lambda values: values.expand(sizes).clone())


def _constant(call: Call) -> Value:
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if key in call.attributes:
            return call.builder.constant(torch.as_tensor(call.attributes[key]))
    raise GraphError("it holds a constant that is no number")


def _constant_of_shape(call: Call) -> Value:
    shape = call.numbers("shape", 0) or []
    if math.prod(shape) > 1 << 27:
        raise GraphError(f"it makes a constant of shape {shape}")
    filling = call.attributes.get("value", torch.zeros(1))
    return call.builder.constant(torch.full(shape, filling.item(), dtype=filling.dtype))


def _range(call: Call) -> Value:
    start, end, step = (call.constant(index) for index in range(3))
    assert start is not None
    assert end is not None
    assert step is not None
    if float((end - start) / step) > 1 << 27:
        raise GraphError("it makes a range that is too long")
    return call.builder.constant(torch.arange(start.item(), end.item(), step.item()))


def _tile(call: Call) -> Value:
    repeats = call.numbers("repeats", 1) or []
    if call.value(0).tensor.numel() * math.prod(repeats) > 1 << 27:
        raise GraphError("it repeats too often")
    return call.apply(lambda values: values.repeat(repeats))


def _pad(call: Call) -> Value:
    pads = call.numbers("pads", 1) or []
    axes = call.numbers("axes", 3)
    count = call.value(0).tensor.ndim
    chosen = list(range(count)) if axes is None else [axis % count for axis in axes]
    before, after = [0] * count, [0] * count
    for index, axis in enumerate(chosen):
        before[axis], after[axis] = pads[index], pads[index + len(chosen)]
    flat = [each for axis in range(count - 1, -1, -1) for each in (before[axis], after[axis])]
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        del flat[-2:]
    filling = call.constant(2) if call.opset >= 11 else None
    number = float(call.attributes.get("value", 0.0) if filling is None else filling)
    mode = call.attributes.get("mode", "constant")
    named = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(mode)
    if named is None:
        raise GraphError(f"it pads in the mode {mode!r}")
    if named == "constant":
        return call.apply(lambda values: functional.pad(values, flat, value=number))
    return call.apply(lambda values: functional.pad(values, flat, mode=named))


def _scatter(call: Call) -> Value:
    places = call.constant(1)
    assert places is not None
    if call.attributes.get("reduction", "none") != "none":
        raise GraphError("it scatters sums")
    index = tuple(places.long().unbind(-1))

    def scatter(values: Tensor, updates: Tensor) -> Tensor:
        result = values.clone()
        result[index] = updates
        return result

    if not (call.value(0).is_constant and call.value(2).is_constant):
        raise GraphError("it scatters values of the picture")
    return call.apply(scatter, call.value(0), call.value(2))


def _depth_to_space(call: Call) -> Value:
    size = int(call.attributes["blocksize"])
    if call.attributes.get("mode", "DCR") == "CRD":
        return call.apply(nn.PixelShuffle(size))
    raise GraphError("it moves depth to space in the order DCR")


def _einsum(call: Call) -> Value:
    equation = str(call.attributes["equation"])
    values = [call.value(index) for index in range(len(call.inputs))]
    return call.apply(lambda *parts: torch.einsum(equation, *parts), *values)


def _refuse(cause: str) -> Converter:
    def convert(call: Call) -> Value:
        raise GraphError(cause)

    return convert


OPERATORS: Mapping[str, Converter] = {
    "Abs": _simple(torch.abs),
    "Add": _add,
    "And": _simple(torch.logical_and),
    "ArgMax": _refuse("it puts out the best class alone (ArgMax), not the scores"),
    "Cast": _cast,
    "CastLike": lambda call: call.value(0),
    "Ceil": _simple(torch.ceil),
    "Celu": _layer(lambda given: nn.CELU(given.get("alpha", 1.0))),
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Cos": _simple(torch.cos),
    "DepthToSpace": _depth_to_space,
    "Div": _simple(_divide),
    "Dropout": lambda call: call.value(0),
    "Einsum": _einsum,
    "Elu": _layer(lambda given: nn.ELU(given.get("alpha", 1.0))),
    "Equal": _simple(torch.eq),
    "Erf": _simple(torch.erf),
    "Exp": _simple(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _simple(torch.floor),
    "Gather": _gather,
    "Gelu": _layer(lambda given: nn.GELU(given.get("approximate", "none"))),
    "Greater": _simple(torch.gt),
    "GreaterOrEqual": _simple(torch.ge),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _layer(lambda _: nn.Hardswish()),
    "Identity": lambda call: call.value(0),
    "LeakyRelu": _layer(lambda given: nn.LeakyReLU(given.get("alpha", 0.01))),
    "Less": _simple(torch.lt),
    "LessOrEqual": _simple(torch.le),
    "Log": _simple(torch.log),
    "LogSoftmax": _softmax(torch.log_softmax, nn.LogSoftmax),
    "Max": _fold(torch.maximum),
    "Mean": _mean_of,
    "Min": _fold(torch.minimum),
    "Mish": _layer(lambda _: nn.Mish()),
    "Mod": _simple(torch.remainder),
    "Mul": _simple(torch.mul),
    "Neg": _simple(torch.neg),
    "Not": _simple(torch.logical_not),
    "Or": _simple(torch.logical_or),
    "Pad": _pad,
    "Pow": _simple(torch.pow),
    "Range": _range,
    "Reciprocal": _simple(torch.reciprocal),
    "ReduceL2": _reduce(lambda values, axes, keep: values.norm(2, axes, keep)),
    "ReduceMax": _reduce(lambda values, axes, keep: values.amax(axes, keep)),
    "ReduceMean": _reduce(lambda values, axes, keep: values.mean(axes, keep)),
    "ReduceMin": _reduce(lambda values, axes, keep: values.amin(axes, keep)),
    "ReduceSum": _reduce(lambda values, axes, keep: values.sum(axes, keep)),
    "ReduceSumSquare": _reduce(lambda values, axes, keep: values.square().sum(axes, keep)),
    "Relu": _layer(lambda _: nn.ReLU()),
    "Reshape": _reshape,
    "Round": _simple(torch.round),
    "ScatterND": _scatter,
    "Selu": _layer(lambda _: nn.SELU()),
    "Shape": _shape,
    "Sigmoid": _layer(lambda _: nn.Sigmoid()),
    "Sign": _simple(torch.sign),
    "Sin": _simple(torch.sin),
    "Slice": _slice,
    "Softmax": _softmax(torch.softmax, nn.Softmax),
    "Softplus": _layer(lambda _: nn.Softplus()),
    "Softsign": _layer(lambda _: nn.Softsign()),
    "Split": _split,
    "Sqrt": _simple(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _simple(torch.sub),
    "Sum": _fold(torch.add),
    "Tanh": _layer(lambda _: nn.Tanh()),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _simple(torch.where),
}
"""The operations without weights, by their names in ONNX."""
