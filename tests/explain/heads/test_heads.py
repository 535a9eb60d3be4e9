"""Grad-CAM as tensor functions: closed forms equal the gradient, and only where they are proven."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from live_gradcam.explain.heads.base import (
    GradientHead,
    LinearHead,
    PointwiseHead,
    choose_classes,
    prove_head,
)

LINEAR = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 9))
POINTWISE = nn.Sequential(
    nn.Dropout(0.5), nn.Conv2d(6, 9, 1), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
)
# Heads that look like a closed form and are none.
LOOKALIKES = {
    "a ReLU before the pooling": nn.Sequential(
        nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 9)
    ),
    "maximum instead of average": nn.Sequential(
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 9)
    ),
    "a nonlinearity after the Linear": nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 9), nn.Tanh()
    ),
    "no ReLU after the convolution": nn.Sequential(
        nn.Conv2d(6, 9, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "a stride": nn.Sequential(
        nn.Conv2d(6, 9, 1, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "a fixed size": nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(6, 9)),
    "two layers": nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 6), nn.Linear(6, 9)
    ),
}


@pytest.fixture(autouse=True)
def _evaluation() -> None:
    for module in (LINEAR, POINTWISE, *LOOKALIKES.values()):
        module.eval().requires_grad_(False)


def activations(count: int = 3, height: int = 5, width: int = 8) -> torch.Tensor:
    return torch.randn(count, 6, height, width, generator=torch.Generator().manual_seed(3))


def by_definition(module: nn.Module, values: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """``sum_k mean_ij(dy_c / dA_k) A_k``, one class of one sample after the other."""
    maps = torch.zeros(*classes.shape, *values.shape[2:])
    for sample, row in enumerate(classes.tolist()):
        for position, index in enumerate(row):
            leaf = values[sample : sample + 1].clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(module(leaf + 0)[0, index], leaf)
            weights = gradient.mean((2, 3), keepdim=True)
            maps[sample, position] = (weights * leaf).sum(1)[0].detach()
    return maps


@pytest.mark.parametrize(
    ("module", "kind"),
    [(LINEAR, LinearHead), (POINTWISE, PointwiseHead)]
    + [(module, GradientHead) for module in LOOKALIKES.values()],
    ids=["linear", "pointwise", *LOOKALIKES],
)
def test_each_head_gives_the_gradient_s_maps_in_its_cheapest_proven_form(module, kind) -> None:
    head = prove_head(module, 6)
    assert type(head) is kind
    values = activations(height=7, width=7)
    untouched = values.clone()
    classes = torch.tensor([[0, 4], [8, 8], [3, 1]])
    logits, chosen, evidence, basis = head.explain(values, lambda _: classes)
    assert torch.equal(values, untouched), "activations are not modified in place"
    assert torch.equal(chosen, classes)
    torch.testing.assert_close(logits, module(untouched.clone()))
    torch.testing.assert_close(evidence, by_definition(module, untouched, classes))
    torch.testing.assert_close(head.evidence(basis, classes), evidence)


@pytest.mark.parametrize("module", [LINEAR, POINTWISE], ids=["linear", "pointwise"])
def test_the_maps_of_all_classes_at_once_are_those_of_each(module: nn.Module) -> None:
    values = activations()
    found = prove_head(module, 6).all_evidence(prove_head(module, 6).score(values)[1])
    classes = torch.arange(9).expand(3, -1)
    torch.testing.assert_close(found, by_definition(module, values, classes))


def test_maps_of_a_linear_head_sum_to_the_scores() -> None:
    head = prove_head(LINEAR, 6)
    everything = torch.arange(9).expand(3, -1)
    logits, _, evidence, _ = head.explain(activations(), lambda _: everything)
    bias = LINEAR[3].bias
    torch.testing.assert_close(evidence.sum((2, 3)) + bias, logits)


def test_a_layer_without_bias_is_a_closed_form_too() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 9, bias=False))
    assert isinstance(prove_head(module.requires_grad_(False), 6), LinearHead)


def test_ranks_and_indices_can_be_mixed() -> None:
    logits = torch.tensor([[0.1, 3.0, 2.0, -1.0], [9.0, 0.0, 1.0, 8.0]])
    chosen = choose_classes(logits, torch.tensor([-1, 3, -2]))
    assert chosen.tolist() == [[1, 3, 2], [0, 3, 3]]


def test_more_ranks_than_classes_repeat_the_last() -> None:
    assert choose_classes(torch.tensor([[1.0, 2.0]]), torch.tensor([-1, -2, -3])).tolist() == [
        [1, 0, 0]
    ]
