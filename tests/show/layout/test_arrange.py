"""Panels on a canvas: where they stand, and which are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.show.layout import Anchor, Arrangement, Ground, Piece, Seat, arrange
from live_gradcam.show.layout.coverage import overlaps
from live_gradcam.values import Region

CANVAS = (600, 400)
CORNERS: tuple[Anchor, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")


@dataclass(frozen=True)
class Card:
    """Something of a size."""

    width: int
    height: int


def piece(
    name: str, width: int, height: int, anchors: Sequence[Anchor], **more: Any
) -> Piece[Card]:
    return Piece(name, [Card(width, height)], anchors, **more)


def ground(*hot: tuple[int, int], place: Region | None = None) -> Ground:
    """A picture with evidence in some of 4x4 cells."""
    evidence = np.zeros((4, 4), np.float32)
    for cell in hot:
        evidence[cell] = 1.0
    whole = place or Region(0, 0, *CANVAS)
    return Ground.of(whole, whole, evidence, signed=False)


def places(found: Arrangement[Card]) -> dict[str, Region]:
    return {each.name: each.place for each in found.placed}


def test_each_corner_and_edge_keeps_its_distance() -> None:
    anchors: tuple[Anchor, ...] = (*CORNERS, "top", "bottom", "centre")
    found = arrange([piece(each, 100, 50, (each,)) for each in anchors], CANVAS, 10)
    assert places(found) == {
        "top-left": Region(10, 10, 100, 50),
        "top-right": Region(490, 10, 100, 50),
        "bottom-left": Region(10, 340, 100, 50),
        "bottom-right": Region(490, 340, 100, 50),
        "top": Region(250, 10, 100, 50),
        "bottom": Region(250, 340, 100, 50),
        "centre": Region(250, 175, 100, 50),
    }


def test_what_shares_a_corner_is_stacked_away_from_the_edge() -> None:
    found = arrange([piece(n, 100, 50, ("bottom-right",)) for n in "abc"], CANVAS, 10)
    assert [each.place.y for each in found.placed] == [340, 285, 230]


def test_the_least_important_ones_are_dropped_where_there_is_no_room() -> None:
    def dropped(height: int) -> tuple[str, ...]:
        column = [piece(n, 100, 50, ("top-left",)) for n in "abc"]
        return arrange(column, (120, height), 10).dropped

    assert [dropped(height) for height in (180, 130, 70, 40)] == [
        (), ("c",), ("b", "c"), ("a", "b", "c")
    ]  # fmt: skip


def test_a_panel_over_the_object_moves_to_the_corner_with_the_least_evidence() -> None:
    def corner(*hot: tuple[int, int]) -> Region:
        return places(arrange([piece("a", 150, 100, CORNERS)], CANVAS, 0, [ground(*hot)]))["a"]

    assert corner() == corner((2, 2)) == Region(0, 0, 150, 100)
    assert corner((0, 0)) == Region(450, 0, 150, 100)
    assert corner((0, 0), (0, 3)) == Region(0, 300, 150, 100)
    assert corner((0, 0), (0, 3), (3, 0)) == Region(450, 300, 150, 100)


def test_it_stays_for_a_while_where_it_was_in_the_frame_before() -> None:
    seats = {"a": Seat("top-left")}
    found = arrange([piece("a", 150, 100, CORNERS)], CANVAS, 0, [ground((0, 0))], seats=seats)
    assert places(found)["a"] == Region(0, 0, 150, 100)
    assert found.seats["a"] == Seat("top-left", 1)


def test_bars_beside_the_picture_are_better_than_any_corner_on_it() -> None:
    narrow = ground(place=Region(120, 0, 480, 400))
    left = arrange([piece("a", 100, 300, ("top-right", "top-left"))], CANVAS, 10, [narrow])
    assert places(left)["a"].x == 10
    versions = Piece("a", [Card(100, 90), Card(200, 60)], ("top-left",))
    assert arrange([versions], CANVAS, 10, [narrow]).placed[0].panel == Card(100, 90)
    wide = ground(place=Region(0, 0, 600, 400))
    assert arrange([versions], CANVAS, 10, [wide]).placed[0].panel == Card(200, 60)


def test_a_version_that_says_less_is_taken_only_for_lack_of_room() -> None:
    fewer = Piece("a", [Card(300, 300)], ("top-left",), reduced=[Card(200, 200), Card(50, 50)])
    assert arrange([fewer], (400, 400), 10).placed[0].panel == Card(300, 300)
    assert arrange([fewer], (300, 300), 10).placed[0].panel == Card(200, 200)
    assert arrange([fewer], (100, 100), 10).placed[0].panel == Card(50, 50)
    small = Piece("a", [Card(300, 300)], ("top-left",), reduced=[Card(50, 50)], most=0.3)
    assert arrange([small], CANVAS, 10, [ground()]).placed[0].panel == Card(50, 50)
    assert arrange([small], CANVAS, 10).placed[0].panel == Card(300, 300), "nothing is below"


def test_what_stands_beside_a_spot_goes_towards_the_middle_and_never_over_it() -> None:
    for x, y in ((0, 0), (560, 360), (280, 180), (0, 360)):
        spot = Region(x, y, 40, 40)
        found = arrange([piece("a", 120, 80, CORNERS, beside=spot)], CANVAS, 10)
        (placed,) = found.placed
        assert not overlaps(placed.place, spot)
        assert abs(placed.place.x + 60 - x - 20) <= 60 + 20 + 10


@settings(max_examples=150, deadline=None)
@given(
    canvas=st.tuples(st.integers(40, 800), st.integers(40, 600)),
    sizes=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 300)), max_size=8),
    anchors=st.lists(
        st.permutations(["top-left", "top-right", "bottom-left", "bottom-right", "top", "bottom"]),
        min_size=8,
        max_size=8,
    ),
    hot=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4),
    margin=st.integers(0, 20),
    taken=st.booleans(),
)
def test_nothing_ever_overlaps_or_leaves_the_canvas_and_everything_is_accounted_for(
    canvas: tuple[int, int],
    sizes: list[tuple[int, int]],
    anchors: list[list[Anchor]],
    hot: list[tuple[int, int]],
    margin: int,
    taken: bool,
) -> None:
    pieces = [piece(str(n), *size, tuple(anchors[n][: 1 + n % 3])) for n, size in enumerate(sizes)]
    blocked = [Region(canvas[0] // 3, 0, canvas[0] // 3, canvas[1])] if taken else []
    grounds = [ground(*hot, place=Region(canvas[0] // 4, 0, canvas[0] // 2, canvas[1]))]
    found = arrange(pieces, canvas, margin, grounds, taken=blocked)
    stand = [each.place for each in found.placed]
    for first, second in combinations([*stand, *blocked], 2):
        assert not overlaps(first, second)
    for place in stand:
        assert place.x >= 0
        assert place.y >= 0
        assert place.x + place.width <= canvas[0]
        assert place.y + place.height <= canvas[1]
    named = [*(each.name for each in found.placed), *found.dropped]
    assert sorted(named) == [each.name for each in pieces]


@pytest.mark.parametrize("margin", [0, 7])
def test_the_arrangement_depends_on_nothing_but_its_arguments(margin: int) -> None:
    pieces = [piece(n, 90, 60, CORNERS) for n in "abcdef"]
    first, second = (arrange(pieces, CANVAS, margin, [ground((0, 0))]) for _ in range(2))
    assert places(first) == places(second)
