"""The desk where classes are taught, without a window: keys in, heads and files out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from live_gradcam.choices import View
from live_gradcam.errors import SinkError, SourceError, UsageError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.layers import LayerMap
from live_gradcam.explain.taught_facts import read_facts
from live_gradcam.protocol import ExplainerKey
from live_gradcam.session.config import TeachingOptions
from live_gradcam.session.learner import FrameLearner
from live_gradcam.session.request import ExplainedFrame
from live_gradcam.session.state import SessionState
from live_gradcam.session.taught_pools import TaughtPools
from live_gradcam.session.teaching_desk import TeachingDesk
from live_gradcam.session.teaching_files import find_journals
from live_gradcam.session.teaching_words import SENTENCE_SECONDS, TEACHING, learned_sentences
from live_gradcam.show.options import TeachingRow
from live_gradcam.teaching.examples import ANYTHING_ELSE
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.learned import ClassLearned, Learned
from live_gradcam.values import Frame, Image
from tests.session.doubles import PATIENCE_SECONDS, START, make_request
from tests.teaching.sessions import show, wall
from tests.teaching.support import small_classifier

WALL, SHAPES = wall(5), (0, 3)


@pytest.fixture(scope="module")
def objects() -> list[list[Image]]:
    return [show(shape, WALL, 11 + shape, 24).frames for shape in SHAPES]


class Session:
    """A desk, and what a session does around it."""

    def __init__(
        self, explainer: Explainer, folder: Path, *, moving: bool = False, **options: Any
    ) -> None:
        self.explainer, self.folder = explainer, folder
        self.notices: list[str] = []
        self.seconds = 0.0
        self.state: SessionState = replace(START, teaching=replace(START.teaching, open=True))
        self.pools = TaughtPools(explainer)
        self.desk = TeachingDesk(
            self.pools,
            TeachingOptions(open=True, **options),
            folder=folder,
            moving=moving,
            on_notice=self.notices.append,
            clock=lambda: self.seconds,
        )
        self.frames = 0
        self.view: View = "crop"

    def choose(self, **changes: object) -> str:
        """Press keys."""
        self.state = replace(self.state, teaching=replace(self.state.teaching, **changes))  # type: ignore[arg-type]
        return self.desk.follow(self.state)

    def begin(self) -> None:
        self.pools.make_wanted()
        self.desk.poll(self.state)

    def explain(self, image: Image) -> ExplainedFrame:
        """Explain a frame as the session's thread does."""
        self.frames += 1
        explainer = self.pools.find(ExplainerKey("d", "gradcam", head=self.desk.head))
        assert explainer is not None
        request = make_request(self.explainer)
        settings = replace(request.settings, view=self.view)
        request = replace(
            request, settings=settings, learner=self.desk.learner, burst=self.desk.burst
        )
        features = None
        if request.learner is not None:
            raw, features = request.learner.explain(explainer, image, classes=None, view=self.view)
        else:
            (raw,) = explainer.explain_batch([image])
        frame = Frame(image, self.frames, self.frames / 15)
        return ExplainedFrame(frame, raw, raw, raw, request, is_new=True, features=features)

    def hold(self, number: int, images: list[Image]) -> None:
        """Hold the key of a class while images are shown."""
        self.choose(held=number, presses=self.state.teaching.presses + 1)
        before = sum(self.counts.values())
        deadline = time.monotonic() + PATIENCE_SECONDS
        # A busy machine takes few frames, so that the picture stays as fast; one at least is taken.
        while time.monotonic() < deadline:
            for image in images:
                self.desk.take(self.explain(image))
            if sum(self.counts.values()) > before:
                break
        self.choose(held=None)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.desk.poll(self.state)
            if holds():
                return
            time.sleep(0.02)
        pytest.fail(f"never: {what}; {self.row.line}")

    @property
    def row(self) -> TeachingRow:
        row = self.desk.row(self.state)
        assert row is not None
        return row

    @property
    def counts(self) -> dict[str, int]:
        return {cell.label: cell.count for cell in self.row.cells}

    @property
    def lines(self) -> list[str]:
        """What the row says, one sentence after the other."""
        found = []
        for _ in range(8):
            self.seconds += SENTENCE_SECONDS
            found.append(self.row.line)
        return found

    def close(self) -> None:
        self.desk.close()
        self.pools.close()


class Timed:
    """An explainer or an extractor whose forwards seem to take so many milliseconds."""

    def __init__(self, real: Any, milliseconds: float) -> None:
        self._real, self._timings = real, {"network": milliseconds}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def explain_batch(self, *args: Any, **kwargs: Any) -> Any:
        (explanation,) = self._real.explain_batch(*args, **kwargs)
        return [replace(explanation, timings_ms=self._timings)]

    def explain_kept(self, *args: Any, **kwargs: Any) -> Any:
        ((explanation, features),) = self._real.explain_kept(*args, **kwargs)
        return [(explanation, replace(features, timings_ms=self._timings))]

    def extract(self, *args: Any, **kwargs: Any) -> Any:
        (features,) = self._real.extract(*args, **kwargs)
        return [replace(features, timings_ms=self._timings)]


@pytest.fixture
def begin(explainer: Explainer, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    made: list[Session] = []

    def begin(**options: Any) -> Session:
        made.append(Session(explainer, tmp_path, **options))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def test_two_things_are_taught_shown_and_saved(
    begin: Callable[..., Session], objects: list[list[Image]], tmp_path: Path
) -> None:
    session = begin(labels=("mug",))
    assert session.row.line == TEACHING["preparing"]
    session.begin()
    assert session.row.line == TEACHING["first"]
    for images in (objects[0][:8], objects[0][12:20]):
        session.hold(1, images)
    assert session.counts["mug"] >= 2
    assert session.row.line == TEACHING["second"]
    assert session.desk.head == 0
    session.choose(added=("\u8336\u58f6",))
    assert session.desk.classes == ("mug", "\u8336\u58f6")
    for images in (objects[1][:8], objects[1][12:20]):
        session.hold(2, images)
    assert [len(cell.thumbnails) for cell in session.row.cells] == [0, 2, 2]
    session.until("a head", lambda: session.desk.head > 0)
    session.until("what it learned", lambda: any("right about" in each for each in session.lines))

    # Frames that it was not shown are named by what they show, and the map sums up to the score.
    for number, label in enumerate(("mug", "\u8336\u58f6")):
        found = session.explain(objects[number][22]).raw
        assert found.predictions[0].label == label
        assert found.completeness_residual is not None
        assert found.completeness_residual <= 1e-4
    newest = session.desk.head
    session.hold(0, [WALL] * 3)
    session.until("another head", lambda: session.desk.head > newest)
    assert set(session.pools.labels(session.desk.head)) == {"mug", "\u8336\u58f6", ANYTHING_ELSE}

    # Layers, methods and random weights work on the new head as on any.
    head = session.desk.head
    for key in (("c", "gradcam"), ("d", "gradcam++"), ("d", "gradcam", True)):
        other = session.pools.get(ExplainerKey(*key)._replace(head=head))
        (explained,) = other.explain_batch([objects[0][5]])
        assert explained.predictions[0].label in session.pools.labels(head)

    session.close()
    (saved,) = tmp_path.glob("live-gradcam-*.safetensors")
    assert any(str(saved) in each for each in session.notices)
    assert not find_journals(tmp_path)
    # Nobody can build this network by its name: whoever has it puts the head on.
    assert "the head only" in session.notices[-1]
    with safe_open(saved, "np") as file:
        said = str(file.metadata())
        assert {"mug", "tiny"} <= set(re.findall(r"\w+", said))
        assert len(list(file.keys())) < 5


def test_the_file_says_which_part_of_the_picture_was_taught_and_what_was_learned(
    begin: Callable[..., Session], objects: list[list[Image]], tmp_path: Path
) -> None:
    """Whoever shows the network another part would be told less than was promised."""
    session = begin(labels=("mug", "cup"))
    session.begin()
    session.view = "stretch"
    for number in (1, 2):
        for images in (objects[number - 1][:8], objects[number - 1][12:20]):
            session.hold(number, images)
    session.until("it is learned", lambda: session.desk.head > 0)
    session.close()
    (saved,) = tmp_path.glob("live-gradcam-*.safetensors")
    facts = read_facts(saved)
    assert facts is not None
    assert facts.preprocessing == session.explainer.classifier.preprocessing.for_view("stretch")
    assert facts.preprocessing != session.explainer.classifier.preprocessing
    assert facts.learned


def test_the_first_seconds_are_what_is_none_of_the_classes(
    begin: Callable[..., Session], objects: list[list[Image]]
) -> None:
    session = begin(moving=True)
    session.begin()
    assert "3 s" in session.row.line
    for _ in range(33):
        session.desk.take(session.explain(WALL))
        session.seconds += 0.1
        session.desk.poll(session.state)
    # In two bursts, so that one of them can be held out.
    (cell,) = session.row.cells
    assert (cell.label, len(cell.thumbnails), cell.held) == (ANYTHING_ELSE, 2, False)
    taught = session.counts[ANYTHING_ELSE]
    assert taught >= 1
    assert session.row.line == TEACHING["first"]
    session.desk.take(session.explain(WALL))
    assert session.counts[ANYTHING_ELSE] == taught


def test_a_key_ends_the_first_seconds_at_once(
    begin: Callable[..., Session], objects: list[list[Image]]
) -> None:
    session = begin(moving=True, labels=("mug",))
    session.begin()
    session.hold(1, objects[0][:6])
    assert session.counts["mug"] >= 1
    assert session.desk.learner is None
    assert session.counts[ANYTHING_ELSE] == 0


def test_a_frame_counts_for_the_key_that_was_held_when_it_was_explained(
    begin: Callable[..., Session], objects: list[list[Image]]
) -> None:
    session = begin(labels=("mug", "cup"))
    session.begin()
    session.hold(1, objects[0][:4])
    session.choose(held=1, presses=7)
    late = session.explain(objects[0][4])
    session.choose(held=2, presses=8)
    session.desk.take(late)
    assert session.counts["cup"] == 0
    # A frame that stands still is one example, however often it is explained while a key is held.
    still = session.explain(objects[1][0])
    session.desk.take(still)
    taken = session.counts["cup"]
    session.desk.take(replace(still, is_new=False))
    assert session.counts["cup"] == taken


def test_what_was_shown_last_is_taken_back(
    begin: Callable[..., Session], objects: list[list[Image]]
) -> None:
    session = begin(labels=("mug",))
    session.begin()
    session.hold(1, objects[0][:6])
    shown = session.counts["mug"]
    assert session.choose(undos=1) == f"taken back: {shown} of mug"
    assert session.counts == {ANYTHING_ELSE: 0, "mug": 0}
    assert session.choose(undos=2) == TEACHING["nothing back"]


def test_a_lesson_that_is_no_classifier_yet_is_gone_on_with(
    begin: Callable[..., Session], objects: list[list[Image]], tmp_path: Path
) -> None:
    first = begin(labels=("mug",))
    first.begin()
    first.hold(1, objects[0][:6])
    counts = first.counts
    first.close()
    (journal,) = find_journals(tmp_path)
    assert "--resume" in first.notices[-1]
    assert not list(tmp_path.glob("*.safetensors"))
    again = begin(resume=True)
    again.begin()
    assert again.counts == {**counts, ANYTHING_ELSE: 0}
    assert any(f"going on with {journal}" in each for each in again.notices)
    again.choose(undos=1)
    again.close()
    assert not find_journals(tmp_path)  # there is nothing in it


def test_without_a_lesson_to_go_on_with_it_says_so(begin: Callable[..., Session]) -> None:
    session = begin(resume=True)
    session.pools.make_wanted()
    with pytest.raises(SourceError, match="no journal"):
        session.desk.poll(session.state)


def test_a_lesson_of_another_network_is_not_gone_on_with(
    begin: Callable[..., Session], objects: list[list[Image]], tmp_path: Path
) -> None:
    session = begin(labels=("mug",))
    session.begin()
    session.hold(1, objects[0][:6])
    session.close()
    with Explainer(small_classifier(), compile="off", precision="fp32") as small:
        other = Session(small, tmp_path, resume=True)
        other.pools.make_wanted()
        with pytest.raises(UsageError, match="begun with tiny"):
            other.desk.poll(other.state)
        other.close()


def test_a_folder_that_cannot_be_written_is_said(explainer: Explainer, tmp_path: Path) -> None:
    session = Session(explainer, tmp_path / "absent")
    session.pools.make_wanted()
    with pytest.raises(SinkError, match="absent"):
        session.desk.poll(session.state)
    session.close()


@pytest.mark.parametrize(("slower", "own"), [(1.0, True), (2.5, True), (2.5, False), (6.0, False)])
def test_the_rate_stays_where_the_trunk_is_slower_than_the_explainer(
    explainer: Explainer, *, slower: float, own: bool
) -> None:
    """Beside frames that are taken there are as many others that the rate stays above 0.6."""
    with FeatureExtractor.like(explainer) as real:
        shown, trunk = Timed(explainer, 10.0), Timed(real, 10.0 * slower)
        learner = FrameLearner(trunk, shown if own else Timed(explainer, 1.0))  # type: ignore[arg-type]
        spent, taken = 0.0, 0
        for _ in range(45):
            _, features = learner.explain(shown, WALL, classes=None, view="crop")
            taken += features is not None
            one_forward = own and features is not None
            spent += 0.0 if one_forward else 10.0
            spent += 10.0 * slower if features is not None else 0.0
    assert 450.0 / spent >= 0.6
    assert taken >= 45 // (4 * slower + 4)
    if own and slower == 1.0:
        assert taken >= 40


def test_why_nothing_can_be_taught_is_said_in_the_window_and_on_the_terminal(
    explainer: Explainer, tmp_path: Path
) -> None:
    fused = LayerMap(explainer.classifier).cut(["c", "d"])
    with Explainer(fused, compile="off", precision="fp32") as several:
        session = Session(several, tmp_path)
        for _ in range(2):
            session.begin()
        assert "layer" in session.row.line
        assert session.notices == [session.row.line]
        session.close()


def test_a_picture_that_stands_still_is_taken_at_once(explainer: Explainer) -> None:
    with FeatureExtractor.like(explainer) as extractor:
        learner = FrameLearner(extractor, explainer)
        for _ in range(5):
            _, features = learner.explain(explainer, WALL, classes=None, view="crop", always=True)
            assert features is not None


def test_what_is_worst_is_said_first_and_names_stay_as_they_are() -> None:
    learned = Learned(
        (
            ClassLearned("iris", 40, 2, accuracy=1.0, by_background=True, covered=0.93),
            ClassLearned("cup", 20, 2, accuracy=0.75, moving_share=0.82, one_background=True),
        ),
        1.0,
        np.array([[40, 0], [5, 15]]),
    )
    said = list(learned_sentences(learned))
    assert said[0].startswith("It knows iris by what is behind it")
    assert said[1].startswith("cup was always shown before one background")
    assert said[2:] == [
        "It is right about 92 % of what it had not seen.",
        "cup is taken for iris: 5 times of 20.",
        "82 % of the evidence for cup lies on what moves.",
    ]
