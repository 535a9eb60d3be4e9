"""The colour scale of moving pictures: steady, honest about weak evidence, repeatable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from live_gradcam.show.heat import normalise, own_scale
from live_gradcam.show.scale import HeatScale
from live_gradcam.values import Evidence, Explanation


def test_the_first_map_sets_the_scale(make_explanation: Callable[..., Explanation]) -> None:
    assert HeatScale().update(make_explanation(evidence=_peak(2.5))) == 2.5


def test_it_follows_upwards_fast_and_downwards_slowly(
    make_explanation: Callable[..., Explanation],
) -> None:
    scale = HeatScale(attack=0.5, decay=0.05)
    scale.update(make_explanation(evidence=_peak(1.0)))
    assert scale.update(make_explanation(evidence=_peak(3.0))) == pytest.approx(2.0)
    assert scale.update(make_explanation(evidence=_peak(3.0))) == pytest.approx(2.5)
    assert scale.update(make_explanation(evidence=_peak(0.5))) == pytest.approx(2.4)


def test_noise_after_a_strong_map_is_not_stretched_to_full_heat(
    make_explanation: Callable[..., Explanation],
) -> None:
    scale = HeatScale()
    scale.update(make_explanation(evidence=_peak(4.0)))
    for _ in range(300):
        value = scale.update(make_explanation(evidence=_peak(0.05)))
    assert value > 5 * 0.05


def test_maps_without_evidence_leave_it_as_it_is(
    make_explanation: Callable[..., Explanation],
) -> None:
    scale = HeatScale()
    assert scale.update(make_explanation(evidence=_peak(0.0))) == 0.0
    scale.update(make_explanation(evidence=_peak(2.0)))
    for _ in range(10):
        assert scale.update(make_explanation(evidence=np.full((1, 7, 7), -9.0, np.float32))) == 2.0


def test_evidence_against_counts_only_if_it_is_drawn(
    make_explanation: Callable[..., Explanation],
) -> None:
    evidence = _peak(1.0)
    evidence[0, 0, 0] = -3.0
    assert HeatScale().update(make_explanation(evidence=evidence)) == 1.0
    assert HeatScale().update(make_explanation(evidence=evidence), signed=True) == 3.0


def test_reset_begins_anew(make_explanation: Callable[..., Explanation]) -> None:
    scale = HeatScale()
    scale.update(make_explanation(evidence=_peak(9.0)))
    scale.reset()
    assert scale.update(make_explanation(evidence=_peak(0.1))) == pytest.approx(0.1)


def test_a_fading_object_flickers_three_times_less_than_with_its_own_maximum(
    make_explanation: Callable[..., Explanation],
) -> None:
    """Little evidence in sensor noise: the case that min-max turns into a light show."""
    generator = np.random.default_rng(0)
    blob = _peak(1.0)[0]
    steady, stretched = [], []
    scale = HeatScale()
    scale.update(make_explanation(evidence=_peak(1.0)))
    for _ in range(60):
        evidence = (0.05 * blob + generator.normal(0, 0.02, (7, 7))).astype(np.float32)
        value = scale.update(make_explanation(evidence=evidence[None]))
        steady.append(normalise(evidence, value))
        stretched.append(normalise(evidence, own_scale(evidence)))
    flicker = [np.abs(np.diff(maps, axis=0)).mean() for maps in (steady, stretched)]
    assert flicker[1] > 3 * flicker[0]


@pytest.mark.parametrize("wrong", [{"attack": 0.0}, {"decay": 1.1}, {"floor": -0.1}, {"forget": 2}])
def test_refuses_rates_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HeatScale(**wrong)


def _peak(value: float) -> Evidence:
    evidence = np.zeros((1, 7, 7), np.float32)
    evidence[0, 3, 3] = value
    return evidence
