"""The keys of teaching: what they do while the row is open, and while a name is typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from live_gradcam.explain.methods import METHOD_FACTS
from live_gradcam.session import KEYS
from live_gradcam.session.keys import help_groups, press
from live_gradcam.session.state import SessionState, Situation
from live_gradcam.session.teaching_keys import MOST_LETTERS, TEACHING_KEYS, class_number
from tests.session.doubles import START

HERE = Situation(methods=METHOD_FACTS, own_classes=1000)
TWO = replace(HERE, taught_classes=("mug", "cup"), taken_names=("mug", "cup", "anything else"))
NINE = tuple(f"thing {n}" for n in range(1, 10))
FULL = replace(HERE, taught_classes=NINE, taken_names=(*NINE, "anything else"))


def after(*keys: str, situation: Situation = TWO, state: SessionState = START) -> SessionState:
    for key in keys:
        state = press(state, key, situation)
    return state


def typed(text: str, situation: Situation = TWO) -> SessionState:
    keys = ("space" if letter == " " else letter for letter in text)
    return after("y", "+", *keys, situation=situation)


@pytest.mark.parametrize(("key", "number"), [("1", 1), ("2", 2), ("f1", 1), ("f2", 2), ("0", 0)])
def test_a_class_is_shown_while_its_key_is_held(key: str, number: int) -> None:
    state = after("y", key)
    assert (state.teaching.held, state.teaching.presses) == (number, 1)
    assert class_number(key) == number
    # The toolkit repeats a key that is held: that is no other burst.
    assert after(key, key, state=state) is state
    other = after("2" if number != 2 else "1", state=state)
    assert other.teaching.presses == 2
    assert state.settings.held is None


def test_digits_hold_labels_again_once_the_row_is_closed() -> None:
    state = after("y", "1", "y", "1")
    assert state.teaching.held is None
    assert not state.teaching.open
    assert "only 0 labels" in state.message


def test_the_next_class_is_made_by_its_key_and_those_beyond_are_not() -> None:
    state = after("y", "3")
    assert state.teaching.added == ("class 3",)
    assert state.teaching.held == 3
    taken = replace(TWO, taken_names=(*TWO.taken_names, "class 3"))
    assert after("y", "3", situation=taken).teaching.added == ("class 4",)
    beyond = after("y", "4")
    assert beyond.teaching.held is None
    assert "there is no class 4 yet" in beyond.message


def test_a_name_may_have_any_letter_and_no_key_of_it_does_anything_else() -> None:
    state = typed("q x.h esc\u8336")
    assert state.teaching.naming == "q x.h esc\u8336"
    assert replace(state, teaching=START.teaching) == START
    assert not state.quit
    kept = after("enter", state=state)
    assert kept.teaching.added == ("q x.h esc\u8336",)
    assert kept.teaching.naming is None
    assert kept.teaching.open


def test_a_name_is_mended_given_up_and_kept() -> None:
    assert after("backspace", state=typed("mugs")).teaching.naming == "mug"
    assert after("backspace", state=typed("")).teaching.naming == ""
    given_up = after("esc", state=typed("pen"))
    assert (given_up.teaching.naming, given_up.teaching.added, given_up.quit) == (None, (), False)
    assert after("enter", state=typed("  ")).teaching.added == ()
    assert after("enter", state=typed(" red  mug ")).teaching.added == ("red mug",)
    for key in ("f1", "left", "tab", "home", "\n"):
        assert after(key, state=typed("pen")).teaching.naming == "pen"


@pytest.mark.parametrize("name", ["mug", "anything else"])
def test_a_name_that_is_taken_is_not_taken_twice(name: str) -> None:
    state = after("enter", state=typed(name))
    assert state.teaching.naming == name
    assert state.teaching.added == ()
    assert "already" in state.message


def test_a_name_is_no_longer_than_a_cell_can_be_read() -> None:
    state = typed("a" * (MOST_LETTERS + 3))
    assert state.teaching.naming == "a" * MOST_LETTERS
    assert "long enough" in state.message


def test_there_is_room_for_nine() -> None:
    assert "9 classes" in after("y", "+", situation=FULL).message
    assert after("y", "+", situation=FULL).teaching.naming is None
    assert after("y", "9", situation=FULL).teaching.held == 9


@pytest.mark.parametrize("key", ["+", "=", "enter"])
def test_a_class_is_added_by_each_of_these(key: str) -> None:
    assert after("y", key).teaching.naming == ""
    assert after(key) is START


def test_backspace_takes_back_only_while_the_row_is_open() -> None:
    assert after("y", "backspace", "backspace").teaching.undos == 2
    assert after("backspace") is START


def test_other_keys_work_while_the_row_is_open() -> None:
    assert after("y", "x").settings.key.randomized
    assert after("y", "h").show_help
    assert after("y", "q").quit


def test_back_and_forth_between_its_own_classes_and_those_that_were_taught() -> None:
    taught = replace(TWO, taught=True)
    own = after("o", situation=taught)
    assert own.teaching.own
    assert own.message == "its own 1000 classes"
    back = after("o", situation=taught, state=own)
    assert not back.teaching.own
    assert back.message == "the 2 classes that you taught"
    # Whoever teaches on wants to see what is learned.
    assert not after("y", "1", situation=taught, state=own).teaching.own
    assert "y: teach it" in after("o").message


def test_what_cannot_be_taught_says_why() -> None:
    fixed = replace(TWO, unteachable="this file cannot be taught")
    state = after("y", situation=fixed)
    assert (state.teaching.open, state.message) == (False, "this file cannot be taught")


def test_a_kiosk_has_no_teaching() -> None:
    assert after("y", "o", "1", situation=replace(TWO, may_quit=False)).teaching == START.teaching


def test_the_help_has_the_keys_of_the_row_while_it_is_open() -> None:
    groups = help_groups(teaching=True)
    assert groups[0].title == "While you teach"
    assert [keys for keys, _ in groups[0].rows] == [binding.shown for binding in TEACHING_KEYS]
    shown = {keys for group in groups for keys, _ in group.rows}
    # Keys that mean something else meanwhile are not listed twice.
    assert not {"1-9"} & shown
    assert {binding.shown for binding in KEYS} - shown == {"1-9", "0"} - shown
