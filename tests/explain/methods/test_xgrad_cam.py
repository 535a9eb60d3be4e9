"""XGrad-CAM."""

from __future__ import annotations

import pytest
from torch import Tensor

from tests.explain.heads.support import ONE_LAYER
from tests.explain.methods import peers
from tests.explain.methods.support import assert_definition


def definition(activations: Tensor, gradients: Tensor) -> Tensor:
    total = activations.sum((1, 2), keepdim=True)
    weights = (gradients * activations).sum((1, 2), keepdim=True) / (total + 1e-7)
    return (weights * activations).sum(0)


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_the_map_is_its_definition(kind: str) -> None:
    assert_definition("xgradcam", kind, definition)


@pytest.mark.parametrize("network", peers.NETWORKS)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity(network, "xgradcam")
