"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import removal_numbers, removal_sentence
from live_gradcam.show.options import is_unsure
from live_gradcam.show.votes import Spot, Vote
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import number, percent, strength


def describe_answer(explanation: Explanation) -> str:
    """The network's answer and the shown class, as sentences in Markdown.

    How likely the classes are stands beside them, not here.
    """
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
        return f"{_best_answer(explanation, best, label)} {where}"
    far = "" if shown else ", which is far behind"
    if not explanation.output.has_probabilities:
        answer = f"The network's largest number is that of **{_plain(best.label)}**"
    else:
        answer = f"The network sees **{_plain(best.label)}**"
    return f"{answer}; you asked about {label}{far}. {where}"


def _best_answer(explanation: Explanation, best: Prediction, label: str) -> str:
    """The answer, where it is the one that is explained; right for each kind of output."""
    output, likely = explanation.output, best.probability
    if likely is None:
        return f"The network's largest number is that of {label}."
    if output.name == "sigmoid":
        others = [
            f"**{_plain(each.label)}**"
            for each in explanation.predictions[1:]
            if each.strength > output.threshold
        ]
        if likely <= output.threshold:
            return f"The network sees none of its labels for sure: the likeliest is {label}."
        more = f" and also {_listed(others)}" if others else ""
        return f"The network sees {label}{more}."
    if output.name == "binary" and likely < 0.5:
        threshold = _percent(output.threshold)
        if best.class_index == 1:
            return (
                f"The network gives {label} {_figure(best)}, which is above the threshold of "
                f"{threshold}."
            )
        return (
            f"The network says {label}, though it gives it {_figure(best)} only: the other side is "
            f"not above the threshold of {threshold}."
        )
    if is_unsure(explanation):
        return f"The network is not sure of anything: its best guess is {label}."
    return f"The network sees {label}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _figure(prediction: Prediction) -> str:
    is_share = prediction.probability is not None
    return strength(prediction.strength, is_share=is_share, in_words=True)


def describe_trust(removal: Removal | None, *, numbers: bool = True) -> str:
    """The removal test and what it says about the map, as sentences in Markdown.

    Args:
        removal: The result; ``None`` where there was no evidence to test.
        numbers: Give the measured figures as well.
    """
    sentence = removal_sentence(
        removal, area="the hottest area", emphasis="**{}**".format, written=_plain
    )
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
    parts = [
        f"{word} {_listed([f'{vote.label} ({_points(vote)})' for vote in votes])}"
        for word, votes in (("for", spot.votes_for), ("against", spot.votes_against))
        if votes
    ]
    if not parts:
        return "This spot speaks neither for nor against any class."
    unit = "points of evidence" if spot.measure == "logits" else spot.measure
    return f"This spot speaks {', '.join(parts)}, in {unit}."


def _points(vote: Vote) -> str:
    return f"{'+' if vote.logits > 0 else ''}{number(float(f'{vote.logits:.2g}'))}"


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
