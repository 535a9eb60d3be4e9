"""The table of keys, from which window, help overlay, README and tests are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from live_gradcam.choices import COLORMAP_NAMES, LAYOUTS, VIEWS, Layout, View
from live_gradcam.explain.methods import METHODS
from live_gradcam.session.state import MOSAIC_TILES, ExplainSettings, Mode, SessionState, Situation
from live_gradcam.wording import percent

_T = TypeVar("_T")

Change: TypeAlias = Callable[[SessionState, Situation, str], SessionState]
"""Makes the new state from the old one, the situation and the key."""

OPACITY_STEP = 0.1
"""Change of the opacity with one key press."""


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """One row of the table.

    Attributes:
        keys: Names of the keys, as `KeyPressed` gives them.
        shown: The keys as people read them.
        help: Description of its effect, in a few words.
        change: Its effect.
        ends: It ends the session; a session that nobody may end has no such key.
    """

    keys: tuple[str, ...]
    shown: str
    help: str
    change: Change
    ends: bool = False


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


def _quit(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, quit=True)


def _help(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, show_help=not state.show_help)


def _freeze(state: SessionState, situation: Situation, key: str) -> SessionState:
    if situation.by_hand:
        return _advance(state, situation, key)
    frozen = not state.settings.frozen
    settings = replace(state.settings, frozen=frozen)
    return _changed(state, settings, "frozen" if frozen else "running")


def _step(state: SessionState, situation: Situation, key: str) -> SessionState:
    if situation.by_hand:
        return _advance(state, situation, key)
    settings = replace(state.settings, frozen=True, steps=state.settings.steps + 1)
    return _changed(state, settings, "one frame on")


def _snapshot(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, snapshots=state.snapshots + 1)


def _record(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, recording=not state.recording)


def _hold(state: SessionState, situation: Situation, key: str) -> SessionState:
    rank = int(key)
    if rank > len(situation.predictions):
        count = len(situation.predictions)
        return replace(state, message=f"only {count} labels (see --top-k)")
    chosen = situation.predictions[rank - 1]
    settings = replace(state.settings, held=chosen.class_index)
    return _changed(state, settings, f"holding {chosen.label}")


def _follow(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    settings = replace(state.settings, held=None, kept=None)
    return _changed(state, settings, "following the top class")


def _mode(mode: Mode, message: str) -> Change:
    def change(state: SessionState, situation: Situation, _key: str) -> SessionState:
        settings = state.settings
        if settings.mode == mode:
            return _changed(state, replace(settings, mode="single"), "one map")
        if len(situation.predictions) < 2:
            return replace(state, message="that needs two labels (see --top-k)")
        method = METHODS[settings.key.method]
        if mode == "contrast" and settings.fused:
            return replace(state, message="fused maps cannot be subtracted (j, l: one layer)")
        if mode == "contrast" and not method.contrasts:
            return replace(
                state, message=f"maps of {method.title} cannot be subtracted (k: others)"
            )
        return _changed(state, replace(settings, mode=mode), message)

    return change


def _signed(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    signed = not state.overlay.signed
    message = "warm: for, cool: against" if signed else "evidence for"
    return replace(state, overlay=replace(state.overlay, signed=signed), message=message)


def _layer(step: int) -> Change:
    def change(state: SessionState, situation: Situation, _key: str) -> SessionState:
        names, key = situation.layers(), state.settings.key
        if len(names) < 2 or key.layer not in names:
            return replace(state, message="this network has no other layer to explain")
        number = names.index(key.layer) + step
        if not 0 <= number < len(names):
            which = "first" if step < 0 else "last"
            return replace(state, message=f"{key.layer} is the {which} layer")
        settings = replace(state.settings, key=key._replace(layer=names[number]))
        return _changed(state, settings, f"{names[number]}: layer {number + 1} of {len(names)}")

    return change


def _method(state: SessionState, situation: Situation, _key: str) -> SessionState:
    mode, key = state.settings.mode, state.settings.key
    if key.method not in situation.methods:  # a slow one, which the session began with
        following = situation.methods[0]
    else:
        following = _after(situation.methods, key.method)
    message = f"method: {METHODS[following].title}"
    if following == situation.methods[0]:
        slow = [name for name in METHODS if name not in situation.methods]
        message += f" (slow, so only by --method: {', '.join(slow)})" if slow else ""
    if mode == "contrast" and not METHODS[following].contrasts:
        mode, message = "single", f"{message}, one map"
    settings = replace(state.settings, key=key._replace(method=following), mode=mode)
    return _changed(state, settings, message)


def _view(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    following = _after(VIEWS, state.settings.view)
    return _changed(state, replace(state.settings, view=following), _VIEW_WORDS[following])


def _layout(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    following = _after(LAYOUTS, state.overlay.layout)
    overlay = replace(state.overlay, layout=following)
    settings = replace(state.settings, mode="single")
    return replace(state, settings=settings, overlay=overlay, message=_LAYOUT_WORDS[following])


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


def _mirror(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    mirror = not state.settings.mirror
    settings = replace(state.settings, mirror=mirror)
    return _changed(state, settings, "mirrored" if mirror else "not mirrored")


def _fullscreen(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, fullscreen=not state.fullscreen)


def _hud(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    return replace(state, show_hud=not state.show_hud)


def _advance(state: SessionState, situation: Situation, _key: str) -> SessionState:
    if situation.advance is None:
        return replace(state, message="there is no next camera")
    message = "opening the next camera" if situation.advance == "camera" else ""
    settings = replace(state.settings, advances=state.settings.advances + 1)
    return _changed(state, settings, message)


def _truth(state: SessionState, _situation: Situation, _key: str) -> SessionState:
    truth = not state.settings.truth
    message = "" if truth else "truth meter off"
    return _changed(state, replace(state.settings, truth=truth), message)


def _randomize(state: SessionState, situation: Situation, _key: str) -> SessionState:
    randomized = not state.settings.key.randomized
    # The same class goes on to be explained: the question stays, the network is another.
    settings = replace(
        state.settings,
        key=state.settings.key._replace(randomized=randomized),
        kept=situation.explained if randomized else None,
    )
    message = "random weights: it must fall apart" if randomized else "the trained weights are back"
    return _changed(state, settings, message)


def _changed(state: SessionState, settings: ExplainSettings, message: str) -> SessionState:
    return replace(state, settings=settings, message=message)


KEYS: tuple[KeyBinding, ...] = (
    KeyBinding(("q", "esc"), "q, Esc", "quit", _quit, ends=True),
    KeyBinding(("h", "?"), "h, ?", "this help", _help),
    KeyBinding(("space",), "space", "freeze, go on", _freeze),
    KeyBinding((".",), ".", "one frame on", _step),
    KeyBinding(("s",), "s", "snapshot: picture and record", _snapshot),
    KeyBinding(("r",), "r", "record on, off", _record),
    KeyBinding(tuple("123456789"), "1-9", "explain that label, hold it", _hold),
    KeyBinding(("0",), "0", "follow the top label", _follow),
    KeyBinding(
        ("a",),
        "a",
        f"the top {MOSAIC_TILES} maps side by side",
        _mode("mosaic", f"the top {MOSAIC_TILES} maps"),
    ),
    KeyBinding(
        ("d",),
        "d",
        "why the first, not the second",
        _mode("contrast", "why the first, not the second"),
    ),
    KeyBinding(("e",), "e", "evidence for and against", _signed),
    KeyBinding(("j",), "j", "previous layer", _layer(-1)),
    KeyBinding(("l",), "l", "next layer", _layer(+1)),
    KeyBinding(("k",), "k", "next method", _method),
    KeyBinding(("v",), "v", "crop, stretch, full view", _view),
    KeyBinding(("b",), "b", "heat, side by side, plain", _layout),
    KeyBinding(("c",), "c", "colour map", _colormap),
    KeyBinding(("[",), "[", "less heat", _opacity(-OPACITY_STEP)),
    KeyBinding(("]",), "]", "more heat", _opacity(+OPACITY_STEP)),
    KeyBinding(("m",), "m", "mirror", _mirror),
    KeyBinding(("f",), "f", "full screen", _fullscreen),
    KeyBinding(("i",), "i", "figures", _hud),
    KeyBinding(("n", "right"), "n", "next camera, next picture", _advance),
    KeyBinding(("t",), "t", "truth meter", _truth),
    KeyBinding(("x",), "x", "scramble the weights, restore", _randomize),
)
"""Every key. The toolkit cannot tell upper from lower case, so there are lower-case keys only."""

_BY_KEY = MappingProxyType({key: binding for binding in KEYS for key in binding.keys})


def press(state: SessionState, key: str, situation: Situation) -> SessionState:
    """Return the state after a key; the very same state for keys that mean nothing.

    Args:
        state: The state before.
        key: Name of a key, as `KeyPressed` gives it.
        situation: What is shown, and what there is to choose from.
    """
    binding = _BY_KEY.get(key)
    if binding is None or (binding.ends and not situation.may_quit):
        return state
    return binding.change(replace(state, message=""), situation, key)


def help_lines(*, may_quit: bool = True) -> tuple[str, ...]:
    """Make the table for the help overlay: ``keys: meaning``, one line each."""
    shown = (binding for binding in KEYS if may_quit or not binding.ends)
    return tuple(f"{binding.shown}: {binding.help}" for binding in shown)


def keys_markdown() -> str:
    """Make the table for the README."""
    rows = ["| key | what it does |", "|---|---|"]
    for binding in KEYS:
        keys = ", ".join(f"`{key}`" for key in binding.shown.split(", "))
        rows.append(f"| {keys} | {binding.help} |")
    return "\n".join(rows) + "\n"


def _after(choices: tuple[_T, ...], current: _T) -> _T:
    return choices[(choices.index(current) + 1) % len(choices)]
