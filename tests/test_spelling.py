"""Misspelt names are found by their spelling, or not at all."""

from __future__ import annotations

import pytest

from live_gradcam.spelling import edit_distance, near_in_spelling


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
