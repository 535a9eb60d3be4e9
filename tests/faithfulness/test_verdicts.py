"""A sentence says what a test means, and no more."""

from __future__ import annotations

import re

import pytest

from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import (
    SCRAMBLED,
    judge,
    removal_figures,
    removal_numbers,
    removal_sentence,
    scramble_sentence,
)


def removed(
    before: float,
    hot: float,
    *controls: float,
    label: str = "circle",
    named: bool = True,
    kept: bool | None = None,
    kept_elsewhere: int | None = None,
    of_probability: bool = True,
    exclusive: bool = True,
) -> Removal:
    """A result in which the class is named from one half on, if nothing else is said."""
    return Removal(
        0,
        label,
        before,
        hot,
        controls,
        of_probability=of_probability,
        named=named,
        named_without_hot=hot > 0.5 if kept is None else kept,
        named_without_controls=(
            sum(each > 0.5 for each in controls) if kept_elsewhere is None else kept_elsewhere
        ),
        exclusive=exclusive,
    )


LOST = removed(0.96, 0.05, 0.95, 0.9, 0.97)


def test_an_area_without_which_the_class_is_another_decides() -> None:
    assert judge(LOST) == "decides"
    assert removal_sentence(LOST) == (
        "Without the marked area it is no circle any more, with as much hidden elsewhere it still "
        "is: this area decides."
    )


def test_an_area_that_others_can_replace_stays_undecided() -> None:
    found = removed(0.96, 0.05, 0.95, 0.02, 0.97)
    assert judge(found) == "undecided"
    assert removal_sentence(found) == (
        "Without the marked area it is no circle any more, but hiding as much elsewhere can matter "
        "as much: undecided."
    )


def test_a_class_that_is_lost_nearly_everywhere_is_not_decided_by_one_area() -> None:
    assert judge(removed(0.96, 0.0, 0.4, 0.45, 0.4)) == "undecided"


def test_a_class_that_is_lost_in_one_place_more_is_said_to_stay_mostly() -> None:
    found = removed(0.96, 0.05, 0.95, 0.45, 0.97)
    assert judge(found) == "decides"
    assert "elsewhere it mostly still is: this area decides." in removal_sentence(found)


def test_an_area_with_which_the_class_only_loses_counts() -> None:
    found = removed(0.96, 0.6, 0.95, 0.9, 0.97)
    assert judge(found) == "counts"
    assert removal_sentence(found) == (
        "Without the marked area it is clearly less like “circle”, with as much hidden elsewhere "
        "less so: this area counts most, but does not decide alone."
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (removed(0.96, 0.95, 0.96, 0.97), "it is hardly less like “circle”"),
        (removed(0.6, 0.9, 0.6, 0.6), "it would be even more like “circle”"),
        (removed(0.96, 0.5, 0.3, 0.4), "Hiding as much elsewhere matters as much"),
    ],
)
def test_an_area_that_matters_no_more_than_others_does_not_decide(
    found: Removal, words: str
) -> None:
    assert judge(found) == "does not decide"
    sentence = removal_sentence(found)
    assert words in sentence
    assert sentence.endswith(": this area does not decide.")


def test_of_a_class_that_is_hardly_there_nothing_can_be_taken_away() -> None:
    found = removed(0.02, 0.0, 0.02, 0.02, named=False, kept=False, kept_elsewhere=0)
    assert judge(found) == "untestable"
    assert "hardly any “circle” here" in removal_sentence(found)


def test_an_unsure_answer_is_judged_by_its_own_size() -> None:
    assert judge(removed(0.08, 0.01, 0.08, 0.07, kept=False, kept_elsewhere=2)) == "decides"


@pytest.mark.parametrize("label", ["no defect", "class 5", "7", "not spam", "the rest", "??"])
def test_labels_that_are_no_nouns_are_quoted(label: str) -> None:
    sentence = removal_sentence(removed(0.96, 0.05, 0.95, 0.9, label=label))
    assert f"the network no longer says “{label}”" in sentence


def test_where_each_class_is_true_or_not_it_is_what_the_network_says() -> None:
    sentence = removal_sentence(removed(0.9, 0.2, 0.9, 0.8, label="cat", exclusive=False))
    assert sentence == (
        "Without the marked area the network no longer says “cat”, with as much hidden elsewhere "
        "it still does: this area decides."
    )


def test_plain_numbers_are_no_probabilities() -> None:
    found = removed(12.5, 3.0, 12.4, 12.6, label="age", of_probability=False, kept=True)
    assert judge(found) == "decides"
    assert removal_sentence(found) == (
        "Without the marked area the number of “age” is clearly smaller, with as much hidden "
        "elsewhere less so: this area decides."
    )
    assert "%" not in "".join(removal_figures(found)[1:]).replace("20 %", "")
    assert judge(removed(12.5, 12.4, 12.4, 12.6, of_probability=False)) == "does not decide"


def test_of_what_has_no_name_to_lose_most_has_to_go() -> None:
    asked = removed(0.4, 0.1, 0.39, 0.41, named=False, kept=False, kept_elsewhere=0)
    assert judge(asked) == "decides"
    assert "clearly less like “circle”" in removal_sentence(asked)
    assert judge(removed(0.4, 0.25, 0.39, 0.41, named=False, kept=False)) == "counts"
    assert judge(removed(12.5, 10.0, 12.4, 12.6, of_probability=False)) == "counts"


def test_no_sentence_claims_trust_or_truth() -> None:
    results = [
        removed(before, hot, *controls, named=named)
        for before in (0.01, 0.3, 0.97)
        for hot in (0.0, 0.2, 0.9)
        for controls in ((0.0, 0.1), (0.3, 0.2), (0.97, 0.95))
        for named in (True, False)
    ]
    for each in results:
        sentence = removal_sentence(each)
        assert not re.search(r"trust|truth|faithful|proves|logit", sentence)
        assert sentence.count(".") == 1


def test_the_place_and_the_label_are_written_as_the_reader_needs_them() -> None:
    sentence = removal_sentence(
        removed(0.96, 0.05, 0.95, label="<b>"),
        area="the hottest fifth",
        emphasis=lambda words: f"**{words}**",
        written=lambda label: label.replace("<", "\\<"),
    )
    assert sentence.startswith("Without the hottest fifth the network no longer says “\\<b>”")
    assert sentence.endswith("**this area decides**.")
    assert removal_sentence(None) == "No place speaks for it: there is nothing to test."


def test_figures_are_those_that_a_reader_would_work_out() -> None:
    lines = removal_figures(removed(0.934, 0.016, 0.9, 0.4, 0.8))
    assert lines == (
        "circle 93 %",
        "marked 20 % hidden: 2 %, −91",  # noqa: RUF001
        "elsewhere, 3 times: −3 to −53, mean −23",  # noqa: RUF001
    )
    text = removal_numbers(removed(0.934, 0.016, 0.9, 0.4, 0.8)).replace("\N{NO-BREAK SPACE}", " ")
    assert text == (
        "With the hottest 20 % of what it saw hidden, 93 % become 2 %; with as much hidden in 3 "
        "other places, 40 % to 90 %."
    )


def test_scrambling_says_what_is_seen_and_why() -> None:
    assert scramble_sentence(None) == SCRAMBLED
    assert "should fall apart" in SCRAMBLED
    assert "as it should" in scramble_sentence(0.1)
    assert "in part only" in scramble_sentence(-0.4)
    assert "shows the picture, not what the network has learned" in scramble_sentence(0.9)
