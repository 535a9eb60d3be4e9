"""What was seen when: frames of one answer are one stretch, and flicker is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from live_gradcam.values import Explanation, Frame
from live_gradcam.web.timeline import (
    NOTHING_SURE,
    Seen,
    TimelineSink,
    clock,
    find_stretches,
    timeline,
)

from .conftest import decoded


def seen(answers: str, rate: float = 10.0) -> list[Seen]:
    """One letter for each frame."""
    return [Seen(place / rate, each, 0.5, True) for place, each in enumerate(answers)]


def brief(answers: str, rate: float = 10.0) -> list[tuple[str, float, float]]:
    found = find_stretches(seen(answers, rate))
    return [(each.label, each.begin_seconds, each.end_seconds) for each in found]


def test_frames_of_one_answer_are_one_stretch() -> None:
    assert brief("a" * 20 + "b" * 30) == [("a", 0.0, 2.0), ("b", 2.0, pytest.approx(5.0))]
    assert brief("a") == [("a", 0.0, 0.0)]
    assert find_stretches([]) == ()


def test_short_interruptions_do_not_count() -> None:
    assert [label for label, *_ in brief("a" * 20 + "b" + "a" * 20)] == ["a"]
    assert [label for label, *_ in brief("a" * 20 + "bcb" + "d" * 20)] == ["a", "d"]
    assert [label for label, *_ in brief("b" + "a" * 20)] == ["a"]
    assert [label for label, *_ in brief("a" * 20 + "b")] == ["a"]
    # Between two answers that take turns, the more frequent one is what is seen.
    assert [label for label, *_ in brief("aab" * 30)] == ["a"]


def test_stretches_cover_the_film_without_gaps_and_are_few() -> None:
    generator = np.random.default_rng(0)
    answers = "".join("abcdef"[index] * 8 for index in generator.integers(0, 6, 200))
    found = brief(answers)
    assert len(found) <= 24
    assert found[0][1] == 0.0
    assert found[-1][2] == pytest.approx(len(answers) / 10)
    for before, after in pairwise(found):
        assert before[2] == after[1]
        assert before[0] != after[0]


def test_the_best_frame_of_a_stretch_is_the_surest_one_of_its_label() -> None:
    frames = seen("a" * 10)
    frames[4] = Seen(0.4, "b", 0.99, True)
    frames[7] = Seen(0.7, "a", 0.8, True)
    (stretch,) = find_stretches(frames)
    assert (stretch.label, stretch.best.seconds, stretch.best.strength) == ("a", 0.7, 0.8)


@pytest.mark.parametrize(
    ("seconds", "tenths", "text"),
    [(0.0, False, "0:00"), (62.4, False, "1:02"), (62.46, True, "1:02.5"), (59.96, True, "1:00.0")],
)
def test_times_are_written_as_players_do(seconds: float, tenths: bool, text: str) -> None:
    assert clock(seconds, tenths) == text


def test_a_film_becomes_a_timeline_with_a_picture_for_each_stretch(
    make_explanation: Callable[..., Explanation],
) -> None:
    sink = TimelineSink()
    answers = [
        make_explanation(),
        make_explanation(probabilities=(0.12, 0.1, 0.05)),
        make_explanation(labels=("<b>", "teapot", "vase"), probabilities=(0.6, 0.1, 0.05)),
    ]
    for number in range(60):
        level = 40 + 80 * (number // 20)
        frame = Frame(np.full((48, 64, 3), level, np.uint8), number, number / 10)
        sink.write(frame, None, answers[number // 20])
    sink.close()
    assert not sink.needs_rendered
    assert [each.label for each in sink.stretches] == ["mug", NOTHING_SURE, "<b>"]
    levels = [int(decoded(sink.thumbnail(each)).mean()) for each in sink.stretches]
    assert levels == pytest.approx([40, 120, 200], abs=4)
    text = timeline(sink)
    assert re.findall(r'data-seconds="([\d.]+)"', text) == ["0.000", "2.000", "4.000"]
    assert "<b>" not in text
    assert text.count("at best") == 2, "nothing is said of what is not sure"
    assert sink.description == "60 frames seen"
    assert timeline(TimelineSink()) == ""
