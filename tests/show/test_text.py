"""Type: what is written is seen, fits, and is rendered once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.show.text import (
    LINE_HEIGHT,
    clean,
    fit_text,
    make_strip,
    paste,
    text_strip,
    text_width,
    wrap_text,
)

WHITE = (255, 255, 255)


def coverage(text: str, size: int = 40) -> NDArray[np.uint8]:
    return text_strip(text, size, WHITE).ink[..., 0]


@pytest.mark.parametrize(
    "text", ["mug", "Å", "é", "Жук", "日本", "😀", "\U0010fffe", "→", "ε", "ﷺ"]
)
def test_every_character_leaves_a_visible_mark(text: str) -> None:
    assert coverage(text).max() > 200


def test_letters_differ_from_each_other_and_from_what_is_missing() -> None:
    shapes = {letter: coverage(letter).tobytes() for letter in "abcdefgxyzABC0123456789%"}
    assert len(set(shapes.values())) == len(shapes)
    missing = coverage("\U0010fffe").tobytes()
    assert missing not in shapes.values()
    assert coverage("é").tobytes() != missing


def test_accents_and_descenders_stay_inside_the_line() -> None:
    ink = coverage("ÅÉgjpqy")
    assert ink.shape[0] == round(LINE_HEIGHT * 40)
    assert ink[0].max() == 0
    assert ink[-1].max() == 0


@pytest.mark.parametrize("opencv", [4, 5])
def test_without_any_font_on_the_system_nothing_is_silent(tmp_path: Path, opencv: int) -> None:
    if opencv == 5 and not hasattr(cv2, "FontFace"):
        pytest.skip("this OpenCV brings no font")
    plain = (
        "assert ink['é'] == ink['e'], 'the plain letter where the accent cannot be drawn'\n"
        "assert ink['日'] == ink['м'] != ink['X'], 'a visible box elsewhere'\n"
    )
    code = (
        "from live_gradcam.native import cv2\n"
        f"if {opencv} == 4 and hasattr(cv2, 'FontFace'): del cv2.FontFace\n"
        "from live_gradcam.show.text import text_strip as strip\n"
        "ink = {c: strip(c, 40, (255,) * 3).ink.tobytes() for c in 'eé日本мX'}\n"
        "assert all(map(any, ink.values()))\n"
        f"{plain if opencv == 4 else 'assert len(set(ink.values())) == len(ink)'}\n"
    )
    environment = {**os.environ, "XDG_DATA_DIRS": str(tmp_path), "HOME": str(tmp_path)}
    if not sys.platform.startswith("linux"):
        pytest.skip("fonts cannot be hidden here")
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=240)


@pytest.mark.parametrize("size", [9, 10, 30, 91])
def test_height_follows_the_size(size: int) -> None:
    rows = np.nonzero(coverage("H", size).max(axis=1) > 100)[0]
    assert rows.max() - rows.min() + 1 == pytest.approx(0.71 * size, abs=2)


def test_the_same_text_is_rendered_once() -> None:
    assert text_strip("teapot", 31, WHITE) is text_strip("teapot", 31, WHITE)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.integers(9, 60), st.integers(0, 300))
def test_fitted_text_is_never_wider_than_allowed(text: str, size: int, room: int) -> None:
    fitted = fit_text(text, size, room)
    assert not fitted or text_width(fitted, size) <= max(room, 1)
    if text_width(text, size) <= room:
        assert fitted == clean(text)


def test_cut_text_says_that_it_is_cut() -> None:
    fitted = fit_text("a very long label that does not fit", 20, 150)
    assert fitted.endswith("…")
    assert fitted.startswith("a very")
    assert text_width(fitted, 20) > 110, "no more is cut off than necessary"


def test_text_is_one_line_without_control_characters() -> None:
    assert clean("two\nlines\tand\x00\x1b[31m more\u2028x") == "two lines and [31m more x"
    assert clean("naïve “label” ⇒ 日本") == "naïve “label” ⇒ 日本"


def test_pasting_blends_by_coverage_and_clips() -> None:
    mask = np.full((4, 6), 255, np.uint8)
    mask[:, 3:] = 0
    strip = make_strip(mask, (10, 20, 30), opacity=0.5)
    image = np.full((5, 5, 3), 100, np.uint8)
    paste(image, strip, 1, 3)
    assert image[3, 1].tolist() == [55, 60, 65]
    assert image[4, 3].tolist() == [55, 60, 65]
    assert image[4, 4].tolist() == [100] * 3
    assert np.all(image[:3] == 100)
    for x, y in ((-6, 0), (5, 0), (0, -4), (0, 5), (-100, 100)):
        before = image.copy()
        paste(image, strip, x, y)
        np.testing.assert_array_equal(image, before)


@given(st.text("ab %.é日", max_size=60), st.integers(20, 300))
@settings(max_examples=60, deadline=None)
def test_wrapped_text_has_every_word_and_fits_but_for_single_words(text: str, width: int) -> None:
    lines = wrap_text(text, 16, width)
    assert " ".join(lines) == clean(text)
    for line in lines:
        assert text_width(line, 16) <= width or " " not in line.replace(" %", "")


def test_a_percent_sign_is_never_alone_on_a_line() -> None:
    for width in range(20, 400, 7):
        lines = wrap_text("hottest 20 % blurred: 12 %, drop 81 %", 16, width)
        assert not any(line.startswith("%") for line in lines)
