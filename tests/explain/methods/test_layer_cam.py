"""LayerCAM."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from tests.explain.heads.support import ONE_LAYER
from tests.explain.methods import peers
from tests.explain.methods.support import assert_definition


def definition(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.clamp(min=0) * activations).sum(0)


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_the_map_is_its_definition(kind: str) -> None:
    assert_definition("layercam", kind, definition)


@pytest.mark.parametrize("network", peers.NETWORKS)
def test_it_equals_pytorch_grad_cam(network: str) -> None:
    peers.assert_parity(network, "layercam")


def test_it_equals_pytorch_grad_cam_on_a_photograph(shared: Path) -> None:
    peers.assert_parity_on_a_photograph("layercam", shared)
