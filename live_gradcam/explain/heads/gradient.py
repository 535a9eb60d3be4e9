"""The head that any module makes: its gradient is taken through itself, never through the trunk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from typing_extensions import override

from live_gradcam.explain.heads.base import Chooser, Explained, Head, Vjp, grad_cam_maps, one_hot


class GradientHead(Head):
    """Any head, with one backward pass for each explained class.

    Args:
        module: From activations to logits. Samples of a batch must not influence each other.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._one_by_one = has_attention(module)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        logits, vjp = torch.func.vjp(partial(run_unmodified, self.module), activations)[:2]
        return logits, partial(vjp_each, vjp, one_by_one=self._one_by_one)

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return run_unmodified(self.module, activations), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        return self.explain_by_gradient(activations, choose, one_hot, grad_cam_maps)


def run_unmodified(module: nn.Module, values: Tensor) -> Tensor:
    """Run a module on a copy of the values, since many begin with a ReLU in place."""
    result: Tensor = module(values.clone())
    return result


def vjp_each(
    vjp: Callable[[Tensor], tuple[Tensor]], cotangents: Tensor, *, one_by_one: bool
) -> Tensor:
    """Take the derivatives ``(N, K, ...)`` of K values back through one part of a network.

    Args:
        vjp: Second result of `torch.func.vjp` for the part.
        cotangents: By the part's output.
        one_by_one: Do it for one value after the other, see `has_attention`.
    """
    by_value = cotangents.transpose(0, 1)
    if one_by_one:
        gradients = torch.stack([vjp(each)[0] for each in by_value])
    else:
        gradients = torch.func.vmap(lambda each: vjp(each)[0])(by_value)
    return gradients.transpose(0, 1)


def has_attention(module: nn.Module) -> bool:
    """Return whether a module attends: torch cannot differentiate it for several scores at once."""
    fused = (
        functional.scaled_dot_product_attention,
        torch.ops.aten.scaled_dot_product_attention.default,
    )
    return any(
        isinstance(part, nn.MultiheadAttention)
        or (
            isinstance(part, fx.GraphModule)
            and any(node.target in fused for node in part.graph.nodes)
        )
        for part in module.modules()
    )
