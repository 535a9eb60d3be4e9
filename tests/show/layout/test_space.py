"""The measures of a canvas."""

from __future__ import annotations

import pytest

from live_gradcam.show.layout import Space

SIZES = [(320, 240), (640, 480), (1280, 800), (1920, 1080), (3840, 2160), (1080, 1920)]


@pytest.mark.parametrize("size", SIZES)
def test_type_of_an_audience_has_a_28th_of_the_height_at_least(size: tuple[int, int]) -> None:
    space = Space.of(*size, "stage")
    assert space.size >= size[1] / 28
    assert space.type(0.1) == space.size, "however unimportant it is"


@pytest.mark.parametrize("size", SIZES)
def test_type_for_somebody_in_front_of_the_screen_can_be_read(size: tuple[int, int]) -> None:
    space = Space.of(*size)
    assert 12 <= space.size <= 0.06 * min(size)
    assert space.type(0.1) >= 9
    assert space.room == size[0] - 2 * space.margin


def test_type_grows_with_the_canvas_but_slower() -> None:
    sizes = [Space.of(4 * n, 3 * n).size for n in (80, 160, 320, 640)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 6 * sizes[0]


def test_a_strip_has_larger_type_than_its_height_says_and_a_column_smaller() -> None:
    assert Space.of(1920, 300).size > Space.of(400, 300).size
    assert Space.of(400, 1920).size < Space.of(1920, 1920).size
