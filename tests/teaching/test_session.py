"""Teaching while the network runs: bursts come and go, heads are exchanged, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.teaching import ANYTHING_ELSE
from live_gradcam.teaching.session import TeachingSession
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier


@pytest.fixture(scope="module")
def extractor() -> Iterator[lg.FeatureExtractor]:
    """Of a small network."""
    with lg.FeatureExtractor(small_classifier()) as made:
        yield made


def _teach(
    session: TeachingSession,
    extractor: lg.FeatureExtractor,
    label: str,
    shape: int | None,
    seed: int,
) -> None:
    frames = [wall(0)] * 8 if shape is None else show(shape, wall(0), seed, 8).frames
    session.begin(label)
    for each in extractor.extract(frames):
        session.add(each)
    session.end()


def test_heads_follow_the_examples(extractor: lg.FeatureExtractor) -> None:
    with TeachingSession(extractor, labels=["star"]) as session:
        assert session.taught.classifier is None
        _teach(session, extractor, "star", 3, 0)
        assert session.wait(60)
        assert session.taught.classifier is None  # one class only
        _teach(session, extractor, ANYTHING_ELSE, None, 0)
        assert session.wait(60)
        first = session.taught.classifier
        assert first is not None
        assert first.labels == ("star", ANYTHING_ELSE)
        _teach(session, extractor, "星", 7, 1)
        assert session.wait(60)
        taught = session.taught
        assert taught.classifier is not None
        assert taught.learned is not None
        assert taught.is_learned
        assert taught.classifier.labels == ("star", ANYTHING_ELSE, "星")
        assert [each.examples for each in taught.learned.classes] == [8, 8, 8]
        assert session.undo() == ("星", 8)
        assert session.wait(60)
        assert session.count("星") == 0
        assert session.labels == ("star", ANYTHING_ELSE, "星")
        last = session.taught.classifier
        assert last is not None
        np.testing.assert_array_equal(last.head.weight, first.head.weight)


def test_a_journal_is_gone_on_with(extractor: lg.FeatureExtractor, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with TeachingSession(extractor, journal=path, labels=["later"]) as session:
        _teach(session, extractor, "star", 3, 0)
        _teach(session, extractor, "fish", 7, 1)
        _teach(session, extractor, "fish", 7, 2)
        session.undo("star")
        assert session.wait(60)
        before = session.examples
    with TeachingSession(extractor, journal=path, resume=True) as session:
        after = session.examples
    assert after.labels == before.labels == ("later", "star", "fish")
    assert [each.name for each in after.bursts] == [each.name for each in before.bursts]
    for one, other in zip(before.bursts, after.bursts, strict=True):
        np.testing.assert_array_equal(one.features, other.features)
        assert one.thumbnail is not None
        assert other.thumbnail is not None
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
        assert (one.moving is None) == (other.moving is None)
        if one.moving is not None and other.moving is not None:
            np.testing.assert_array_equal(one.moving.maps, other.moving.maps)
