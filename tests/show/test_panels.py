"""Pieces of text: laid out, measured, and placed where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from live_gradcam.show.arrange import Arrangement
from live_gradcam.show.heat import heat_table
from live_gradcam.show.panel import ACCENT, Panel, Space, pill, type_size
from live_gradcam.show.panels import legend_panel, logits
from live_gradcam.values import Image, Region


def gray(width: int = 520, height: int = 360, level: int = 120) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def space(size: int, room: int) -> Space:
    """Space for type of a size between margins of none."""
    return Space(width=room, height=room, size=size, margin=0)


def panel(words: str = "note") -> Panel | None:
    return pill(words, space(16, 300), colour=(255, 255, 255), ground=(0, 0, 0))


def test_a_panel_keeps_clear_of_the_maps_where_there_is_room() -> None:
    def place(keep_clear: Sequence[Region]) -> tuple[bool, bool]:
        image = gray()
        assert Arrangement(image, 8, keep_clear).add([panel()], ("bottom-left", "bottom-right"))
        rows, columns = np.nonzero((image != 120).any(axis=2))
        return columns.mean() < 260, rows.mean() > 180

    left = Region(0, 180, 260, 180)
    assert place(()) == (True, True)
    assert place((left,)) == (False, True)
    assert place((Region(0, 0, 520, 360),)) == (True, True), "no room: where it would be anyway"


def test_a_long_title_of_the_legend_is_broken_and_not_shrunk() -> None:
    table = heat_table("turbo", 0.6, False)

    def legend(title: str, width: int = 240) -> Panel:
        made = legend_panel(title, table, 0.5, space(20, 400), width, signed=False)
        assert made is not None
        return made

    short, long = legend("evidence for mug"), legend("evidence for circle rather than flower")
    assert long.height == short.height + 21, "one more line of the same height"
    assert long.parts[1][0].height == short.parts[1][0].height, "of the same size"
    cut = legend("evidence for " + "x" * 60 + " rather than " + "y" * 60)
    assert all(x + strip.width <= cut.width for strip, x, _ in cut.parts)


@pytest.mark.parametrize(
    ("size", "side"),
    [((640, 480), 480), ((1920, 1080), 1080), ((1080, 1920), 1080), ((1920, 480), 720)],
)
def test_type_has_a_share_of_the_shorter_side_and_more_on_a_strip(
    size: tuple[int, int], side: float
) -> None:
    assert type_size(gray(*size), 0.042) == round(0.042 * side)
    assert type_size(gray(40, 30), 0.042) == 10


@pytest.mark.parametrize(
    ("value", "words"),
    [(12.34, "12"), (-1.26, "-1.3"), (0.126, "0.13"), (0.0, "0.00"), (0.0012, "0.001"),
     (0.00046, "0.0005"), (4e-6, "4e-06")],
)  # fmt: skip
def test_logits_are_written_as_people_read_them(value: float, words: str) -> None:
    assert logits(value) == words


def test_a_long_banner_is_broken_and_not_cut() -> None:
    def made(words: str) -> Panel:
        panel = pill(words, space(20, 300), colour=(0, 0, 0), ground=ACCENT)
        assert panel is not None
        return panel

    short = made("lost")
    long = made("http://10.0.0.7:8080/stream: the connection was cut, reconnecting in 2 s")
    assert long.width <= 300
    assert long.height == short.height + 2 * 26
    endless = made("word " * 100)
    assert endless.width <= 300
    assert endless.height == long.height
    assert pill(" ", space(20, 300), colour=(0, 0, 0), ground=ACCENT) is None
