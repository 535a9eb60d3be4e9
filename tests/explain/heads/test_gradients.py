"""Every head against plain autograd: gradients of any value that the scores make."""

from __future__ import annotations

import pytest
import torch

from tests.explain.heads.support import CLASSES, HEADS, assert_near, make_case


@pytest.mark.parametrize("kind", HEADS)
def test_gradients_of_any_value_of_the_scores(kind: str) -> None:
    case = make_case(kind)
    cotangents = torch.randn(2, 3, CLASSES, generator=torch.Generator().manual_seed(4))
    logits, vjp = case.head.differentiate(case.activations)
    assert_near(logits, case.module(case.activations.clone()))
    found = vjp(cotangents).expand(2, 3, *case.activations.shape[1:])
    for sample in range(2):
        for position in range(3):
            leaf = case.activations[sample : sample + 1].clone().requires_grad_(True)
            value = (case.module(leaf + 0)[0] * cotangents[sample, position]).sum()
            assert_near(found[sample, position], torch.autograd.grad(value, leaf)[0][0])


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_runs_its_layers_and_lays_them_out(kind: str) -> None:
    case = make_case(kind)
    logits, grids = case.head.run_layers(case.activations)
    assert_near(logits, case.head(case.activations))
    assert len(grids) == (2 if kind == "several layers" else 1)
    assert torch.equal(grids[0], case.head.to_grid(case.activations))
