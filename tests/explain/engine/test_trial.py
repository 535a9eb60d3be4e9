"""The fastest engine is found on what has to be computed anyway."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from live_gradcam.explain.engine.trial import TORCH, EngineTrial


def measure(trial: EngineTrial, times: Mapping[str, float]) -> list[str]:
    """Give every turn its time until there is a winner; returns whose turns there were."""
    turns = []
    while trial.winner is None:
        turns.append(trial.next)
        trial.note(trial.next, times[trial.next])
    return turns


def test_what_runs_already_is_first_and_the_slow_get_no_second_turn() -> None:
    trial = EngineTrial(["OpenVINO fp32", "ONNX Runtime fp32", TORCH], rounds=2, in_a_row=3)
    turns = measure(trial, {"OpenVINO fp32": 20.0, "ONNX Runtime fp32": 24.0, TORCH: 90.0})
    first = [TORCH] * 3 + ["OpenVINO fp32"] * 3 + ["ONNX Runtime fp32"] * 3
    assert turns == [*first, *["OpenVINO fp32"] * 3, *["ONNX Runtime fp32"] * 3]
    assert trial.winner == trial.next == "OpenVINO fp32"
    assert trial.table == {"OpenVINO fp32": 20.0, "ONNX Runtime fp32": 24.0, TORCH: 90.0}


@pytest.mark.parametrize("fastest", ["a", "b", TORCH])
def test_the_fastest_wins(fastest: str) -> None:
    trial = EngineTrial(["a", "b", TORCH])
    measure(trial, {name: 10.0 if name == fastest else 13.0 for name in ("a", "b", TORCH)})
    assert trial.winner == fastest


def test_what_is_as_fast_as_another_does_not_take_its_place() -> None:
    trial = EngineTrial(["a", TORCH])
    measure(trial, {"a": 10.2, TORCH: 10.0})
    assert trial.winner == "a"


def test_one_with_nobody_near_it_wins_after_one_turn_each() -> None:
    trial = EngineTrial(["a", TORCH], in_a_row=4)
    assert measure(trial, {"a": 5.0, TORCH: 50.0}) == [TORCH] * 4 + ["a"] * 4


def test_the_first_image_of_a_turn_is_not_timed() -> None:
    trial = EngineTrial(["a", TORCH], rounds=1, in_a_row=3)
    for name, milliseconds in ((TORCH, (900.0, 10.0, 12.0)), ("a", (800.0, 20.0, 22.0))):
        for each in milliseconds:
            trial.note(name, each)
    assert trial.table == {"a": 21.0, TORCH: 11.0}
    assert trial.winner == TORCH


def test_times_of_others_do_not_count() -> None:
    trial = EngineTrial(["a", TORCH], rounds=1, in_a_row=2)
    trial.note("a", 1.0)
    assert trial.next == TORCH
    trial.note(TORCH, 5.0)
    trial.note(TORCH, 5.0)
    assert trial.next == "a"


def test_one_that_failed_is_left_out() -> None:
    trial = EngineTrial(["a", "b", TORCH], rounds=1, in_a_row=2)
    trial.drop("a")
    assert measure(trial, {"b": 5.0, TORCH: 9.0}).count("a") == 0
    assert trial.winner == "b"
    trial.drop("a")  # found by two threads, or left out of a new trial already
    assert trial.winner == "b"
    alone = EngineTrial(["a", TORCH])
    alone.drop("a")
    measure(alone, {TORCH: 1.0})
    assert alone.winner == TORCH
