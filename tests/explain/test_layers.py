"""Other layers, and several at once: against pytorch-grad-cam, and against each layer alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torchvision import models

from live_gradcam.choices import Fuse
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import MultiLayerHead, fuse_maps
from live_gradcam.explain.layers import at_layer, choose_layers, list_layers
from live_gradcam.explain.methods import METHODS, QUICK_METHODS
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Evidence, Image
from tests.explain import support
from tests.explain.methods.peers import (
    CHOSEN,
    PEERS,
    TOLERANCE,
    as_the_library_shows_it,
    ask_the_library,
    explain,
    make_pair,
    smooth_images,
)
from tests.helpers import live

SIDE = 128
SEVERAL = {
    "resnet18": ("layer2", "layer3", "layer4"),
    "squeezenet1_1": ("features.4", "features.7", "features"),
}


Pair: TypeAlias = "tuple[nn.Module, Classifier, tuple[str, ...]]"


@pytest.fixture(scope="module", params=SEVERAL)
def pair(request: pytest.FixtureRequest) -> Pair:
    return (*make_pair(request.param, SIDE), SEVERAL[request.param])


def maps_of(
    classifier: Classifier, method: str, images: Sequence[Image], classes: ClassChoice
) -> Evidence:
    return np.stack([each.evidence for each in explain(classifier, method, images, classes)])


def fused(maps: Sequence[torch.Tensor], fuse: Fuse) -> Evidence:
    """What the maps of layers that were explained alone become at the size of the first."""
    rows, columns = maps[0].shape[2:]
    together: Evidence = fuse_maps(maps, (rows, columns), fuse).numpy()
    return together


@pytest.mark.parametrize("method", ["gradcam", "layercam", "xgradcam"])
def test_a_layer_in_the_middle_equals_pytorch_grad_cam(pair: Pair, method: str) -> None:
    module, classifier, names = pair
    images = smooth_images(SIDE)
    middle = choose_layers(classifier, names[1])
    ours = maps_of(middle, method, images, CHOSEN)[:, 0]
    expected = ask_the_library(module, names[1], method, support.as_input(images), CHOSEN)
    shown = as_the_library_shows_it(ours, SIDE)
    np.testing.assert_allclose(shown, expected, rtol=0, atol=TOLERANCE)
    assert expected.max() > 0.9


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam", "layercam"])
def test_fused_layers_equal_pytorch_grad_cam_at_its_size(pair: Pair, method: str) -> None:
    """It enlarges each layer's map to the input before it takes the mean, then stretches that."""
    module, classifier, names = pair
    images = smooth_images(SIDE)
    alone = [
        torch.from_numpy(maps_of(choose_layers(classifier, name), method, images, CHOSEN))
        for name in names
    ]
    mean = fuse_maps(alone, (SIDE, SIDE), "mean")[:, 0].numpy()
    mean = mean - mean.min((1, 2), keepdims=True)
    ours = mean / (1e-7 + mean.max((1, 2), keepdims=True))
    layers = [module.get_submodule(name) for name in names]
    with PEERS[method](module, layers) as cam:
        expected = cam(
            input_tensor=support.as_input(images).requires_grad_(True),
            targets=[ClassifierOutputTarget(CHOSEN)] * len(images),
        )
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("fuse", ["mean", "max"])
@pytest.mark.parametrize("method", QUICK_METHODS)
def test_one_pass_gives_what_each_layer_gives_alone(pair: Pair, method: str, fuse: Fuse) -> None:
    _, classifier, names = pair
    images = smooth_images(SIDE)
    wanted = [CHOSEN, 0]
    together = choose_layers(classifier, ",".join(names[::-1]), fuse=fuse)
    assert together.layer == ",".join(names)
    alone = [
        torch.from_numpy(maps_of(choose_layers(classifier, name), method, images, wanted))
        for name in names
    ]
    found = explain(together, method, images, wanted)
    expected = fused(alone, fuse)
    ours = np.stack([each.evidence for each in found])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)
    assert ours.min() >= 0
    assert 0.3 < ours.max() <= 1
    assert {each.unit for each in found} == {"share"}
    assert all(each.completeness_residual is None for each in found)
    logits = explain(classifier, "gradcam", images, wanted)[0].predictions[0].logit
    assert found[0].predictions[0].logit == pytest.approx(logits, abs=1e-4)


def test_every_layer_runs_once_however_many_are_explained() -> None:
    classifier = choose_layers(support.tiny_classifier(), "all")
    assert isinstance(classifier.head, MultiLayerHead)
    network = FusedNetwork(classifier, "fp32").eval()
    runs: list[nn.Module] = []
    weighted = [each for each in network.modules() if isinstance(each, (nn.Conv2d, nn.Linear))]
    for each in weighted:
        each.register_forward_hook(lambda module, *_: runs.append(module))
    with torch.no_grad():
        pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
        network(pixels, torch.tensor([-1, -2, 3]))
    assert weighted
    assert runs == weighted


@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam"])
def test_layers_that_put_their_channels_last_are_fused_as_well(method: str) -> None:
    swin = models.SwinTransformer(
        [4, 4], 8, [1, 1, 1], [1, 2, 2], [2, 2], stochastic_depth_prob=0.0, num_classes=5
    )
    classifier = Classifier.from_module(
        support.randomised(swin, probe_size=64), layer="norm", preprocessing=Preprocessing(64, 64)
    )
    names = [layer.name for layer in list_layers(classifier)]
    assert len(names) == 3
    images = smooth_images(64)
    ours = maps_of(choose_layers(classifier, "all"), method, images, [0, 3])
    alone = [
        torch.from_numpy(maps_of(choose_layers(classifier, name), method, images, [0, 3]))
        for name in names
    ]
    np.testing.assert_allclose(ours, fused(alone, "mean"), rtol=0, atol=TOLERANCE)
    assert ours.max() > 0.3


@pytest.mark.parametrize("method", QUICK_METHODS)
@pytest.mark.parametrize("make", [support.tiny_classifier, support.gradient_classifier])
def test_what_is_compiled_is_the_same_function(method: str, make: Callable[[], Classifier]) -> None:
    """The compiler's first step; the rest of it is the same for all networks."""
    classifier = choose_layers(make(), "all")
    head = METHODS[method].make_head(classifier.head)
    network = FusedNetwork(replace(classifier, head=head), "fp32").requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=generator)
    selection = torch.tensor([-1, -2, 3])
    with torch.no_grad():
        flat = make_fx(network)(255 - pixels, torch.tensor([0, 1, 2]))
        for found, expected in zip(
            flat(pixels, selection), network(pixels, selection), strict=True
        ):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in QUICK_METHODS])
def test_methods_of_many_forwards_explain_one_layer(method: str) -> None:
    classifier = choose_layers(support.tiny_classifier(), "all")
    with pytest.raises(UsageError, match=rf"{METHODS[method].title} explains one layer.*layercam"):
        Explainer(classifier, method=method)


def test_from_several_layers_one_can_be_chosen_again() -> None:
    fused = choose_layers(support.tiny_classifier(), "all")
    names = [layer.name for layer in list_layers(fused)]
    assert fused.layer in names
    last = choose_layers(support.tiny_classifier(), "-1")
    again = choose_layers(fused, names[-1])
    assert again.layer == last.layer
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(again.trunk(pixels), last.trunk(pixels))


def test_a_layer_without_positive_evidence_adds_nothing() -> None:
    hot = torch.zeros(1, 1, 2, 2)
    hot[0, 0, 0, 1] = 4.0
    cold = -torch.ones(1, 1, 4, 4)
    mean = fuse_maps([cold, hot], (4, 4), "mean")
    torch.testing.assert_close(fuse_maps([cold, hot], (4, 4), "max"), 2 * mean)
    assert float(mean.max()) == pytest.approx(0.5, abs=1e-6)
    assert torch.equal(fuse_maps([cold], (4, 4), "mean"), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("resnet18", "layer4", ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("squeezenet1_1", "features", ["features.1", "features.4", "features.7", "features"]),
        (
            "mobilenet_v3_small",
            "features",
            ["features.0", "features.2", "features.4", "features.9", "features"],
        ),
    ],
)
def test_the_layers_of_a_network_and_the_gradient_at_each_of_them(
    name: str, own: str, expected: list[str]
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.get_model(name, weights=None, num_classes=5).eval()
        pixels = torch.randn(1, 3, 64, 64)
    classifier = Classifier.from_module(
        network, layer=own, preprocessing=Preprocessing(resize_size=64, crop_size=64)
    )
    layers = list_layers(classifier)
    assert [layer.name for layer in layers] == expected
    assert [layer.grid[0] for layer in layers] == sorted(
        (layer.grid[0] for layer in layers), reverse=True
    )
    for layer in (layers[1], layers[-2]):
        cut = at_layer(classifier, layer.name)
        assert cut.layer == layer.name
        with torch.no_grad():
            activations = cut.trunk(pixels)
        assert activations.shape == (1, layer.channels, *layer.grid)
        activations.requires_grad_()
        logits = cut.head(activations)
        assert torch.allclose(logits, network(pixels), atol=1e-4)
        (gradient,) = torch.autograd.grad(logits[0, 2], activations)
        by_hand = (gradient.mean((2, 3), keepdim=True) * activations).sum(1)
        with torch.no_grad():
            _, basis = cut.head.score(activations.detach())
            ours = cut.head.evidence(basis, torch.tensor([[2]]))
        scale = float(by_hand.detach().abs().max())
        assert torch.allclose(ours[0], by_hand.detach(), atol=1e-4 * scale)


def test_an_unknown_layer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="Choose from a, b, c, d"):
        at_layer(live.tiny_classifier(), "layer9")


def test_a_classifier_at_another_layer_shares_the_weights() -> None:
    classifier = support.tiny_classifier()
    names = [layer.name for layer in list_layers(classifier)]
    weights = {
        id(each) for part in (classifier.trunk, classifier.head) for each in part.parameters()
    }
    other = at_layer(classifier, names[0])
    assert {id(each) for each in other.trunk.parameters()} <= weights
    assert at_layer(classifier, classifier.layer) is classifier
