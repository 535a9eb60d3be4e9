"""What a picture and its explanation are said to show: the same words wherever they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from live_gradcam.show.options import is_unsure
from live_gradcam.show.panels import shown_label
from live_gradcam.values import Explanation, Prediction
from live_gradcam.wording import listed, percent, strength

Written = Callable[[str], str]
"""Writes a label as its readers need it, e.g. escaped and in bold."""

POINTS = "points of evidence"
"""Unit of evidence: a point more, and the odds of the class are 2.7 times as high."""

NUMBER_PART = "of the number"
"""Unit of evidence where the network's output is plain numbers."""

ANSWERS: Mapping[str, str] = {
    "overflow": "The network's numbers overflowed on this picture: there is no explanation.",
    "sees": "The network sees {label}.",
    "sees_figure": "The network sees {label} and is {figure} sure.",
    "also": "It also sees {others}.",
    "one_of_them": "{label} ({figure})",
    "none": "The network sees none of its labels for sure: the likeliest is {label}.",
    "none_figure": (
        "The network sees none of its labels for sure: the likeliest is {label} with {figure}."
    ),
    "unsure": "The network is not sure of anything: its best guess is {label}.",
    "unsure_figure": (
        "The network is not sure of anything: its best guess is {label} with {figure}."
    ),
    "above": ("The network gives {label} {figure}, which is above the threshold of {threshold}."),
    "below": (
        "The network says {label}, though it gives it {figure} only: the other side is not above "
        "the threshold of {threshold}."
    ),
    "asked": "The network sees {best}; you asked about {label}.",
    "asked_figure": (
        "The network sees {best} ({best_figure}); you asked about {label}, which it lists with "
        "{figure}."
    ),
    "asked_far": "The network sees {best}; you asked about {label}, which it lists far behind.",
    "asked_far_figure": (
        "The network sees {best} ({best_figure}); you asked about {label}, which it lists far "
        "behind."
    ),
    "number": "The network's largest number is that of {label}.",
    "number_figure": "The network's number for {label} is {figure}.",
    "number_asked": "The network's largest number is that of {best}; you asked about {label}.",
    "number_asked_figure": (
        "The network's largest number is that of {best} ({best_figure}); you asked about {label}, "
        "which is {figure}."
    ),
    "number_asked_far_figure": (
        "The network's largest number is that of {best} ({best_figure}); you asked about {label}."
    ),
}
"""Sentences of `answer_sentence`; what ends in ``_figure`` says how likely the classes are."""


def evidence_unit(explanation: Explanation) -> str:
    """Name the unit of an explanation's maps for people; empty where their numbers have none.

    Where the network's output is plain numbers, a map's numbers are parts of such a number.
    """
    if explanation.unit != "logits":
        return ""
    return POINTS if explanation.output.has_probabilities else NUMBER_PART


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
        return ANSWERS["overflow"]
    if not explanation.predictions:
        return ""
    best = explanation.predictions[0]
    asked = explanation.explained[0] if explanation.explained else best.class_index
    if asked == best.class_index:
        return _best_answer(explanation, best, written, figures=figures)
    shown = next((p for p in explanation.predictions if p.class_index == asked), None)
    kind = "asked" if explanation.output.has_probabilities else "number_asked"
    far = "_far" if shown is None and (figures or kind == "asked") else ""
    return ANSWERS[f"{kind}{far}{'_figure' if figures else ''}"].format(
        best=written(best.label),
        best_figure=_figure(best),
        label=written(shown_label(explanation)),
        figure=_figure(shown) if shown else "",
    )


def _best_answer(
    explanation: Explanation, best: Prediction, written: Written, *, figures: bool
) -> str:
    """The answer, where it is the one that is explained; right for each kind of output."""
    output, likely = explanation.output, best.probability
    said = {"label": written(best.label), "figure": _figure(best)}
    ending = "_figure" if figures else ""
    if likely is None:
        return ANSWERS[f"number{ending}"].format(**said)
    if output.name == "sigmoid":
        if likely <= output.threshold:
            return ANSWERS[f"none{ending}"].format(**said)
        others = [
            _one_of_them(each, written, figures=figures)
            for each in explanation.predictions[1:]
            if each.strength > output.threshold
        ]
        more = [ANSWERS["also"].format(others=listed(others))] if others else []
        return " ".join([ANSWERS[f"sees{ending}"].format(**said), *more])
    if output.name == "binary" and likely < 0.5:
        threshold = percent(output.threshold, in_words=True)
        kind = "above" if best.class_index == 1 else "below"
        return ANSWERS[kind].format(threshold=threshold, **said)
    kind = "unsure" if is_unsure(explanation) else "sees"
    return ANSWERS[f"{kind}{ending}"].format(**said)


def _one_of_them(prediction: Prediction, written: Written, *, figures: bool) -> str:
    label = written(prediction.label)
    if not figures:
        return label
    return ANSWERS["one_of_them"].format(label=label, figure=_figure(prediction))


def _figure(prediction: Prediction) -> str:
    is_share = prediction.probability is not None
    return strength(prediction.strength, is_share=is_share, in_words=True)
