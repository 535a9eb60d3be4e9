"""Figures as people read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import live_gradcam
from live_gradcam.wording import change_in_points, install_step, percent, points, signed_points

# A percentage that is rounded on the spot: a format such as ``:.1f} %`` or ``:.0%``.
_ROUNDED_BY_ITSELF = re.compile(r":\.?\d*f\}\s?%|:\.?\d*%\}|toFixed\(\d?\)\s*\}?\s?%")


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
    ("share", "text"),
    [(0.9731, "97.3 %"), (0.9996, ">99.9 %"), (1.0, "100.0 %"), (0.0004, "<0.1 %"), (0.0, "0.0 %")],
)
def test_tables_have_a_digit_more_and_claim_no_more(share: float, text: str) -> None:
    assert percent(share, digits=1) == text


@given(st.floats(0.0, 1.0))
def test_two_sides_add_up_to_a_hundred(share: float) -> None:
    both = [percent(each) for each in (share, 1.0 - share)]
    if all(text[0].isdigit() for text in both):
        assert sum(int(text[:-2]) for text in both) == 100


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_change_is_the_difference_of_what_is_shown(before: float, after: float) -> None:
    shown = [int(f"{each * 100:.0f}") for each in (before, after)]
    change = change_in_points(before, after).replace("\N{MINUS SIGN}", "-").replace("±", "")
    assert int(change) == shown[1] - shown[0]


def test_differences_are_points() -> None:
    assert (points(0.31), points(0.01), points(-0.02)) == ("31 points", "1 point", "−2 points")  # noqa: RUF001
    assert (signed_points(0.31), signed_points(-0.314), signed_points(0.001)) == (
        "+31",
        "−31",  # noqa: RUF001
        "±0",
    )


def test_no_other_place_rounds_percentages() -> None:
    package = Path(live_gradcam.__file__).parent
    found = [
        f"{path.relative_to(package)}: {match.group()}"
        for path in package.rglob("*")
        if path.suffix in (".py", ".js", ".html") and path.name != "wording.py"
        for match in _ROUNDED_BY_ITSELF.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found, "use live_gradcam.wording.percent"


def test_every_extra_that_is_named_exists() -> None:
    """A step that installs nothing is worse than none; it is written in one place."""
    root = Path(live_gradcam.__file__).parent
    project = (root.parent / "pyproject.toml").read_text(encoding="utf-8")
    named = set()
    for file in root.rglob("*.py"):
        named |= set(re.findall(r'install_step\("(\w+)"\)', file.read_text(encoding="utf-8")))
    assert named >= {"fast", "hf", "timm", "web"}
    for extra in named:
        assert f"\n{extra} = [" in project
        assert f'pip install ".[{extra}]"' in install_step(extra)
