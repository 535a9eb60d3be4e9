"""Heatmaps: numbers at the size of the image, compared with torch's own interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import live_gradcam as lg
from live_gradcam.values import Explanation, Region
from tests.present import support

MakeExplanation = Callable[..., Explanation]


def expected(evidence: np.ndarray, region: Region, size: tuple[int, int]) -> np.ndarray:
    """The positive part by its maximum, enlarged bicubically by torch, zero elsewhere."""
    heat = torch.from_numpy(evidence).clamp(min=0) / evidence.max()
    shape = (region.height, region.width)
    large = interpolate(heat[None, None], size=shape, mode="bicubic")[0, 0].clamp(0, 1)
    whole = np.zeros((size[1], size[0]), np.float32)
    rows = slice(region.y, region.y + region.height)
    whole[rows, region.x : region.x + region.width] = large.numpy()
    return whole


def test_it_covers_the_picture_and_is_zero_where_the_network_saw_nothing() -> None:
    explained = support.explained()
    heat = explained.heatmap()
    region = explained.region
    assert heat.dtype == np.float32
    assert heat.shape == (240, 320)
    assert heat.min() == 0
    assert heat.max() == pytest.approx(1, abs=0.02)
    assert not heat[:, : region.x].any()
    assert not heat[:, region.x + region.width :].any()
    reference = expected(explained.evidence[0], region, (320, 240))
    np.testing.assert_allclose(heat, reference, atol=1e-5)


def test_each_class_has_its_own() -> None:
    explained = support.explained()
    for place, (index, label) in enumerate(zip(explained.explained, explained.labels, strict=True)):
        if explained.evidence[place].max() <= 0:
            continue
        reference = expected(explained.evidence[place], explained.region, (320, 240))
        np.testing.assert_allclose(explained.heatmap(of=index), reference, atol=1e-5)
        np.testing.assert_allclose(explained.heatmap(of=label.upper()), reference, atol=1e-5)


def test_a_class_without_a_map_is_refused_with_those_that_have_one() -> None:
    explained = support.explained()
    with pytest.raises(lg.UsageError, match=r"hous: there are maps of .*Did you mean house\?"):
        explained.heatmap(of="hous")
    with pytest.raises(lg.UsageError, match="classes=-1"):
        explained.heatmap(of=-1)


def test_evidence_against_a_class_is_negative_on_the_same_scale(
    make_explanation: MakeExplanation,
) -> None:
    evidence = np.full((1, 3, 4), 0.0, np.float32)
    evidence[0, 0, 0], evidence[0, 2, 3] = 2.0, -4.0
    explanation = make_explanation(evidence=evidence, region=Region(0, 0, 4, 3))
    signed = explanation.heatmap((4, 3), positive=False)
    np.testing.assert_allclose(signed, evidence[0] / 4.0)
    np.testing.assert_allclose(explanation.heatmap((4, 3)), np.maximum(evidence[0], 0) / 2.0)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan, -np.inf])
def test_no_evidence_is_zero_and_never_nan(make_explanation: MakeExplanation, value: float) -> None:
    evidence = np.full((1, 7, 7), value, np.float32)
    heat = make_explanation(evidence=evidence).heatmap((64, 48))
    assert not heat.any()
    assert np.isfinite(make_explanation(evidence=evidence).heatmap((64, 48), False)).all()


def test_another_size_scales_the_region_with_the_picture() -> None:
    explained = support.explained()
    half = explained.heatmap((160, 120))
    assert half.shape == (120, 160)
    whole = explained.heatmap()
    averaged = whole.reshape(120, 2, 160, 2).mean((1, 3))
    # Edges of the region are rounded to pixels; inside, a map of 7x7 cells is smooth.
    assert np.abs(half - averaged).mean() < 0.01
    tiny = explained.heatmap((4, 3))
    assert tiny.shape == (3, 4)
    assert 0 <= tiny.min() <= tiny.max() <= 1


def test_a_size_that_is_none_is_refused(make_explanation: MakeExplanation) -> None:
    explanation = make_explanation()
    with pytest.raises(lg.UsageError, match=r"size=\(width, height\)"):
        explanation.heatmap()
    wrong: list[Any] = [(0, 4), (4,), 4, (4.5, 3), "ab", (99999, 5)]
    for size in wrong:
        with pytest.raises(lg.UsageError, match=r"Give \(width, height\)"):
            explanation.heatmap(size)


def test_a_region_beyond_the_picture_is_clipped(make_explanation: MakeExplanation) -> None:
    evidence = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    outside = make_explanation(evidence=evidence, region=Region(-2, -2, 8, 8)).heatmap((4, 4))
    inside = make_explanation(evidence=evidence, region=Region(0, 0, 8, 8)).heatmap((8, 8))
    np.testing.assert_allclose(outside, inside[2:6, 2:6], atol=1e-6)
