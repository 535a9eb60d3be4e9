"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import removal_numbers, removal_sentence
from live_gradcam.show.votes import Spot, Vote
from live_gradcam.show.words import answer_sentence
from live_gradcam.values import Explanation
from live_gradcam.wording import number


def describe_answer(explanation: Explanation) -> str:
    """The network's answer and the shown class, as sentences in Markdown.

    How likely the classes are stands beside them on the page, not here.
    """
    answer = answer_sentence(
        explanation, written=lambda label: f"**{_plain(label)}**", figures=False
    )
    if not explanation.finite:
        return answer
    where = "It looks mostly at the coloured places."
    if not (explanation.evidence[0] > 0).any():
        where = "No place speaks for it, so nothing is coloured."
    return f"{answer} {where}"


def describe_trust(
    removal: Removal | None, *, numbers: bool = True, area: str = "the marked area"
) -> str:
    """The removal test and what it says about the map, as sentences in Markdown.

    Args:
        removal: The result; ``None`` where there was no evidence to test.
        numbers: Give the measured figures as well.
        area: Name of the hottest area where the sentence is read.
    """
    sentence = removal_sentence(removal, area=area, emphasis="**{}**".format, written=_plain)
    if removal is None or not numbers:
        return sentence
    return f"{removal_numbers(removal)} {sentence}"


def plain(sentence: str) -> str:
    """A sentence in Markdown as plain text."""
    return re.sub(r"\\(.)|\*\*", r"\1", sentence)


def describe_spot(spot: Spot | None) -> str:
    """What a spot of the picture says about the classes, as a plain sentence."""
    if spot is None:
        return "The network does not see this spot."
    others = [
        f"{word} {_listed([f'{vote.label} ({_points(vote)})' for vote in votes])}"
        for word, votes in (("for", spot.votes_for), ("against", spot.votes_against))
        if votes
    ]
    shown = spot.shown
    says = {1: "speaks for", -1: "speaks against", 0: "says nothing about"}[shown.sign]
    given = f" ({_points(shown)})" if shown.sign else ""
    more = f"; {', '.join(others)}" if others else ""
    unit = f", in {spot.unit}" if spot.unit and (given or more) else ""
    return f"This spot {says} {shown.label}{given}{more}{unit}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _points(vote: Vote) -> str:
    return f"{'+' if vote.logits > 0 else ''}{number(float(f'{vote.logits:.2g}'))}"


def public_message(error: LiveGradcamError) -> str:
    """The message of an error as a visitor may see it: without the server's folders."""
    where = error.where
    shown = Path(where).name if "/" in where or "\\" in where else where
    text = str(type(error)(error.what, shown, error.cause, error.next_step))
    return text.replace(where, shown) if where else text


def _plain(label: str) -> str:
    """A label with everything escaped that Markdown or HTML would take for its own."""
    return "".join(f"\\{char}" if char in "*_`[]<>#\\&|~" else char for char in label)
