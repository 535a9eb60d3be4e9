"""The truth meter: a few images between two frames, one result, and the area that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.removal import CONTROLS, hottest_area, removal_test
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.session.truth import TRUTH_EVERY_FRAMES, TruthDisplay, TruthTester
from live_gradcam.values import Explanation, Frame, Image
from tests.session.doubles import make_request


class Counting:
    """An explainer that counts the images of each call."""

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer
        self.calls: list[int] = []

    def explain_batch(
        self, images: Sequence[Image], *, classes: Any = None, view: Any = None
    ) -> list[Explanation]:
        self.calls.append(len(images))
        return self._explainer.explain_batch(images, classes=classes, view=view)


@pytest.fixture
def counting(explainer: Explainer) -> Counting:
    return Counting(explainer)


def explained_frame(
    explainer: Explainer, image: Image, request: ExplainRequest, index: int = 0
) -> ExplainedFrame:
    said = explainer.explain(image)
    return ExplainedFrame(Frame(image, index, 0.0), said, said, said, request, is_new=True)


def until_read(
    tester: TruthTester, last: ExplainedFrame, request: ExplainRequest
) -> tuple[TruthReading, int]:
    for turn in range(1, 20):
        reading = tester.test(last, request)
        if reading is not None:
            return reading, turn
    raise AssertionError("there was no reading")


def test_no_frame_waits_for_a_whole_test(
    explainer: Explainer, counting: Counting, image: Image
) -> None:
    request = replace(make_request(explainer, truth=True), explainer=cast(Explainer, counting))
    last = explained_frame(explainer, image, request)
    reading, turns = until_read(TruthTester(), last, request)
    assert counting.calls == [2] * ((1 + CONTROLS) // 2)
    assert turns == len(counting.calls)
    whole = removal_test(explainer, image, last.selected)
    assert reading.removal is not None
    assert whole is not None
    assert reading.removal.drop == pytest.approx(whole.drop, abs=1e-5)
    assert reading.removal.control_range == pytest.approx(whole.control_range, abs=1e-5)
    assert reading.marked is not None
    assert np.array_equal(reading.marked, hottest_area(last.selected.evidence[0]))


def test_a_question_is_tested_at_once_and_then_every_few_frames(
    explainer: Explainer, image: Image
) -> None:
    request = make_request(explainer, truth=True)
    last = explained_frame(explainer, image, request)
    tester = TruthTester()
    until_read(tester, last, request)
    for _ in range(TRUTH_EVERY_FRAMES - 1):
        tester.count_frame()
        assert tester.test(last, request) is None
    tester.count_frame()
    until_read(tester, last, request)
    mirrored = make_request(explainer, truth=True, mirror=True)
    assert tester.test(last, mirrored) is None  # the frame has not been answered yet
    until_read(tester, explained_frame(explainer, image, mirrored), mirrored)


def test_a_test_of_another_question_is_dropped(
    explainer: Explainer, counting: Counting, image: Image
) -> None:
    request = replace(make_request(explainer, truth=True), explainer=cast(Explainer, counting))
    tester = TruthTester()
    assert tester.test(explained_frame(explainer, image, request), request) is None
    assert tester.test(None, make_request(explainer)) is None
    until_read(tester, explained_frame(explainer, image, request), request)
    assert len(counting.calls) == 1 + (1 + CONTROLS) // 2


def test_what_is_marked_is_what_was_hidden_and_elsewhere_what_would_be(
    explainer: Explainer, image: Image
) -> None:
    request = make_request(explainer, truth=True)
    first = explained_frame(explainer, image, request)
    turned = np.ascontiguousarray(image[:, ::-1])
    second = explained_frame(explainer, turned, request, index=1)
    display = TruthDisplay()
    assert display.marked_on(first) is None
    reading, _ = until_read(TruthTester(), first, request)
    display.take(reading)
    marked = display.marked_on(first)
    assert marked is not None
    assert marked.mask is reading.marked
    assert display.marked_on(first) is marked  # the same one, as long as nothing changes
    if second.selected.explained[:1] == reading.subject:
        later = display.marked_on(second)
        assert later is not None
        assert np.array_equal(later.mask, hottest_area(second.smoothed.evidence[0]))
    other = replace(second.selected, explained=(99,), evidence=second.selected.evidence[:1])
    assert display.marked_on(replace(second, selected=other)) is None
    display.forget()
    assert display.reading_of(first) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"layer": "c"},
        {"method": "layercam"},
        {"view": "full"},
        {"mirror": True},
        {"mode": "contrast"},
    ],
)
def test_a_reading_is_about_the_map_that_was_tested_and_no_other(
    explainer: Explainer, image: Image, changed: dict[str, Any]
) -> None:
    request = make_request(explainer, truth=True)
    first = explained_frame(explainer, image, request)
    reading, _ = until_read(TruthTester(), first, request)
    display = TruthDisplay()
    display.take(reading)
    assert display.reading_of(first) is reading
    other = replace(first, request=make_request(explainer, truth=True, **changed))
    assert display.reading_of(other) is None
    assert display.marked_on(other) is None
