"""Of fresh scenes, as many are named rightly as the head is sure of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import live_gradcam as lg
from live_gradcam.teaching import Burst, Examples, learn
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier

_SHAPES = (0, 3, 7)
_BURSTS, _FRAMES, _FRESH = 6, 4, 40


def _shown(extractor: lg.FeatureExtractor, shape: int, seed: int, count: int) -> NDArray:
    """A burst: an object before a wall that no other burst has."""
    frames = show(shape, wall(10_000 + 100 * shape + seed), seed, count).frames
    return np.stack([each.pooled for each in extractor.extract(frames)])


@pytest.fixture(scope="module")
def answers() -> tuple[NDArray, NDArray, NDArray, float]:
    """Probabilities and classes of fresh scenes, the same without a temperature, and its value."""
    examples = Examples()
    fresh, truth = [], []
    with lg.FeatureExtractor(small_classifier()) as extractor:
        for index, shape in enumerate(_SHAPES):
            for seed in range(_BURSTS):
                features = _shown(extractor, shape, seed, _FRAMES)
                examples = examples.with_burst(Burst(f"shape {shape}", features))
            for seed in range(_FRESH):
                fresh.append(_shown(extractor, shape, 1000 + seed, 1))
                truth.append(index)
    head = learn(examples).head
    together = np.concatenate(fresh)
    plain = head.calibrated(1.0).probabilities(together)
    return head.probabilities(together), np.array(truth), plain, head.temperature


def test_a_head_is_as_sure_as_it_is_right(
    answers: tuple[NDArray, NDArray, NDArray, float],
) -> None:
    shares, truth, _, _ = answers
    sure, right = shares.max(1), shares.argmax(1) == truth
    order = np.argsort(sure)
    parts = np.array_split(order, 4)
    error = sum(len(part) * abs(sure[part].mean() - right[part].mean()) for part in parts)
    # A quarter of the scenes is thirty; and eighteen bursts are what it was calibrated by.
    deviation = np.sqrt(0.25 / len(parts[0])) + np.sqrt(0.25 / (len(_SHAPES) * _BURSTS))
    assert error / len(truth) < deviation


def test_a_temperature_changes_no_answer(
    answers: tuple[NDArray, NDArray, NDArray, float],
) -> None:
    shares, _, plain, temperature = answers
    assert temperature != 1.0
    np.testing.assert_array_equal(shares.argmax(1), plain.argmax(1))
