"""The head is the regression that scikit-learn fits, folded into one linear layer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from live_gradcam.teaching.calibration import choose_temperature
from live_gradcam.teaching.examples import Burst, Examples
from live_gradcam.teaching.fit import Stopped, fit_head, softmax, trial_scores
from live_gradcam.teaching.lesson import learn
from live_gradcam.teaching.validation import folds_of, validate
from tests.teaching.support import clouds


def _examples(class_count: int, count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features that are not negative and of very different sizes, as a trunk's are."""
    rng = np.random.default_rng(seed)
    classes = np.concatenate([np.arange(class_count), rng.integers(0, class_count, count)])
    centres = rng.normal(0, 0.4, (class_count, size))
    values = np.maximum(centres[classes] + rng.normal(0, 1, (len(classes), size)), 0)
    return (values * rng.uniform(0.01, 5, size)).astype(np.float32), classes


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
@pytest.mark.parametrize("class_count", [2, 3, 9])
@pytest.mark.parametrize("size", [30, 300])  # fewer features than examples, and more
def test_probabilities_are_those_of_scikit_learn(
    class_count: int, strength: float, size: int
) -> None:
    features, classes = _examples(class_count, 90, size, seed=class_count)
    head = fit_head(features, classes, class_count, strength=strength)
    scaler = StandardScaler().fit(features.astype(np.float64))
    theirs = LogisticRegression(C=strength, class_weight="balanced", tol=1e-9, max_iter=10_000)
    theirs.fit(scaler.transform(features.astype(np.float64)), classes)
    others, _ = _examples(class_count, 40, size, seed=100)
    expected = theirs.predict_proba(scaler.transform(others.astype(np.float64)))
    np.testing.assert_allclose(head.probabilities(others), expected, atol=1e-3)


def test_the_same_examples_give_the_same_head_bit_for_bit() -> None:
    features, classes = _examples(4, 60, 20, seed=1)
    first, second = (fit_head(features, classes, 4) for _ in range(2))
    assert first.weight.tobytes() == second.weight.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


def test_where_a_fit_begins_does_not_matter() -> None:
    features, classes = _examples(4, 60, 20, seed=1)
    few = fit_head(features[:40], classes[:40], 4, strength=0.1)
    cold = fit_head(features, classes, 4, strength=0.1)
    warm = fit_head(features, classes, 4, strength=0.1, start=few.start)
    assert warm.strength == cold.strength
    np.testing.assert_allclose(
        warm.probabilities(features), cold.probabilities(features), atol=1e-4
    )


def test_a_feature_that_never_changes_has_no_part() -> None:
    features, classes = _examples(3, 40, 10, seed=2)
    features[:, 4] = 7.0
    head = fit_head(features, classes, 3)
    assert not head.weight[:, 4].any()
    assert np.isfinite(head.weight).all()


def test_every_strength_is_tried_on_what_was_held_out() -> None:
    features, classes = _examples(3, 60, 10, seed=3)
    found = trial_scores(features[:50], classes[:50], 3, features[50:])
    exact = fit_head(features[:50], classes[:50], 3, strength=0.01).logits(features[50:])
    assert found.shape == (5, len(features) - 50, 3)
    np.testing.assert_allclose(found[2], exact, atol=1e-3)


def test_whole_bursts_are_held_out() -> None:
    examples = clouds(3, bursts=3)
    folds = folds_of(examples)
    for label in examples.labels:
        own = [fold for fold, b in zip(folds, examples.bursts, strict=True) if b.label == label]
        assert sorted(fold for fold in own if fold is not None) == [0, 1, 2]
    validation = validate(examples)
    assert all(validation.held_out)


def _in_bursts(features: np.ndarray, classes: np.ndarray, frames: int) -> Examples:
    made = Examples()
    for start in range(0, len(features), frames):
        part = features[start : start + frames]
        made = made.with_burst(Burst(f"class {classes[start]}", part))
    return made


def _draw(bursts: int, frames: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bursts of three classes, whose places overlap the more, the larger the spread."""
    centres = np.random.default_rng(5).normal(0, 0.5, (3, 8))
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(3), bursts)
    middles = centres[classes] + rng.normal(0, spread, (len(classes), 8))
    values = np.repeat(middles, frames, 0) + rng.normal(0, 0.1, (frames * len(classes), 8))
    return values.astype(np.float32), np.repeat(classes, frames)


@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0])
def test_probabilities_say_how_often_they_are_right(spread: float) -> None:
    """The mean confidence on fresh bursts is the share that is right, easy classes or not."""
    head = learn(_in_bursts(*_draw(10, 6, spread, 1), 6)).head
    fresh, truth = _draw(200, 1, spread, 2)
    shares = head.probabilities(fresh)
    right = (shares.argmax(1) == truth).mean()
    # Thirty bursts were held out; their share of right ones has this standard deviation.
    least = np.sqrt(max(right * (1 - right), 1 / 32) / 30)
    assert abs(shares.max(1).mean() - right) < 2 * least


def test_a_temperature_leaves_one_linear_layer() -> None:
    features, classes = _examples(3, 60, 10, seed=3)
    head = fit_head(features, classes, 3, strength=0.1)
    warm = head.calibrated(2.5)
    np.testing.assert_allclose(warm.logits(features), head.logits(features) / 2.5, atol=1e-4)
    again = fit_head(features, classes, 3, strength=0.1, start=warm.start)
    np.testing.assert_allclose(again.weight, head.weight, atol=1e-4 * np.abs(head.weight).max())


@pytest.mark.parametrize("made_with", [0.25, 1.0, 4.0])
def test_the_temperature_is_the_one_that_the_scores_were_made_with(made_with: float) -> None:
    """Classes are drawn with the probabilities of some scores, which are then multiplied."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (20_000, 4))
    shares = softmax(scores)
    truth = (shares.cumsum(1) > rng.random((len(scores), 1))).argmax(1)
    share = np.full(len(scores), 1 / len(scores))
    found, loss = choose_temperature(scores * made_with, truth, share, len(scores))
    assert found == pytest.approx(made_with, rel=0.05)
    own = np.take_along_axis(shares, truth[:, None], 1)
    assert loss == pytest.approx(-np.log(own).mean(), abs=0.01)


@pytest.mark.parametrize("bursts", [2, 8, 30])
def test_a_few_easy_bursts_make_nobody_certain(bursts: int) -> None:
    scores = 40.0 * np.eye(3)[np.arange(60) % 3]
    found, _ = choose_temperature(scores, np.arange(60) % 3, np.full(60, 1 / 60), bursts)
    sure = softmax(scores / found).max(1)
    np.testing.assert_allclose(sure, (bursts + 1) / (bursts + 2), atol=1e-3)


def test_a_fit_is_given_up_when_it_is_asked_to() -> None:
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 10

    with pytest.raises(Stopped):
        learn(clouds(4), stop=stop)
    assert len(asked) == 11


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    learn(clouds(3, bursts=3), on_progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
