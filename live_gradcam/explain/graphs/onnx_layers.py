"""What the operations of ONNX with weights or windows are in torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from live_gradcam.explain.graphs.builder import GraphError, Value
from live_gradcam.explain.graphs.onnx_operators import Call, Converter


def _conv(call: Call) -> Value:
    weight, bias = call.constant(1), call.constant(2)
    assert weight is not None
    if weight.ndim != 4:
        raise GraphError(f"it convolves in {weight.ndim - 2} dimensions, not in two")
    strides = _pair(call, "strides")
    dilations = _pair(call, "dilations")
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    source, padding = _padded(call, kernel, strides, dilations, 0.0)
    groups = int(call.attributes.get("group", 1))
    layer = nn.Conv2d(
        int(weight.shape[1]) * groups,
        int(weight.shape[0]),
        kernel,
        strides,
        padding,
        dilations,
        groups,
        bias is not None,
        device="meta",
    )
    return call.apply(_filled(layer, weight=weight, bias=bias), source)


def _gemm(call: Call) -> Value:
    if not call.value(1).is_constant:
        return _free_gemm(call)
    weight, bias = call.value(1).tensor, call.optional(2)
    if call.attributes.get("transA", 0) or (bias is not None and not bias.is_constant):
        return _free_gemm(call)
    weight = weight if call.attributes.get("transB", 0) else weight.t()
    scaled = weight * call.attributes.get("alpha", 1.0)
    offset = None
    if bias is not None:
        if bias.tensor.numel() not in (1, weight.shape[0]):
            return _free_gemm(call)
        offset = bias.tensor.flatten().expand(weight.shape[0]) * call.attributes.get("beta", 1.0)
    return call.apply(_linear(scaled, offset))


def _free_gemm(call: Call) -> Value:
    alpha, beta = call.attributes.get("alpha", 1.0), call.attributes.get("beta", 1.0)
    flip_left, flip_right = call.attributes.get("transA", 0), call.attributes.get("transB", 0)

    def product(left: Tensor, right: Tensor, *bias: Tensor) -> Tensor:
        first, second = left.t() if flip_left else left, right.t() if flip_right else right
        result: Tensor = torch.matmul(first, second) * alpha
        return torch.add(result, bias[0], alpha=beta) if bias else result

    values = [value for value in map(call.optional, range(3)) if value is not None]
    return call.apply(product, *values)


def _matmul(call: Call) -> Value:
    left, right = call.value(0), call.value(1)
    if right.is_constant and right.tensor.ndim == 2 and not left.is_constant:
        return call.apply(_linear(right.tensor.t(), None))
    return call.apply(torch.matmul, left, right)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return _filled(layer, weight=weight.contiguous(), bias=bias)


def _batch_norm(call: Call) -> Value:
    weight, bias, mean, variance = (call.constant(index) for index in range(1, 5))
    assert weight is not None
    count = call.value(0).tensor.ndim
    kinds: Mapping[int, type[nn.Module]] = {
        2: nn.BatchNorm1d,
        3: nn.BatchNorm1d,
        4: nn.BatchNorm2d,
    }
    if count not in kinds:
        raise GraphError(f"it normalises values of {count} dimensions")
    if call.attributes.get("training_mode", 0):
        raise GraphError("it was exported in training mode")
    layer = kinds[count](weight.shape[0], eps=call.attributes.get("epsilon", 1e-5))
    filled = _filled(layer, weight=weight, bias=bias)
    filled.register_buffer("running_mean", mean)
    filled.register_buffer("running_var", variance)
    return call.apply(filled)


def _layer_norm(call: Call) -> Value:
    axis = int(call.attributes.get("axis", -1))
    shape = tuple(call.value(0).tensor.shape)
    normalized = shape[axis:]
    weight, bias = call.constant(1), call.constant(2)
    layer = nn.LayerNorm(normalized, eps=call.attributes.get("epsilon", 1e-5))
    scale = torch.ones(normalized) if weight is None else weight.expand(normalized).contiguous()
    shift = torch.zeros(normalized) if bias is None else bias.expand(normalized).contiguous()
    return call.apply(_filled(layer, weight=scale, bias=shift))


def _group_norm(call: Call) -> Value:
    weight, bias = call.constant(1), call.constant(2)
    assert weight is not None
    assert bias is not None
    channels = call.value(0).tensor.shape[1]
    groups = int(call.attributes["num_groups"])
    if weight.numel() == groups != channels:  # version 18 had one number for each group
        weight = weight.repeat_interleave(channels // groups)
        bias = bias.repeat_interleave(channels // groups)
    layer = nn.GroupNorm(groups, channels, eps=call.attributes.get("epsilon", 1e-5))
    return call.apply(_filled(layer, weight=weight, bias=bias))


def _instance_norm(call: Call) -> Value:
    weight, bias = call.constant(1), call.constant(2)
    epsilon = call.attributes.get("epsilon", 1e-5)
    return call.apply(
        lambda values: functional.instance_norm(values, weight=weight, bias=bias, eps=epsilon)
    )


def _filled(
    layer: nn.Module,
    *,
    weight: Tensor,
    bias: Tensor | None,
) -> nn.Module:
    layer.weight = nn.Parameter(weight.float(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.float().contiguous(), requires_grad=False)
    return layer.eval()


def _p_relu(call: Call) -> Value:
    slope = call.constant(1)
    assert slope is not None
    channels = call.value(0).tensor.shape[1]
    if slope.numel() not in (1, channels):
        return call.apply(lambda values, s: torch.where(values < 0, values * s, values),
                          call.value(0), call.value(1))  # fmt: skip
    layer = nn.PReLU(slope.numel())
    layer.weight = nn.Parameter(slope.flatten().float(), requires_grad=False)
    return call.apply(layer)


def _max_pool(call: Call) -> Value:
    if call.outputs > 1:
        raise GraphError("it pools with indices")
    kernel, strides, dilations = _window(call)
    source, padding = _padded(call, kernel, strides, dilations, -math.inf)
    ceil = bool(call.attributes.get("ceil_mode", 0))
    return call.apply(nn.MaxPool2d(kernel, strides, padding, dilations, ceil_mode=ceil), source)


def _average_pool(call: Call) -> Value:
    kernel, strides, dilations = _window(call)
    if dilations != (1, 1):
        raise GraphError("it averages with gaps")
    counts = bool(call.attributes.get("count_include_pad", 0))
    source, padding = _padded(call, kernel, strides, dilations, 0.0)
    if source is not call.value(0) and not counts:
        raise GraphError("it averages with uneven padding")
    ceil = bool(call.attributes.get("ceil_mode", 0))
    return call.apply(nn.AvgPool2d(kernel, strides, padding, ceil, counts), source)


def _global_average(call: Call) -> Value:
    if call.value(0).tensor.ndim != 4:
        raise GraphError("it pools values that are no maps")
    return call.apply(nn.AdaptiveAvgPool2d(1))


def _local_response(call: Call) -> Value:
    given = call.attributes
    return call.apply(
        nn.LocalResponseNorm(
            int(given["size"]), given.get("alpha", 1e-4), given.get("beta", 0.75),
            given.get("bias", 1.0),
        )
    )  # fmt: skip


def _pair(call: Call, attribute: str) -> tuple[int, int]:
    first, second = call.attributes.get(attribute) or (1, 1)
    return int(first), int(second)


def _window(call: Call) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    kernel: Sequence[int] = call.attributes["kernel_shape"]
    if len(kernel) != 2:
        raise GraphError(f"it pools in {len(kernel)} dimensions, not in two")
    return (int(kernel[0]), int(kernel[1])), _pair(call, "strides"), _pair(call, "dilations")


def _padded(
    call: Call,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    filling: float,
) -> tuple[Value, tuple[int, int]]:
    """Return the input, padded where the two sides differ, and the padding that is left to do."""
    top, left, bottom, right = (int(each) for each in call.attributes.get("pads") or (0, 0, 0, 0))
    mode = call.attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        sides = []
        for axis in (0, 1):
            length = call.value(0).tensor.shape[2 + axis]
            wide = dilations[axis] * (kernel[axis] - 1) + 1
            total = max(0, (-(-length // strides[axis]) - 1) * strides[axis] + wide - length)
            small, large = total // 2, total - total // 2
            sides.append((small, large) if mode == "SAME_UPPER" else (large, small))
        (top, bottom), (left, right) = sides
    if (top, left) == (bottom, right):
        return call.value(0), (top, left)
    pads = [left, right, top, bottom]
    padded = call.builder.apply(
        f"{call.name}.pad",
        lambda values: functional.pad(values, pads, value=filling),
        call.value(0),
    )
    return padded, (0, 0)


LAYERS: Mapping[str, Converter] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": lambda call: call.apply(nn.AdaptiveMaxPool2d(1)),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "PRelu": _p_relu,
}
"""The operations with weights or windows, by their names in ONNX."""
