"""Sentences for visitors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from live_gradcam.errors import SourceError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.show.votes import spot_at
from live_gradcam.values import Explanation, OutputKind, Region
from live_gradcam.web.messages import describe_answer, describe_spot, describe_trust, public_message
from live_gradcam.web.messages import plain as plain_text

Maker = Callable[..., Explanation]


def plain(sentence: str) -> str:
    return sentence.replace("\N{NO-BREAK SPACE}", " ").replace("**", "")


def test_the_answer_in_a_sentence(make_explanation: Maker) -> None:
    assert plain(describe_answer(make_explanation())) == (
        "The network sees mug. It looks mostly at the coloured places."
    )


def test_an_unsure_answer_is_called_unsure(make_explanation: Maker) -> None:
    unsure = make_explanation(probabilities=(0.12, 0.1, 0.05))
    assert plain(describe_answer(unsure)).startswith(
        "The network is not sure of anything: its best guess is mug. It looks"
    )


def test_a_map_without_evidence_is_said_to_be_blank(make_explanation: Maker) -> None:
    blank = make_explanation(evidence=-np.ones((1, 7, 7), np.float32))
    assert "nothing is coloured" in describe_answer(blank)


def test_asking_about_another_class_says_so(make_explanation: Maker) -> None:
    both = make_explanation(evidence=np.ones((2, 7, 7), np.float32))
    text = plain(describe_answer(both.with_classes([1])))
    assert text.startswith("The network sees mug; you asked about teapot. ")
    unlisted = replace(both, predictions=both.predictions[:1]).with_classes([1])
    assert "teapot, which it lists far behind. " in plain(describe_answer(unlisted))


def test_figures_stand_beside_the_sentence_not_in_it(make_explanation: Maker) -> None:
    for kind in ("softmax", "sigmoid", "binary"):
        found = replace(make_explanation(), output=OutputKind(kind))
        assert "%" not in describe_answer(found)
    both = make_explanation(evidence=np.ones((2, 7, 7), np.float32)).with_classes([1])
    assert "%" not in describe_answer(both)


def test_a_spot_in_a_sentence(make_explanation: Maker) -> None:
    evidence = np.zeros((3, 7, 7), np.float32)
    evidence[:, 2, 3] = (1.25, -0.5, 0.03)
    spot = spot_at(make_explanation(evidence=evidence, region=Region(0, 0, 70, 70)), 35, 25)
    assert plain(describe_spot(spot)) == (
        "This spot speaks for mug (+1.2); for vase (+0.03), against teapot "
        "(\N{MINUS SIGN}0.5), in points of evidence."
    )
    empty = spot_at(make_explanation(evidence=0 * evidence, region=Region(0, 0, 70, 70)), 35, 25)
    assert describe_spot(empty) == "This spot says nothing about mug."
    assert describe_spot(None) == "The network does not see this spot."


def test_markdown_becomes_plain_text() -> None:
    sentence = "The network sees **a\\*b\\<c**: over 99 %."
    assert plain_text(sentence) == "The network sees a*b<c: over 99 %."


def test_labels_cannot_bring_markup(make_explanation: Maker) -> None:
    text = describe_answer(make_explanation(labels=("<img src=x>*b*", "teapot", "vase")))
    assert "<img" not in text.replace("\\<", "")
    assert "\\<img src=x\\>\\*b\\*" in text


@pytest.mark.parametrize(
    ("hot", "elsewhere", "verdict"),
    [
        (0.1, 0.85, "**this area decides**"),
        (0.1, 0.05, "**this area does not decide**"),
        (0.9, 0.3, "**this area does not decide**"),
    ],
)
def test_the_removal_test_gives_a_verdict(hot: float, elsewhere: float, verdict: str) -> None:
    found = Removal(
        0,
        "mug",
        0.9,
        hot,
        (elsewhere,) * 3,
        named_without_hot=hot > 0.5,
        named_without_controls=3 if elsewhere > 0.5 else 0,
    )
    text = describe_trust(found)
    assert verdict in text
    assert f"{hot:.0%}"[:-1] in text
    assert f"{elsewhere:.0%}"[:-1] in text


def test_without_evidence_there_is_nothing_to_test() -> None:
    assert describe_trust(None) == "No place speaks for it: there is nothing to test."


def test_visitors_do_not_see_the_servers_folders() -> None:
    error = SourceError(
        "cannot read picture", "/tmp/secret-place/mug.jpg", "the JPEG file is truncated"
    )
    assert public_message(error) == "cannot read picture: mug.jpg: the JPEG file is truncated."
