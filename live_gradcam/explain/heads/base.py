"""Grad-CAM (Selvaraju et al., arXiv 1610.02391, eq. 1 and 2) as pure tensor functions.

With activations ``A`` of the explained layer, ``(N, C, h, w)``, and the score ``y_c`` of class c,

    map_c = sum_k  mean_ij(dy_c / dA_k)  *  A_k            (signed, in logit units)

A `Head` is what stands after the explained layer. Where it is global average pooling and one
Linear layer, ``dy_c / dA_k = W_ck / (h w)`` everywhere, so the maps of all classes are one matrix
product and ``sum(map_c) + b_c = y_c`` exactly. Where it is a 1x1 convolution, ReLU and global
average pooling (SqueezeNet), ``mean_ij(dy_c / dA_k) = W_ck * p_c / (h w)`` with ``p_c`` the share
of places where class c is active, so the maps are the class maps before the ReLU, scaled. Neither
needs a backward pass. Every other head takes the gradient through itself, never through the trunk.

All of it is float32, whatever the trunk runs in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from typing_extensions import override

Chooser: TypeAlias = Callable[[Tensor], Tensor]
"""From logits ``(N, classes)`` to the class indices ``(N, K)`` that are to be explained."""

Vjp: TypeAlias = Callable[[Tensor], Tensor]
"""From derivatives by the logits to derivatives by the activations, see `Head.differentiate`."""


def choose_classes(logits: Tensor, selection: Tensor) -> Tensor:
    """Turn a selection of classes or ranks into class indices.

    Args:
        logits: ``(N, classes)``.
        selection: int64 ``(K,)``; c >= 0 is class c, -1 the best class, -2 the second best, ...

    Returns:
        int64 ``(N, K)``.
    """
    count = logits.shape[0]
    depth = min(selection.shape[0], logits.shape[1])
    ranked = logits.topk(depth, dim=1).indices
    ranks = (-1 - selection).clamp(0, depth - 1).expand(count, -1)
    return torch.where(selection >= 0, selection.expand(count, -1), ranked.gather(1, ranks))


class Head(nn.Module):
    """From the activations of the explained layer to scores and to evidence."""

    closed_form = False
    """Whether evidence needs no backward pass, so that maps of all classes cost next to nothing."""

    compilable = True
    """Whether evidence is a fixed number of operations, which a compiler can follow."""

    def to_grid(self, values: Tensor) -> Tensor:
        """Activations, or gradients by them, as maps: ``(N, ...)`` to ``(N, C, h, w)``.

        What a convolutional layer puts out has that form already.
        """
        return values

    def gradients_to_grid(self, gradients: Tensor) -> Tensor:
        """The same for gradients of K classes: ``(N, K, ...)`` to ``(N, K, C, h, w)``."""
        grid = self.to_grid(gradients.flatten(0, 1))
        return grid.reshape(*gradients.shape[:2], *grid.shape[1:])

    def channel_mask(self, values: Tensor) -> Tensor:
        """What activations of one picture are multiplied with to lose one channel each.

        Args:
            values: One picture's activations, ``(C, h, w)``.

        Returns:
            Zeros and ones, ``(C, ...)``: entry k takes away channel k.
        """
        channels = values.shape[0]
        return (1 - torch.eye(channels, device=values.device))[:, :, None, None]

    @abstractmethod
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        """Scores, and how to take their gradients.

        Args:
            activations: float32 ``(N, C, h, w)``; not modified.

        Returns:
            Logits ``(N, classes)``, and a function from derivatives ``(N, K, classes)`` of K values
            by the logits to their gradients by the activations: ``(N, K, C, h, w)``, or
            ``(N, K, C, 1, 1)`` where they are the same at every place.
        """

    @abstractmethod
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Scores, and what evidence for any class can be made from.

        Args:
            activations: float32 ``(N, C, h, w)``; not modified.

        Returns:
            Logits ``(N, classes)`` and the basis ``(N, *, h, w)`` for `evidence`.
        """

    @abstractmethod
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        """Grad-CAM maps in logit units, signed.

        Args:
            basis: What `score` returned.
            classes: int64 ``(N, K)``.

        Returns:
            float32 ``(N, K, h, w)``.
        """

    def all_evidence(self, basis: Tensor) -> Tensor | None:
        """The maps of all classes, ``(N, classes, h, w)``; `None` where there is no shorter way."""

    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Score, choose classes and make their maps in one go.

        Returns:
            Logits ``(N, classes)``, classes ``(N, K)``, evidence ``(N, K, h, w)`` and the basis.
        """
        logits, basis = self.score(activations)
        classes = choose(logits)
        return logits, classes, self.evidence(basis, classes), basis

    def forward(self, activations: Tensor) -> Tensor:
        """Logits ``(N, classes)``."""
        return self.score(activations)[0]


class LinearHead(Head):
    """Global average pooling and one Linear layer: ResNet and many others.

    Args:
        weight: ``(classes, C)``.
        bias: ``(classes,)``, or ``None``.
    """

    closed_form = True
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        _keep_linear(self, weight, bias)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        places = activations.shape[2] * activations.shape[3]

        def vjp(cotangents: Tensor) -> Tensor:
            return (cotangents @ self.weight)[..., None, None] / places

        return self.score(activations)[0], vjp

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        pooled = activations.mean((2, 3))
        return functional.linear(pooled, self.weight, self.bias), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        count, channels, height, width = basis.shape
        chosen = self.weight.index_select(0, classes.reshape(-1)).reshape(count, -1, channels)
        maps = torch.bmm(chosen, basis.reshape(count, channels, height * width))
        return maps.reshape(count, -1, height, width) / (height * width)

    @override
    def all_evidence(self, basis: Tensor) -> Tensor:
        count, _, height, width = basis.shape
        maps = torch.matmul(self.weight, basis.flatten(2))
        return maps.reshape(count, -1, height, width) / (height * width)


class PointwiseHead(Head):
    """A 1x1 convolution, ReLU and global average pooling: SqueezeNet.

    Args:
        weight: ``(classes, C)``.
        bias: ``(classes,)``, or ``None``.
    """

    closed_form = True
    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        _keep_linear(self, weight, bias)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        logits, class_maps = self.score(activations)
        height, width = class_maps.shape[2:]
        active = (class_maps > 0).to(class_maps.dtype).flatten(2)[:, None]

        def vjp(cotangents: Tensor) -> Tensor:
            # Where class c is active, each of its class map's places has the same share in y_c.
            by_map = cotangents[..., None] * active / (height * width)
            gradients = self.weight.t() @ by_map
            return gradients.reshape(*gradients.shape[:3], height, width)

        return logits, vjp

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        class_maps = functional.conv2d(activations, self.weight[:, :, None, None], self.bias)
        return class_maps.relu().mean((2, 3)), class_maps

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        height, width = basis.shape[2:]
        index = classes[:, :, None, None].expand(-1, -1, height, width)
        return self._scaled(basis.gather(1, index), self.bias[classes])

    @override
    def all_evidence(self, basis: Tensor) -> Tensor:
        return self._scaled(basis, self.bias[None])

    def _scaled(self, chosen: Tensor, bias: Tensor) -> Tensor:
        height, width = chosen.shape[2:]
        active = (chosen > 0).to(chosen.dtype).mean((2, 3), keepdim=True)
        return (chosen - bias[:, :, None, None]) * active / (height * width)


class GradientHead(Head):
    """Any head: the gradient is taken through the head alone.

    Args:
        module: From activations to logits. Samples of a batch must not influence each other.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._one_by_one = has_attention(module)

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(activations), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, vjp = self.differentiate(activations)
        classes = choose(logits)
        gradients = self.gradients_to_grid(vjp(one_hot(logits, classes)))
        maps = weighted_sum(gradients.mean((3, 4)), self.to_grid(activations))
        return logits, classes, maps, activations

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        logits, vjp_one = torch.func.vjp(self._run, activations)[:2]

        return logits, partial(vjp_each, vjp_one, one_by_one=self._one_by_one)

    def _run(self, activations: Tensor) -> Tensor:
        # Cloned because many heads begin with a ReLU in place.
        logits: Tensor = self.module(activations.clone())
        return logits


def vjp_each(
    vjp: Callable[[Tensor], tuple[Tensor]], cotangents: Tensor, *, one_by_one: bool
) -> Tensor:
    """Derivatives ``(N, K, ...)`` of K values, each back through the same part of a network.

    Args:
        vjp: What `torch.func.vjp` gave for the part.
        cotangents: By the part's output.
        one_by_one: It cannot be done for several values at once, see `has_attention`.
    """
    by_value = cotangents.transpose(0, 1)
    if one_by_one:
        gradients = torch.stack([vjp(each)[0] for each in by_value])
    else:
        gradients = torch.func.vmap(lambda each: vjp(each)[0])(by_value)
    return gradients.transpose(0, 1)


def has_attention(module: nn.Module) -> bool:
    """Whether a module attends, which torch cannot differentiate for several scores at once."""
    fused = functional.scaled_dot_product_attention
    return any(
        isinstance(part, nn.MultiheadAttention)
        or (
            isinstance(part, fx.GraphModule)
            and any(node.target is fused for node in part.graph.nodes)
        )
        for part in module.modules()
    )


def one_hot(logits: Tensor, classes: Tensor) -> Tensor:
    """Derivatives ``(N, K, classes)`` of the chosen scores ``(N, K)`` by all scores."""
    indices = torch.arange(logits.shape[1], device=logits.device)
    return (classes.unsqueeze(2) == indices).to(logits.dtype)


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """``sum_k weights_k * A_k``: ``(N, K, C)`` and ``(N, C, h, w)`` to ``(N, K, h, w)``."""
    count, _, height, width = activations.shape
    return torch.bmm(weights, activations.flatten(2)).reshape(count, -1, height, width)


def prove_head(module: nn.Module, channels: int) -> Head:
    """The cheapest head that provably does what a module does.

    A closed form is taken only if, on random signed activations of two shapes, its scores and its
    maps equal those of the module and of the gradient through it.

    Args:
        module: From activations ``(N, channels, h, w)`` to logits, in evaluation mode, float32.
        channels: Number of channels of the explained layer.
    """
    reference = GradientHead(module)
    candidate = _closed_form_candidate(module, channels)
    if candidate is None:
        return reference
    generator = torch.Generator().manual_seed(0)
    for height, width in ((7, 7), (4, 9)):
        activations = torch.randn(2, channels, height, width, generator=generator)
        try:
            expected = _by_definition(module, activations)
        except RuntimeError:  # a head that takes one size only has no closed form of ours
            return reference
        logits, _, maps, _ = candidate.explain(activations, _probe_classes)
        for ours, theirs in zip((logits, maps), expected, strict=True):
            if ours.shape != theirs.shape or not torch.allclose(
                ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max())
            ):
                return reference
    return candidate


@torch.enable_grad()
def _by_definition(module: nn.Module, activations: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and maps by plain gradients, which load less of torch than its functional ones."""
    source = activations.clone().requires_grad_()
    logits = module(source.clone())
    maps = []
    for chosen in _probe_classes(logits).t():
        score = logits.gather(1, chosen.unsqueeze(1)).sum()
        (gradient,) = torch.autograd.grad(score, source, retain_graph=True)
        maps.append((gradient.mean((2, 3), keepdim=True) * activations).sum(1))
    return logits.detach(), torch.stack(maps, dim=1)


def _probe_classes(logits: Tensor) -> Tensor:
    count = logits.shape[1]
    wanted = [0, count // 2, count - 1]
    return torch.tensor([wanted, wanted[::-1]], device=logits.device)


def _closed_form_candidate(module: nn.Module, channels: int) -> Head | None:
    """The closed form that a head's only layer with parameters suggests; not yet proven."""
    layers = [m for m in module.modules() if next(m.parameters(recurse=False), None) is not None]
    if len(layers) != 1:
        return None
    (layer,) = layers
    if isinstance(layer, nn.Linear) and layer.in_features == channels:
        return LinearHead(layer.weight, layer.bias)
    if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1:
        return PointwiseHead(layer.weight.flatten(1), layer.bias)
    return None


def _keep_linear(head: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
    head.register_buffer("weight", weight.detach().float())
    head.register_buffer(
        "bias", weight.new_zeros(weight.shape[0]).float() if bias is None else bias.detach().float()
    )
