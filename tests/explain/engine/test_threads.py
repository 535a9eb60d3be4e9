"""The number of threads follows what an image takes, not what a machine is thought to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from live_gradcam.explain.engine.runner import Runner
from live_gradcam.explain.engine.threads import ThreadChooser
from live_gradcam.explain.engine.trial import TORCH
from live_gradcam.explain.explainer import Explainer
from tests.explain import support

SHAPE = (1, 64, 64)


def explain(chooser: ThreadChooser, seconds: Mapping[int, float], images: int = 60) -> list[int]:
    """Explain images that take so long with so many threads; returns the numbers that were used."""
    used = []
    for _ in range(images):
        number = chooser.number
        used.append(number)
        chooser.note("network", seconds[number], number)
    return used


CALM = {4: 1.0, 3: 1.2, 2: 1.7, 1: 3.0}
BUSY = {4: 9.0, 3: 4.0, 2: 3.0, 1: 3.5}


def test_a_calm_machine_is_left_alone() -> None:
    chooser = ThreadChooser(4)
    assert set(explain(chooser, CALM)) == {4}


def test_a_competitor_comes_and_goes() -> None:
    chooser = ThreadChooser(4)
    explain(chooser, CALM)
    busy = explain(chooser, BUSY)
    assert set(busy) == {4, 3, 2, 1}, "each was tried"
    assert chooser.number == 2
    assert busy[-20:] == [2] * 20, "and then it is left alone"
    explain(chooser, CALM)
    assert chooser.number == 4


def test_small_gains_change_nothing_and_are_looked_for_ever_more_rarely() -> None:
    chooser = ThreadChooser(2)
    explain(chooser, {2: 1.0, 1: 2.0})
    trials = 0
    for turn in range(12):  # a machine that is busy and calm by turns
        factor = 3.0 if turn % 2 else 1.0
        trials += 1 in explain(chooser, {2: factor, 1: 0.95 * factor}, images=30)
        assert chooser.number == 2
    assert trials <= 5


def test_times_of_an_engine_that_is_still_getting_ready_do_not_count() -> None:
    chooser = ThreadChooser(2)
    explain(chooser, {2: 1.0, 1: 2.0})
    while chooser.number == 2:
        chooser.note("network", 5.0, 2)
    for _ in range(50):
        chooser.note("network", 5.0, 2)
        assert chooser.number == 1
    explain(chooser, {2: 5.0, 1: 2.0})
    assert chooser.number == 1


def test_another_network_or_size_begins_anew() -> None:
    chooser = ThreadChooser(2)
    explain(chooser, {2: 1.0, 1: 2.0})
    for size in range(40):
        chooser.note(("network", size), 1.0 + size, 2)
    assert chooser.number == 2


def in_a_trial() -> ThreadChooser:
    """One that tries a single thread for torch and images of the tiny network's size."""
    chooser = ThreadChooser(2)
    for _ in range(30):
        chooser.note((TORCH, SHAPE), 1.0, 2)
    while chooser.number == 2:
        chooser.note((TORCH, SHAPE), 5.0, 2)
    return chooser


def more_classes(explainer: Explainer, _: pytest.MonkeyPatch) -> None:
    explainer.explain(support.smooth_image(), classes="all")


def a_child_that_compiles(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "_busy_beside", True)
    explainer.explain(support.smooth_image())


def a_compiled_network(explainer: Explainer, _: pytest.MonkeyPatch) -> None:
    compiled = explainer._runner.compiled
    assert compiled is not None
    compiled.add(SHAPE, explainer._runner.network)
    explainer.explain(support.smooth_image())


@pytest.mark.parametrize("other", [more_classes, a_child_that_compiles, a_compiled_network])
def test_a_trial_ends_where_its_images_do(
    other: Callable[[Explainer, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Explainer(support.tiny_classifier(), device="cpu", engine="torch", top_k=3) as explainer:
        chooser = in_a_trial()
        monkeypatch.setattr(explainer._runner, "_threads", chooser)
        explainer.explain(support.smooth_image())
        assert chooser.number == 1
        other(explainer, monkeypatch)
    assert chooser.number == 2


def test_what_the_user_has_said_stays() -> None:
    chooser = ThreadChooser(4, fixed=True)
    explain(chooser, CALM)
    assert set(explain(chooser, BUSY)) == {4}


def test_one_thread_is_one_thread() -> None:
    chooser = ThreadChooser(1)
    assert set(explain(chooser, {1: 1.0})) == {1}
    assert set(explain(chooser, {1: 9.0})) == {1}
