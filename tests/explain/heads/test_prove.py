"""A closed form is taken where it equals the gradient, and only where that is proven."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from live_gradcam.explain.heads import GradientHead, Head, LinearHead, PointwiseHead, prove_head
from tests.explain.heads.support import assert_near

CHANNELS, CLASSES = 6, 9
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


def activations(count: int = 3, height: int = 5, width: int = 8) -> Tensor:
    return torch.randn(count, 6, height, width, generator=torch.Generator().manual_seed(3))


def by_definition(module: nn.Module, values: Tensor, classes: Tensor) -> Tensor:
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
def test_each_head_gives_the_gradient_s_maps_in_its_cheapest_proven_form(
    module: nn.Module, kind: type[Head]
) -> None:
    head = prove_head(module, CHANNELS)
    assert type(head) is kind
    values = activations(height=7, width=7)
    untouched = values.clone()
    classes = torch.tensor([[0, 4], [8, 8], [3, 1]])
    logits, chosen, evidence, basis = head.explain(values, lambda _: classes)
    assert torch.equal(values, untouched), "activations are not modified in place"
    assert torch.equal(chosen, classes)
    terms = CHANNELS * 7 * 7
    assert_near(logits, module(untouched.clone()), terms=terms)
    assert_near(evidence, by_definition(module, untouched, classes), terms=terms)
    assert_near(head.evidence(basis, classes), evidence, terms=terms)


@pytest.mark.parametrize("module", [LINEAR, POINTWISE], ids=["linear", "pointwise"])
def test_the_maps_of_all_classes_at_once_are_those_of_each(module: nn.Module) -> None:
    values = activations()
    head = prove_head(module, CHANNELS)
    found = head.all_evidence(head.score(values)[1])
    assert found is not None
    classes = torch.arange(CLASSES).expand(3, -1)
    assert_near(found, by_definition(module, values, classes), terms=CHANNELS * 5 * 8)


def test_maps_of_a_linear_head_sum_to_the_scores() -> None:
    head = prove_head(LINEAR, CHANNELS)
    assert isinstance(head, LinearHead)
    everything = torch.arange(CLASSES).expand(3, -1)
    logits, _, evidence, _ = head.explain(activations(), lambda _: everything)
    assert_near(evidence.sum((2, 3)) + head.bias, logits, terms=CHANNELS * 5 * 8)


def test_a_layer_without_bias_is_a_closed_form_too() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 9, bias=False))
    assert isinstance(prove_head(module.requires_grad_(False), CHANNELS), LinearHead)
