"""Parts that are explained by themselves, drawn in place on the whole frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.images.parts import put_back
from live_gradcam.painter import Painter
from live_gradcam.show.layout import Picture
from live_gradcam.show.overlay import OverlayOptions, draw, locate, locate_part
from live_gradcam.show.scene import DIMMED
from live_gradcam.values import Explanation, Image, Prediction, Region

BARE = OverlayOptions(show_labels=False, show_legend=False, show_hud=False)
FRAME = (900, 800)
EDGE = 3  # pixels of an outline, and of the dark line around it


@pytest.fixture
def image() -> Image:
    grey = np.random.default_rng(1).integers(40, 220, (40, 45, 3), np.uint8)
    return np.ascontiguousarray(grey.repeat(20, 0).repeat(20, 1))


def explained(seed: int, part: Region, region: Region) -> Explanation:
    """An explanation of a part alone, ``region`` of which the network saw, put back."""
    evidence = np.random.default_rng(seed).normal(size=(1, 7, 7)).astype(np.float32)
    predictions = (Prediction(0, "mug", 2.0, 0.9), Prediction(1, "cup", 1.0, 0.1))
    return put_back(Explanation(predictions, (0,), evidence, region, labels=("mug",)), part)


def inner(part: Region) -> tuple[slice, slice]:
    """A part without its outline."""
    rows = slice(part.y + EDGE, part.y + part.height - EDGE)
    return rows, slice(part.x + EDGE, part.x + part.width - EDGE)


def drawn_alone(image: Image, explanation: Explanation) -> Image:
    """The part cut out and drawn as a picture of its own."""
    part, seen = explanation.roi, explanation.region
    assert part is not None
    cut = image[part.y : part.y + part.height, part.x : part.x + part.width]
    moved = replace(seen, x=seen.x - part.x, y=seen.y - part.y)
    return draw(cut, replace(explanation, region=moved, roi=None), options=BARE)


def test_the_overlay_stands_in_its_place_and_the_rest_is_shown_as_unseen(image: Image) -> None:
    part = Region(200, 100, 500, 400)
    explanation = explained(1, part, Region(50, 0, 400, 400))
    made = draw(image, explanation, options=BARE)
    assert np.array_equal(
        made[inner(part)], drawn_alone(image, explanation)[EDGE:-EDGE, EDGE:-EDGE]
    )
    outside = np.ones(made.shape[:2], bool)
    outside[part.y - 1 : part.y + part.height + 1, part.x - 1 : part.x + part.width + 1] = False
    dimmed = np.rint(image * DIMMED)
    assert np.abs(made.astype(int) - dimmed)[outside].max() <= 1
    # A line around the part, in the colour of what was chosen.
    assert (made[part.y, part.x : part.x + part.width] == made[part.y, part.x]).all()
    assert (
        made[part.y : part.y + part.height, part.x + part.width - 1] == made[part.y, part.x]
    ).all()


def test_several_parts_are_drawn_each_as_by_itself(image: Image) -> None:
    parts = [
        explained(1, Region(20, 20, 400, 380), Region(0, 0, 380, 380)),
        explained(2, Region(480, 20, 400, 400), Region(0, 0, 400, 400)),
        explained(3, Region(300, 420, 560, 370), Region(95, 0, 370, 370)),
    ]
    first, *others = parts
    made = Painter(BARE, moving=False).paint(image, first, others=others)
    for each in parts:
        assert each.roi is not None
        alone = drawn_alone(image, each)[EDGE:-EDGE, EDGE:-EDGE]
        assert np.array_equal(made[inner(each.roi)], alone)
    labelled = Painter(OverlayOptions(), moving=False).paint(image, first, others=others)
    for each in parts:  # each has a label in its corner
        assert each.roi is not None
        corner = np.s_[each.roi.y : each.roi.y + 20, each.roi.x : each.roi.x + 60]
        assert np.abs(labelled[corner].astype(int) - made[corner]).mean() > 10


def test_each_part_has_a_scale_of_its_own_that_is_steady_in_time(image: Image) -> None:
    strong = explained(1, Region(20, 20, 400, 400), Region(0, 0, 400, 400))
    weak = explained(2, Region(450, 20, 400, 400), Region(0, 0, 400, 400))
    weak = replace(weak, evidence=weak.evidence * np.float32(0.01))
    painter = Painter(BARE, moving=True)
    made = painter.paint(image, strong, others=[weak])
    assert np.array_equal(
        made[inner(Region(450, 20, 400, 400))], drawn_alone(image, weak)[EDGE:-EDGE, EDGE:-EDGE]
    )
    fainter = replace(weak, evidence=weak.evidence * np.float32(0.25))
    later = painter.paint(image, strong, others=[fainter])
    alone = drawn_alone(image, fainter)[EDGE:-EDGE, EDGE:-EDGE]
    assert not np.array_equal(later[inner(Region(450, 20, 400, 400))], alone)


@given(st.tuples(st.integers(1, 1500), st.integers(1, 1500)), st.data())
@settings(max_examples=60, deadline=None)
def test_the_mouse_chooses_all_pixels_of_the_frame_that_it_touches(
    canvas: tuple[int, int], data: st.DataObject
) -> None:
    across = st.integers(-50, canvas[0] + 50)
    down = st.integers(-50, canvas[1] + 50)
    start = (data.draw(across), data.draw(down))
    end = (data.draw(across), data.draw(down))
    explanation = explained(1, Region(0, 0, *FRAME), Region(0, 0, *FRAME))
    drawn, part = locate_part(start, end, FRAME, explanation, size=canvas)
    corners = [
        (drawn.x, drawn.y),
        (drawn.x + drawn.width - 1, drawn.y + drawn.height - 1),
    ]
    first, last = (locate(*each, FRAME, explanation, size=canvas) for each in corners)
    assert first == (part.x, part.y)
    assert last == (part.x + part.width - 1, part.y + part.height - 1)
    for x, y in (start, end):
        if locate(x, y, FRAME, explanation, size=canvas) is not None:
            assert drawn.x <= x < drawn.x + drawn.width
            assert drawn.y <= y < drawn.y + drawn.height


def test_of_several_pictures_the_one_counts_where_the_mouse_began() -> None:
    left = Picture(Region(0, 0, 100, 100), Region(50, 0, 200, 200), Region(0, 0, 100, 100))
    assert left.distance(10, 10) == 0
    assert left.distance(-3, 105) == 6
    drawn, part = left.part_between((10, 10), (300, 300))
    assert drawn == Region(10, 10, 90, 90)
    assert part == Region(70, 20, 179, 179)
    explanation = explained(1, Region(0, 0, 800, 800), Region(0, 0, 800, 800))
    options = OverlayOptions(layout="side-by-side")
    for x in (100, 700):
        _, part = locate_part(
            (x, 200), (x + 50, 250), FRAME, explanation, options=options, size=(1000, 500)
        )
        again = locate(x, 200, FRAME, explanation, options=options, size=(1000, 500))
        assert again == (part.x, part.y)
