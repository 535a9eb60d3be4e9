"""The head is the regression that scikit-learn fits, folded into one linear layer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from live_gradcam.teaching.fit import fit_head, trial_scores
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
def test_probabilities_are_those_of_scikit_learn(class_count: int, strength: float) -> None:
    features, classes = _examples(class_count, 90, 30, seed=class_count)
    head = fit_head(features, classes, class_count, strength=strength)
    scaler = StandardScaler().fit(features.astype(np.float64))
    theirs = LogisticRegression(C=strength, class_weight="balanced", tol=1e-9, max_iter=10_000)
    theirs.fit(scaler.transform(features.astype(np.float64)), classes)
    others, _ = _examples(class_count, 40, 30, seed=100)
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
    np.testing.assert_allclose(found[2], exact, atol=0.02)


def test_whole_bursts_are_held_out() -> None:
    examples = clouds(3, bursts=3)
    folds = folds_of(examples)
    for label in examples.labels:
        own = [fold for fold, b in zip(folds, examples.bursts, strict=True) if b.label == label]
        assert sorted(fold for fold in own if fold is not None) == [0, 1, 2]
    validation = validate(examples)
    assert all(validation.held_out)


def test_probabilities_say_how_often_they_are_right() -> None:
    """Classes that overlap: the mean confidence on fresh examples is the share that is right."""
    rng = np.random.default_rng(5)
    centres = rng.normal(0, 0.5, (3, 8))

    def draw(bursts: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        classes = np.repeat(np.arange(3), bursts * frames)
        return (centres[classes] + rng.normal(0, 1, (len(classes), 8))).astype(np.float32), classes

    from live_gradcam.teaching.examples import Burst, Examples

    features, classes = draw(8, 5)
    made = Examples()
    for start in range(0, len(features), 5):
        made = made.with_burst(Burst(f"class {classes[start]}", features[start : start + 5]))
    head = learn(made).head
    fresh, truth = draw(20, 10)
    shares = head.probabilities(fresh)
    right = (shares.argmax(1) == truth).mean()
    assert abs(shares.max(1).mean() - right) < 0.1
