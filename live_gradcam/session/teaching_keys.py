"""The keys of teaching: those that open its row of classes, and those of the open row."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from live_gradcam.session.key_binding import KeyBinding
from live_gradcam.session.state import MOST_CLASSES, SessionState, Situation

MOST_LETTERS = 40
"""Length of a class's name that can be typed in the window."""

_FULL = f"{MOST_CLASSES} classes are all there is room for"
_FUNCTION_KEYS = tuple(f"f{number}" for number in range(1, MOST_CLASSES + 1))
_NUMBERS = MappingProxyType(
    {
        **{str(number): number for number in range(MOST_CLASSES + 1)},
        **{key: number for number, key in enumerate(_FUNCTION_KEYS, 1)},
    }
)


def class_number(key: str) -> int | None:
    """Return the number of the class that a key is held for; 0 is anything else."""
    return _NUMBERS.get(key)


def _teaching(state: SessionState, message: str = "", **changes: Any) -> SessionState:  # noqa: ANN401
    """The state with other choices of teaching, and what the key did in words."""
    return replace(state, teaching=replace(state.teaching, **changes), message=message)


def _open(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if state.teaching.open:
        kept = "what you taught stays (o: its own classes)" if situation.taught else ""
        return _teaching(state, kept, open=False, held=None)
    if situation.unteachable:
        return replace(state, message=situation.unteachable)
    return _teaching(state, open=True)


def _own(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if not situation.taught:
        return replace(state, message="nothing has been taught yet (y: teach it)")
    own = not state.teaching.own
    count = situation.own_classes if own else len(situation.taught_classes)
    words = f"its own {count} classes" if own else f"the {count} classes that you taught"
    return _teaching(state, words, own=own)


def _hold(state: SessionState, situation: Situation, key: str) -> SessionState:
    number, teaching = _NUMBERS[key], state.teaching
    known = len(situation.taught_classes)
    if number > known + 1:
        return replace(state, message=f"there is no class {number} yet (+ adds one)")
    if teaching.held == number:
        return state  # the toolkit repeats a key that is held
    added = teaching.added
    if number == known + 1:
        names = (f"class {each}" for each in itertools.count(number))
        added = (*added, next(each for each in names if each not in situation.taken_names))
    return _teaching(state, held=number, presses=teaching.presses + 1, added=added, own=False)


def _add(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if len(situation.taught_classes) >= MOST_CLASSES:
        return replace(state, message=_FULL)
    return _teaching(state, naming="", held=None)


def _undo(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return _teaching(state, undos=state.teaching.undos + 1, held=None)


def type_name(state: SessionState, situation: Situation, key: str) -> SessionState:
    """Return the state after a key that is pressed while a class is named.

    Args:
        state: The state before.
        situation: Knows the classes that there are.
        key: A letter, ``space``, ``backspace``; ``enter`` keeps the name, ``esc`` gives it up. No
            other key means anything, so that a name with a q in it ends no session.
    """
    typed = state.teaching.naming or ""
    if key == "esc":
        return _teaching(state, naming=None)
    if key == "enter":
        name = " ".join(typed.split())
        if not name:
            return _teaching(state, naming=None)
        if name in situation.taken_names:
            return replace(state, message=f"there is a class {name} already")
        return _teaching(state, naming=None, added=(*state.teaching.added, name))
    if key == "backspace":
        return _teaching(state, naming=typed[:-1])
    letter = " " if key == "space" else key
    if len(letter) != 1 or not letter.isprintable():
        return state
    if len(typed) >= MOST_LETTERS:
        return replace(state, message="the name is long enough (Enter keeps it)")
    return _teaching(state, naming=typed + letter)


OPENING_KEYS: tuple[KeyBinding, ...] = (
    KeyBinding(("y",), "y", "teach it new classes, done", _open, "teaching", expert=True),
    KeyBinding(("o",), "o", "its own classes, those you taught", _own, "teaching", expert=True),
)
"""The keys of teaching that hold all the time."""

TEACHING_KEYS: tuple[KeyBinding, ...] = (
    KeyBinding(
        (*tuple("123456789"), *_FUNCTION_KEYS),
        "1-9, F1-F9",
        "hold: what is seen is that class",
        _hold,
        "teaching",
        expert=True,
    ),
    KeyBinding(("0",), "0", "hold: it is none of them", _hold, "teaching", expert=True),
    KeyBinding(
        ("+", "=", "enter"), "+, Enter", "add a class, type its name", _add, "teaching", expert=True
    ),
    KeyBinding(
        ("backspace",), "Backspace", "take back what was shown last", _undo, "teaching", expert=True
    ),
)
"""The keys of the row of classes, which come before the others while it is open."""
