"""One thread makes the heads of several lessons, and none of them waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.teaching import Fitter, FrameFeatures, LessonState
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier


@pytest.fixture(scope="module")
def extractor() -> Iterator[lg.FeatureExtractor]:
    """Of a small network."""
    with lg.FeatureExtractor(small_classifier()) as made:
        yield made


@pytest.fixture
def fitter(extractor: lg.FeatureExtractor) -> Iterator[Fitter]:
    with Fitter(extractor) as made:
        yield made


def _frames(extractor: lg.FeatureExtractor, shape: int, seed: int) -> list[FrameFeatures]:
    return extractor.extract(show(shape, wall(0), seed, 8).frames)


def _show(state: LessonState, label: str, frames: list[FrameFeatures]) -> None:
    state.begin(label)
    for each in frames:
        state.add(each)
    state.end()


def test_lessons_that_share_a_thread_have_their_own_heads(
    extractor: lg.FeatureExtractor, fitter: Fitter
) -> None:
    lessons = [LessonState(), LessonState(), LessonState()]
    names = [("mug", "cup"), ("star", "fish"), ("only",)]
    for number, (state, labels) in enumerate(zip(lessons, names, strict=True)):
        for index, label in enumerate(labels):
            _show(state, label, _frames(extractor, 3 + index, number))
        fitter.submit(state)
    for state, labels in zip(lessons, names, strict=True):
        assert fitter.wait(state, 120)
        found = state.taught
        assert found.version == state.version
        if len(labels) > 1:
            assert found.classifier is not None
            assert found.classifier.labels == labels
            assert found.is_learned
    assert lessons[2].taught.classifier is None
    assert lessons[2].examples.bursts[0].moving is not None  # looked for with one class, too


def test_a_head_is_there_while_a_burst_is_being_shown(
    extractor: lg.FeatureExtractor, fitter: Fitter
) -> None:
    state = LessonState()
    _show(state, "mug", _frames(extractor, 3, 0))
    state.begin("cup")
    for each in _frames(extractor, 7, 1):
        state.add(each)
    fitter.submit(state)
    assert fitter.wait(state, 120)
    classifier = state.taught.classifier
    assert classifier is not None
    assert classifier.labels == ("mug", "cup")
    assert state.showing == "cup"


def test_what_cannot_be_learned_is_said_and_the_next_burst_is(
    extractor: lg.FeatureExtractor, fitter: Fitter
) -> None:
    state = LessonState()
    _show(state, "mug", _frames(extractor, 3, 0))
    odd = FrameFeatures(
        np.ones(7, np.float32),  # of another network
        np.ones((7, 1, 1), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        lg.Region(0, 0, 8, 8),
    )
    _show(state, "odd", [odd])
    fitter.submit(state)
    assert fitter.wait(state, 120)
    assert "not learned" in state.taught.trouble
    state.undo()
    _show(state, "cup", _frames(extractor, 7, 1))
    fitter.submit(state)
    assert fitter.wait(state, 120)
    assert state.taught.trouble == ""
    assert state.taught.classifier is not None


def test_nobody_waits_for_a_fitter_that_is_closed(extractor: lg.FeatureExtractor) -> None:
    state = LessonState()
    for seed in range(6):
        _show(state, f"class {seed % 3}", _frames(extractor, 3 + seed % 3, seed))
    fitter = Fitter(extractor)
    fitter.submit(state)
    waiting: list[bool] = []
    waiter = threading.Thread(target=lambda: waiting.append(fitter.wait(state)))
    waiter.start()
    fitter.close()
    waiter.join()
    fitter.close()
    assert len(waiting) == 1
    fitter.submit(state)  # after it was closed nothing happens


def test_a_forgotten_lesson_needs_no_head(extractor: lg.FeatureExtractor, fitter: Fitter) -> None:
    state = LessonState()
    fitter.submit(state)
    fitter.forget(state)
    fitter.forget(state)
    _show(state, "mug", _frames(extractor, 3, 0))
    assert fitter.wait(state, 1)
    assert state.taught.version == -1 or state.taught.classifier is None
