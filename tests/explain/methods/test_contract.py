"""The contract of a method, held by every one of them at every head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import one_hot
from live_gradcam.explain.methods import METHODS, QUICK_METHODS, GradientMethod
from tests.explain import support
from tests.explain.heads.support import CHANNELS, HEADS, HEIGHT, WIDTH, assert_near, make_case
from tests.explain.methods import peers

# Those that make maps from the activations of a layer, at one layer or at several.
AT_A_LAYER = [
    (name, kind)
    for name, method in METHODS.items()
    for kind in HEADS
    if method.reruns != "network" and (kind != "several layers" or name in QUICK_METHODS)
]
EXPLAINED = [support.tiny_classifier, support.gradient_classifier]


@pytest.mark.parametrize(("name", "kind"), AT_A_LAYER)
def test_a_batch_of_classes_is_each_class_alone(name: str, kind: str) -> None:
    case = make_case(kind)
    head = METHODS[name].make_head(case.head)
    values = case.activations
    untouched = values.clone()
    classes = torch.tensor([[0, 4, 7], [8, 8, 2]])
    logits, chosen, maps, basis = head.explain(values, lambda _: classes)
    assert torch.equal(values, untouched), "activations are not modified in place"
    assert torch.equal(chosen, classes)
    assert maps.shape == (2, 3, HEIGHT, WIDTH)
    assert_near(head.evidence(basis, classes), maps)
    for sample in range(2):
        for position in range(3):
            alone = head.explain(
                values[sample : sample + 1],
                lambda _, wanted=classes[sample, position]: wanted.view(1, 1),  # type: ignore[misc]
            )
            terms = _terms(name, logits[sample], int(classes[sample, position]))
            assert_near(alone[2][0, 0], maps[sample, position], terms=terms)
            assert_near(alone[0][0], logits[sample])


def _terms(name: str, logits: Tensor, index: int) -> int:
    """The longest sum, times what is lost where a score is divided by that nearly cancels out."""
    terms = CHANNELS * HEIGHT * WIDTH
    divides = METHODS[name].reruns == "head"
    return round(terms * float(logits.abs().max() / logits[index].abs())) if divides else terms


@pytest.mark.parametrize(("name", "kind"), AT_A_LAYER)
def test_a_map_depends_on_the_class_where_it_says_so(name: str, kind: str) -> None:
    case = make_case(kind)
    head = METHODS[name].make_head(case.head)
    maps = head.explain(case.activations, lambda _: torch.tensor([[0, 4], [1, 5]]))[2]
    assert torch.equal(maps[:, 0], maps[:, 1]) != METHODS[name].class_specific


@pytest.mark.parametrize("kind", ["linear", "pointwise", "gradient", "tokens"])
@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if issubclass(method, GradientMethod)]
)
def test_the_map_of_a_difference_is_that_of_the_maps_where_it_contrasts(
    name: str, kind: str
) -> None:
    case = make_case(kind)
    method = METHODS[name]
    assert issubclass(method, GradientMethod)
    maker = method(case.head)
    classes = torch.tensor([[0, 4], [1, 5]])
    maps = maker.explain(case.activations, lambda _: classes)[2]

    def difference(logits: Tensor, classes: Tensor) -> Tensor:
        both = one_hot(logits, classes)
        return both[:, :1] - both[:, 1:]

    found = case.head.explain_by_gradient(
        case.activations, lambda _: classes, difference, maker.maps
    )[2]
    expected = maps[:, :1] - maps[:, 1:]
    if method.contrasts:
        assert_near(found, expected)
    else:
        assert float((found - expected).abs().max()) > 1e-3 * float(expected.abs().max())


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
        assert explanation.completeness_residual is not None
        assert explanation.completeness_residual < 1e-4
    else:
        assert explanation.completeness_residual is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", EXPLAINED)
def test_a_batch_and_all_classes_are_what_each_image_and_class_gives_alone(
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


@pytest.mark.parametrize("name", [name for name in METHODS if name not in QUICK_METHODS])
def test_many_forwards_are_not_compiled_and_say_so(name: str) -> None:
    notices: list[str] = []
    with Explainer(
        support.gradient_classifier(),
        engine="torch",
        compile="on",
        method=name,
        on_notice=notices.append,
    ) as explainer:
        explainer.explain(support.smooth_image())
        assert not explainer.compiled
        assert explainer.runtime.compile == "off"
    assert len(notices) == 1
    assert METHODS[name].title in notices[0]


@pytest.mark.parametrize("make", EXPLAINED)
def test_networks_of_two_methods_are_described_differently(make: Callable[[], Classifier]) -> None:
    """What is compiled is found again by this description, among other things."""
    classifier = make()
    described = {
        str(
            FusedNetwork(replace(classifier, head=METHODS[name].make_head(classifier.head)), "fp32")
        )
        for name in QUICK_METHODS
    }
    assert len(described) == len(QUICK_METHODS)


def test_at_the_last_layer_of_a_resnet_three_methods_coincide() -> None:
    _, classifier = peers.make_pair("resnet18", 128)
    images = peers.smooth_images(128)
    maps = {
        name: torch.from_numpy(
            np.stack([each.evidence for each in peers.explain(classifier, name, images, "all")])
        )
        for name in ("gradcam", "hirescam", "xgradcam", "layercam")
    }
    # Each adds up the 512 channels with the same weights.
    assert_near(maps["hirescam"], maps["gradcam"], terms=1)
    assert_near(maps["xgradcam"], maps["gradcam"], terms=1)
    scale = float(maps["gradcam"].abs().max())
    assert float((maps["layercam"] - maps["gradcam"]).abs().max()) > 0.1 * scale
