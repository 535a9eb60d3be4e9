"""Other layers, and several at once: against pytorch-grad-cam, and against each layer alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torchvision import models

from live_gradcam.errors import LiveGradcamError, ModelError, UsageError
from live_gradcam.explain.classifier import Classifier, load_classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import MultiLayerHead, fuse_maps
from live_gradcam.explain.layers import at_layers, choose_layers, layers_of, list_layers
from live_gradcam.explain.methods import METHODS, QUICK_METHODS
from live_gradcam.explain.preprocess import Preprocessing
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

SIDE = 128
SEVERAL = {
    "resnet18": ("layer2", "layer3", "layer4"),
    "squeezenet1_1": ("features.4", "features.7", "features"),
}


@pytest.fixture(scope="module", params=SEVERAL)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, Classifier, tuple[str, ...]]:
    return (*make_pair(request.param, SIDE), SEVERAL[request.param])


def maps_of(classifier: Classifier, method: str, images: list, wanted: object) -> np.ndarray:
    return np.stack([each.evidence for each in explain(classifier, method, images, wanted)])


@pytest.mark.parametrize("method", ["gradcam", "layercam", "xgradcam"])
def test_a_layer_in_the_middle_equals_pytorch_grad_cam(pair, method: str) -> None:
    module, classifier, names = pair
    images = smooth_images(SIDE)
    middle = choose_layers(classifier, names[1])
    ours = maps_of(middle, method, images, CHOSEN)[:, 0]
    expected = ask_the_library(module, names[1], method, support.as_input(images), CHOSEN)
    shown = as_the_library_shows_it(ours, SIDE)
    np.testing.assert_allclose(shown, expected, rtol=0, atol=TOLERANCE)
    assert expected.max() > 0.9


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam", "layercam"])
def test_fused_layers_equal_pytorch_grad_cam_at_its_size(pair, method: str) -> None:
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
def test_one_pass_gives_what_each_layer_gives_alone(pair, method: str, fuse: str) -> None:
    _, classifier, names = pair
    images = smooth_images(SIDE)
    wanted = [CHOSEN, 0]
    together = at_layers(classifier, names[::-1], fuse=fuse)
    assert together.layer == ",".join(names)
    alone = [
        torch.from_numpy(maps_of(choose_layers(classifier, name), method, images, wanted))
        for name in names
    ]
    found = explain(together, method, images, wanted)
    expected = fuse_maps(alone, tuple(alone[0].shape[2:]), fuse).numpy()
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
    fused = maps_of(choose_layers(classifier, "all"), method, images, [0, 3])
    alone = [
        torch.from_numpy(maps_of(choose_layers(classifier, name), method, images, [0, 3]))
        for name in names
    ]
    expected = fuse_maps(alone, tuple(alone[0].shape[2:]), "mean").numpy()
    np.testing.assert_allclose(fused, expected, rtol=0, atol=TOLERANCE)
    assert fused.max() > 0.3


@pytest.mark.parametrize("method", QUICK_METHODS)
@pytest.mark.parametrize("make", [support.tiny_classifier, support.gradient_classifier])
def test_what_is_compiled_is_the_same_function(method: str, make: Callable) -> None:
    """The compiler's first step; the rest of it is the same for all networks."""
    classifier = choose_layers(make(), "all")
    assert classifier is not None
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


def test_a_layer_is_named_counted_or_one_of_several() -> None:
    names = [layer.name for layer in list_layers(load_classifier("scenes"))]
    assert names == ["relu", "layer1", "layer2", "layer3", "layer4"]
    assert load_classifier("scenes", layer="layer3").layer == "layer3"
    assert load_classifier("scenes", layer=-2).layer == "layer3"
    assert load_classifier("scenes", layer="4").layer == "layer4"
    assert load_classifier("scenes", layer="layer4").all_maps_are_cheap
    assert load_classifier("scenes", layer="layer3.0").layer == "layer3.0", "any module will do"
    assert load_classifier("scenes", layer="layer4, -4").layer == "layer1,layer4"
    assert load_classifier("scenes", layer="all").layer == ",".join(names)
    assert load_classifier("scenes", layer="layer4,4").layer == "layer4", "one is not several"


@pytest.mark.parametrize(
    ("layer", "kind", "part"),
    [
        ("layer9", ModelError, "unknown layer: layer9"),
        ("5", UsageError, "5: there are 5.*layer1"),
        ("-6", UsageError, "-6: there are 5"),
        ("layer1,layer9", UsageError, "unknown layer: layer9.*layer1, layer2"),
        (",", UsageError, "unknown layer: ,"),
    ],
)
def test_what_is_no_layer_is_refused(layer: str, kind: type[LiveGradcamError], part: str) -> None:
    with pytest.raises(kind, match=part):
        load_classifier("scenes", layer=layer)


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
    ("name", "count", "default"),
    [
        ("squeezenet1_1", 4, "features"),
        ("inception_v3", 7, "Mixed_7c"),
        ("scenes", 5, "layer4"),
        ("swin_v2_t", 4, "permute"),
        ("vit_h_14", 1, "encoder.layers.encoder_layer_31.ln_1"),
        ("maxvit_t", 5, "blocks.3"),
    ],
)
def test_layers_are_known_without_weights(name: str, count: int, default: str) -> None:
    layers, own = layers_of(name)
    assert own == default
    assert len(layers) == count
    assert [layer.name for layer in layers].count(default) == 1
    grids = [layer.grid[0] for layer in layers]
    assert grids == sorted(grids, reverse=True)
    assert all(layer.channels > 1 for layer in layers)


def test_layers_on_the_command_line(
    command: Callable[..., CompletedProcess[str]], tmp_path, noise_image
) -> None:
    from live_gradcam.native import cv2

    cv2.imwrite(str(tmp_path / "photo.png"), noise_image(96, 96))
    done = command("models", "--layers", "resnet18")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["4", "layer4", "512", "7x7", "yes"] in rows
    assert ["2", "layer2", "128", "28x28"] in rows
    network = ["--model", "scenes", "-o", "explained.png"]
    done = command("run", "photo.png", *network, "--layer", "-1,layer2", "--fuse", "max")
    assert done.returncode == 0, done.stderr
    done = command("run", "photo.png", *network, "--overwrite", "--layer", "layer2,layer7")
    assert done.returncode == 2
    assert "unknown layer: layer7" in done.stderr
    done = command("models", "--layers", "resnet81")
    assert done.returncode == 5
