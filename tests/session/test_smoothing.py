"""Smoothing: labels that do not flicker, maps without shimmer, news without delay."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.session.smoothing import LARGEST_BAND, TAPS, SteadyLabels, SteadyMaps
from live_gradcam.values import Evidence, Prediction


def predict(**probabilities: float) -> list[Prediction]:
    names = ["a", "b", "c"]
    found = [Prediction(names.index(n), n, p, p) for n, p in probabilities.items()]
    return sorted(found, key=lambda each: -each.strength)


def tops(steady: SteadyLabels, frames: list[list[Prediction]]) -> list[str]:
    return [steady.update(each)[0].label for each in frames]


def test_labels_that_take_turns_by_a_little_do_not_flicker() -> None:
    frames = [predict(a=0.52, b=0.48), predict(a=0.47, b=0.53)] * 50
    assert set(tops(SteadyLabels(), frames)) == {"a"}


def test_a_clear_winner_is_the_top_label_one_frame_later_at_most() -> None:
    frames = [predict(a=0.95, b=0.05)] * 20 + [predict(a=0.05, b=0.95)] * 3
    assert tops(SteadyLabels(), frames)[20:] in (["b", "b", "b"], ["a", "b", "b"])


def test_a_small_but_lasting_lead_counts_in_the_end() -> None:
    frames = [predict(a=0.55, b=0.45)] * 5 + [predict(a=0.45, b=0.55)] * 20
    found = tops(SteadyLabels(), frames)
    assert found[:8] == ["a"] * 8
    assert found[-1] == "b"


@given(st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 3), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_steady_labels_change_the_order_and_nothing_else(
    rows: list[tuple[float, float, float]],
) -> None:
    steady = SteadyLabels()
    for a, b, c in rows:
        given_ = predict(a=a, b=b, c=c)
        assert sorted(steady.update(given_), key=lambda each: each.label) == sorted(
            given_, key=lambda each: each.label
        )


def test_a_label_that_leaves_the_list_is_no_longer_the_top_one() -> None:
    steady = SteadyLabels()
    steady.update(predict(a=0.9, b=0.1))
    assert steady.update(predict(b=0.6, c=0.4))[0].label == "b"


def test_a_held_list_keeps_its_rows_and_is_sorted_again_when_it_is_let_go() -> None:
    steady = SteadyLabels()
    steady.update(predict(a=0.6, b=0.3, c=0.1))
    for _ in range(30):
        rows = steady.update(predict(a=0.05, b=0.15, c=0.8), held=True)
        assert [each.label for each in rows] == ["a", "b", "c"]
        assert [each.strength for each in rows] == [0.05, 0.15, 0.8]  # of this frame, as ever
    assert [each.label for each in steady.update(predict(a=0.05, b=0.15, c=0.8))] == [*"cba"]


def test_of_a_held_list_what_leaves_is_gone_and_what_comes_stands_below() -> None:
    steady = SteadyLabels()
    steady.update(predict(a=0.6, b=0.4), held=True)
    assert [each.label for each in steady.update(predict(c=0.9, b=0.1), held=True)] == ["b", "c"]


def blob(x: float, noise: np.random.Generator | None = None) -> Evidence:
    rows, columns = np.mgrid[0:7, 0:7].astype(np.float32)
    heat = np.exp(-((columns - x) ** 2 + (rows - 3) ** 2) / 3.0)
    if noise is not None:
        heat = heat + noise.normal(0.0, 0.05, heat.shape)
    return np.asarray(heat[None], np.float32)


@pytest.mark.parametrize("speed", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_moving_blob_is_shown_one_frame_late_and_no_more(speed: float, noisy: bool) -> None:
    noise = np.random.default_rng(0) if noisy else None
    steady = SteadyMaps()
    true = [blob(1.0 + speed * n) for n in range(14)]
    shown = [steady.update((0,), blob(1.0 + speed * n, noise)) for n in range(14)]
    for now, before in zip(shown[4:], true[3:], strict=False):
        # What the eye could see: a thirtieth of full heat, and what is left of the noise.
        assert np.abs(now - before).max() < LARGEST_BAND + 0.02 + (0.15 if noisy else 0.0)
    assert abs(middle(shown[-1]) - middle(true[-2])) < (0.3 if noisy else 0.08)


def middle(heat: Evidence) -> float:
    hot = np.maximum(heat[0] - 0.3, 0)
    return float((hot * np.arange(7)).sum() / hot.sum())


def test_smoothing_takes_the_shimmer_away() -> None:
    noise = np.random.default_rng(0)
    raw = [blob(3.0, noise) for _ in range(200)]
    steady = SteadyMaps()
    shown = [steady.update((0,), each) for each in raw]

    def shimmer(maps: list[Evidence]) -> float:
        return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(maps)]))

    assert shimmer(shown[3:]) < 0.25 * shimmer(raw[3:])
    assert np.abs(shown[-1] - blob(3.0)).max() < 0.15
    assert sum(TAPS) == pytest.approx(1.0)


def test_a_cut_is_shown_at_once() -> None:
    steady = SteadyMaps()
    for _ in range(5):
        steady.update((0,), blob(0.0))
    assert np.allclose(steady.update((0,), blob(6.0)), blob(6.0))


def test_maps_of_another_class_or_meaning_are_never_mixed() -> None:
    steady = SteadyMaps()
    steady.update((0,), blob(3.0), "layer4")
    assert np.allclose(steady.update((1,), blob(3.2), "layer4"), blob(3.2))
    assert np.allclose(steady.update((1,), blob(3.4), "layer3"), blob(3.4))
    fine = np.ones((1, 14, 14), np.float32)
    assert np.allclose(steady.update((1,), fine, "layer3"), fine)
