"""The removal test believes the network, not the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.faithfulness.removal import (
    CONTROLS,
    blur_regions,
    control_areas,
    hottest_area,
    hottest_mask,
    is_named,
    rank_correlation,
    removal_test,
    strength_of,
)
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.scenes import render_scene
from live_gradcam.values import Explanation, Image, Region


class RedDetector(nn.Module):
    """Two classes: what is redder than blue by half, and the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.redness = nn.Conv2d(3, 1, 1)
        self.redness.weight.data = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)
        assert self.redness.bias is not None
        self.redness.bias.data = torch.tensor([-0.5])
        self.layer = nn.Sequential(nn.ReLU(), nn.AvgPool2d(16))
        self.fc = nn.Linear(1, 2)
        self.fc.weight.data = torch.tensor([[1000.0], [0.0]])
        self.fc.bias.data = torch.tensor([-3.0, 0.0])

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.layer(self.redness(pixels)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def red() -> Explainer:
    plain = Preprocessing(resize_size=112, crop_size=112, mean=(0, 0, 0), std=(1, 1, 1))
    classifier = Classifier.from_module(
        RedDetector(), layer="layer", labels=("red", "rest"), preprocessing=plain
    )
    return Explainer(classifier, compile="off", precision="fp32", top_k=2)


@pytest.fixture(scope="module")
def red_square() -> Image:
    image = np.full((224, 224, 3), 90, np.uint8)
    image[96:128, 64:96] = (0, 0, 255)
    return image


@pytest.fixture(scope="module")
def scenes() -> Explainer:
    # Steady: the same figures are compared to the last digit.
    return Explainer(load_classifier("scenes"), compile="off", precision="fp32", steady=True)


def test_without_what_it_looks_at_the_class_is_gone_and_without_the_rest_it_stays(
    red: Explainer, red_square: Image
) -> None:
    said = red.explain(red_square, classes="red")
    found = removal_test(red, red_square, said)
    assert found is not None
    assert (found.class_index, found.label) == (0, "red")
    assert found.before == said.predictions[0].strength > 0.9
    assert found.without_hot < 0.1
    # The square is far smaller than the marked fifth, so hardly any other place has a part of it.
    assert found.without_controls == pytest.approx([found.before] * CONTROLS, abs=0.02)
    assert found.drop == pytest.approx(found.before - found.without_hot)
    assert found.completeness_residual == pytest.approx(0.0, abs=1e-4)


def test_a_map_that_lies_is_found_out(red: Explainer, red_square: Image) -> None:
    said = red.explain(red_square, classes="red")
    lie = replace(said, evidence=np.ascontiguousarray(said.evidence[:, ::-1, ::-1]))
    found = removal_test(red, red_square, lie)
    assert found is not None
    assert found.drop < 0.05


def test_all_removals_are_one_batch(red: Explainer, red_square: Image) -> None:
    asked: list[tuple[int, Any, Any]] = []

    class Watched:
        def explain_batch(
            self, images: Sequence[Image], *, classes: Any = None, view: Any = None
        ) -> list[Explanation]:
            asked.append((len(images), classes, view))
            return red.explain_batch(images, classes=classes, view=view)

    said = red.explain(red_square, classes="red", view="stretch")
    assert removal_test(Watched(), red_square, said, view="stretch") is not None
    assert asked == [(1 + CONTROLS, 0, "stretch")]


def test_there_is_nothing_to_test_without_evidence_or_without_the_class(
    red: Explainer, red_square: Image
) -> None:
    said = red.explain(red_square, classes="red")
    assert removal_test(red, red_square, replace(said, evidence=-said.evidence)) is None
    others = tuple(p for p in said.predictions if p.class_index != 0)
    assert removal_test(red, red_square, replace(said, predictions=others)) is None
    empty = replace(said, explained=(), evidence=np.zeros((0, 7, 7), np.float32))
    assert removal_test(red, red_square, empty) is None


def test_a_class_far_down_the_list_has_a_probability_when_it_is_asked_for(
    scenes: Explainer,
) -> None:
    image = render_scene(3).image
    best = [p.class_index for p in scenes.explain(image).predictions]
    for asked in sorted(set(range(16)) - set(best))[:4]:
        said = scenes.explain(image, classes=asked)
        probability = strength_of(said, asked)
        assert probability is not None
        assert 0 < probability < said.predictions[0].strength


@given(
    st.integers(2, 30),
    st.integers(2, 30),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_the_hottest_area_has_its_size_and_the_controls_are_it_elsewhere(
    height: int, width: int, share: float, seed: int
) -> None:
    evidence = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    hot = hottest_mask(evidence, share)
    assert hot.sum() == max(1, round(share * height * width))
    if not hot.all():
        assert evidence[hot].min() >= evidence[~hot].max()
    controls = control_areas(hot, seed=seed)
    assert 1 <= len(controls) <= CONTROLS
    for control in controls:
        assert control.sum() == hot.sum()
        assert any(
            np.array_equal(np.roll(hot, (down, right), (0, 1)), control)
            for down in range(height)
            for right in range(width)
            if (down, right) != (0, 0)
        )


def test_controls_lie_beside_the_marked_area_and_in_different_places() -> None:
    row, column = np.mgrid[:7, :7]
    blob = np.exp(-((row - 3) ** 2 + (column - 4) ** 2) / 4.0).astype(np.float32)
    hot = hottest_area(blob)
    controls = control_areas(hot)
    assert len(controls) == CONTROLS
    for place, control in enumerate(controls):
        assert (control & hot).sum() <= 0.1 * hot.sum()
        assert not any(np.array_equal(control, other) for other in controls[:place])
    again, others = control_areas(hot), control_areas(hot, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(controls, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(controls, others, strict=True))


def test_the_same_image_has_the_same_figures_and_they_have_a_range(scenes: Explainer) -> None:
    image = render_scene(5).image
    said = scenes.explain(image)
    first, second = (removal_test(scenes, image, said) for _ in range(2))
    assert first is not None
    assert first == second
    least, greatest = first.control_range
    assert least <= first.control_drop <= greatest
    assert first.named
    drops = [first.before - each for each in first.without_controls]
    assert first.control_drop == pytest.approx(sum(drops) / CONTROLS)


def test_what_the_network_says_without_an_area_is_known(red: Explainer, red_square: Image) -> None:
    said = red.explain(red_square, classes="red")
    found = removal_test(red, red_square, said)
    assert found is not None
    assert found.named
    assert not found.named_without_hot
    assert found.named_without_controls == CONTROLS
    other = red.explain(red_square, classes="rest")
    assert not is_named(other, 1)


def test_a_share_of_nothing_or_all_is_refused() -> None:
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="share"):
            hottest_mask(np.zeros((7, 7), np.float32), share)


def test_only_the_masked_part_of_the_region_is_blur_regions() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    before = image.copy()
    mask = np.zeros((10, 10), np.bool_)
    mask[:, :5] = True
    (half,) = blur_regions(image, Region(20, 10, 100, 100), [mask])
    assert np.array_equal(image, before)
    changed = (half != image).any(axis=2)
    assert changed[10:110, 20:70].mean() > 0.95
    changed[10:110, 20:70] = False
    assert not changed.any()
    assert half[10:110, 20:70].std() < 0.3 * image.std()


def test_of_a_region_that_reaches_beyond_the_image_the_seen_part_is_blurred() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    mask = np.zeros((10, 10), np.bool_)
    mask[:, 5:] = True  # columns 40 to 89 of the image
    (half,) = blur_regions(image, Region(-10, 0, 100, 100), [mask])
    changed = (half != image).any(axis=(0, 2))
    assert changed[40:90].mean() > 0.95
    assert not changed[:40].any()
    assert not changed[90:].any()


def test_rank_correlation_is_spearmans() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=(7, 7)).astype(np.float32)
    assert rank_correlation(first, np.exp(3 * first)) == pytest.approx(1.0)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)
    assert rank_correlation(first, np.zeros_like(first)) == 0.0
    # By hand: ranks (1, 2.5, 2.5, 4) and (1, 3, 2, 4).
    a = np.array([[1, 2, 2, 3]], np.float32)
    b = np.array([[10, 30, 20, 40]], np.float32)
    assert rank_correlation(a, b) == pytest.approx(0.9486833, abs=1e-6)
    with pytest.raises(ValueError, match="one shape"):
        rank_correlation(first, first[:3])
