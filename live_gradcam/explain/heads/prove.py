"""Choice of a head: a closed form is taken only where it provably does what the module does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from live_gradcam.explain.heads.base import Head
from live_gradcam.explain.heads.closed_form import ClosedFormHead, LinearHead, PointwiseHead
from live_gradcam.explain.heads.gradient import GradientHead

# Numbers of the gradients of all scores by all activations that are worth being measured at once.
_MOST_MEASURED = 16 << 20


def prove_head(module: nn.Module, channels: int) -> Head:
    """Make the cheapest head that provably does what a module does.

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
    shapes = ((7, 7), (4, 9))
    probes = [torch.randn(2, channels, *shape, generator=generator) for shape in shapes]
    try:
        expected = [_by_definition(module, each) for each in probes]
    except RuntimeError:  # a head that takes one size only has no closed form of ours
        return reference
    if _is_proven(candidate, probes, expected):
        return candidate
    measured = _measured_candidate(module, candidate, probes[0])
    if measured is not None and _is_proven(measured, probes, expected):
        return measured
    return reference


def _is_proven(
    candidate: Head, probes: Sequence[Tensor], expected: Sequence[tuple[Tensor, Tensor]]
) -> bool:
    for activations, wanted in zip(probes, expected, strict=True):
        if isinstance(candidate, ClosedFormHead) and len(candidate.bias) != wanted[0].shape[1]:
            return False
        logits, _, maps, _ = candidate.explain(activations, _probe_classes)
        for ours, theirs in zip((logits, maps), wanted, strict=True):
            if ours.shape != theirs.shape or not torch.allclose(
                ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max())
            ):
                return False
    return True


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


@torch.enable_grad()
def _measured_candidate(module: nn.Module, plain: Head, activations: Tensor) -> Head | None:
    """The closed form of a Linear layer whose scores are then scaled, negated or combined.

    Its weights are measured: the derivatives of the scores, summed over the positions. They are
    those of both sides of a binary network, say, or of a softmax with a temperature.
    """
    if not isinstance(plain, LinearHead):
        return None
    zero = torch.zeros_like(activations[:1])
    bias = module(zero.clone()).detach()[0]
    if len(bias) * activations[0].numel() > _MOST_MEASURED:
        return None
    source = activations[:1].expand(len(bias), -1, -1, -1).clone().requires_grad_()
    scores = module(source.clone()).diagonal().sum()
    (gradient,) = torch.autograd.grad(scores, source)
    return LinearHead(gradient.sum((2, 3)), bias)
