"""Every classification network of torchvision can be cut, and the two parts are the network."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.cutting.cut import cut_network
from live_gradcam.explain.heads import GradientHead, LinearHead, PointwiseHead, TokenHead
from live_gradcam.explain.networks.torchvision_networks import (
    FAMILIES,
    build_network,
    network_names,
    require_family,
)
from live_gradcam.preprocessing.settings import Preprocessing
from tests.explain import support

# One small member of each kind is run; every other name is cut on the meta device below.
SMALL = {
    "resnet18": LinearHead,
    "resnext50_32x4d": LinearHead,
    "squeezenet1_0": PointwiseHead,
    "vgg11_bn": GradientHead,
    "alexnet": GradientHead,
    "densenet121": GradientHead,
    "mobilenet_v2": LinearHead,
    "mobilenet_v3_small": GradientHead,
    "mnasnet0_5": LinearHead,
    "efficientnet_b0": LinearHead,
    "convnext_tiny": GradientHead,
    "regnet_x_400mf": LinearHead,
    "regnet_y_400mf": LinearHead,
    "shufflenet_v2_x0_5": LinearHead,
    "googlenet": LinearHead,
    "inception_v3": LinearHead,
    "vit_b_32": TokenHead,
    "swin_t": LinearHead,
    "maxvit_t": GradientHead,
}


@pytest.mark.parametrize("name", SMALL)
def test_head_after_trunk_is_the_network(name: str) -> None:
    module = support.network(name, 10)
    family = require_family(name)
    side = 224 if family.one_size else 128  # of which Inception's last layer leaves 2x2
    classifier = Classifier.from_module(
        module, layer=family.layer, preprocessing=Preprocessing(side, side)
    )
    generator = torch.Generator().manual_seed(1)
    height, width = (side, side) if family.one_size else (160, 192)
    pixels = torch.randn(2, 3, height, width, generator=generator)
    with torch.no_grad():
        activations = classifier.trunk(pixels)
        expected = module(pixels)
        found = classifier.head(activations)
    maps = classifier.head.to_grid(activations)
    assert maps.ndim == 4
    assert min(maps.shape[2:]) > 1, "an explained layer has positions"
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert type(classifier.head) is SMALL[name]
    assert classifier.all_maps_are_cheap == (SMALL[name] in (LinearHead, PointwiseHead))


def test_every_family_is_run_by_a_test() -> None:
    assert {require_family(name).pattern for name in SMALL} == {
        family.pattern for family in FAMILIES
    }


def test_every_classifier_of_torchvision_is_known() -> None:
    assert network_names() == sorted(models.list_models(module=models))


@pytest.mark.parametrize("name", network_names())
def test_every_network_can_be_cut(name: str) -> None:
    network = build_network(name, 7)
    assert all(parameter.is_meta for parameter in network.parameters()), "no memory is taken"
    family = require_family(name)
    transformer = family.layer.endswith("ln_1")
    # Swin V2's tables of positions are no parameters, and have numbers already.
    cut = cut_network(network.to("meta"), family.layer, carry=transformer)
    size = 224 if family.one_size else 128 if name == "inception_v3" else 64
    activations = cut.trunk(torch.empty(1, 3, size, size, device="meta"))
    assert activations.ndim == (3 if transformer else 4)
    assert len(cut.carried) == transformer
    assert cut.head(activations).shape == (1, 7)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19", "resnet18"),
        ("ResNet-50", "resnet50"),
        ("", "live-gradcam models"),
    ],
)
def test_unknown_network_names_the_closest(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        require_family(name)
    assert caught.value.exit_code == 5
