"""Room beside a picture that is too small to be written on."""

from __future__ import annotations

import pytest

from live_gradcam.show.layout import needs_extension
from live_gradcam.show.layout.coverage import overlaps
from live_gradcam.show.layout.extended import extend
from live_gradcam.values import Region

BLOCK = (130, 100)


@pytest.mark.parametrize("frame", [(160, 120), (120, 160), (400, 40), (33, 35)])
def test_the_picture_stays_as_it_is_and_the_block_finds_room_beside_or_below_it(
    frame: tuple[int, int],
) -> None:
    canvas, place = extend(frame, BLOCK, 6)
    assert (place.width, place.height) == frame
    assert canvas[0] % 2 == canvas[1] % 2 == 0
    assert place.x >= 0
    assert place.y >= 0
    assert place.x + place.width <= canvas[0]
    assert place.y + place.height <= canvas[1]
    beside = Region(canvas[0] - 6 - BLOCK[0], 6, *BLOCK)
    below = Region(6, canvas[1] - 6 - BLOCK[1], *BLOCK)
    assert not overlaps(beside, place) or not overlaps(below, place)


def test_a_high_picture_gets_its_room_to_the_right_and_a_wide_one_below() -> None:
    assert extend((120, 160), BLOCK, 6)[0] == (262, 160)
    assert extend((400, 40), BLOCK, 6)[0] == (400, 152)


def test_only_what_would_be_hidden_needs_it() -> None:
    assert needs_extension((160, 120), BLOCK)
    assert not needs_extension((640, 480), BLOCK)
    assert needs_extension((2000, 90), BLOCK), "it does not fit at all"
