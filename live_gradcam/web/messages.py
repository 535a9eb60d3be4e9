"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import removal_numbers, removal_sentence
from live_gradcam.show.words import answer_sentence
from live_gradcam.values import Explanation


def describe_answer(explanation: Explanation) -> str:
    """The network's answer and the shown class, as sentences in Markdown."""
    answer = answer_sentence(explanation, written=lambda label: f"**{_plain(label)}**")
    if not explanation.finite:
        return answer
    where = "It looks mostly at the coloured places."
    if not (explanation.evidence[0] > 0).any():
        where = "No place speaks for it, so nothing is coloured."
    return f"{answer} {where}"


def describe_trust(removal: Removal | None) -> str:
    """The removal test and what it says about the map, as sentences in Markdown."""
    sentence = removal_sentence(
        removal, area="the hottest area", emphasis="**{}**".format, written=_plain
    )
    return sentence if removal is None else f"{removal_numbers(removal)} {sentence}"


def public_message(error: LiveGradcamError) -> str:
    """The message of an error as a visitor may see it: without the server's folders."""
    where = error.where
    shown = Path(where).name if "/" in where or "\\" in where else where
    text = str(type(error)(error.what, shown, error.cause, error.next_step))
    return text.replace(where, shown) if where else text


def _plain(label: str) -> str:
    """A label with everything escaped that Markdown or HTML would take for its own."""
    return "".join(f"\\{char}" if char in "*_`[]<>#\\&|~" else char for char in label)
