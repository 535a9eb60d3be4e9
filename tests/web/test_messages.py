"""Sentences for visitors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from live_gradcam.errors import SourceError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.values import Explanation
from live_gradcam.web.messages import describe_answer, describe_trust, public_message

Maker = Callable[..., Explanation]


def plain(sentence: str) -> str:
    return sentence.replace("\N{NO-BREAK SPACE}", " ").replace("**", "")


def test_the_answer_in_a_sentence(make_explanation: Maker) -> None:
    assert plain(describe_answer(make_explanation())) == (
        "The network sees mug and is 80 % sure. It looks mostly at the coloured places."
    )


@pytest.mark.parametrize(
    ("share", "words"), [(0.004, "under 1 %"), (0.007, "1 %"), (0.996, "over 99 %")]
)
def test_percentages_never_claim_certainty(
    make_explanation: Maker, share: float, words: str
) -> None:
    probabilities = (0.9, share, 0.05)
    both = make_explanation(evidence=np.ones((2, 7, 7), np.float32), probabilities=probabilities)
    assert f"which it lists with {words}. " in plain(describe_answer(both.with_classes([1])))


def test_an_unsure_answer_is_called_unsure(make_explanation: Maker) -> None:
    unsure = make_explanation(probabilities=(0.12, 0.1, 0.05))
    assert plain(describe_answer(unsure)).startswith(
        "The network is not sure of anything: its best guess is mug with 12 %."
    )


def test_a_map_without_evidence_is_said_to_be_blank(make_explanation: Maker) -> None:
    blank = make_explanation(evidence=-np.ones((1, 7, 7), np.float32))
    assert "nothing is coloured" in describe_answer(blank)


def test_asking_about_another_class_says_so(make_explanation: Maker) -> None:
    both = make_explanation(evidence=np.ones((2, 7, 7), np.float32))
    text = plain(describe_answer(both.with_classes([1])))
    assert text.startswith("The network sees mug (80 %); you asked about teapot")
    assert "with 10 %" in text


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
