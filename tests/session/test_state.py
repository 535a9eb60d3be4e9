"""The state: what tells the meanings of maps apart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.session.doubles import START, with_settings


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "layer3"},
        {"method": "layercam"},
        {"randomized": True},
        {"view": "full"},
        {"mirror": True},
        {"mode": "contrast"},
    ],
)
def test_maps_of_another_meaning_are_of_another_context(changes: dict[str, Any]) -> None:
    assert with_settings(START, **changes).settings.context != START.settings.context


@pytest.mark.parametrize("changes", [{"mode": "mosaic"}, {"held": 3}, {"truth": True}])
def test_maps_of_the_same_meaning_are_of_the_same_context(changes: dict[str, Any]) -> None:
    assert with_settings(START, **changes).settings.context == START.settings.context


def test_random_weights_are_always_measured() -> None:
    assert not START.settings.measured
    assert with_settings(START, truth=True).settings.measured
    assert with_settings(START, randomized=True).settings.measured
