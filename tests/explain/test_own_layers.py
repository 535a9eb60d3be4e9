"""The layer of a network of one's own: by name, as a module, or found."""

from __future__ import annotations

import numpy as np
import pytest
import torchvision
from torch import nn

import live_gradcam as lg
from live_gradcam.values import Explanation
from tests.explain import support


def explained(network: nn.Module, layer: str | nn.Module | None) -> Explanation:
    classifier = lg.Classifier.from_module(network, layer=layer)
    with lg.Explainer(classifier, precision="fp32", compile="off", view="stretch") as explainer:
        return explainer.explain(support.smooth_image(), classes=3)


def test_a_layer_is_a_module_or_its_name() -> None:
    network = support.network("resnet18", 10)
    expected = explained(network, "layer4")
    assert isinstance(network, torchvision.models.ResNet)
    found = explained(network, network.layer4)
    np.testing.assert_array_equal(found.evidence, expected.evidence)
    nested = explained(network, network.layer4[-1].conv2)
    np.testing.assert_array_equal(nested.evidence, explained(network, "layer4.1.conv2").evidence)


def test_the_layer_is_found_where_none_is_given() -> None:
    network = support.network("resnet18", 10)
    classifier = lg.Classifier.from_module(network)
    assert classifier.layer.startswith("layer4")
    np.testing.assert_array_equal(
        explained(network, None).evidence, explained(network, "layer4").evidence
    )


def test_a_module_of_another_network_is_refused() -> None:
    with pytest.raises(lg.ModelError, match=r"is no part of|not a part|no layer"):
        explained(support.network("resnet18", 10), nn.Conv2d(3, 3, 3))
