"""The controller: messages and pointers that expire, and requests while explainers are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods import METHOD_FACTS
from live_gradcam.pool import pool_beside
from live_gradcam.session.controller import MESSAGE_SECONDS, POINTER_SECONDS, Controller
from live_gradcam.session.explainers import RequestedExplainers
from live_gradcam.session.state import SessionState, Situation
from tests.session.doubles import START, make_request, with_settings

HERE = Situation(layers=lambda: ("c", "d"), methods=METHOD_FACTS)


class Bench:
    """A controller with its time and what it asks for."""

    def __init__(self, requested: RequestedExplainers) -> None:
        self.seconds = 0.0
        self.states: list[SessionState] = []
        self.requested = requested
        self.controller = Controller(
            with_settings(START, layer="d"),
            requested,
            on_state=self.states.append,
            clock=lambda: self.seconds,
        )


@pytest.fixture
def bench(explainer: Explainer) -> Iterator[Bench]:
    with pool_beside(explainer) as pool:
        yield Bench(RequestedExplainers(pool))


def test_messages_and_pointers_expire(bench: Bench) -> None:
    controller = bench.controller
    controller.show_message("saved")
    controller.move_pointer(3, 4)
    assert not controller.expire()
    bench.seconds = MESSAGE_SECONDS + 0.1
    assert controller.expire()
    assert (controller.state.message, controller.pointer) == ("", (3, 4))
    bench.seconds = POINTER_SECONDS + 0.1
    assert controller.expire()
    assert controller.pointer is None
    assert not controller.expire()


def test_a_recording_that_did_not_begin_is_corrected_in_the_state(bench: Bench) -> None:
    bench.controller.press("r", HERE)
    assert bench.controller.state.recording
    bench.controller.show_message("it is full", recording=False)
    assert not bench.controller.state.recording
    assert bench.states == []
    bench.controller.publish_state()
    assert bench.states == [bench.controller.state]


@pytest.mark.parametrize(
    ("key", "own"), [("j", lambda s: s.key.layer == "c"), ("x", lambda s: s.key.randomized)]
)
def test_the_explainer_stays_while_another_one_is_being_made(
    bench: Bench,
    explainer: Explainer,
    key: str,
    own: Callable[[object], bool],
) -> None:
    controller = bench.controller
    controller.press(key, HERE)
    controller.press("m", HERE)
    request = make_request(explainer)
    assert controller.is_pending(request)
    meanwhile = controller.next_request(request)
    assert meanwhile.explainer is explainer
    assert meanwhile.settings.key == request.settings.key
    assert meanwhile.settings.mirror
    bench.requested.make_wanted()
    request = controller.next_request(meanwhile)
    assert not controller.is_pending(request)
    assert request.explainer is not explainer
    assert own(request.settings)
    assert request.settings.mirror


def test_what_cannot_be_explained_is_said_and_taken_back(
    bench: Bench, explainer: Explainer
) -> None:
    controller = bench.controller
    controller.press("l", replace(HERE, layers=lambda: ("d", "absent")))
    request = make_request(explainer)
    assert controller.next_request(request).settings.key == request.settings.key
    bench.requested.make_wanted()
    assert controller.next_request(request) is request
    assert "that cannot be explained: unknown layer" in controller.state.message
    assert not controller.is_pending(request)
    assert controller.next_request(request).settings == controller.state.settings


TEACHING = replace(HERE, taught_classes=("mug", "cup"), taken_names=("mug", "cup"))


def test_a_key_is_held_while_the_toolkit_repeats_it(bench: Bench) -> None:
    controller = bench.controller
    controller.press("y", TEACHING)
    controller.press("1", TEACHING)
    # A tap holds for longer than it takes until the first repeat.
    bench.seconds = 0.7
    assert not controller.expire()
    controller.press("1", TEACHING)
    for _ in range(40):
        bench.seconds += 0.1
        assert not controller.expire()
        controller.press("1", TEACHING)
    assert controller.state.teaching.held == 1
    assert controller.state.teaching.presses == 1
    bench.seconds += 0.35
    assert controller.expire()
    assert controller.state.teaching.held is None
    controller.press("1", TEACHING)
    controller.press("2", TEACHING)
    assert (controller.state.teaching.held, controller.state.teaching.presses) == (2, 3)
    # The first key's time says nothing about the second's.
    bench.seconds += 0.5
    assert not controller.expire()
    bench.seconds += 0.3
    assert controller.expire()


def test_a_tap_that_is_repeated_early_is_held_no_shorter(bench: Bench) -> None:
    controller = bench.controller
    controller.press("y", TEACHING)
    controller.press("1", TEACHING)
    controller.press("1", TEACHING)
    bench.seconds = 0.6
    assert not controller.expire()


def test_a_held_class_keeps_its_name_when_another_head_answers(bench: Bench) -> None:
    controller = bench.controller
    controller.begin_anew(with_settings(controller.state, held=1, kept=0))
    controller.use_head(3, ("mug", "cup", "pen"), ("anything else", "mug", "cup"))
    settings = controller.state.settings
    assert (settings.key.head, settings.held, settings.kept) == (3, 2, 1)
    controller.use_head(4, ("anything else", "mug", "cup"), ("pen", "mug"))
    settings = controller.state.settings
    assert (settings.held, settings.kept) == (None, 1)
    controller.begin_anew(with_settings(controller.state, held=487))
    controller.use_head(5, ("pen", "mug"), ("pen", "mug"))
    assert controller.state.settings.held is None


def test_a_head_that_is_being_made_is_not_asked_for_its_classes_yet(
    bench: Bench, explainer: Explainer
) -> None:
    controller = bench.controller
    request = make_request(explainer, held=2)
    controller.use_head(0, (), ())
    controller.begin_anew(with_settings(controller.state, held=900, layer="c", head=0))
    controller.use_head(1, (), ())
    controller.begin_anew(with_settings(controller.state, held=900))
    asked = controller.next_request(request)
    assert asked.explainer is explainer
    assert (asked.settings.key, asked.settings.held) == (request.settings.key, 2)
