"""The measures on maps whose value is known, and beside torchcam's own metric classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from live_gradcam.faithfulness import measures
from live_gradcam.scenes import render_scene
from live_gradcam.values import Region
from tests.explain.support import TinyNet, randomised

Array = npt.NDArray[Any]

SIDE = 64


def object_score(mask: Array) -> measures.Score:
    """A network that sees one thing only: how much of the object is white."""

    def score(inputs: Array) -> Array:
        shares: Array = inputs[:, 0, mask].mean(axis=1).astype(np.float64)
        return shares

    return score


@pytest.fixture
def mask() -> Array:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[8:40, 16:48] = True  # a quarter of the image
    return mask


def test_deletion_and_insertion_of_a_perfect_a_useless_and_a_wrong_map(mask: Array) -> None:
    white = np.ones((3, SIDE, SIDE), np.float32)
    black = np.zeros_like(white)
    score = object_score(mask)
    noise = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    share = mask.mean()
    expected = {
        "perfect": (mask + 0.1 * noise, share / 2, 1 - share / 2),
        "useless": (noise, 0.5, 0.5),
        "wrong": (0.1 * noise - mask, 1 - share / 2, share / 2),
    }
    for name, (evidence, deletion, insertion) in expected.items():
        curves = measures.deletion_insertion(
            white, evidence.astype(np.float32), score, steps=64, start=black
        )
        assert curves.deletion_area == pytest.approx(deletion, abs=0.03), name
        assert curves.insertion_area == pytest.approx(insertion, abs=0.03), name
        assert curves.fractions[0] == 0.0
        assert curves.fractions[-1] == 1.0
        assert curves.deletion[0] == curves.insertion[-1] == 1.0


def test_insertion_starts_from_the_blurred_image_as_rise_does(mask: Array) -> None:
    inputs = np.where(mask, 1.0, 0.0).astype(np.float32)[None].repeat(3, 0)
    score = object_score(mask)
    curves = measures.deletion_insertion(inputs, mask.astype(np.float32), score, steps=4)
    assert curves.insertion[0] == pytest.approx(float(score(measures.blurred(inputs)[None])[0]))
    assert 0.9 < curves.insertion[0] < 1.0
    assert curves.deletion[-1] == 0.0


def test_the_blur_is_rise_s_own_at_224_pixels() -> None:
    dot = np.zeros((3, 224, 224), np.float32)
    dot[:, 112, 112] = 1.0
    spread = measures.blurred(dot)[0]
    distances = np.arange(-5, 6)
    weights = np.exp(-(distances**2) / (2 * 5.0**2))
    expected = np.outer(weights, weights) / weights.sum() ** 2
    assert np.allclose(spread[107:118, 107:118], expected, atol=1e-6)
    assert spread.sum() == pytest.approx(1.0, abs=1e-4)


def test_curves_need_as_many_forwards_as_they_have_points_and_no_more(mask: Array) -> None:
    asked: list[int] = []

    def score(inputs: Array) -> Array:
        asked.append(len(inputs))
        return np.zeros(len(inputs))

    inputs = np.ones((3, SIDE, SIDE), np.float32)
    evidence = mask.astype(np.float32)
    curves = measures.deletion_insertion(inputs, evidence, score, steps=20, before=1.0)
    assert sum(asked) == 2 * (len(curves.fractions) - 1)
    assert len(curves.fractions) <= 21
    assert max(asked) > 1


def test_steps_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="0"):
        measures.step_counts(10, 0)


@pytest.mark.parametrize(
    ("before", "left", "drop"), [(0.8, 0.2, 0.75), (0.5, 0.9, 0.0), (0.4, 0.4, 0.0), (0.0, 0.1, 0)]
)
def test_average_drop(before: float, left: float, drop: float) -> None:
    assert measures.average_drop(before, left) == pytest.approx(drop)


def test_what_is_left_by_the_map_is_the_hot_part(mask: Array) -> None:
    inputs = np.full((3, SIDE, SIDE), 2.0, np.float32)
    evidence = np.where(mask, 5.0, -3.0).astype(np.float32)
    left = measures.masked_by(inputs, evidence)
    assert left[:, mask] == pytest.approx(2.0)
    assert left[:, ~mask] == pytest.approx(0.0)


def enlarged_by_torch(evidence: Array, height: int, width: int) -> Array:
    planes = torch.from_numpy(evidence)[None, None]
    large: Array = nn.functional.interpolate(
        planes, (height, width), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    return large


def test_maps_are_enlarged_as_torch_does() -> None:
    evidence = np.random.default_rng(1).standard_normal((7, 9)).astype(np.float32)
    ours = measures.enlarge(evidence, 90, 224)
    expected = enlarged_by_torch(evidence, 90, 224)
    rounding = 8 * np.finfo(np.float32).eps * np.abs(evidence).max()
    assert np.abs(ours - expected).max() <= rounding
    # And the order of the pixels is the same, but for those that are equal within rounding.
    in_our_order = expected.flat[np.argsort(-ours, axis=None, kind="stable")]
    assert np.diff(in_our_order).max() <= 2 * rounding


# The pointing game and its relatives


def test_random_maps_score_at_chance_and_the_mask_itself_at_the_top() -> None:
    rng = np.random.default_rng(2)
    hits, chances, areas, perfect = [], [], [], []
    inside: list[float] = []
    for seed in range(30):
        for item in render_scene(seed, width=128, height=96).objects:
            mask = measures.in_view(item.mask, Region(16, 0, 96, 96), 112, 112)
            chance = measures.pointing_chance(mask)
            for _ in range(20):
                noise = rng.random((112, 112), np.float32)
                hits.append(measures.points_at(noise, mask))
                chances.append(chance)
                inside.append(measures.share_inside(noise, mask) or 0.0)
                areas.append(measures.area_inside(noise, mask))
            true_map = mask.astype(np.float32)
            perfect.append(measures.points_at(true_map, mask))
            assert measures.share_inside(true_map, mask) == pytest.approx(1.0)
    error = 3 * np.sqrt(np.mean(chances) * (1 - np.mean(chances)) / len(hits))
    assert abs(np.mean(hits) - np.mean(chances)) < error
    assert np.mean(inside) == pytest.approx(np.mean(areas), abs=0.01)
    assert np.mean(chances) < 0.4
    assert all(perfect)


@pytest.mark.parametrize(("beside", "hit"), [(0, True), (14, True), (15, True), (17, False)])
def test_fifteen_pixels_beside_the_object_are_a_hit(beside: int, hit: bool) -> None:
    mask = np.zeros((224, 224), bool)
    mask[50:100, 50:100] = True
    evidence = np.zeros((224, 224), np.float32)
    evidence[70, 99 + beside] = 1.0
    assert measures.points_at(evidence, mask) is hit


def test_the_tolerance_keeps_its_share_of_the_input() -> None:
    assert measures.tolerance_at(224, 224) == 15
    assert measures.tolerance_at(224, 640) == 15
    assert measures.tolerance_at(448, 448) == 30


def test_a_map_without_positive_evidence_points_nowhere(mask: Array) -> None:
    for evidence in (np.zeros((7, 7), np.float32), np.full((7, 7), -1.0, np.float32)):
        assert not measures.points_at(evidence, mask)
        assert measures.share_inside(evidence, mask) is None


def test_evidence_one_cell_beside_the_object_counts_and_farther_does_not() -> None:
    mask = np.zeros((70, 70), bool)
    mask[20:30, 20:30] = True  # one cell of a 7x7 map
    near, far = np.zeros((2, 7, 7), np.float32)
    near[2, 2], near[2, 6] = 1.0, 1.0
    far[6, 6] = 1.0
    assert measures.share_inside(near, mask) == pytest.approx(0.5, abs=0.05)
    assert measures.share_inside(far, mask) == 0.0


def test_a_mask_is_seen_as_the_network_sees_the_image() -> None:
    mask = np.zeros((100, 200), bool)
    mask[25:75, 60:90] = True
    seen = measures.in_view(mask, Region(50, 0, 100, 100), 50, 50)
    assert seen[13:37, 5:20].all()
    assert seen.sum() == pytest.approx(25 * 15, abs=40)
    assert not measures.in_view(mask, Region(100, 0, 100, 100), 50, 50).any()
    thin = np.zeros((100, 200), bool)
    thin[40] = True
    assert measures.in_view(thin, Region(50, 0, 100, 100), 10, 10).any()


# torchcam computes the same


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return randomised(TinyNet(), seed=3)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    images = [render_scene(seed, width=64, height=64).image[..., ::-1] for seed in range(6)]
    planes = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()).float() / 255
    return (planes - 0.45) / 0.23


def our_scores(network: nn.Module, index: int) -> measures.Score:
    def score(inputs: Array) -> Array:
        with torch.no_grad():
            shares = network(torch.from_numpy(inputs)).softmax(1)[:, index]
        probabilities: Array = shares.double().numpy()
        return probabilities

    return score


def maps_of(network: nn.Module, images: torch.Tensor) -> tuple[list[int], list[Array]]:
    """The maps that torchcam's metrics make: of the gradient of the probability, not the score."""
    from torchcam.methods import GradCAM

    with GradCAM(network, "last") as extractor:
        scores = network(images).softmax(1)
        classes = scores.argmax(1).tolist()
        (maps,) = extractor(classes, scores)
    return classes, [each.numpy().astype(np.float32) for each in maps.detach()]


def test_average_drop_and_increase_agree_with_torchcam(
    network: nn.Module, images: torch.Tensor
) -> None:
    from torchcam.methods import GradCAM
    from torchcam.metrics import ClassificationMetric

    with GradCAM(network, "last") as extractor:
        metric = ClassificationMetric(extractor, partial(torch.softmax, dim=-1))
        metric.update(images)
        theirs = metric.summary()
    drops, increases = [], []
    for index, evidence, inputs in zip(*maps_of(network, images), images.numpy(), strict=True):
        score = our_scores(network, index)
        left = measures.masked_by(inputs, evidence)
        before, masked = score(np.stack([inputs, left]))
        drops.append(measures.average_drop(before, masked))
        increases.append(masked > before)
    assert np.mean(drops) == pytest.approx(theirs["avg_drop"], abs=1e-5)
    assert np.mean(increases) == theirs["conf_increase"]
    assert 0 < np.mean(drops) < 1


@pytest.mark.parametrize("baseline", ["zeros", "blurred"])
@pytest.mark.parametrize("steps", [7, 20])
def test_deletion_and_insertion_agree_with_torchcam_at_its_settings(
    network: nn.Module, images: torch.Tensor, baseline: str, steps: int
) -> None:
    from torchcam import metrics
    from torchcam.methods import GradCAM

    if not hasattr(metrics, "DeletionInsertionMetric"):
        pytest.skip("this torchcam has no deletion and insertion yet")
    blurred = torch.from_numpy(np.stack([measures.blurred(each) for each in images.numpy()]))
    theirs_from = None if baseline == "zeros" else blurred
    with GradCAM(network, "last") as extractor:
        metric = metrics.DeletionInsertionMetric(
            extractor, partial(torch.softmax, dim=-1), steps=steps, baseline=theirs_from
        )
        metric.update(images)
        theirs = metric.summary()
    deletion, insertion = [], []
    for index, evidence, inputs in zip(*maps_of(network, images), images.numpy(), strict=True):
        empty = np.zeros_like(inputs) if baseline == "zeros" else measures.blurred(inputs)
        # Enlarged as torchcam does it: many pixels are equal within rounding, and one of them on
        # the other side of a step shows in the score.
        curves = measures.deletion_insertion(
            inputs,
            enlarged_by_torch(evidence, SIDE, SIDE),
            our_scores(network, index),
            steps=steps,
            emptied=empty,
            start=empty,
        )
        deletion.append(curves.deletion_area)
        insertion.append(curves.insertion_area)
    assert np.mean(deletion) == pytest.approx(theirs["deletion_auc"], rel=1e-5)
    assert np.mean(insertion) == pytest.approx(theirs["insertion_auc"], rel=1e-5)
