"""A lesson takes what is shown, burst by burst, and gives back what is to be undone."""

from __future__ import annotations

import numpy as np
import pytest

import live_gradcam as lg
from live_gradcam.teaching import (
    ANYTHING_ELSE,
    BACKGROUND_BURSTS,
    BACKGROUND_SECONDS,
    FrameFeatures,
    LessonState,
)


def _frame(value: float, side: int = 32) -> FrameFeatures:
    pixels = np.full((side, 2 * side, 3), np.nan_to_num(value) % 256, np.uint8)
    maps = np.full((4, 1, 1), value, np.float32)
    return FrameFeatures(maps[:, 0, 0], maps, pixels, lg.Region(0, 0, 2 * side, side))


def _show(state: LessonState, label: str, count: int) -> None:
    state.begin(label)
    for value in range(count):
        assert state.add(_frame(value))
    state.end()


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_frames_go_to_the_burst_that_is_being_shown() -> None:
    state = LessonState(labels=["mug"])
    assert not state.add(_frame(1))  # nothing is being shown
    assert state.showing is None
    state.begin("mug")
    assert state.showing == "mug"
    assert state.add(_frame(1))
    assert not state.add(_frame(float("nan")))
    assert state.counts == {"mug": 1}
    assert state.examples.count("mug") == 0  # not before it has ended
    assert state.snapshot().examples.count("mug") == 1
    state.begin(" 茶壶 ")
    assert state.labels == ("mug", "茶壶")
    assert state.examples.count("mug") == 1
    assert not state.end()  # no frames, no burst
    assert len(state.examples.bursts) == 1


def test_what_is_taken_back_is_said() -> None:
    state = LessonState()
    assert state.undo() is None
    version = state.version
    _show(state, "mug", 3)
    _show(state, "cup", 2)
    assert state.version > version
    state.begin("cup")
    assert state.undo() == ("cup", 0)  # what was begun, and not the burst before it
    assert state.counts == {"mug": 3, "cup": 2}
    assert state.undo("mug") == ("mug", 3)
    assert state.undo("mug") is None
    assert state.undo() == ("cup", 2)
    assert state.labels == ("mug", "cup")


def test_the_first_seconds_are_anything_else_in_bursts_of_equal_length() -> None:
    clock = _Clock()
    state = LessonState(labels=["mug"], clock=clock)
    state.begin(ANYTHING_ELSE, seconds=BACKGROUND_SECONDS, bursts=BACKGROUND_BURSTS)
    taken = 0
    for step in range(50):
        clock.now = 100.0 + step / 10
        taken += state.add(_frame(step))
    assert taken == 30
    assert state.showing is None
    assert [(each.label, len(each)) for each in state.examples.bursts] == [
        (ANYTHING_ELSE, 15),
        (ANYTHING_ELSE, 15),
    ]
    state.begin(ANYTHING_ELSE, seconds=BACKGROUND_SECONDS, bursts=BACKGROUND_BURSTS)
    assert state.seconds_left == BACKGROUND_SECONDS
    state.add(_frame(1))
    state.begin("mug")  # somebody cannot wait
    clock.now += 100
    assert state.add(_frame(2))
    assert state.seconds_left is None
    assert state.counts == {"mug": 1, ANYTHING_ELSE: 31}


def test_classes_are_renamed_and_removed_with_their_examples() -> None:
    state = LessonState(labels=["mug", "cup"])
    _show(state, "mug", 3)
    assert state.rename_class("mug", " teapot ") == "teapot"
    assert state.counts == {"teapot": 3, "cup": 0}
    with pytest.raises(lg.UsageError, match="cup is there already"):
        state.rename_class("teapot", "cup")
    with pytest.raises(lg.UsageError, match="unknown class: mug"):
        state.remove_class("mug")
    assert state.remove_class("teapot") == ("teapot", 3)
    assert state.labels == ("cup",)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 10_000])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(lg.UsageError, match="cannot add a class"):
        LessonState().add_class(name)


def test_a_thumbnail_of_each_burst_grows_while_it_is_shown() -> None:
    state = LessonState()
    _show(state, "mug", 5)
    state.begin("mug")
    state.add(_frame(200))
    first, newest = state.thumbnails("mug")
    assert first.shape == newest.shape == (32, 64, 3)
    assert (first == 2).all()  # the middle one of five
    assert (newest == 200).all()


def test_a_lesson_may_be_full() -> None:
    state = LessonState(most_examples=4)
    _show(state, "mug", 3)
    state.begin("cup")
    assert state.add(_frame(1))
    assert state.is_full
    assert not state.add(_frame(2))
    state.undo()
    assert not state.is_full


def test_a_long_burst_of_large_frames_is_kept_small() -> None:
    state = LessonState()
    state.begin("mug")
    for value in range(300):
        state.add(_frame(value, side=256))
    state.end()
    assert state.count("mug") == 300
    unseen = state.next_unseen()
    assert unseen is not None
    _, kept = unseen
    assert 12 <= len(kept) <= 48
    assert sum(each.pixels.nbytes for each in kept) < 20 << 20
    steps = np.diff([int(each.maps[0, 0, 0]) for each in kept])
    assert len(set(steps.tolist())) == 1  # evenly over the burst
