"""COCO's run-length masks, against masks drawn by hand and strings as COCO writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from live_gradcam.evaluate.rle import RunLengthMask, parse_run_lengths


def runs_of(mask: NDArray[np.bool_]) -> list[int]:
    """The runs of a mask, down its columns, beginning outside."""
    counts, inside = [0], False
    for pixel in mask.flatten(order="F").tolist():
        if pixel != inside:
            counts.append(0)
            inside = pixel
        counts[-1] += 1
    return counts


def pack(counts: list[int]) -> str:
    """Run lengths as a string, as ``rleToString`` of COCO's ``maskApi.c`` writes them."""
    text = ""
    for place, count in enumerate(counts):
        number = count - (counts[place - 2] if place > 2 else 0)
        more = True
        while more:
            group = number & 0x1F
            number >>= 5
            more = number != (-1 if group & 0x10 else 0)
            text += chr(48 + group + 0x20 * more)
    return text


# Three columns of four rows.
HAND = np.array([[0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 1, 0]], bool)
HAND_RUNS = [1, 2, 4, 3, 2]


def entry(counts: object, size: object = (4, 3)) -> dict[str, Any]:
    return {"size": list(size) if isinstance(size, tuple) else size, "counts": counts}


@pytest.mark.parametrize("counts", [HAND_RUNS, "1241N", [0, 0, *HAND_RUNS], [*HAND_RUNS, 0]])
def test_a_mask_drawn_by_hand(counts: object) -> None:
    mask = parse_run_lengths(entry(counts))
    assert mask.size == (3, 4)
    np.testing.assert_array_equal(mask.to_array(), HAND)
    assert mask.bounding_box() == (0, 0, 3, 4)


def test_numbers_of_several_groups_and_below_zero() -> None:
    # 1000 = 8 + 32 * 31: the groups 01000 and 11111, whose sign bit asks for a third one, 00000.
    # 20 = 10100, which asks for another one, too. The fourth run, 3, is the difference to the
    # second: -17, in the groups 01111 and 11111; the fifth is 970 - 7 = 963.
    counts = [1000, 20, 7, 3, 970]
    assert pack(counts) == "Xo0d07_OSn0"
    assert parse_run_lengths(entry("Xo0d07_OSn0", (40, 50))).counts == tuple(counts)


def test_a_string_that_the_coco_library_wrote() -> None:
    # Of mask[:50, 50:] in 100x100: the runs 5000, 50, 50, 50, ...
    mask = parse_run_lengths(entry("Xl4b1b1" + "0" * 98, (100, 100))).to_array()
    assert mask[:50, 50:].all()
    assert mask.sum() == 50 * 50


def test_all_and_nothing() -> None:
    assert parse_run_lengths(entry([0, 12])).to_array().all()
    nothing = parse_run_lengths(entry([12]))
    assert not nothing.to_array().any()
    with pytest.raises(ValueError, match="empty"):
        nothing.bounding_box()


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 1.0),
)
def test_every_mask_comes_back(size: tuple[int, int], seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random(size) < share
    counts = runs_of(mask)
    expected = RunLengthMask((size[1], size[0]), tuple(counts))
    assert (
        parse_run_lengths(entry(counts, size))
        == parse_run_lengths(entry(pack(counts), size))
        == expected
    )
    np.testing.assert_array_equal(expected.to_array(), mask)
    if mask.any():
        left, top, width, height = expected.bounding_box()
        assert mask[top : top + height, left : left + width].sum() == mask.sum()


@pytest.mark.parametrize(
    ("counts", "size", "reason"),
    [
        ([1, 2, 4, 3], (4, 3), "10 pixels in runs, not 3x4"),
        ([1, 2, 4, 3, 3], (4, 3), "13 pixels"),
        ([1, -2, 6, 5, 2], (4, 3), "no list of lengths"),
        ([1.0, 11], (4, 3), "no list of lengths"),
        ([True, 11], (4, 3), "no list of lengths"),
        (None, (4, 3), "no list of lengths"),
        ("124", (4, 3), "pixels in runs"),
        ("124K", (4, 3), "no list of lengths"),
        ("1241", (4, 3), "pixels in runs"),
        ("abc", (4, 3), "ends in the middle"),
        ("12 12", (4, 3), "' '"),
        ("1\N{GREEK SMALL LETTER ALPHA}", (4, 3), "where no run"),
        ("oooooooooo0", (4, 3), "'o'"),
        ([12], (4,), "the size"),
        ([12], (4.0, 3.0), "the size"),
        ([12], "4x3", "the size"),
        ([], (0, 3), "3x0 pixels"),
        ([10**18], (10**9, 10**9), "1000000000x1000000000 pixels"),
    ],
)
def test_what_is_damaged_is_refused_with_its_reason(
    counts: object, size: object, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_run_lengths(entry(counts, size))


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_any_string_is_a_mask_or_refused(text: str) -> None:
    try:
        mask = parse_run_lengths(entry(text))
    except ValueError:
        return
    assert mask.to_array().shape == (4, 3)
