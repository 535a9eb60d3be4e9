"""The answer: one sentence with its figures, and no stronger than the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from live_gradcam.evaluate.answer import answer, judgement
from live_gradcam.evaluate.summary import summarise
from live_gradcam.evaluate.values import ImageResult, Summary
from tests.evaluate.support import make_image_result


def bare(index: int, **more: Any) -> ImageResult:
    """A picture of which nobody knows where its object is."""
    image = make_image_result(index, index, drop=0.61, control=0.14, **more)
    return replace(image, methods={"gradcam": replace(image.methods["gradcam"], objects=None)})


def summed_up(images: Sequence[ImageResult], **more: Any) -> Summary:
    return summarise(images, [f"class {i}" for i in range(50)], ["gradcam"], **more)


def test_forty_photographs_of_forty_classes() -> None:
    summary = summed_up([bare(i) for i in range(40)])
    assert answer(summary) == (
        "40 pictures: all right; without the hottest fifth 61 points less, elsewhere 14."
    )
    assert judgement(summary) == "What it looks at decides."


@pytest.mark.parametrize(
    ("wrong", "words"), [(1, "3 pictures: 2 of them right"), (3, "3 pictures: none right")]
)
def test_wrong_ones_are_counted(wrong: int, words: str) -> None:
    images = [bare(i, said=49 if i < wrong else i) for i in range(3)]
    assert answer(summed_up(images)).startswith(words)


def test_one_picture_is_a_picture() -> None:
    assert answer(summed_up([bare(0)])).startswith("1 picture: right; without")


def test_objects_are_spoken_of_where_they_are_known() -> None:
    images = [make_image_result(i, 0, inside=0.81) for i in range(4)]
    assert "81 % of the evidence on the objects, which cover 25 %" in answer(summed_up(images))
    assert judgement(summed_up(images)) == (
        "It looks mostly at the objects, and what it looks at decides."
    )
    beside = [make_image_result(i, 0, inside=0.2, drop=0.05, control=0.05) for i in range(4)]
    assert judgement(summed_up(beside)) == (
        "It looks mostly beside the objects, but what it looks at does not decide."
    )


def test_what_is_not_known_is_not_said() -> None:
    image = bare(0)
    unknown = replace(image, labels=(), top1=None, top3=None)
    assert answer(summed_up([unknown])) == (
        "1 picture; without the hottest fifth 61 points less, elsewhere 14."
    )
    mixed = [bare(1), replace(unknown, index=2)]
    assert answer(summed_up(mixed)).startswith("2 pictures: 1 of the 1 with a label right")
    untested = replace(image.methods["gradcam"], removal_drop=None, control_drop=None)
    nothing = summed_up([replace(image, methods={"gradcam": untested})])
    assert answer(nothing) == "1 picture: right."
    assert judgement(nothing) == ""


def test_verdicts_are_counted() -> None:
    images = []
    for index, verdict in enumerate(["decides", "counts", "undecided"]):
        image = bare(index)
        told = replace(image.methods["gradcam"], verdict=verdict)
        images.append(replace(image, methods={"gradcam": told}))
    assert answer(summed_up(images)).endswith("the hottest fifth decides in 2 of 3.")


def test_plain_numbers_have_no_points() -> None:
    said = answer(summed_up([bare(0)], has_probabilities=False))
    assert said.endswith("without the hottest fifth 0.61 less, elsewhere 0.14 less.")
