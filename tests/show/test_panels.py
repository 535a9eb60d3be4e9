"""Pieces of text: laid out, measured, and placed where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.show.heat import heat_table
from live_gradcam.show.layout import Space
from live_gradcam.show.panel import ACCENT, Panel, pill
from live_gradcam.show.panels import legend_panel, logits
from live_gradcam.values import Image


def gray(width: int = 520, height: int = 360, level: int = 120) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def space(size: int, room: int) -> Space:
    """Space for type of a size between margins of none."""
    return Space(width=room, height=room, size=size, margin=0)


def test_a_long_title_of_the_legend_is_broken_and_not_shrunk() -> None:
    table = heat_table("turbo", 0.6, False)

    def legend(title: str, width: int = 240) -> Panel:
        made = legend_panel(title, table, space(20, 400), width, signed=False)
        assert made is not None
        return made

    short, long = legend("evidence for mug"), legend("evidence for circle rather than flower")
    assert long.height == short.height + 21, "one more line of the same height"
    assert long.parts[1][0].height == short.parts[1][0].height, "of the same size"
    cut = legend("evidence for " + "x" * 60 + " rather than " + "y" * 60)
    assert all(x + strip.width <= cut.width for strip, x, _ in cut.parts)


def test_the_legend_says_little_and_much_and_numbers_only_where_they_are_asked_for() -> None:
    def words(*, signed: bool, scale: float | None, width: int = 400) -> list[str]:
        table = heat_table("turbo", 0.6, signed)
        made = legend_panel("evidence", table, space(20, 600), width, signed=signed, scale=scale,
                            unit="points of evidence")  # fmt: skip
        assert made is not None
        return [strip.text for strip, _, _ in made.parts if strip.text][1:]

    assert words(signed=False, scale=None) == ["little", "much"]
    assert words(signed=True, scale=None) == ["against", "for"]
    assert words(signed=False, scale=3.41) == ["0", "+3.4 points of evidence"]
    assert words(signed=True, scale=0.5) == [
        "−0.50 against",  # noqa: RUF001
        "for +0.50 points of evidence",
    ]
    assert words(signed=True, scale=0.5, width=180) == ["−0.50", "+0.50"]  # noqa: RUF001


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
    lines = [strip.width for strip, _, _ in long.parts if strip.text]
    assert min(lines) > 0.6 * max(lines), "its lines are of about the same length"
    endless = made("word " * 100)
    assert endless.width <= 300
    assert endless.height == long.height
    assert pill(" ", space(20, 300), colour=(0, 0, 0), ground=ACCENT) is None
