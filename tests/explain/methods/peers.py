"""The installed pytorch-grad-cam, asked for the maps of every method that it has.

What the library does to a raw map (rectify, stretch, enlarge) is repeated here on our evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.networks.torchvision_networks import family_of
from live_gradcam.native import cv2
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation, Image
from tests.explain import support

Maps = npt.NDArray[np.float32]

PEERS: dict[str, Any] = {
    "gradcam": pytorch_grad_cam.GradCAM,
    "gradcam++": pytorch_grad_cam.GradCAMPlusPlus,
    "hirescam": pytorch_grad_cam.HiResCAM,
    "xgradcam": pytorch_grad_cam.XGradCAM,
    "layercam": pytorch_grad_cam.LayerCAM,
    "eigencam": pytorch_grad_cam.EigenCAM,
    "scorecam": pytorch_grad_cam.ScoreCAM,
    "ablationcam": pytorch_grad_cam.AblationCAM,
    "finercam": pytorch_grad_cam.FinerCAM,
}
# Of maps in 0..1, which are relative to their own largest value.
TOLERANCE = 1e-4
SVD_TOLERANCE = 1e-3
CLASSES = 12
CHOSEN = 5
# One map for each network that is cheap to run: ResNet with its closed form, MobileNet with a
# head of two layers behind a layer that is not rectified, SqueezeNet with its own closed form.
NETWORKS = ("resnet18", "mobilenet_v3_small", "squeezenet1_1")
# Where the layer is rectified, for methods of many forwards.
RECTIFIED = ("resnet18", "squeezenet1_1")


def smooth_images(side: int, count: int = 2) -> list[Image]:
    """Random images with shapes and detail, already of the network's size."""
    generator = np.random.default_rng(9)
    coarse = generator.integers(0, 256, (count, 8, 8, 3), np.uint8)
    grain = generator.integers(-20, 21, (count, side, side, 3))
    smooth = [cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in coarse]
    return list(np.clip(np.stack(smooth).astype(int) + grain, 0, 255).astype(np.uint8))


def make_pair(name: str, side: int) -> tuple[nn.Module, Classifier]:
    """A network as torchvision runs it, and the same as we do."""
    module = support.network(name, CLASSES)
    family = family_of(name)
    assert family is not None
    classifier = Classifier.from_module(
        module,
        layer=family.layer,
        preprocessing=Preprocessing(resize_size=side, crop_size=side),
        name=name,
    )
    return module, classifier


def explain(
    classifier: Classifier, method: str, images: Sequence[Image], classes: ClassChoice
) -> list[Explanation]:
    with Explainer(
        classifier, device="cpu", precision="fp32", compile="off", method=method
    ) as explainer:
        return explainer.explain_batch(images, classes=classes, view="stretch")


def ask_the_library(
    module: nn.Module, layer: str, method: str, pixels: Tensor, wanted: int | None
) -> Maps:
    """Its maps ``(N, H, W)``, of the best class each where ``wanted`` is ``None``."""
    pixels = pixels.clone().requires_grad_(True)
    with PEERS[method](module, [module.get_submodule(layer)]) as cam:
        if method == "finercam":  # which finds the classes to compare with by itself
            maps: Maps = cam(input_tensor=pixels, target_idx=wanted)
        else:
            targets = None if wanted is None else [ClassifierOutputTarget(wanted)] * len(pixels)
            maps = cam(input_tensor=pixels, targets=targets)
    return maps


def as_the_library_shows_it(maps: Maps, side: int) -> Maps:
    """Twice: rectify, min-max with 1e-7; enlarged to the input in between."""

    def normalised(each: Maps) -> Maps:
        lifted = each - each.min()
        share: Maps = lifted / (1e-7 + lifted.max())
        return share

    small = [normalised(np.maximum(each, 0)) for each in maps]
    large = [cv2.resize(each, (side, side)).astype(np.float32, copy=False) for each in small]
    return np.stack([normalised(np.maximum(each, 0)) for each in large])


def assert_parity(
    name: str,
    method: str,
    side: int = 128,
    *,
    count: int = 2,
    classes: Sequence[int | None] = (None, CHOSEN),
) -> None:
    """Our maps of a network are those of the library, for the best class and a chosen one."""
    module, classifier = make_pair(name, side)
    images = smooth_images(side, count)
    pixels = support.as_input(images)
    for wanted in classes:
        found = explain(classifier, method, images, wanted)
        assert all(each.method == method for each in found)
        ours = np.stack([each.evidence[0] for each in found])
        expected = ask_the_library(module, classifier.layer, method, pixels, wanted)
        assert expected.max() > 0.9, "a blank map proves nothing"
        shown = as_the_library_shows_it(ours, side)
        if method != "eigencam":
            np.testing.assert_allclose(shown, expected, rtol=0, atol=TOLERANCE)
            continue
        # The library's sign is whatever the decomposition gave: each image up to its sign.
        mirrored = as_the_library_shows_it(-ours, side)
        for one, other, wished in zip(shown, mirrored, expected, strict=True):
            assert min(abs(one - wished).max(), abs(other - wished).max()) < SVD_TOLERANCE


def assert_parity_of_many_forwards(name: str, method: str) -> None:
    """The same where it takes long: one small image, one class."""
    assert_parity(name, method, 64, count=1, classes=(CHOSEN,))


def assert_parity_on_a_photograph(method: str, shared: Path) -> None:
    """The same with real weights and a real photograph."""
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    module = support.network("squeezenet1_1")
    module.load_state_dict(torch.load(weights, weights_only=True))
    path = sorted((shared / "media" / "images").glob("*.jpg"))[0]
    photograph = cv2.imread(str(path))
    assert photograph is not None
    image = cv2.resize(photograph, (224, 224), interpolation=cv2.INTER_AREA).astype(np.uint8)
    classifier = load_classifier("squeezenet1_1", weights=weights)
    (found,) = explain(classifier, method, [image], None)
    expected = ask_the_library(module, "features", method, support.as_input([image]), None)
    signs = (1, -1) if method == "eigencam" else (1,)
    maps = [as_the_library_shows_it(sign * found.evidence, 224) for sign in signs]
    assert min(float(abs(each - expected).max()) for each in maps) < TOLERANCE
