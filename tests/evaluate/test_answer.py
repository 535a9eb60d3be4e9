"""The answer: one sentence with its figures, and no stronger than the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from live_gradcam.evaluate.answer import answer, judgement
from live_gradcam.evaluate.summary import summarise
from live_gradcam.evaluate.values import ImageResult, Summary
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import judge, removal_sentence
from tests.evaluate.support import make_image_result, make_result


def bare(index: int, **more: Any) -> ImageResult:
    """A picture of which nobody knows where its object is."""
    image = make_image_result(index, index, drop=0.61, control=0.14, **more)
    return replace(image, methods={"gradcam": replace(image.methods["gradcam"], objects=None)})


def summed_up(images: Sequence[ImageResult], **more: Any) -> Summary:
    return summarise(images, [f"class {i}" for i in range(50)], ["gradcam"], **more)


def told(image: ImageResult, **figures: Any) -> ImageResult:
    """The same picture with other figures, such as its verdict."""
    return replace(image, methods={"gradcam": replace(image.methods["gradcam"], **figures)})


def judged(images: Sequence[ImageResult]) -> str:
    return judgement(make_result(images, [f"class {i}" for i in range(50)]))


def test_forty_photographs_of_forty_classes() -> None:
    images = [bare(i) for i in range(40)]
    assert answer(summed_up(images)) == (
        "40 pictures: all right; without the hottest fifth 61 points less, elsewhere 14."
    )
    decided = [told(each, verdict="decides") for each in images]
    assert judged(decided) == "What it looks at decides."


@pytest.mark.parametrize(
    ("wrong", "words"), [(1, "3 pictures: 2 of them right"), (3, "3 pictures: none right")]
)
def test_wrong_ones_are_counted(wrong: int, words: str) -> None:
    images = [bare(i, said=49 if i < wrong else i) for i in range(3)]
    assert answer(summed_up(images)).startswith(words)


def test_one_picture_is_a_picture() -> None:
    assert answer(summed_up([bare(0)])).startswith("1 picture: right; without")


def test_objects_are_spoken_of_where_they_are_known() -> None:
    images = [told(make_image_result(i, 0, inside=0.81), verdict="decides") for i in range(4)]
    assert "81 % of the evidence on the objects, which cover 25 %" in answer(summed_up(images))
    assert judged(images) == ("It looks mostly at the objects, and what it looks at decides.")
    beside = [
        told(make_image_result(i, 0, inside=0.2), verdict="does not decide") for i in range(4)
    ]
    assert judged(beside) == (
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
    untested = told(image, removal_drop=None, control_drop=None)
    assert answer(summed_up([untested])) == "1 picture: right."
    assert judged([untested]) == ""


def test_verdicts_are_counted_where_there_was_something_to_lose() -> None:
    verdicts = ["decides", "counts", "undecided", "untestable"]
    images = [told(bare(i), verdict=verdict) for i, verdict in enumerate(verdicts)]
    assert answer(summed_up(images)).endswith("the hottest fifth counts most in 2 of 3.")


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (["decides", "decides", "undecided"], "What it looks at decides."),
        (["decides", "untestable", "untestable"], "What it looks at decides."),
        (
            ["decides", "counts", "undecided"],
            "What it looks at counts most, but does not decide alone.",
        ),
        (["does not decide"], "What it looks at does not decide."),
        (["decides", "does not decide"], "It is not clear whether what it looks at decides."),
        (["untestable"], ""),
    ],
)
def test_what_most_verdicts_mean_is_said(verdicts: Sequence[str], words: str) -> None:
    images = [told(bare(i), verdict=verdict) for i, verdict in enumerate(verdicts)]
    assert judged(images) == words


@pytest.mark.parametrize(
    ("without", "elsewhere", "alike"),
    [
        (0.05, 0.9, "decides"),
        (0.6, 0.9, "counts most, but does not decide alone"),
        (0.94, 0.94, "does not decide"),
    ],
)
def test_of_one_picture_the_same_is_said_as_in_the_window(
    without: float, elsewhere: float, alike: str
) -> None:
    removal = Removal(
        0, "circle", 0.95, without, (elsewhere,) * 3,
        named=True, named_without_hot=without > 0.5, named_without_controls=3,
    )  # fmt: skip
    image = told(bare(0), verdict=judge(removal), removal_drop=removal.drop)
    assert removal_sentence(removal).endswith(f": this area {alike}.")
    assert judged([image]) == f"What it looks at {alike}."


def test_what_is_undecided_in_the_window_is_not_clear() -> None:
    removal = Removal(
        0, "circle", 0.96, 0.05, (0.95, 0.02, 0.97),
        named=True, named_without_hot=False, named_without_controls=2,
    )  # fmt: skip
    assert removal_sentence(removal).endswith(": undecided.")
    image = told(make_image_result(0, 0), verdict=judge(removal), removal_drop=removal.drop)
    assert judged([image]) == (
        "It looks mostly at the objects, but it is not clear whether what it looks at decides."
    )


def test_plain_numbers_have_no_points() -> None:
    said = answer(summed_up([bare(0)], has_probabilities=False))
    assert said.endswith("without the hottest fifth 0.61 less, elsewhere 0.14 less.")
