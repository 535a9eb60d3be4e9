"""Grad-CAM, which a head makes by itself. Other libraries: see test_parity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from live_gradcam.explain.methods.grad_cam import GradCam
from tests.explain.heads.support import ONE_LAYER, assert_near, make_case
from tests.explain.methods import peers
from tests.explain.methods.support import assert_definition


def definition(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean((1, 2), keepdim=True) * activations).sum(0)


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_the_map_is_its_definition(kind: str) -> None:
    assert_definition("gradcam", kind, definition)


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_what_a_head_makes_by_itself_is_what_is_made_from_the_gradient(kind: str) -> None:
    case = make_case(kind)
    assert GradCam.make_head(case.head) is case.head
    classes = torch.tensor([[0, 4, 7], [8, 8, 2]])
    by_gradient = GradCam(case.head).explain(case.activations, lambda _: classes)[2]
    assert_near(case.head.explain(case.activations, lambda _: classes)[2], by_gradient)


@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v3_small"])
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity(network, "gradcam")
