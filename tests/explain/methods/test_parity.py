"""Our maps against those of the libraries that people trust, in float32, on the same input.

Each library is run itself; what it does to a raw map is repeated here on our evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchcam.methods import GradCAM as TorchCam

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.torchvision_networks import family_of
from live_gradcam.native import cv2
from live_gradcam.values import Evidence, Image
from tests.explain import support

TOLERANCE = 1e-5
SIDE = 224
CHOSEN = 417
Pair: TypeAlias = "tuple[nn.Module, Classifier]"
NETWORKS = ("resnet18", "resnet50", "vgg16", "mobilenet_v3_small", "squeezenet1_1")


def assert_same_maps(ours: Evidence, expected: Evidence) -> None:
    """Signed maps in logit units, to the same share of their largest value as maps in 0..1."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE * abs(expected).max())


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """Smooth random images with detail, already of the network's size.

    The seed is one where no unit of VGG's head lies within rounding of zero: there the gradient
    jumps, and two correct libraries differ.
    """
    generator = np.random.default_rng(9)
    coarse = generator.integers(0, 256, (2, 8, 8, 3), np.uint8)
    grain = generator.integers(-20, 21, (2, SIDE, SIDE, 3))
    smooth = [cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for each in coarse]
    mixed = np.clip(np.stack(smooth).astype(int) + grain, 0, 255)
    return list(mixed.astype(np.uint8))


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """A network as torchvision runs it, and as we do; SqueezeNet with its real weights."""
    name = request.param
    if name != "squeezenet1_1":
        module, family = support.network(name), family_of(name)
        assert family is not None
        return module, Classifier.from_module(module, layer=family.layer, name=name)
    path = request.getfixturevalue("shared") / "weights" / "squeezenet1_1-imagenet.pth"
    module = support.network(name)
    module.load_state_dict(torch.load(path, weights_only=True))
    return module.eval(), load_classifier(name, weights=path)


@dataclass(frozen=True)
class Case:
    """A network, what it was shown, and our evidence ``(N, h, w)`` for the explained classes."""

    module: nn.Module
    layer: nn.Module
    pixels: torch.Tensor
    explained: list[int]
    evidence: Evidence


def make_case(pair: Pair, images: list[Image], wanted: int | None) -> Case:
    module, classifier = pair
    explainer = Explainer(classifier, device="cpu", precision="fp32", compile="off")
    explanations = explainer.explain_batch(images, classes=wanted, view="stretch")
    explained = [explanation.explained[0] for explanation in explanations]
    assert wanted is None or explained == [wanted] * len(images)
    return Case(
        module,
        module.get_submodule(classifier.layer),
        support.as_input(images).requires_grad_(True),
        explained,
        np.stack([explanation.evidence[0] for explanation in explanations]),
    )


@pytest.mark.parametrize("wanted", [None, CHOSEN])
def test_captum_gives_the_same_signed_map(
    pair: Pair, images: list[Image], wanted: int | None
) -> None:
    case = make_case(pair, images, wanted)
    theirs = LayerGradCam(case.module, case.layer).attribute(case.pixels, target=case.explained)
    found = theirs.detach().numpy()[:, 0]
    assert_same_maps(case.evidence, found)


def test_torchcam_gives_the_same_normalised_map(pair: Pair, images: list[Image]) -> None:
    case = make_case(pair, images, CHOSEN)
    with TorchCam(case.module, target_layer=case.layer) as extractor:
        (theirs,) = extractor(case.explained, case.module(case.pixels))
    # (r - min r) / (max(r - min r) + 1e-8) of the rectified map r
    rectified = np.maximum(case.evidence, 0)
    rectified = rectified - rectified.min((1, 2), keepdims=True)
    ours = rectified / (rectified.max((1, 2), keepdims=True) + 1e-8)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=TOLERANCE)


def test_pytorch_grad_cam_gives_the_same_map_of_the_image_s_size(
    pair: Pair, images: list[Image]
) -> None:
    case = make_case(pair, images, CHOSEN)
    targets = [ClassifierOutputTarget(index) for index in case.explained]
    with GradCAM(model=case.module, target_layers=[case.layer]) as cam:
        theirs = cam(input_tensor=case.pixels, targets=targets)

    # twice: rectify, min-max with 1e-7; resized to the input in between
    def normalised(each: Evidence) -> Evidence:
        lifted = each - each.min()
        share: Evidence = lifted / (1e-7 + lifted.max())
        return share

    small = [normalised(np.maximum(each, 0)) for each in case.evidence]
    ours = [normalised(np.maximum(cv2.resize(each, (SIDE, SIDE)), 0)) for each in small]
    np.testing.assert_allclose(np.stack(ours), theirs, rtol=0, atol=TOLERANCE)


def test_gradient_through_the_whole_network_agrees(pair: Pair, images: list[Image]) -> None:
    """The definition itself, without any library, for several classes of one forward."""
    module, classifier = pair
    explainer = Explainer(classifier, device="cpu", precision="fp32", compile="off")
    wanted = [3, CHOSEN, 998, 5]  # more than the three maps that one forward makes
    explanation = explainer.explain(images[0], classes=wanted, view="stretch")
    kept: list[torch.Tensor] = []
    layer = module.get_submodule(classifier.layer)
    hook = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = module(support.as_input(images[:1]).requires_grad_(True))
    hook.remove()
    for position, index in enumerate(wanted):
        (gradient,) = torch.autograd.grad(logits[0, index], kept[0], retain_graph=True)
        expected = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach().numpy()
        assert_same_maps(explanation.evidence[position], expected)
    assert explanation.explained == tuple(wanted)


def test_real_photographs_get_the_same_maps_from_captum(shared: Path) -> None:
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    classifier = load_classifier("squeezenet1_1", weights=weights)
    module = support.network("squeezenet1_1")
    module.load_state_dict(torch.load(weights, weights_only=True))
    explainer = Explainer(classifier, precision="fp32", compile="off")
    for path in sorted((shared / "media" / "images").glob("*.jpg"))[:6]:
        photograph = cv2.imread(str(path))
        assert photograph is not None
        image = cv2.resize(photograph, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8)
        explanation = explainer.explain(image, view="stretch")
        theirs = LayerGradCam(module, module.features).attribute(
            support.as_input([image]).requires_grad_(True), target=explanation.explained[0]
        )
        assert_same_maps(explanation.evidence, theirs.detach().numpy()[:, 0])
