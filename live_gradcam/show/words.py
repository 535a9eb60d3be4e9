"""What a picture and its explanation are said to show: the same words wherever they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from live_gradcam.show.options import is_unsure
from live_gradcam.show.panels import shown_label
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import percent, strength

Written = Callable[[str], str]
"""Writes a label as its readers need it, e.g. escaped and in bold."""

POINTS = "points of evidence"
"""Unit of evidence: a point more, and the odds of the class are 2.7 times as high."""


def evidence_unit(explanation: Explanation) -> str:
    """Name the unit of an explanation's maps for people; empty where their numbers have none.

    Where the network's output is plain numbers, a map's numbers are parts of such a number.
    """
    if explanation.unit != "logits":
        return ""
    return POINTS if explanation.output.has_probabilities else "of the number"


def answer_sentence(
    explanation: Explanation, *, written: Written = str, figures: bool = True
) -> str:
    """Say what the network sees, for an explanation of its own answer or of another class.

    Args:
        explanation: Its first map is the one that is shown.
        written: Writes labels.
        figures: Say how likely the classes are; where that stands beside the sentence, it is
            said only where it makes the difference.
    """
    if not explanation.finite:
        return "The network's numbers overflowed on this picture: there is no explanation."
    if not explanation.predictions:
        return ""
    best = explanation.predictions[0]
    asked = explanation.explained[0] if explanation.explained else best.class_index
    if asked == best.class_index:
        return _best_answer(explanation, best, written(best.label), written, figures=figures)
    label = written(shown_label(explanation))
    shown = next((p for p in explanation.predictions if p.class_index == asked), None)
    given = _figure(shown) if shown and figures else ""
    first = f" ({_figure(best)})" if figures else ""
    if not explanation.output.has_probabilities:
        return (
            f"The network's largest number is that of {written(best.label)}{first}; "
            f"you asked about {label}{f', which is {given}' if given else ''}."
        )
    if shown and not figures:
        return f"The network sees {written(best.label)}; you asked about {label}."
    sure = f"with {given}" if given else "far behind"
    return (
        f"The network sees {written(best.label)}{first}; "
        f"you asked about {label}, which it lists {sure}."
    )


def _best_answer(
    explanation: Explanation, best: Prediction, label: str, written: Written, *, figures: bool
) -> str:
    """The answer, where it is the one that is explained; right for each kind of output."""
    output, likely = explanation.output, best.probability
    with_figure = f" with {_figure(best)}" if figures else ""
    sure = f" and is {_figure(best)} sure" if figures else ""
    if likely is None:
        if not figures:
            return f"The network's largest number is that of {label}."
        return f"The network's number for {label} is {_figure(best)}."
    if output.name == "sigmoid":
        others = [
            f"{written(each.label)} ({_figure(each)})" if figures else written(each.label)
            for each in explanation.predictions[1:]
            if each.strength > output.threshold
        ]
        if likely <= output.threshold:
            return (
                f"The network sees none of its labels for sure: the likeliest is {label}"
                f"{with_figure}."
            )
        more = f" It also sees {_listed(others)}." if others else ""
        return f"The network sees {label}{sure}.{more}"
    if output.name == "binary" and likely < 0.5:
        threshold = percent(output.threshold, in_words=True)
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
        return f"The network is not sure of anything: its best guess is {label}{with_figure}."
    return f"The network sees {label}{sure}."


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _figure(prediction: Prediction) -> str:
    is_share = prediction.probability is not None
    return strength(prediction.strength, is_share=is_share, in_words=True)
