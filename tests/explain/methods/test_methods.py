"""Every method against the installed pytorch-grad-cam, in float32, and against its own definition.

What the library does to a raw map (rectify, stretch, enlarge) is repeated here on our evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytorch_grad_cam as theirs
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier, load_classifier
from live_gradcam.explain.engine.package_cache import package_key
from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.runtime import choose_runtime
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads.base import GradientHead, LinearHead, PointwiseHead, one_hot
from live_gradcam.explain.methods.heads import (
    AblationHead,
    EigenHead,
    first_component,
    method_head,
)
from live_gradcam.explain.methods.table import METHODS, QUICK_METHODS, require_method
from live_gradcam.explain.networks.torchvision_networks import family_of
from live_gradcam.explain.preprocess import Preprocessing
from live_gradcam.native import cv2
from live_gradcam.values import Explanation
from tests.explain import support

PEERS: dict[str, Callable] = {
    "gradcam": theirs.GradCAM,
    "gradcam++": theirs.GradCAMPlusPlus,
    "hirescam": theirs.HiResCAM,
    "xgradcam": theirs.XGradCAM,
    "layercam": theirs.LayerCAM,
    "eigencam": theirs.EigenCAM,
    "scorecam": theirs.ScoreCAM,
    "ablationcam": theirs.AblationCAM,
    "finercam": theirs.FinerCAM,
}
TOLERANCE = 1e-4
SVD_TOLERANCE = 1e-3
CLASSES = 12
CHOSEN = 5
# One map for each network that is cheap to run: ResNet with its closed form, MobileNet with a
# head of two layers behind a layer that is not rectified, SqueezeNet with its own closed form.
QUICK = [
    (network, method)
    for network in ("resnet18", "mobilenet_v3_small", "squeezenet1_1")
    for method in QUICK_METHODS
    if (network, method) != ("squeezenet1_1", "gradcam")  # compared in test_parity.py
]
# Ablation is compared where the layer is rectified: elsewhere the library takes another value.
SLOW = [
    ("resnet18", "ablationcam", 64),
    ("squeezenet1_1", "ablationcam", 64),
    ("resnet18", "scorecam", 64),
    ("squeezenet1_1", "scorecam", 64),
]


def smooth_pictures(side: int, count: int = 2) -> list[np.ndarray]:
    """Random pictures with shapes and detail, already of the network's size."""
    generator = np.random.default_rng(9)
    coarse = generator.integers(0, 256, (count, 8, 8, 3), np.uint8)
    grain = generator.integers(-20, 21, (count, side, side, 3))
    smooth = [cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in coarse]
    return list(np.clip(np.stack(smooth).astype(int) + grain, 0, 255).astype(np.uint8))


def make_pair(name: str, side: int) -> tuple[nn.Module, Classifier]:
    """A network as torchvision runs it, and the same as we do."""
    module = support.network(name, CLASSES)
    classifier = Classifier.from_module(
        module,
        layer=family_of(name).layer,
        preprocessing=Preprocessing(resize_size=side, crop_size=side),
        name=name,
    )
    return module, classifier


def explain(
    classifier: Classifier, method: str, images: list[np.ndarray], classes: object
) -> list[Explanation]:
    with Explainer(
        classifier, device="cpu", precision="fp32", compile="off", method=method
    ) as explainer:
        return explainer.explain_batch(images, classes=classes, view="stretch")


def ask_the_library(
    module: nn.Module, layer: str, method: str, pixels: torch.Tensor, wanted: int | None
) -> np.ndarray:
    """Its maps ``(N, H, W)``, of the best class each where ``wanted`` is ``None``."""
    pixels = pixels.clone().requires_grad_(True)
    with PEERS[method](module, [module.get_submodule(layer)]) as cam:
        if method == "finercam":  # which finds the classes to compare with by itself
            return cam(input_tensor=pixels, target_idx=wanted)
        targets = None if wanted is None else [ClassifierOutputTarget(wanted)] * len(pixels)
        return cam(input_tensor=pixels, targets=targets)


def as_the_library_shows_it(maps: np.ndarray, side: int) -> np.ndarray:
    """Twice: rectify, min-max with 1e-7; enlarged to the input in between."""

    def normalised(each: np.ndarray) -> np.ndarray:
        lifted = each - each.min()
        return lifted / (1e-7 + lifted.max())

    small = [normalised(np.maximum(each, 0)) for each in maps]
    return np.stack([normalised(np.maximum(cv2.resize(each, (side, side)), 0)) for each in small])


def assert_parity(
    name: str,
    method: str,
    side: int,
    *,
    count: int = 2,
    classes: Sequence[int | None] = (None, CHOSEN),
) -> None:
    module, classifier = make_pair(name, side)
    images = smooth_pictures(side, count)
    pixels = support.as_input(images)
    for wanted in classes:
        found = explain(classifier, method, images, wanted)
        assert all(each.method == method for each in found)
        ours = np.stack([each.evidence[0] for each in found])
        expected = ask_the_library(module, classifier.layer, method, pixels, wanted)
        shown = as_the_library_shows_it(ours, side)
        if method != "eigencam":
            np.testing.assert_allclose(shown, expected, rtol=0, atol=TOLERANCE)
            continue
        # The library's sign is whatever the decomposition gave: each picture up to its sign.
        mirrored = as_the_library_shows_it(-ours, side)
        for one, other, wished in zip(shown, mirrored, expected, strict=True):
            assert min(abs(one - wished).max(), abs(other - wished).max()) < SVD_TOLERANCE
    assert expected.max() > 0.9, "a blank map proves nothing"


@pytest.mark.parametrize(("name", "method"), QUICK)
def test_the_quick_methods_equal_pytorch_grad_cam(name: str, method: str) -> None:
    assert_parity(name, method, 128)


@pytest.mark.parametrize(("name", "method", "side"), SLOW)
def test_the_slow_methods_equal_pytorch_grad_cam(name: str, method: str, side: int) -> None:
    assert_parity(name, method, side, count=1, classes=(CHOSEN,))


@pytest.mark.parametrize("method", ["gradcam++", "hirescam", "layercam", "eigencam", "finercam"])
def test_real_weights_and_a_real_photograph(method: str, shared: Path) -> None:
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    module = support.network("squeezenet1_1")
    module.load_state_dict(torch.load(weights, weights_only=True))
    path = sorted((shared / "media" / "images").glob("*.jpg"))[0]
    image = cv2.resize(cv2.imread(str(path)), (224, 224), interpolation=cv2.INTER_AREA)
    classifier = load_classifier("squeezenet1_1", weights=weights)
    (found,) = explain(classifier, method, [image], None)
    expected = ask_the_library(module, "features", method, support.as_input([image]), None)
    signs = (1, -1) if method == "eigencam" else (1,)
    maps = [as_the_library_shows_it(sign * found.evidence, 224) for sign in signs]
    assert min(float(abs(each - expected).max()) for each in maps) < TOLERANCE


def test_at_the_last_layer_of_a_resnet_three_methods_coincide() -> None:
    _, classifier = make_pair("resnet18", 128)
    images = smooth_pictures(128)
    maps = {
        method: np.stack([e.evidence for e in explain(classifier, method, images, "all")])
        for method in ("gradcam", "hirescam", "xgradcam", "layercam")
    }
    scale = abs(maps["gradcam"]).max()
    for method in ("hirescam", "xgradcam"):
        assert abs(maps[method] - maps["gradcam"]).max() < 3e-7 * scale
    assert abs(maps["layercam"] - maps["gradcam"]).max() > 0.1 * scale


# Heads: the gradient itself, and what is derived from it


def heads() -> dict[str, tuple[nn.Module, object]]:
    generator = torch.Generator().manual_seed(1)
    linear = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 9))
    pointwise = nn.Sequential(nn.Conv2d(6, 9, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    free = nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 8), nn.Hardswish(), nn.Linear(8, 9)
    )
    for module in (linear, pointwise, free):
        for parameter in module.parameters():
            parameter.detach().requires_grad_(False).normal_(0, 0.5, generator=generator)
    return {
        "linear": (linear, LinearHead(linear[2].weight, linear[2].bias)),
        "pointwise": (pointwise, PointwiseHead(pointwise[0].weight.flatten(1), pointwise[0].bias)),
        "gradient": (free, GradientHead(free)),
    }


def activations(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 6, 4, 5, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["linear", "pointwise", "gradient"])
def test_gradients_of_any_value_of_the_scores(kind: str) -> None:
    module, head = heads()[kind]
    cotangents = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(4))
    logits, vjp = head.differentiate(activations())
    found = vjp(cotangents).expand(2, 3, 6, 4, 5)
    torch.testing.assert_close(logits, module(activations()))
    for sample in range(2):
        for position in range(3):
            leaf = activations()[sample : sample + 1].requires_grad_(True)
            value = (module(leaf)[0] * cotangents[sample, position]).sum()
            torch.testing.assert_close(
                found[sample, position], torch.autograd.grad(value, leaf)[0][0]
            )


@pytest.mark.parametrize("kind", ["linear", "pointwise", "gradient"])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "scorecam"])
def test_a_batch_of_classes_is_each_class_alone(kind: str, method: str) -> None:
    head = method_head(heads()[kind][1], method)
    values = activations()
    untouched = values.clone()
    classes = torch.tensor([[0, 4, 7], [8, 8, 2]])
    logits, chosen, maps, basis = head.explain(values, lambda _: classes)
    assert torch.equal(values, untouched)
    assert torch.equal(chosen, classes)
    assert maps.shape == (2, 3, 4, 5)
    torch.testing.assert_close(head.evidence(basis, classes), maps)
    for sample in range(2):
        for position in range(3):
            alone = head.explain(
                values[sample : sample + 1],
                lambda _, wanted=classes[sample, position]: wanted.view(1, 1),
            )
            torch.testing.assert_close(alone[2][0, 0], maps[sample, position])
            torch.testing.assert_close(alone[0][0], logits[sample])


def test_the_closed_form_of_ablation_equals_one_forward_a_channel() -> None:
    _, head = heads()["linear"]
    values = activations()
    everything = torch.arange(9).expand(2, -1)
    quick = method_head(head, "ablationcam")
    assert quick.closed_form
    assert not isinstance(quick, AblationHead)
    slow = AblationHead(head, "ablationcam")
    torch.testing.assert_close(
        quick.explain(values, lambda _: everything)[2],
        slow.explain(values, lambda _: everything)[2],
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_score_of_zero_has_no_share_to_lose() -> None:
    module, head = heads()["pointwise"]
    values = -10 * activations().abs()  # far on one side: some classes are nowhere active
    scores = module(values)
    silent = int((scores == 0).all(0).nonzero()[0])
    maps = method_head(head, "ablationcam").explain(
        values, lambda logits: torch.full((2, 1), silent, device=logits.device)
    )[2]
    assert torch.equal(maps, torch.zeros_like(maps))


def test_a_finer_map_is_grad_cam_of_the_contrast_with_the_three_nearest() -> None:
    module, head = heads()["gradient"]
    values = activations(1)
    logits = module(values)[0]
    wanted = 4
    distance = (logits - logits[wanted]).abs()
    nearest = [index for index in distance.argsort().tolist() if index != wanted][:3]
    leaf = values.clone().requires_grad_(True)
    scores = module(leaf)[0]
    chances = scores.softmax(0)[nearest]
    value = (chances * (scores[wanted] - scores[nearest])).sum() / (chances.sum() + 1e-9)
    (gradient,) = torch.autograd.grad(value, leaf)
    expected = (gradient.mean((2, 3), keepdim=True) * values).sum(1)
    found = method_head(head, "finercam").explain(values, lambda _: torch.tensor([[wanted]]))[2]
    torch.testing.assert_close(found[0], expected)


def test_a_finer_map_of_two_classes_compares_with_the_other_one() -> None:
    weight = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    head = LinearHead(weight, None)
    both = torch.tensor([[0, 1]]).expand(2, -1)
    found = method_head(head, "finercam").explain(activations(), lambda _: both)[2]
    plain = head.explain(activations(), lambda _: both)[2]
    torch.testing.assert_close(found[:, 0], plain[:, 0] - plain[:, 1])
    torch.testing.assert_close(found[:, 1], -found[:, 0])


@pytest.mark.parametrize(("channels", "side"), [(6, 4), (40, 4)])
def test_the_first_component_goes_with_the_mean_and_is_that_of_the_decomposition(
    channels: int, side: int
) -> None:
    values = torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(2))
    for sign in (1.0, -1.0):
        found = first_component(sign * values)
        for each, one in zip(sign * values, found, strict=True):
            rows = each.flatten(1).t()
            centred = rows - rows.mean(0)
            expected = (centred @ torch.linalg.svd(centred)[2][0]).view(side, side)
            mean = each.mean(0)
            assert float(((mean - mean.mean()) * one).sum()) >= 0
            aligned = expected if float((expected * one).sum()) > 0 else -expected
            torch.testing.assert_close(one, aligned, rtol=1e-3, atol=1e-3)


def test_one_picture_that_is_not_finite_does_not_spoil_its_batch() -> None:
    values = activations(3)
    clean = first_component(values)
    values[1, 2, 0, 0] = torch.nan
    found = first_component(values)
    assert found[1].isnan().all()
    torch.testing.assert_close(found[[0, 2]], clean[[0, 2]])
    _, head = heads()["linear"]
    maps = EigenHead(head, "eigencam").explain(values, lambda _: torch.zeros(3, 2).long())[2]
    assert torch.equal(maps[0, 0], maps[0, 1]), "it is the same for every class"


# The explainer


@pytest.mark.parametrize("method", METHODS)
def test_an_explanation_says_how_it_was_made(method: str) -> None:
    classifier = support.tiny_classifier()
    with Explainer(classifier, precision="fp32", compile="off", method=method) as explainer:
        assert explainer.method == method
        explanation = explainer.explain(support.smooth_image())
    row = METHODS[method]
    assert (explanation.method, explanation.unit) == (method, row.unit)
    assert explanation.class_specific == row.class_specific
    assert explanation.evidence.dtype == np.float32
    assert (explanation.evidence != 0).any()
    if row.complete:
        assert explanation.completeness_residual < 1e-4
    else:
        assert explanation.completeness_residual is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [support.tiny_classifier, support.gradient_classifier])
def test_a_batch_and_all_classes_are_what_each_picture_and_class_gives_alone(
    method: str, make: Callable[[], Classifier]
) -> None:
    images = [support.smooth_image(seed=seed) for seed in range(3)]
    with Explainer(make(), precision="fp32", compile="off", method=method, top_k=2) as explainer:
        together = explainer.explain_batch(images, classes="all")
        for image, found in zip(images, together, strict=True):
            assert found.explained == (0, 1, 2, 3, 4)
            for index in (1, 4):
                alone = explainer.explain(image, classes=index).evidence[0]
                scale = abs(alone).max()
                np.testing.assert_allclose(found.evidence[index], alone, rtol=0, atol=1e-4 * scale)


def test_what_takes_long_says_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    with Explainer(
        support.tiny_classifier(),
        compile="off",
        method="scorecam",
        on_forwards=lambda done, total: told.append((done, total)),
    ) as explainer:
        explainer.explain_batch([support.smooth_image(), support.smooth_image(seed=1)])
    assert told == [(16, 32), (32, 32)]


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_many_forwards_are_not_compiled_and_say_so(method: str) -> None:
    told: list[str] = []
    with Explainer(
        support.gradient_classifier(), compile="on", method=method, on_notice=told.append
    ) as explainer:
        explainer.explain(support.smooth_image())
        assert not explainer.compiled
        assert explainer.runtime.compile == "off"
    assert len(told) == 1
    assert METHODS[method].title in told[0]


def test_compiled_networks_of_two_methods_are_two() -> None:
    classifier = support.gradient_classifier()
    keys = set()
    for method in QUICK_METHODS:
        runner = Runner(
            classifier,
            choose_runtime("cpu", compile="off"),
            depth=3,
            method=METHODS[method],
            on_notice=pytest.fail,
        )
        keys.add(package_key(runner.network, (1, 64, 64), depth=3, threads=1))
    assert len(keys) == len(QUICK_METHODS)


def test_an_unknown_method_names_near_ones() -> None:
    with pytest.raises(UsageError, match=r"grad-cam\+\+.*Did you mean gradcam\+\+"):
        require_method("grad-cam++")
    with pytest.raises(UsageError, match="layercam"):
        Explainer(support.tiny_classifier(), method="layer")


def test_one_hot_picks_the_chosen_scores() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert one_hot(logits, torch.tensor([[2, 0]])).tolist() == [[[0, 0, 1], [1, 0, 0]]]
