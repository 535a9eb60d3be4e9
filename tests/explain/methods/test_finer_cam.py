"""Finer-CAM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.methods.finer_cam import FinerCam
from tests.explain.heads.support import ONE_LAYER, assert_near, make_case
from tests.explain.methods import peers


@pytest.mark.parametrize("network", peers.NETWORKS)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity(network, "finercam")


def test_it_equals_pytorch_grad_cam_on_a_photograph(shared: Path) -> None:
    peers.assert_parity_on_a_photograph("finercam", shared)


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_the_map_is_grad_cam_of_the_contrast_with_the_three_nearest(kind: str) -> None:
    case = make_case(kind, count=1)
    wanted = 4
    leaf = case.activations.double().requires_grad_()
    module = case.module.double()
    scores = module(leaf + 0)[0]
    distance = (scores - scores[wanted]).abs()
    nearest = [index for index in distance.argsort().tolist() if index != wanted][:3]
    chances = scores.softmax(0)[nearest]
    value = (chances * (scores[wanted] - scores[nearest])).sum() / (chances.sum() + 1e-9)
    (gradient,) = torch.autograd.grad(value, leaf)
    module.float()
    grid = case.head.to_grid
    weights = grid(gradient).mean((2, 3), keepdim=True)
    expected = (weights * grid(leaf.detach())).sum(1)
    head = FinerCam(case.head)
    found = head.explain(case.activations, lambda _: torch.tensor([[wanted]]))[2]
    assert_near(found[0], expected)


def test_of_two_classes_each_is_compared_with_the_other() -> None:
    weight = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    head = LinearHead(weight, None)
    values = make_case("linear").activations
    both = torch.tensor([[0, 1]]).expand(2, -1)
    found = FinerCam(head).explain(values, lambda _: both)[2]
    plain = head.explain(values, lambda _: both)[2]
    assert_near(found[:, 0], plain[:, 0] - plain[:, 1])
    assert_near(found[:, 1], -found[:, 0])
