"""Words for what a picture and its explanation show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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


def test_a_class_without_a_label_of_its_own_is_called_by_that_of_its_prediction(
    make_explanation: Maker,
) -> None:
    asked = replace(make_explanation(), explained=(2,), labels=())
    assert "you asked about vase" in answer_sentence(asked)
    unknown = replace(asked, explained=(77,))
    assert "you asked about class 77" in answer_sentence(unknown)


def test_a_spot_reads_no_more_labels_than_it_tells(make_explanation: Maker) -> None:
    class Counted(tuple[str, ...]):
        read = 0

        def __getitem__(self, position: Any) -> Any:
            Counted.read += 1
            return super().__getitem__(position)

    maps = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(-1, 1, 1)
    labels = Counted(f"class {number}" for number in range(1000))
    found = replace(make_explanation(), explained=tuple(range(1000)), evidence=maps, labels=labels)
    spot = spot_at(found, found.region.x, found.region.y, shown=500)
    assert spot is not None
    assert spot.shown.label == "class 500"
    assert [vote.class_index for vote in spot.votes_for] == [999, 998, 997]
    assert [vote.class_index for vote in spot.votes_against] == [0, 1, 2]
    assert Counted.read == 7
