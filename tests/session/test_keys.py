"""The table of keys: each key's effect on the state, once and twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_gradcam.choices import COLORMAP_NAMES
from live_gradcam.explain.methods import METHOD_FACTS, METHODS, QUICK_METHODS
from live_gradcam.images.parts import Roi
from live_gradcam.session import KEYS, help_groups, help_lines, keys_markdown
from live_gradcam.session.keys import press
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.teaching_keys import TEACHING_KEYS
from live_gradcam.values import Prediction, Region
from tests.session.doubles import START, with_settings

LABELS = tuple(
    Prediction(index, label, 1.0 - index, 0.6 / (index + 1))
    for index, label in enumerate(("mug", "teapot", "vase"))
)
ONLY = "only pictures have a {} one"
HERE = Situation(
    predictions=LABELS,
    explained=0,
    layers=lambda: ("layer2", "layer3", "layer4"),
    methods=METHOD_FACTS,
    advance="camera",
)


def after(*keys: str, situation: Situation = HERE, state: SessionState = START) -> SessionState:
    for key in keys:
        state = press(state, key, situation)
    return state


EFFECTS: dict[str, tuple[Callable[[SessionState], object], object, object]] = {
    # key: what is looked at, after one press, after two
    "q": (lambda s: s.quit, True, True),
    "esc": (lambda s: s.quit, True, True),
    "h": (lambda s: s.show_help, True, False),
    "?": (lambda s: s.show_help, True, False),
    "space": (lambda s: s.settings.frozen, True, False),
    ".": (lambda s: (s.settings.frozen, s.settings.steps), (True, 1), (True, 2)),
    "s": (lambda s: s.snapshots, 1, 2),
    "r": (lambda s: s.recording, True, False),
    "1": (lambda s: s.settings.target, 0, 0),
    "2": (lambda s: s.settings.target, 1, 1),
    "3": (lambda s: s.settings.target, 2, 2),
    **{str(n): (lambda s: s.settings.target, None, None) for n in (4, 5, 6, 7, 8, 9, 0)},
    "a": (lambda s: s.settings.mode, "mosaic", "single"),
    "d": (lambda s: s.settings.mode, "contrast", "single"),
    "e": (lambda s: s.overlay.signed, True, False),
    "w": (lambda s: "all of the picture is" in s.message, True, True),
    "j": (lambda s: s.settings.key.layer, "layer3", "layer2"),
    "l": (lambda s: s.settings.key.layer, "layer4", "layer4"),
    "k": (
        lambda s: (s.settings.key.method, s.message),
        ("gradcam++", "method: Grad-CAM++"),
        ("hirescam", "method: HiResCAM"),
    ),
    "v": (lambda s: s.settings.view, "stretch", "full"),
    "b": (lambda s: s.overlay.layout, "side-by-side", "plain"),
    "c": (lambda s: s.overlay.colormap, COLORMAP_NAMES[1], COLORMAP_NAMES[2]),
    "[": (lambda s: s.overlay.opacity, 0.5, 0.4),
    "]": (lambda s: s.overlay.opacity, 0.7, 0.8),
    "m": (lambda s: s.settings.mirror, True, False),
    "f": (lambda s: s.fullscreen, True, False),
    "i": (lambda s: s.overlay.hud_layout, "stage", "expert"),
    "n": (lambda s: s.settings.advances, 1, 2),
    "right": (lambda s: s.settings.advances, 1, 2),
    "p": (lambda s: s.message, ONLY.format("previous"), ONLY.format("previous")),
    "left": (lambda s: s.message, ONLY.format("previous"), ONLY.format("previous")),
    "home": (lambda s: s.message, ONLY.format("first"), ONLY.format("first")),
    "end": (lambda s: s.message, ONLY.format("last"), ONLY.format("last")),
    "t": (lambda s: s.settings.truth, True, False),
    "y": (lambda s: s.teaching.open, True, False),
    "o": (lambda s: "nothing has been taught" in s.message, True, True),
    "x": (lambda s: (s.settings.key.randomized, s.settings.target), (True, 0), (False, None)),
}


def test_every_key_of_the_table_has_its_effect_here_and_stands_there_once() -> None:
    keys = [key for binding in KEYS for key in binding.keys]
    assert len(keys) == len(set(keys))
    assert set(keys) == set(EFFECTS)


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_does_what_it_says(key: str) -> None:
    look, once, twice = EFFECTS[key]
    assert look(after(key)) == once
    assert look(after(key, key)) == twice


def test_the_key_for_methods_goes_round_the_quick_ones_and_names_the_slow_ones() -> None:
    state = after(*["k"] * len(QUICK_METHODS))
    assert state.settings.key.method == "gradcam"
    assert "scorecam" in state.message
    assert "ablationcam" in state.message
    slow = with_settings(START, method="scorecam")
    assert after("k", state=slow).settings.key.method == "gradcam"


def test_maps_are_subtracted_only_where_that_is_right() -> None:
    for method in METHODS.values():
        state = after("d", state=with_settings(START, method=method.name))
        assert (state.settings.mode == "contrast") == method.contrasts
        if not method.contrasts:
            assert method.title in state.message
            assert "subtracted" in state.message
    fused = after("d", state=with_settings(START, layer="layer3,layer4"))
    assert (fused.settings.mode, "fused" in fused.message) == ("single", True)
    # A method that allows none ends the contrast that is on the screen.
    contrast = after("k", state=with_settings(START, mode="contrast")).settings
    assert (contrast.key.method, contrast.mode) == ("gradcam++", "single")
    allowed = with_settings(START, method="gradcam++", mode="contrast")
    assert after("k", state=allowed).settings.mode == "contrast"


@pytest.mark.parametrize("key", ["tab", "z", "f1", "+", "up", "ä", "", "f13", "Q"])
def test_unknown_keys_are_ignored(key: str) -> None:
    assert press(START, key, HERE) is START


@given(st.lists(st.sampled_from(sorted(EFFECTS)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_keys_makes_a_state_that_cannot_be(keys: list[str]) -> None:
    state = after(*keys)
    assert 0.0 <= state.overlay.opacity <= 1.0
    assert state.settings.key.layer in HERE.layers()
    assert state.settings.mode in ("single", "mosaic", "contrast")


def test_holding_goes_on_until_the_top_one_is_followed_again() -> None:
    assert after("2", "c", "e", "m").settings.target == 1
    assert after("2", "0").settings.target is None


def test_random_weights_keep_the_question_and_restoring_asks_the_old_one_again() -> None:
    assert after("x").settings.target == 0
    assert after("2", "x").settings.target == 1
    assert after("2", "x", "x").settings.target == 1


def test_a_kiosk_has_no_key_that_ends_it() -> None:
    kiosk = replace(HERE, may_quit=False)
    for key in EFFECTS:
        assert not after(key, situation=kiosk).quit
    assert "quit" not in " ".join(help_lines(may_quit=False))


@pytest.mark.parametrize("key", sorted("jlkvifsryo"))
def test_visitors_of_a_kiosk_have_no_keys_for_developers(key: str) -> None:
    kiosk = replace(HERE, may_quit=False)
    assert after(key, situation=kiosk) == START
    assert after(key) != START
    shown = {keys for group in help_groups(may_quit=False) for keys, _ in group.rows}
    assert key not in shown
    assert {"1-9", "t", "x", "space"} <= shown


def test_the_help_is_grouped_and_says_what_the_mouse_does() -> None:
    groups = help_groups()
    rows = [keys for group in groups for keys, _ in group.rows]
    mouse = ["point", "drag", "right click"]
    assert sorted(rows) == sorted([binding.shown for binding in KEYS] + mouse)
    assert groups[-1].title == "Mouse"
    assert all(group.title and group.rows for group in (*groups, *help_groups(may_quit=False)))


def test_the_whole_picture_comes_back_and_a_part_goes_with_what_it_shows_when_mirrored() -> None:
    part = with_settings(START, rois=(Roi(10, 20, 30, 40),))
    whole = after("w", state=part)
    assert (whole.settings.rois, whole.message) == ((), "all of the picture")
    here = replace(HERE, frame=(100, 80))
    (mirrored,) = after("m", state=part, situation=here).settings.rois
    assert mirrored.on(100, 80) == Region(60, 20, 30, 40)
    (back,) = after("m", "m", state=part, situation=here).settings.rois
    assert back.on(100, 80) == Region(10, 20, 30, 40)


def test_contrast_and_mosaic_say_why_they_cannot_be_shown() -> None:
    alone = replace(HERE, predictions=LABELS[:1])
    for key in "ad":
        state = after(key, situation=alone)
        assert state.settings.mode == "single"
        assert "two labels" in state.message


def test_pictures_are_turned_back_and_to_their_ends() -> None:
    images = replace(HERE, by_hand=True, advance="picture")
    for key in ("p", "left"):
        assert after(key, key, situation=images).returns == 2
    for key, end in (("home", "first"), ("end", "last")):
        state = after(key, situation=images)
        assert (state.jumps, state.jump_end) == (1, end)


def test_in_a_slide_show_space_waits_and_the_other_keys_turn() -> None:
    show = replace(HERE, by_hand=True, advance="picture", slideshow=True)
    waiting = after("space", situation=show)
    assert (waiting.settings.frozen, waiting.settings.advances) == (True, 0)
    assert "waits" in waiting.message
    again = after("space", situation=show, state=waiting)
    assert (again.settings.frozen, "goes on" in again.message) == (False, True)
    assert after("n", situation=show, state=waiting).settings.advances == 1


def test_for_images_space_step_and_n_show_the_next_one() -> None:
    images = replace(HERE, by_hand=True, advance="picture")
    for key in ("space", ".", "n", "right"):
        assert after(key, situation=images).settings.advances == 1
        assert not after(key, situation=images).settings.frozen


def test_without_another_camera_the_key_says_so() -> None:
    assert "no next camera" in after("n", situation=replace(HERE, advance=None)).message


def test_the_help_and_the_readme_are_made_from_the_table() -> None:
    assert len(help_lines()) == len(KEYS)
    for binding, line in zip(KEYS, help_lines(), strict=True):
        assert line == f"{binding.shown}: {binding.help}"
        assert f"| {binding.help} |" in keys_markdown()
    for binding in TEACHING_KEYS:
        assert f"| {binding.help} |" in keys_markdown(TEACHING_KEYS)
