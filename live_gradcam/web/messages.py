"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.show.options import LOW_CONFIDENCE
from live_gradcam.values import Explanation
from live_gradcam.wording import percent

# The map points at what matters if blurring it costs clearly more than blurring anything else.
_CLEAR = 0.1
_TIMES = 1.5


def describe_answer(explanation: Explanation) -> str:
    """The network's answer and the shown class, as sentences in Markdown."""
    if not explanation.finite:
        return "The network's numbers overflowed on this picture: there is no explanation."
    best = explanation.predictions[0]
    shown = next(
        (p for p in explanation.predictions if p.class_index == explanation.explained[0]), None
    )
    label = f"**{_plain(explanation.labels[0])}**"
    where = "It looks mostly at the coloured places."
    if not (explanation.evidence[0] > 0).any():
        where = "No place speaks for it, so nothing is coloured."
    if shown is best:
        text = f"The network sees {label} and is {_percent(best.probability)} sure."
        if best.probability < LOW_CONFIDENCE:
            text = (
                f"The network is not sure of anything: its best guess is {label} "
                f"with {_percent(best.probability)}."
            )
        return f"{text} {where}"
    sure = f"with {_percent(shown.probability)}" if shown else "far behind"
    return (
        f"The network sees **{_plain(best.label)}** ({_percent(best.probability)}); "
        f"you asked about {label}, which it lists {sure}. {where}"
    )


def describe_trust(removal: Removal | None) -> str:
    """The removal test and what it says about the map, as sentences in Markdown."""
    if removal is None:
        return "There is no evidence to test."
    hottest, control = removal.drop, removal.control_drop
    numbers = (
        f"With the hottest {_percent(removal.share)} of what it saw blurred, "
        f"{_percent(removal.before)} become {_percent(removal.without_hot)}; "
        f"with as much blurred elsewhere, {_percent(removal.without_random)}."
    )
    if hottest >= _CLEAR and hottest >= _TIMES * max(control, 0.0):
        verdict = (
            "The answer rests on the coloured places: **this map can be trusted**, "
            "whether the answer is right or not."
        )
    elif hottest > max(control, 0.0):
        verdict = "The coloured places matter a little more than others: **trust it with care.**"
    else:
        verdict = "Other places matter just as much: **do not trust this map.**"
    return f"{numbers} {verdict}"


def public_message(error: LiveGradcamError) -> str:
    """The message of an error as a visitor may see it: without the server's folders."""
    where = error.where
    shown = Path(where).name if "/" in where or "\\" in where else where
    text = str(type(error)(error.what, shown, error.cause, error.next_step))
    return text.replace(where, shown) if where else text


def _percent(share: float) -> str:
    return percent(share, in_words=True)


def _plain(label: str) -> str:
    """A label with everything escaped that Markdown or HTML would take for its own."""
    return "".join(f"\\{char}" if char in "*_`[]<>#\\&|~" else char for char in label)
