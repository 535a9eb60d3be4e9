"""Figures as people read them."""

from __future__ import annotations

import pytest

from live_gradcam.wording import edit_distance, near_in_spelling, percent


@pytest.mark.parametrize(
    ("share", "short", "in_words"),
    [
        (0.0, "0 %", "0\N{NO-BREAK SPACE}%"),
        (-1e-9, "0 %", "0\N{NO-BREAK SPACE}%"),
        (1 + 1e-9, "100 %", "100\N{NO-BREAK SPACE}%"),
        (0.004, "<1 %", "under 1\N{NO-BREAK SPACE}%"),
        (0.005, "<1 %", "under 1\N{NO-BREAK SPACE}%"),
        (0.006, "1 %", "1\N{NO-BREAK SPACE}%"),
        (0.934, "93 %", "93\N{NO-BREAK SPACE}%"),
        (0.9949, "99 %", "99\N{NO-BREAK SPACE}%"),
        (0.996, ">99 %", "over 99\N{NO-BREAK SPACE}%"),
        (1.0, "100 %", "100\N{NO-BREAK SPACE}%"),
    ],
)
def test_a_share_is_rounded_the_same_everywhere(share: float, short: str, in_words: str) -> None:
    assert percent(share) == short
    assert percent(share, in_words=True) == in_words


@pytest.mark.parametrize("share", [float("nan"), -0.1, 1.5])
def test_what_is_no_share_is_not_shown_as_one(share: float) -> None:
    assert percent(share) == "?"


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [
        ("zebra", "zebra", 0),
        ("zebraa", "zebra", 1),
        ("zbra", "zebra", 1),
        ("zabra", "zebra", 1),
        ("zbera", "zebra", 1),
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("ca", "abc", 3),  # no swap across a letter that is put in between
        ("abcdef", "uvwxyz", 4),  # more than three
    ],
)
def test_typing_errors_are_counted(one: str, other: str, errors: int) -> None:
    assert edit_distance(one, other, 3) == errors
    assert edit_distance(other, one, 3) == errors


def test_names_are_near_in_spelling_or_not_named() -> None:
    names = [["zebra"], ["cobra"], ["golden retriever"], ["tabby", "tabby cat"], ["bra"]]
    assert near_in_spelling("Zebraa", names) == [0]
    assert near_in_spelling("golden retreiver", names) == [2]
    assert near_in_spelling("retreiver", names) == [2]
    assert near_in_spelling("tabby catt", names) == [3]
    assert near_in_spelling("unicorn", names) == []
    assert near_in_spelling(" ", names) == []
