"""Words for what a picture and its explanation show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from live_gradcam.show.votes import spot_at
from live_gradcam.show.words import answer_sentence, evidence_unit
from live_gradcam.values import Explanation, OutputKind

Maker = Callable[..., Explanation]


def test_evidence_is_counted_in_points_only_where_it_adds_up_to_a_probability(
    make_explanation: Maker,
) -> None:
    found = make_explanation()
    assert evidence_unit(found) == "points of evidence"
    assert evidence_unit(replace(found, output=OutputKind("raw"))) == "of the number"
    assert evidence_unit(replace(found, unit="share")) == ""


@pytest.mark.parametrize(("share", "words"), [(0.8, "80"), (0.996, "over 99"), (0.004, "under 1")])
def test_the_answer_is_a_sentence_with_its_figure(
    make_explanation: Maker, share: float, words: str
) -> None:
    found = make_explanation(probabilities=(share, 0.001, 0.0005))
    sure = found if share > 0.2 else replace(found, output=OutputKind("sigmoid", threshold=0.001))
    assert (
        answer_sentence(sure)
        .replace("\N{NO-BREAK SPACE}", " ")
        .startswith(f"The network sees mug and is {words} % sure.")
    )


def test_labels_are_written_as_the_reader_needs_them(make_explanation: Maker) -> None:
    assert "<b>mug</b>" in answer_sentence(make_explanation(), written="<b>{}</b>".format)


def test_a_spot_names_the_shown_class_first_however_little_it_says(
    make_explanation: Maker,
) -> None:
    maps = np.zeros((3, 7, 7), np.float32)
    maps[0, 0, 0], maps[1, 0, 0], maps[2, 0, 0] = 2.5, 0.0, -0.25
    found = make_explanation(evidence=maps)
    region = found.region
    spot = spot_at(found, region.x, region.y, shown=found.explained[1])
    assert spot is not None
    assert spot.lines == (
        ("what this spot says, in points of evidence", 0),
        ("0.00  teapot", 0),
        ("+2.5  mug", 1),
        ("−0.25  vase", -1),  # noqa: RUF001
    )
