"""Teaching while the network runs: bursts come and go, heads are exchanged, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.teaching import ANYTHING_ELSE, Journal
from live_gradcam.teaching.session import TeachingSession
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier

ROOT = Path(__file__).parents[2]


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


_KILLED = """
import numpy as np, os, sys, time
from pathlib import Path
from live_gradcam.teaching import Journal
journal = Journal(Path(sys.argv[1]), network="small", trunk="abc")
journal.add_frame("mug", np.full(4, 1, np.float32))
journal.end_burst("burst 1")
for value in range(2, 7):
    journal.add_frame("cup", np.full(4, value, np.float32))
print("shown", flush=True)
time.sleep(60)
"""


def test_a_killed_session_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(path)],
        stdout=subprocess.PIPE,
        env=variables,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"shown"
        process.kill()
    with path.open("ab") as file:  # and the last entry was torn
        file.write(path.read_bytes()[-30:-3])
    with Journal(path, network="small", trunk="abc", resume=True) as journal:
        bursts = journal.examples.bursts
        assert [(each.label, len(each)) for each in bursts] == [("mug", 1), ("cup", 5)]
        np.testing.assert_array_equal(bursts[1].features[:, 0], [2, 3, 4, 5, 6])
        journal.add_class("vase")
    with Journal(path, network="small", trunk="abc", resume=True) as journal:
        assert journal.examples.labels == ("mug", "cup", "vase")


def test_a_journal_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with Journal(path, network="resnet18", trunk="abc"):
        pass
    with pytest.raises(lg.UsageError, match="it was begun with resnet18"):
        Journal(path, network="small", trunk="other", resume=True)
    with pytest.raises(lg.SourceError, match="no such file"):
        Journal(tmp_path / "none.journal", network="small", trunk="abc", resume=True)
    (tmp_path / "text.journal").write_text("something else")
    with pytest.raises(lg.SourceError, match="no journal"):
        Journal(tmp_path / "text.journal", network="small", trunk="abc", resume=True)
