"""Parts of images: what can be written as one, where it lies, and that it is explained alone."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import live_gradcam as lg
from live_gradcam.choices import View
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.faithfulness import removal_test
from live_gradcam.images.parts import (
    Roi,
    RoiLike,
    as_roi,
    explain_parts,
    outside_note,
    put_back,
    require_parts,
    take_out,
)
from live_gradcam.scenes import render_scene
from live_gradcam.values import Image, Region
from tests.helpers.live import tiny_classifier


@pytest.fixture(scope="module")
def explainer() -> Iterator[lg.Explainer]:
    with lg.Explainer(tiny_classifier(), compile="off", precision="fp32", steady=True) as made:
        yield made


@pytest.fixture(scope="module")
def image() -> Image:
    return render_scene(3, width=320, height=240, objects=3).image


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10,20,30,40", (10, 20, 30, 40)),
        (" 10 , 20,30, 40 ", (10, 20, 30, 40)),
        ("10%,10%,50%,50%", (20, 10, 100, 50)),
        ("12.5%,0,25%,100%", (25, 0, 50, 100)),
        ("0,0,100%,100%", (0, 0, 200, 100)),
        # What leaves the frame is clipped to it.
        ("150,50,500,500", (150, 50, 50, 50)),
        ("-10,-20,30,40", (0, 0, 20, 20)),
        ("-5%,90%,20%,20%", (0, 90, 30, 10)),
        # What lies on the frame has at least a pixel.
        ("99.99%,99.99%,0.01%,0.01%", (199, 99, 1, 1)),
        ("0,0,0.1%,0.1%", (0, 0, 1, 1)),
    ],
)
def test_pixels_and_percent_name_a_part_of_a_frame(
    text: str, expected: tuple[int, int, int, int]
) -> None:
    assert Roi.parse(text).on(200, 100) == Region(*expected)


@pytest.mark.parametrize("text", ["200,0,10,10", "0,100%,10,10", "-30,0,30,10", "0,-50%,10,50%"])
def test_a_part_outside_of_the_frame_is_refused_with_the_frames_size(text: str) -> None:
    roi = Roi.parse(text)
    assert roi.find(200, 100) is None
    with pytest.raises(UsageError, match="200x100") as refused:
        roi.on(200, 100)
    assert text.split(",")[0] in str(refused.value)
    with pytest.raises(SourceError, match=r"mug\.png.*200x100.*percent"):
        require_parts([roi], np.zeros((100, 200, 3), np.uint8), "mug.png")


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,x", "1.5,2,3,4", "1,2,1e9,4", "1,2,3%%,4"]
)
def test_what_is_no_part_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="x,y,w,h"):
        Roi.parse(text)


@pytest.mark.parametrize("text", ["1,2,0,4", "1,2,3,0%", "1,2,-3,4"])
def test_a_part_has_a_size(text: str) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Roi.parse(text)


_LENGTHS = st.integers(1, 3000)


@given(_LENGTHS, _LENGTHS, st.data())
@settings(max_examples=80, deadline=None)
def test_shares_of_a_frame_are_its_pixels_again_and_mirroring_twice_changes_nothing(
    width: int, height: int, data: st.DataObject
) -> None:
    x = data.draw(st.integers(0, width - 1))
    y = data.draw(st.integers(0, height - 1))
    region = Region(
        x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    )
    roi = Roi.of(region, width, height)
    assert roi.on(width, height) == region
    twice = Region(2 * x, 2 * y, 2 * region.width, 2 * region.height)
    assert roi.on(2 * width, 2 * height) == twice
    mirrored = roi.mirrored(width, height)
    assert mirrored.on(width, height).x == width - region.x - region.width
    assert mirrored.mirrored(width, height).on(width, height) == region


def test_a_part_can_be_given_in_several_ways() -> None:
    same: list[RoiLike] = ["1,2,3,4", (1, 2, 3, 4), [1, 2, 3, 4], Region(1, 2, 3, 4)]
    same += [Roi(1, 2, 3, 4), range(1, 5)]
    assert {as_roi(each) for each in same} == {Roi(1, 2, 3, 4)}
    assert str(Roi(1, Fraction(1, 8), 3, Fraction(1))) == "1,12.5%,3,100%"
    for wrong in ((1, 2, 3), 5, ("a", 2, 3, 4)):
        with pytest.raises(UsageError, match="x,y,w,h"):
            as_roi(wrong)  # type: ignore[arg-type]


@given(st.data(), st.sampled_from(["crop", "stretch", "full"]))
@settings(max_examples=5, deadline=None)
def test_a_part_is_explained_as_if_it_were_the_picture(
    explainer: lg.Explainer, image: Image, data: st.DataObject, view: View
) -> None:
    x, y = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 150))
    width, height = data.draw(st.integers(20, 320 - x)), data.draw(st.integers(20, 240 - y))
    part = image[y : y + height, x : x + width].copy()
    alone = explainer.explain(part, view=view, classes="top")
    found = explainer.explain(image, view=view, classes="top", roi=(x, y, width, height))
    assert found.roi == Region(x, y, width, height)
    assert np.array_equal(found.evidence, alone.evidence)
    assert found.predictions == alone.predictions
    assert (found.region.x - x, found.region.y - y) == (alone.region.x, alone.region.y)
    assert (found.region.width, found.region.height) == (alone.region.width, alone.region.height)
    assert take_out(found).region == alone.region


def test_parts_of_several_images_are_one_batch(explainer: lg.Explainer, image: Image) -> None:
    parts: list[list[Region]] = [
        [Region(0, 0, 100, 100), Region(90, 40, 200, 150)],
        [],
        [Region(5, 6, 70, 80)],
    ]
    images = [image, image[:, ::-1], image[:200]]
    sizes: list[int] = []

    class Counting:
        def explain_batch(self, given: list[Image], **options: object) -> list[lg.Explanation]:
            sizes.append(len(given))
            return explainer.explain_batch(given, **options)  # type: ignore[call-overload, no-any-return]

    found = explain_parts(Counting(), images, parts, classes="top")  # type: ignore[arg-type]
    assert sizes == [4]
    assert [[each.roi for each in some] for some in found] == [parts[0], [None], parts[2]]
    for some, own, whole in zip(found, parts, images, strict=True):
        wanted: list[Region | None] = [*own] or [None]
        for explanation, part in zip(some, wanted, strict=True):
            alone = explainer.explain(whole, classes="top", roi=part)
            np.testing.assert_allclose(explanation.evidence, alone.evidence, atol=1e-5)
            assert explanation.picture is not None
            assert explanation.picture.size == (whole.shape[1], whole.shape[0])


def test_an_explained_part_is_drawn_saved_and_measured_in_place(
    explainer: lg.Explainer, image: Image
) -> None:
    found = explainer.explain(image, roi="25%,25%,50%,50%")
    assert found.roi == Region(80, 60, 160, 120)
    heat = found.heatmap()
    outside = np.ones(heat.shape, bool)
    outside[60:180, 80:240] = False
    assert heat.shape == (240, 320)
    assert not heat[outside].any()
    for again in (
        lg.Explanation.from_dict(found.to_dict()),
        lg.Explanation.from_json(found.to_json()),
        pickle.loads(pickle.dumps(found)),
    ):
        assert (again.roi, again.region) == (found.roi, found.region)
    old = {key: value for key, value in found.to_dict().items() if key != "roi"}
    assert lg.Explanation.from_dict(old).roi is None
    with pytest.raises(UsageError, match="320x240"):
        explainer.explain(image, roi=(400, 0, 10, 10))


def test_the_removal_test_of_a_part_is_that_of_the_part_alone(
    explainer: lg.Explainer, image: Image
) -> None:
    part = Region(60, 30, 180, 150)
    alone_image = image[30:180, 60:240].copy()
    alone = explainer.explain(alone_image)
    expected = removal_test(explainer, alone_image, alone)
    tested = removal_test(explainer, image, put_back(alone, part))
    assert tested == expected
    assert expected is not None


def test_what_lies_outside_of_a_frame_is_said() -> None:
    near, far = Roi(0, 0, 10, 10), Roi(100, 0, 10, 10)
    assert outside_note([], 50, 50) == outside_note([near], 50, 50) == ""
    assert "all of it is explained" in outside_note([far], 50, 40)
    assert "50x40" in outside_note([far, near], 50, 40)
    assert "the others" in outside_note([far, near], 50, 40)
