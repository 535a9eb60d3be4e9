"""Pictures in a session: both ways, by the clock, round and round, and past what is broken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from live_gradcam.capture.open import open_source
from live_gradcam.capture.several import open_pictures
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from live_gradcam.session import slides
from live_gradcam.session.feed import Feed
from live_gradcam.session.feeds import make_endless_feed, make_feed
from live_gradcam.values import Frame
from scripts.faults.media import counting_image, number_in
from tests.session.doubles import FakeTime, take


def save(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), counting_image(number, 32, 24))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        save(tmp_path / "shots" / f"{number}.png", number)
    return tmp_path / "shots"


@pytest.fixture
def passed() -> FakeTime:
    return FakeTime()


@pytest.fixture
def feed(folder: Path, passed: FakeTime) -> Iterator[Feed]:
    with open_source(folder) as source:
        feed = make_feed(source, clock=passed.clock)
        yield feed
        feed.close()


def shown(feed: Feed) -> Frame:
    (frame,) = take(feed, 1)
    return frame


def waits(feed: Feed) -> bool:
    """True if nothing comes by itself."""
    return all(feed.next(0.02) is None for _ in range(5))


def message(feed: Feed) -> str:
    """What is said about a turn that shows nothing else."""
    found = ""
    while not found:
        assert feed.next(0.02) is None
        found = feed.take_message()
    return found


def test_a_picture_stays_until_it_is_turned_and_says_which_it_is(feed: Feed) -> None:
    first = shown(feed)
    assert (number_in(first.image), first.place, first.source) == (0, (1, 5), "0.png")
    assert waits(feed)
    feed.turn(1)
    assert shown(feed).place == (2, 5)
    feed.turn(-1)
    again = shown(feed)
    assert (again.place, again.index) == ((1, 5), first.index)
    assert waits(feed)


def test_turns_that_come_faster_than_pictures_add_up(feed: Feed) -> None:
    shown(feed)
    for step in (1, 1, 1, -1, 1):
        feed.turn(step)
    assert shown(feed).place == (4, 5)


def test_the_ends_are_reached_at_once_and_not_passed(feed: Feed) -> None:
    shown(feed)
    feed.turn(-1)
    assert message(feed) == "this is the first picture"
    feed.turn_to("last")
    assert shown(feed).place == (5, 5)
    feed.turn(1)
    assert message(feed) == "this is the last picture"
    assert feed.take_message() == ""
    feed.turn_to("first")
    assert shown(feed).place == (1, 5)
    feed.turn(9)
    assert shown(feed).place == (5, 5), "many steps at once end at the end"


def test_a_loop_goes_round_in_both_directions(folder: Path, passed: FakeTime) -> None:
    with open_source(folder, loop=True) as source:
        feed = make_feed(source, clock=passed.clock)
        shown(feed)
        feed.turn(-1)
        assert shown(feed).place == (5, 5)
        feed.turn(1)
        assert shown(feed).place == (1, 5)
        feed.close()


@pytest.mark.parametrize("step", [1, -1])
def test_broken_pictures_are_stepped_over_in_the_direction_of_the_turn(
    folder: Path, feed: Feed, step: int
) -> None:
    for number in (2, 3):
        (folder / f"{number}.png").write_text("no picture")
    shown(feed)
    feed.turn_to("first" if step > 0 else "last")
    feed.turn(step)
    near, far = ((2, 5), (5, 5)) if step > 0 else ((4, 5), (2, 5))
    place = shown(feed).place
    if step > 0:
        assert place == near
        feed.turn(step)
        place = shown(feed).place
    assert place == far
    said = feed.take_message()
    assert said.startswith("left out: ")
    assert "text" in said
    feed.turn(-step)
    shown(feed)
    report = feed.report
    assert report.skipped == 2, "each is counted once, however often it is met"
    assert {note.partition(":")[0] for note in report.notes} == {"left out"}


def test_a_broken_last_picture_leaves_the_one_before_it(folder: Path, feed: Feed) -> None:
    (folder / "4.png").write_bytes(b"")
    shown(feed)
    feed.turn(3)
    assert shown(feed).place == (4, 5)
    feed.turn(1)
    assert message(feed) == "left out: 4.png: the file is empty"


def test_strict_pictures_are_errors(folder: Path, passed: FakeTime) -> None:
    (folder / "1.png").write_text("no picture")
    with open_source(folder, strict=True) as source:
        feed = make_feed(source, clock=passed.clock)
        shown(feed)
        feed.turn(1)
        with pytest.raises(SourceError, match=r"1\.png"):
            take(feed, 1)
        feed.close()


def test_a_slide_show_advances_by_itself_waits_and_ends(folder: Path, passed: FakeTime) -> None:
    with open_source(folder) as source:
        feed = make_feed(source, clock=passed.clock, slideshow_seconds=7.0)
        assert feed.slideshow
        times = []
        for number in range(3):
            assert shown(feed).place == (number + 1, 5)
            times.append(passed.seconds)
        assert times[1] - times[0] == pytest.approx(7.0, abs=0.2)
        assert times[2] - times[1] == pytest.approx(7.0, abs=0.2)
        feed.pause(True)
        passed.seconds += 100.0
        assert waits(feed)
        feed.turn(-1)
        assert shown(feed).place == (2, 5), "while it waits, keys turn"
        passed.seconds += 100.0
        assert waits(feed)
        feed.pause(False)
        began = passed.seconds
        assert shown(feed).place == (3, 5)
        assert passed.seconds - began == pytest.approx(7.0, abs=0.2)
        assert [frame.place for frame in take(feed, 2)] == [(4, 5), (5, 5)]
        assert message(feed) == "that was the last picture"
        passed.seconds += 100.0
        assert waits(feed)
        assert feed.take_message() == ""
        feed.turn(-1)
        assert [frame.place for frame in take(feed, 2)] == [(4, 5), (5, 5)], "it goes on from there"
        feed.turn_to("first")
        assert shown(feed).place == (1, 5)
        feed.turn(-1)
        assert message(feed) == "this is the first picture"
        assert shown(feed).place == (2, 5), "the clock runs on"
        feed.close()


def test_a_kiosks_pictures_go_round_for_ever(folder: Path, passed: FakeTime) -> None:
    (folder / "3.png").write_text("no picture")
    feed = make_endless_feed(lambda: open_source(folder), clock=passed.clock, slideshow_seconds=2.0)
    numbers = [number_in(frame.image) for frame in take(feed, 10)]
    assert numbers == [0, 1, 2, 4, 0, 1, 2, 4, 0, 1]
    assert feed.report.skipped == 1
    feed.turn(-1)
    assert shown(feed).place == (1, 5)
    feed.close()


def test_pictures_that_come_and_go_in_the_folder_are_noticed(
    folder: Path, feed: Feed, passed: FakeTime
) -> None:
    shown(feed)
    feed.turn(1)
    assert shown(feed).place == (2, 5)
    save(folder / "1b.png", 11)
    passed.seconds += 2.0
    feed.turn(1)
    added = shown(feed)
    assert (added.place, added.source, number_in(added.image)) == ((3, 6), "1b.png", 11)
    (folder / "1b.png").unlink()
    passed.seconds += 2.0
    feed.turn(1)
    after = shown(feed)
    assert (after.place, after.source) == ((3, 5), "2.png"), "the one behind the one that is gone"
    assert feed.report.skipped == 0


def test_memory_does_not_grow_with_the_folder(
    tmp_path: Path, passed: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        save(tmp_path / f"{number}.png", number)
    size = counting_image(0, 32, 24).nbytes
    for most, pictures in ((100 * size, 3), (2 * size, 2), (1, 1)):
        monkeypatch.setattr(slides, "_KEPT_BYTES", most)
        with open_source(tmp_path) as source:
            feed = make_feed(source, clock=passed.clock)
            for _ in range(11):
                shown(feed)
                feed.turn(1)
            shown(feed)
            feed.close()
            assert isinstance(feed, slides.SlideFeed)
            assert feed.most_kept == pictures


def test_several_pictures_and_folders_are_one_source_in_their_order(
    tmp_path: Path, folder: Path
) -> None:
    save(tmp_path / "b.png", 20)
    save(tmp_path / "a.png", 21)
    told: list[str] = []
    specs = [str(tmp_path / "b.png"), str(tmp_path / "a.png"), str(folder), "nowhere.png"]
    with open_pictures(specs, loop=False, strict=False, on_notice=told.append) as source:
        frames = list(source)
        assert [number_in(frame.image) for frame in frames] == [20, 21, 0, 1, 2, 3, 4]
        assert [frame.place for frame in frames] == [(number, 7) for number in range(1, 8)]
        assert [frame.source for frame in frames][:3] == ["b.png", "a.png", "shots/0.png"]
    assert len(told) == 1
    assert "nowhere.png" in told[0]


def test_the_first_picture_is_the_one_that_is_there_and_not_the_one_that_was(
    folder: Path, feed: Feed, passed: FakeTime
) -> None:
    shown(feed)
    for steps in (2, 1):  # so that neither the first nor the second one is kept
        feed.turn(steps)
        shown(feed)
    (folder / "0.png").unlink()
    save(folder / "5.png", 5)
    passed.seconds += 2.0
    feed.turn_to("first")
    first = shown(feed)
    assert (number_in(first.image), first.place, first.source) == (1, (1, 5), "1.png")


def test_a_picture_that_was_written_anew_is_read_anew(tmp_path: Path, passed: FakeTime) -> None:
    save(tmp_path / "one.png", 3)
    with open_source(tmp_path / "one.png") as source:
        feed = make_feed(source, clock=passed.clock)
        assert number_in(shown(feed).image) == 3
        save(tmp_path / "one.png", 4)
        os.utime(tmp_path / "one.png", (1.0, 1.0))
        passed.seconds += 2.0
        feed.turn_to("first")
        assert number_in(shown(feed).image) == 4
        feed.close()
