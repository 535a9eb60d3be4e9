"""Sentences of the page, for people who have never heard of Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from live_gradcam.errors import LiveGradcamError
from live_gradcam.faithfulness.removal import Removal
from live_gradcam.faithfulness.verdicts import removal_numbers, removal_sentence
from live_gradcam.show.options import is_unsure
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import percent, strength


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
        return f"{_best_answer(explanation, best, label)} {where}"
    given = _figure(shown) if shown else ""
    if not explanation.output.has_probabilities:
        return (
            f"The network's largest number is that of **{_plain(best.label)}** ({_figure(best)}); "
            f"you asked about {label}{f', which is {given}' if given else ''}. {where}"
        )
    sure = f"with {given}" if given else "far behind"
    return (
        f"The network sees **{_plain(best.label)}** ({_figure(best)}); "
        f"you asked about {label}, which it lists {sure}. {where}"
    )


def _best_answer(explanation: Explanation, best: Prediction, label: str) -> str:
    """The answer, where it is the one that is explained; right for each kind of output."""
    output, likely = explanation.output, best.probability
    if likely is None:
        return f"The network's number for {label} is {_figure(best)}."
    if output.name == "sigmoid":
        others = [
            f"**{_plain(each.label)}** ({_figure(each)})"
            for each in explanation.predictions[1:]
            if each.strength > output.threshold
        ]
        if likely <= output.threshold:
            return (
                f"The network sees none of its labels for sure: the likeliest is {label} "
                f"with {_figure(best)}."
            )
        more = f" It also sees {_listed(others)}." if others else ""
        return f"The network sees {label} and is {_figure(best)} sure.{more}"
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
        return (
            f"The network is not sure of anything: its best guess is {label} with {_figure(best)}."
        )
    return f"The network sees {label} and is {_figure(best)} sure."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _figure(prediction: Prediction) -> str:
    is_share = prediction.probability is not None
    return strength(prediction.strength, is_share=is_share, in_words=True)


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


def _percent(share: float) -> str:
    return percent(share, in_words=True)


def _plain(label: str) -> str:
    """A label with everything escaped that Markdown or HTML would take for its own."""
    return "".join(f"\\{char}" if char in "*_`[]<>#\\&|~" else char for char in label)
