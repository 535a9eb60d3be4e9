"""Figures as people read them."""

from __future__ import annotations

import pytest

from live_gradcam.wording import percent


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
