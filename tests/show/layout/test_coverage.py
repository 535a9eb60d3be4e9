"""How much of the evidence a rectangle covers."""

from __future__ import annotations

import numpy as np
import pytest

from live_gradcam.show.layout import Ground
from live_gradcam.show.layout.coverage import covered, overlaps, rank
from live_gradcam.values import Region

PLACE, SEEN = Region(100, 0, 400, 300), Region(150, 0, 300, 300)


def ground(evidence: np.ndarray, *, signed: bool = False) -> Ground:
    return Ground.of(PLACE, SEEN, np.asarray(evidence, np.float32), signed=signed)


def test_the_share_is_that_of_the_pixels_below() -> None:
    evidence = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    made = ground(evidence)
    # The same, pixel by pixel: a cell is 60 pixels wide and 50 high.
    strong = np.maximum(evidence - 0.3 * evidence.max(), 0)
    pixels = np.zeros((400, 700))
    pixels[0:300, 150:450] = np.kron(strong / strong.sum(), np.ones((50, 60))) / 3000
    for place in (SEEN, Region(0, 0, 200, 77), Region(333, 111, 50, 200), Region(500, 0, 9, 9)):
        below = pixels[place.y : place.y + place.height, place.x : place.x + place.width].sum()
        assert made.covered(place) == pytest.approx(below, abs=1e-6)


def test_only_what_is_strong_counts_and_only_what_is_for_unless_signed() -> None:
    evidence = np.zeros((4, 4))
    evidence[0, 0], evidence[0, 3], evidence[3, 3] = 4.0, 1.0, -4.0
    corners = Region(150, 0, 75, 75), Region(375, 0, 75, 75), Region(375, 225, 75, 75)
    unsigned, signed = ground(evidence), ground(evidence, signed=True)
    assert [unsigned.covered(each) for each in corners] == pytest.approx([1, 0, 0])
    assert [signed.covered(each) for each in corners] == pytest.approx([0.5, 0, 0.5])


@pytest.mark.parametrize(
    "evidence", [np.zeros((3, 3)), np.full((3, 3), -1), np.full((2, 2), np.nan)]
)
def test_without_evidence_nothing_is_covered(evidence: np.ndarray) -> None:
    assert ground(evidence).covered(SEEN) == 0
    assert Ground.of(PLACE, SEEN, None, signed=False).covered(SEEN) == 0


def test_beside_the_picture_disturbs_less_than_on_what_was_not_seen_and_that_less_than_on_it() -> (
    None
):
    grounds = [ground(np.ones((2, 2)))]
    assert rank(Region(0, 0, 100, 50), grounds) == 0
    assert rank(Region(0, 0, 150, 50), grounds) == 1
    assert rank(Region(0, 0, 151, 50), grounds) == 2
    assert covered(Region(0, 0, 600, 300), grounds) == pytest.approx(1)


def test_rectangles_that_touch_do_not_overlap_but_come_too_near() -> None:
    first, second = Region(0, 0, 10, 10), Region(10, 0, 5, 5)
    assert not overlaps(first, second)
    assert overlaps(first, second, 1)
    assert not overlaps(first, Region(12, 0, 5, 5), 2)
    assert overlaps(first, Region(9, 9, 5, 5))
