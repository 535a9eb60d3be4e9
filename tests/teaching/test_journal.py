"""What was shown is in the journal, whatever becomes of the process or of the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.teaching import ANYTHING_ELSE, FrameFeatures, Journal, LessonState
from tests.teaching.support import small_classifier

ROOT = Path(__file__).parents[2]


def _journal(
    path: Path, *, settings: Mapping[str, Any] | None = None, resume: bool = False
) -> Journal:
    return Journal(path, network="small", trunk="abc", settings=settings, resume=resume)


def _frame(value: float) -> FrameFeatures:
    pixels = np.full((40, 80, 3), value, np.uint8)
    maps = np.full((4, 1, 1), value, np.float32)
    return FrameFeatures(maps[:, 0, 0], maps, pixels, lg.Region(0, 0, 80, 40))


def _show(state: LessonState, label: str, *values: float) -> None:
    state.begin(label)
    for each in values:
        assert state.add(_frame(each))


def _told(examples: lg.Examples) -> list[tuple[str, str, list[float]]]:
    return [(e.name, e.label, e.features[:, 0].tolist()) for e in examples.bursts]


_KILLED = """
import sys, time
import numpy as np
from pathlib import Path
import live_gradcam as lg
from tests.teaching.support import small_classifier
path = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)
with lg.FeatureExtractor(small_classifier()) as extractor:
    session = lg.TeachingSession(extractor, journal=path, resume=path.exists())
    print(*session.state.counts.values(), flush=True)
    session.begin("mug")
    for each in extractor.extract(list(noise)):
        session.add(each)
    session.end()
    session.begin("cup")
    for each in extractor.extract(list(noise)):
        session.add(each)
    print("shown", flush=True)
    time.sleep(300)
"""


def _kill_in_mid_burst(path: Path) -> str:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(path)],
        stdout=subprocess.PIPE,
        env=variables,
        text=True,
    ) as process:
        assert process.stdout is not None
        counts = process.stdout.readline().strip()
        assert process.stdout.readline().strip() == "shown"
        process.kill()
    return counts


def test_a_killed_session_loses_nothing_and_its_bursts_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    assert _kill_in_mid_burst(path) == ""
    with path.open("ab") as file:  # and the last entry was torn
        file.write(path.read_bytes()[-30:-3])
    assert _kill_in_mid_burst(path) == "5 5"
    with lg.FeatureExtractor(small_classifier()) as extractor:
        settings, trunk = extractor.settings, extractor.trunk_hash
    with Journal(path, network="small", trunk=trunk, settings=settings, resume=True) as journal:
        bursts = journal.examples.bursts
        assert [(each.label, len(each)) for each in bursts] == [
            ("mug", 5),
            ("cup", 5),
            ("mug", 5),
            ("cup", 5),
        ]
        assert len({each.name for each in bursts}) == 4
        np.testing.assert_array_equal(bursts[0].features, bursts[3].features)


def test_a_lesson_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lesson.journal"
    with _journal(path) as journal:
        state = LessonState(labels=["later", "a"], journal=journal)
        _show(state, "mug", 1, 2)
        _show(state, ANYTHING_ELSE, 3)
        _show(state, "mug", 4, 5)
        _show(state, "gone", 6)
        state.undo()
        _show(state, "茶壶", 7)
        state.rename_class("a", "b")
        state.rename_class("mug", "cup")
        state.remove_class("gone")
        _show(state, "cup", 8, 9)  # and is not ended
        before = state.snapshot().examples
    with _journal(path, resume=True) as journal:
        state = LessonState(journal=journal)
        assert state.labels == ("later", "b", "cup", ANYTHING_ELSE, "茶壶")
        assert [each[1:] for each in _told(state.examples)] == [e[1:] for e in _told(before)]
        assert state.counts["cup"] == 6
        assert [each.shape for each in state.thumbnails("cup")] == [(32, 64, 3)] * 2
        _show(state, "cup", 10)
        state.end()
        told = _told(state.examples)
    assert len({name for name, _, _ in told}) == len(told)
    with _journal(path, resume=True) as journal:
        assert _told(journal.examples) == told


@pytest.mark.parametrize("kept", [0, 5, 40])
def test_a_journal_that_ended_in_its_first_moment_begins_anew(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with _journal(path):
        pass
    path.write_bytes(path.read_bytes()[:kept])
    with _journal(path, resume=True) as journal:
        assert journal.examples.labels == ()
        journal.add_class("mug")
    with _journal(path, resume=True) as journal:
        assert journal.examples.labels == ("mug",)


def test_a_journal_is_never_begun_over_another(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with _journal(path) as journal:
        journal.add_class("mug")
        for resume in (False, True):
            with pytest.raises(lg.UsageError, match="another live-gradcam is at it"):
                _journal(path, resume=resume)
    with pytest.raises(lg.UsageError, match=r"holds a session that was not ended\. Go on with"):
        _journal(path)
    (tmp_path / "letter.txt").write_text("dear all")
    with pytest.raises(lg.UsageError, match="it exists"):
        _journal(tmp_path / "letter.txt")
    assert (tmp_path / "letter.txt").read_text() == "dear all"
    with _journal(path, resume=True) as journal:
        assert journal.examples.labels == ("mug",)
        journal.remove()
    assert not path.exists()


def test_a_journal_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    with _journal(path, settings={"view": "crop", "mean": (0.5, 0.5)}) as journal:
        journal.add_frame("mug", np.ones(4, np.float32))
    with pytest.raises(lg.UsageError, match="it was begun with small, whose trunk is not"):
        Journal(path, network="other", trunk="def", resume=True)
    with pytest.raises(lg.UsageError, match="begun with another view, crop and not stretch"):
        _journal(path, settings={"view": "stretch", "mean": (0.5, 0.5)}, resume=True)
    with _journal(path, settings={"view": "crop", "mean": [0.5, 0.5]}, resume=True) as journal:
        assert journal.examples.count("mug") == 1
    with pytest.raises(lg.SourceError, match="no such file"):
        _journal(tmp_path / "none.journal", resume=True)
    (tmp_path / "text.journal").write_text("something else")
    with pytest.raises(lg.SourceError, match="no journal"):
        _journal(tmp_path / "text.journal", resume=True)
    data = path.read_bytes()
    path.write_bytes(data[:40] + b"x" + data[41:] + bytes(1 << 15))
    with pytest.raises(lg.SourceError, match="its beginning is damaged"):
        _journal(path, settings={"view": "crop", "mean": (0.5, 0.5)}, resume=True)
    with pytest.raises(lg.SinkError, match="cannot keep a journal"):
        _journal(tmp_path)


def test_a_full_disk_is_one_sentence_and_the_lesson_goes_on(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "session.journal"
    with _journal(path) as journal:
        state = LessonState(journal=journal)
        _show(state, "mug", 1, 2)
        state.end()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
        try:
            _show(state, "cup", 3, 4, 5, 6)
            state.end()
            state.sync()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "nothing more is kept in" in state.trouble
        assert "\n" not in state.trouble
        _show(state, "cup", 7)
        assert state.counts == {"mug": 2, "cup": 5}
    with _journal(path, resume=True) as journal:  # what was written before is whole
        assert _told(journal.examples)[0] == ("burst 1", "mug", [1.0, 2.0])
