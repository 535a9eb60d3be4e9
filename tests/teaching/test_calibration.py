"""Of fresh scenes, as many are named rightly as the head is sure of, easy classes or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import live_gradcam as lg
from live_gradcam.teaching import Burst, Examples, learn
from live_gradcam.values import Image
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier

_SHAPES = (0, 3, 7)
_BURSTS, _FRAMES, _FRESH = 6, 2, 12


@dataclass(frozen=True)
class _Answers:
    """Of fresh scenes: what is said with and without the temperature, and what is right."""

    said: NDArray[np.float64]
    plain: NDArray[np.float64]
    truth: NDArray[np.int64]
    temperature: float


@pytest.fixture(scope="module")
def scenes() -> tuple[list[list[Image]], list[Image]]:
    """Bursts of each shape, and fresh frames of each: no two before the same wall."""
    bursts, fresh = [], []
    for shape in _SHAPES:
        walls = [wall(10_000 + 100 * shape + index) for index in range(_BURSTS + _FRESH)]
        for index, behind in enumerate(walls):
            if index < _BURSTS:
                bursts.append(show(shape, behind, index, _FRAMES).frames)
            else:
                fresh.append(show(shape, behind, index, 1).frames[0])
    return bursts, fresh


# A network that knows the shapes, and one that sees little more than colours.
@pytest.fixture(scope="module", params=["scenes", "small"])
def answers(
    request: pytest.FixtureRequest, scenes: tuple[list[list[Image]], list[Image]]
) -> _Answers:
    network = lg.load_classifier("scenes") if request.param == "scenes" else small_classifier()
    bursts, fresh = scenes
    examples = Examples()
    with lg.FeatureExtractor(network) as extractor:
        for index, frames in enumerate(bursts):
            features = np.stack([each.pooled for each in extractor.extract(frames)])
            examples = examples.with_burst(Burst(f"shape {index // _BURSTS}", features))
        together = np.stack([each.pooled for each in extractor.extract(fresh)])
    head = learn(examples).head
    return _Answers(
        head.probabilities(together),
        head.calibrated(1.0).probabilities(together),
        np.repeat(np.arange(len(_SHAPES)), _FRESH),
        head.temperature,
    )


def test_a_head_is_as_sure_as_it_is_right(answers: _Answers) -> None:
    """The expected calibration error, of three parts from the least to the most sure."""
    sure, right = answers.said.max(1), answers.said.argmax(1) == answers.truth
    parts = np.array_split(np.argsort(sure), 3)
    error = sum(len(part) * abs(sure[part].mean() - right[part].mean()) for part in parts)
    # Each part is twelve scenes, and what it was calibrated by are eighteen bursts.
    share = np.clip(right.mean(), 0.05, 0.95)
    deviation = np.sqrt(share * (1 - share) * (1 / _FRESH + 1 / (len(_SHAPES) * _BURSTS)))
    assert error / len(right) < 2 * deviation


def test_a_temperature_changes_no_answer(answers: _Answers) -> None:
    assert answers.temperature != 1.0
    np.testing.assert_array_equal(answers.said.argmax(1), answers.plain.argmax(1))
