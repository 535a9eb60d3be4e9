"""Networks cut in two at any layer that everything flows through."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import cut_network
from tests.explain import support


@pytest.mark.parametrize(
    "layer", ["relu", "layer1", "layer2.0", "layer3", "layer4.1", "layer4.0.relu", "layer4.0.bn2"]
)
def test_any_layer_that_everything_flows_through_can_be_explained(layer: str) -> None:
    network = support.network("resnet18", 10)
    places = {"layer4.0.relu": "runs 2 times", "layer4.0.bn2": "around it"}
    if layer in places:
        with pytest.raises(ModelError, match=places[layer]):
            cut_network(network, layer)
        return
    cut = cut_network(network, layer)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(cut.head(cut.trunk(pixels)), network(pixels))


def test_unknown_layer_names_the_layers() -> None:
    with pytest.raises(ModelError, match=r"unknown layer: layr4.*layer4"):
        cut_network(support.network("resnet18", 10), "layr4")


def test_a_network_that_cannot_be_traced_says_what_to_do() -> None:
    class Wayward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            pooled: torch.Tensor = y.mean((2, 3)) if y.sum() > 0 else y.amax((2, 3))
            return pooled

    with pytest.raises(ModelError, match="from_parts"):
        cut_network(Wayward().eval(), "first")
