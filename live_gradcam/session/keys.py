"""The table of keys, from which window, help overlay, README and tests are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from live_gradcam.choices import (
    COLORMAP_NAMES,
    HUD_LAYOUTS,
    LAYOUTS,
    HudLayout,
    Layout,
    View,
)
from live_gradcam.session.key_binding import Change, KeyBinding, KeyGroup
from live_gradcam.session.state import MOSAIC_TILES, Mode, SessionState, Situation
from live_gradcam.session.teaching_keys import OPENING_KEYS, TEACHING_KEYS, type_name
from live_gradcam.show.options import HelpGroup
from live_gradcam.wording import percent

_T = TypeVar("_T")

OPACITY_STEP = 0.1
"""Change of the opacity with one key press."""

_GROUP_TITLES: dict[KeyGroup, str] = {
    "question": "What is explained",
    "network": "Test the network",
    "teaching": "Teach it",
    "look": "What it looks like",
    "time": "Frames and pictures",
    "session": "This session",
}
_WHILE_TEACHING = "While you teach"
WHOLE = "all of the picture"
"""What is said when no part is explained alone any more."""
_MOUSE = HelpGroup(
    "Mouse",
    (
        ("point", "what this spot says about every label"),
        ("drag", "explain this part alone"),
        ("right click", "the whole picture again"),
    ),
)


_VIEW_WORDS: dict[View, str] = {
    "crop": "view: crop, the middle",
    "stretch": "view: stretch, all of it squeezed",
    "full": "view: full, all of it as it is",
}
_LAYOUT_WORDS: dict[Layout, str] = {
    "heatmap": "heat on the picture",
    "side-by-side": "side by side",
    "plain": "the plain picture",
}
_HUD_LAYOUT_WORDS: dict[HudLayout, str] = {
    "normal": "normal: labels, legend, rate",
    "stage": "stage: large, for an audience",
    "expert": "expert: all figures",
}


def _quit(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, quit=True)


def _flip(name: str) -> Change:
    """A key that turns one field of the state on and off."""

    def change(state: SessionState, _situation: Situation, _key: str) -> SessionState:
        flipped: dict[str, Any] = {name: not getattr(state, name)}
        return replace(state, **flipped)

    return change


def _freeze(state: SessionState, situation: Situation, key: str) -> SessionState:
    frozen = not state.settings.frozen
    if situation.slideshow:
        words = "the slide show waits" if frozen else "the slide show goes on"
        return _changed(state, words, frozen=frozen)
    if situation.by_hand:
        return _advance(state, situation, key)
    return _changed(state, "frozen" if frozen else "running", frozen=frozen)


def _step(state: SessionState, situation: Situation, key: str) -> SessionState:
    if situation.by_hand:
        return _advance(state, situation, key)
    return _changed(state, "one frame on", frozen=True, steps=state.settings.steps + 1)


def _snapshot(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, snapshots=state.snapshots + 1)


def _hold(state: SessionState, situation: Situation, key: str) -> SessionState:
    rank = int(key)
    if rank > len(situation.predictions):
        count = len(situation.predictions)
        return replace(state, message=f"only {count} labels (see --top-k)")
    chosen = situation.predictions[rank - 1]
    if situation.mapped is not None and chosen.class_index not in situation.mapped:
        return replace(state, message=f"this file has no map of {chosen.label}")
    return _changed(state, f"holding {chosen.label}", held=chosen.class_index)


def _follow(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return _changed(state, "following the top class", held=None, kept=None)


def _mode(mode: Mode, message: str) -> Change:
    def change(state: SessionState, situation: Situation, _key: str) -> SessionState:
        settings = state.settings
        if settings.mode == mode:
            return _changed(state, "one map", mode="single")
        if len(situation.predictions) < 2:
            return replace(state, message="that needs two labels (see --top-k)")
        method = situation.method(settings.key.method)
        if mode == "contrast" and settings.fused:
            return replace(state, message="fused maps cannot be subtracted (j, l: one layer)")
        if mode == "contrast" and not method.contrasts:
            words = f"maps of {method.title} cannot be subtracted (k: others)"
            return replace(state, message=words)
        return _changed(state, message, mode=mode)

    return change


def _signed(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    signed = not state.overlay.signed
    message = "warm: for, cool: against" if signed else "evidence for"
    return replace(state, overlay=replace(state.overlay, signed=signed), message=message)


def _layer(step: int) -> Change:
    def change(state: SessionState, situation: Situation, _key: str) -> SessionState:
        if situation.fixed:
            return replace(state, message=situation.fixed)
        names, key = situation.layers(), state.settings.key
        if len(names) < 2 or key.layer not in names:
            return replace(state, message="this network has no other layer to explain")
        number = names.index(key.layer) + step
        if not 0 <= number < len(names):
            which = "first" if step < 0 else "last"
            return replace(state, message=f"{key.layer} is the {which} layer")
        words = f"{names[number]}: layer {number + 1} of {len(names)}"
        return _changed(state, words, key=key._replace(layer=names[number]))

    return change


def _method(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if situation.fixed:
        return replace(state, message=situation.fixed)
    mode, key = state.settings.mode, state.settings.key
    quick = tuple(each for each in situation.methods if each.quick)
    current = situation.method(key.method)
    # A slow one is what the session began with.
    following = _after(quick, current) if current.quick else quick[0]
    message = f"method: {following.title}"
    if following == quick[0]:
        slow = [each.name for each in situation.methods if not each.quick]
        message += f" (slow, so only by --method: {', '.join(slow)})" if slow else ""
    if mode == "contrast" and not following.contrasts:
        mode, message = "single", f"{message}, one map"
    return _changed(state, message, key=key._replace(method=following.name), mode=mode)


def _view(state: SessionState, situation: Situation, _key: str) -> SessionState:
    following = _after(situation.views, state.settings.view)
    return _changed(state, _VIEW_WORDS[following], view=following)


def _layout(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    following = _after(LAYOUTS, state.overlay.layout)
    overlay = replace(state.overlay, layout=following)
    changed = _changed(state, _LAYOUT_WORDS[following], mode="single")
    return replace(changed, overlay=overlay)


def _hud_layout(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    following = _after(HUD_LAYOUTS, state.overlay.hud_layout)
    overlay = replace(state.overlay, hud_layout=following)
    return replace(state, overlay=overlay, message=_HUD_LAYOUT_WORDS[following])


def _colormap(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    following = _after(COLORMAP_NAMES, state.overlay.colormap)
    overlay = replace(state.overlay, colormap=following)
    words = " (e: has its own)" if overlay.signed else ""
    return replace(state, overlay=overlay, message=f"colours: {following}{words}")


def _opacity(step: float) -> Change:
    def change(state: SessionState, _situation: Situation, _key: str) -> SessionState:
        opacity = min(1.0, max(0.0, round(state.overlay.opacity + step, 2)))
        overlay = replace(state.overlay, opacity=opacity)
        return replace(state, overlay=overlay, message=f"opacity {percent(opacity)}")

    return change


def _mirror(state: SessionState, situation: Situation, _key: str) -> SessionState:
    mirror, rois = not state.settings.mirror, state.settings.rois
    if situation.frame is not None:  # the parts go with what they show
        rois = tuple(roi.mirrored(*situation.frame) for roi in rois)
    return _changed(state, "mirrored" if mirror else "not mirrored", mirror=mirror, rois=rois)


def _whole(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    if not state.settings.rois:
        return replace(state, message="all of the picture is explained (drag: a part of it)")
    return _changed(state, WHOLE, rois=())


def _advance(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if situation.advance is None:
        return replace(state, message="there is no next camera")
    message = "opening the next camera" if situation.advance == "camera" else ""
    return _changed(state, message, advances=state.settings.advances + 1)


def _return(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if not situation.by_hand:
        return replace(state, message="only pictures have a previous one")
    return replace(state, returns=state.returns + 1)


def _jump(end: Literal["first", "last"]) -> Change:
    def change(state: SessionState, situation: Situation, _key: str) -> SessionState:
        if not situation.by_hand:
            return replace(state, message=f"only pictures have a {end} one")
        return replace(state, jumps=state.jumps + 1, jump_end=end)

    return change


def _truth(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    truth = not state.settings.truth
    return _changed(state, "" if truth else "truth meter off", truth=truth)


def _randomize(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if situation.fixed:
        return replace(state, message=situation.fixed)
    key = state.settings.key._replace(randomized=not state.settings.key.randomized)
    if not key.randomized:
        return _changed(state, "the trained weights are back", key=key, kept=None)
    # The same class goes on to be explained: the question stays, the network is another.
    return _changed(state, "", key=key, kept=situation.explained)


def _changed(state: SessionState, message: str, **settings: Any) -> SessionState:  # noqa: ANN401
    """The state with other settings, and what the key did in words."""
    return replace(state, settings=replace(state.settings, **settings), message=message)


def _key(
    key: str, help: str, change: Change, group: KeyGroup, *, expert: bool = False
) -> KeyBinding:
    return KeyBinding((key,), key, help, change, group, expert=expert)


_TILES, _CONTRAST = f"the top {MOSAIC_TILES} maps", "why the first, not the second"

KEYS: tuple[KeyBinding, ...] = (
    KeyBinding(tuple("123456789"), "1-9", "explain that label, hold it", _hold, "question"),
    _key("0", "follow the top label", _follow, "question"),
    _key("a", f"{_TILES} side by side", _mode("mosaic", _TILES), "question"),
    _key("d", _CONTRAST, _mode("contrast", _CONTRAST), "question"),
    _key("e", "evidence for and against", _signed, "question"),
    _key("w", "the whole picture, not a part", _whole, "question"),
    _key("t", "truth meter: which area decides", _truth, "network"),
    _key("x", "scramble the weights, restore", _randomize, "network"),
    _key("j", "previous layer", _layer(-1), "network", expert=True),
    _key("l", "next layer", _layer(+1), "network", expert=True),
    _key("k", "next method", _method, "network", expert=True),
    _key("v", "crop, stretch, full view", _view, "network", expert=True),
    *OPENING_KEYS,
    _key("b", "heat, side by side, plain", _layout, "look"),
    _key("c", "colour map", _colormap, "look"),
    _key("[", "less heat", _opacity(-OPACITY_STEP), "look"),
    _key("]", "more heat", _opacity(+OPACITY_STEP), "look"),
    _key("m", "mirror", _mirror, "look"),
    _key("i", "for me, for an audience, all figures", _hud_layout, "look", expert=True),
    _key("f", "full screen", _flip("fullscreen"), "look", expert=True),
    KeyBinding(("space",), "space", "freeze or wait, go on", _freeze, "time"),
    _key(".", "one frame on", _step, "time"),
    KeyBinding(("n", "right"), "n, right", "next picture, next camera", _advance, "time"),
    KeyBinding(("p", "left"), "p, left", "previous picture", _return, "time"),
    KeyBinding(("home",), "Home", "first picture", _jump("first"), "time"),
    KeyBinding(("end",), "End", "last picture", _jump("last"), "time"),
    _key("s", "snapshot: picture and record", _snapshot, "session", expert=True),
    _key("r", "record on, off", _flip("recording"), "session", expert=True),
    KeyBinding(("h", "?"), "h, ?", "this help", _flip("show_help"), "session"),
    KeyBinding(("q", "esc"), "q, Esc", "quit", _quit, "session", ends=True),
)
"""Every key. The toolkit cannot tell upper from lower case, so there are lower-case keys only."""

QUIT_KEYS = tuple(key for binding in KEYS if binding.ends for key in binding.keys)
"""The keys that end a session, and the time before it."""

_BY_KEY = MappingProxyType({key: binding for binding in KEYS for key in binding.keys})
_WHILE_OPEN = MappingProxyType({key: binding for binding in TEACHING_KEYS for key in binding.keys})


def press(state: SessionState, key: str, situation: Situation) -> SessionState:
    """Return the state after a key; the very same state for keys that mean nothing.

    While a name is typed, every key is a part of it or nothing; while the row of taught classes is
    open, its own keys come before the others.

    Args:
        state: The state before.
        key: Name of a key, as `KeyPressed` gives it.
        situation: What is shown, and what there is to choose from.
    """
    if state.teaching.naming is not None:
        return type_name(state, situation, key)
    binding = (_WHILE_OPEN.get(key) if state.teaching.open else None) or _BY_KEY.get(key)
    if binding is None or not binding.is_for(visitors=not situation.may_quit):
        return state
    changed = binding.change(replace(state, message=""), situation, key)
    return state if changed == state else changed  # a key that is held comes again and again


def help_lines(*, may_quit: bool = True) -> tuple[str, ...]:
    """Make the table for the help overlay: ``keys: meaning``, one line each."""
    shown = (binding for binding in KEYS if binding.is_for(visitors=not may_quit))
    return tuple(f"{binding.shown}: {binding.help}" for binding in shown)


def help_groups(*, may_quit: bool = True, teaching: bool = False) -> tuple[HelpGroup, ...]:
    """Make the table for the help overlay: keys under headings, and what the mouse does.

    Args:
        may_quit: A key may end the session.
        teaching: The row of taught classes is open: its keys stand in place of those that rest.
    """
    own = {key for binding in TEACHING_KEYS for key in binding.keys} if teaching else set()
    groups = [HelpGroup(_WHILE_TEACHING, _rows(TEACHING_KEYS))] if teaching else []
    for group, title in _GROUP_TITLES.items():
        shown = [
            binding
            for binding in KEYS
            if binding.group == group
            and binding.is_for(visitors=not may_quit)
            and not own.issuperset(binding.keys)
        ]
        if shown:
            groups.append(HelpGroup(title, _rows(shown)))
    return (*groups, _MOUSE)


def _rows(bindings: Sequence[KeyBinding]) -> tuple[tuple[str, str], ...]:
    return tuple((binding.shown, binding.help) for binding in bindings)


def keys_markdown(bindings: Sequence[KeyBinding] = KEYS) -> str:
    """Make the table for the README."""
    rows = ["| key | what it does |", "|---|---|"]
    for binding in bindings:
        keys = ", ".join(f"`{key}`" for key in binding.shown.split(", "))
        rows.append(f"| {keys} | {binding.help} |")
    return "\n".join(rows) + "\n"


def _after(choices: tuple[_T, ...], current: _T) -> _T:
    return choices[(choices.index(current) + 1) % len(choices)]
