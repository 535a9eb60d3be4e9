"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import REMOVALS, removal_numbers, removal_sentence
from live_gradcam.show.votes import Spot, Vote
from live_gradcam.show.words import answer_sentence
from live_gradcam.values import Explanation
from live_gradcam.wording import listed, number

SENTENCES: Mapping[str, str] = {
    "coloured": "It looks mostly at the coloured places.",
    "uncoloured": "No place speaks for it, so nothing is coloured.",
    "unseen": "The network does not see this spot.",
    "for": "This spot speaks for {label}",
    "against": "This spot speaks against {label}",
    "neither": "This spot says nothing about {label}",
    "vote": "{label} ({points})",
    "others_for": "for {votes}",
    "others_against": "against {votes}",
    "others": "{said}; {others}",
    "unit": "{said}, in {unit}",
    "end": "{said}.",
}
"""What the page says about the coloured places, and about a spot."""


def describe_answer(explanation: Explanation) -> str:
    """The network's answer and the shown class, as sentences in Markdown.

    How likely the classes are stands beside them on the page, not here.
    """
    answer = answer_sentence(
        explanation, written=lambda label: f"**{_plain(label)}**", figures=False
    )
    if not explanation.finite:
        return answer
    coloured = (explanation.evidence[0] > 0).any()
    return f"{answer} {SENTENCES['coloured' if coloured else 'uncoloured']}"


def describe_trust(
    removal: Removal | None, *, numbers: bool = True, area: str = REMOVALS["marked_area"]
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
        return SENTENCES["unseen"]
    others = [
        SENTENCES[word].format(votes=listed([_vote(vote) for vote in votes]))
        for word, votes in (("others_for", spot.votes_for), ("others_against", spot.votes_against))
        if votes
    ]
    shown = spot.shown
    label = _vote(shown) if shown.sign else shown.label
    said = SENTENCES[("neither", "for", "against")[shown.sign]].format(label=label)
    if others:
        said = SENTENCES["others"].format(said=said, others=", ".join(others))
    if spot.unit and (shown.sign or others):
        said = SENTENCES["unit"].format(said=said, unit=spot.unit)
    return SENTENCES["end"].format(said=said)


def _vote(vote: Vote) -> str:
    return SENTENCES["vote"].format(label=vote.label, points=_points(vote))


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
