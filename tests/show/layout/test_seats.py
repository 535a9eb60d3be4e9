"""The corner that a panel takes, and when it moves."""

from __future__ import annotations

from live_gradcam.show.layout import Seat
from live_gradcam.show.layout.seats import LEAVE, PATIENCE, choose

FREE = {"a": 0.0, "b": 0.0, "c": 0.0}
COVERED = {"a": 0.9, "b": 0.5, "c": 0.01}


def test_the_first_frame_takes_the_usual_corner_unless_it_covers_the_object() -> None:
    assert choose(FREE, None) == Seat("a")
    assert choose({"a": LEAVE, "b": 0.0}, None) == Seat("a")
    assert choose(COVERED, None) == Seat("c")
    assert choose({"a": 0.9, "b": 0.0, "c": 0.0}, None) == Seat("b"), "the first of equal ones"


def test_a_panel_moves_only_after_some_frames_in_a_row() -> None:
    seat: Seat | None = None
    for frame in range(200):
        # The object jumps under the panel and out again, faster than the panel loses its patience.
        seat = choose(COVERED if frame % PATIENCE < PATIENCE - 1 else FREE, seat or Seat("a"))
        assert seat.anchor == "a"
    for _ in range(PATIENCE - 1):
        seat = choose(COVERED, seat)
        assert seat is not None
        assert seat.anchor == "a"
    assert choose(COVERED, seat) == Seat("c")


def test_it_stays_where_no_corner_is_clearly_better() -> None:
    seat = Seat("a")
    for _ in range(10 * PATIENCE):
        seat = choose({"a": 0.5, "b": 0.4, "c": 0.45}, seat)
    assert seat == Seat("a")


def test_it_goes_back_when_the_usual_corner_has_been_free_for_long() -> None:
    seat, frames = Seat("c"), 0
    while seat.anchor != "a":
        seat = choose(FREE, seat)
        frames += 1
    assert 2 * PATIENCE < frames < 10 * PATIENCE
    assert choose({"a": 0.1, "c": 0.0}, Seat("c", 100)) == Seat("c"), "but not to a part of it"


def test_a_corner_that_has_no_room_any_more_is_left_at_once() -> None:
    assert choose({"b": 0.0, "c": 0.0}, Seat("a")) == Seat("b")
