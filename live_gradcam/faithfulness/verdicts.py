"""Results of the tests in plain sentences, the same in the window, on the page and in reports.

A sentence claims no more than what was tested: that an area decides, does not, or that this cannot
be told. Whether the network is right is another question, and whether it can be trusted, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Literal, TypeAlias

from live_gradcam.faithfulness.removal import Removal
from live_gradcam.wording import change_in_strength, percent, strength

Verdict: TypeAlias = Literal["decides", "counts", "undecided", "does not decide", "untestable"]
"""Meaning of a removal test: the area decides alone; it counts more than others, but the class
survives without it; others do as much to the result; it does not matter more than others; or there
is too little of the class to lose."""

SAME_MAP = 0.5
"""Rank correlation above which a map has not changed, though all weights are random."""

ALIKE_MAP = 0.25
"""Rank correlation up to which a map has fallen apart."""

SCRAMBLED = (
    "The weights are random numbers now, the network knows nothing: its map should fall apart. "
    "If it does not, it only shows edges of the picture."
)
"""What is to be seen, and why, before anything has been measured."""

JUDGEMENTS: Mapping[str, str] = {
    "decides": "{} decides",
    "counts": "{} counts most, but does not decide alone",
    "undecided": "undecided",
    "does not decide": "{} does not decide",
    "untestable": "this cannot be tested",
}
"""Each `Verdict` in words, with a place for the name of the area."""

REMOVALS: Mapping[str, str] = {
    "nothing": "No place speaks for it: there is nothing to test.",
    "sentence": "{found}: {judgement}.",
    "this_area": "this area",
    "marked_area": "the marked area",
    "untestable": "There is hardly any {quoted} here, so that hiding a part shows nothing",
    "decides": "Without {area} {lost}, with as much hidden elsewhere {kept}",
    "counts": "Without {area} {less}, with as much hidden elsewhere less so",
    "undecided": "Without {area} {lost}, but hiding as much elsewhere can matter as much",
    "rises": "Without {area} {more}",
    "elsewhere_too": "Hiding as much elsewhere matters as much as hiding {area}",
    "hardly": "Without {area} {same}",
    "quoted": "\N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK}",
    "lost_noun": "it is no {label} any more",
    "lost_quoted": "the network no longer says {quoted}",
    "kept_noun": "it still is",
    "kept_quoted": "it still does",
    "mostly_noun": "it mostly still is",
    "mostly_quoted": "it mostly still does",
    "less_so": "less so",
    "less": "it is clearly less like {quoted}",
    "less_number": "the number of {quoted} is clearly smaller",
    "more": "it would be even more like {quoted}",
    "more_number": "the number of {quoted} would be larger",
    "same": "it is hardly less like {quoted}",
    "same_number": "the number of {quoted} hardly changes",
    "numbers": (
        "With the hottest {share} of what it saw hidden, {before} become {without}; with as much "
        "hidden in {count} other places, {between}."
    ),
    "range": "{lowest} to {highest}",
}
"""Words of `removal_sentence` and `removal_numbers`."""

THRESHOLDS: Mapping[str, float] = {
    "clear": 0.1,
    "clear_share": 0.5,
    "most": 0.5,
    "times": 1.5,
    "hardly": 0.05,
}
"""Figures that `judge` goes by. A fall is ``clear`` from this share on: of all, or ``clear_share``
of the probability where there is little of it. Without ``most`` of it, little is left of what has
no name to lose. Beyond the controls is what falls by the factor ``times`` more than they usually
do. Of a class with less probability than ``hardly`` that is not the answer, there is nothing to
lose."""

NO_NOUNS = ("a", "an", "class", "no", "none", "not", "nothing", "other", "the", "with")
"""First words of labels that are not the name of a thing."""

_SEEN = "what it looks at"

_NOUN = re.compile(r"[^\W\d_][\w' ,()/-]*$")


def judge(removal: Removal) -> Verdict:
    """Return what a removal test means."""
    if removal.of_probability and removal.before < THRESHOLDS["hardly"] and not removal.named:
        return "untestable"
    usual, greatest = median(removal.control_drops), removal.control_range[1]
    if removal.drop < _clear_fall(removal) or removal.drop <= removal.control_drop:
        return "does not decide"
    lost = removal.named and not removal.named_without_hot
    kept = 2 * removal.named_without_controls > len(removal.without_controls)
    beyond = removal.drop > greatest and removal.drop >= THRESHOLDS["times"] * max(usual, 0.0)
    if not beyond or (lost and not kept):
        return "undecided"
    if not (removal.of_probability and removal.named):  # what cannot be lost can be halved
        lost = removal.drop >= THRESHOLDS["most"] * abs(removal.before)
    return "decides" if lost else "counts"


def judge_several(verdicts: Iterable[str] | Mapping[str, int]) -> Verdict:
    """Return what most of several removal tests mean; ``undecided`` where there is no such thing.

    Args:
        verdicts: Of those tests that could show something; or how often there was each.
    """
    counts = Counter(verdicts)
    most = counts.total() / 2
    decides, matters = counts["decides"], counts["counts"]
    if decides > most:
        return "decides"
    if decides + matters > most:
        return "counts"
    return "does not decide" if counts["does not decide"] > most else "undecided"


def several_sentence(verdicts: Iterable[str] | Mapping[str, int]) -> str:
    """Say in a few words, as a part of a sentence, what several removal tests mean together.

    Args:
        verdicts: As of `judge_several`.

    Returns:
        Nothing where there are no tests.
    """
    counts = Counter(verdicts)
    if not counts.total():
        return ""
    verdict = judge_several(counts)
    if verdict == "undecided":
        return f"it is not clear whether {_SEEN} decides"
    return JUDGEMENTS[verdict].format(_SEEN)


def removal_sentence(
    removal: Removal | None,
    *,
    area: str = REMOVALS["marked_area"],
    emphasis: Callable[[str], str] = str,
    written: Callable[[str], str] = str,
) -> str:
    """Say in one sentence what a removal test means.

    Args:
        removal: The result; ``None`` where there was no evidence to test.
        area: Name of the hottest area where the sentence is read.
        emphasis: Marks the judgement, e.g. bold.
        written: Writes a label, e.g. with what a markup language would take for its own escaped.
    """
    if removal is None:
        return REMOVALS["nothing"]
    verdict = judge(removal)
    found = REMOVALS[_found(removal, verdict)].format(
        area=area, **_words_for(removal, written(removal.label))
    )
    judgement = JUDGEMENTS[verdict].format(REMOVALS["this_area"])
    return REMOVALS["sentence"].format(found=found, judgement=emphasis(judgement))


def _found(removal: Removal, verdict: Verdict) -> str:
    """What was found, as a key of `REMOVALS`."""
    if verdict != "does not decide":
        return verdict
    clear = _clear_fall(removal)
    if removal.drop <= -clear:
        return "rises"
    return "elsewhere_too" if removal.control_drop >= clear else "hardly"


def _words_for(removal: Removal, label: str) -> Mapping[str, str]:
    """Words for what becomes of a class, in the middle of a sentence, by their place in it."""
    quoted = REMOVALS["quoted"].format(label=label)
    ending = "" if removal.of_probability else "_number"
    less, more, same = (
        REMOVALS[f"{word}{ending}"].format(quoted=quoted) for word in ("less", "more", "same")
    )
    lost, kept = less, REMOVALS["less_so"]
    kind = "noun" if removal.exclusive and _is_noun(removal.label) else "quoted"
    if removal.of_probability and removal.named:
        if not removal.named_without_hot:
            lost = REMOVALS[f"lost_{kind}"].format(label=label, quoted=quoted)
        always = removal.named_without_controls == len(removal.without_controls)
        kept = REMOVALS[f"{'kept' if always else 'mostly'}_{kind}"]
    return {
        **{"label": label, "quoted": quoted, "less": less, "more": more, "same": same},
        **{"lost": lost, "kept": kept},
    }


def _is_noun(label: str) -> bool:
    """True for most labels, of which "no zebra any more" can be said; others are quoted."""
    return bool(_NOUN.match(label)) and label.split()[0].lower() not in NO_NOUNS


def removal_figures(removal: Removal | None) -> tuple[str, ...]:
    """Write the measured figures of a removal test, for experts: short lines."""
    if removal is None:
        return ()
    share, before = percent(removal.share), removal.before
    count = len(removal.without_controls)
    lines = [
        f"{removal.label} {_figure(removal, before)}",
        f"marked {share} hidden: {_figure(removal, removal.without_hot)}, "
        f"{_change(removal, removal.without_hot)}",
        f"elsewhere, {count} times: {_change(removal, max(removal.without_controls))} to "
        f"{_change(removal, min(removal.without_controls))}, "
        f"mean {_change(removal, before - removal.control_drop)}",
    ]
    if removal.completeness_residual is not None:
        lines.append(f"the map sums to the score, ± {max(removal.completeness_residual, 1e-7):.0e}")
    return tuple(lines)


def removal_numbers(removal: Removal) -> str:
    """Write the measured figures of a removal test as a sentence for everybody."""
    before, without = (
        strength(each, is_share=removal.of_probability, in_words=True)
        for each in (removal.before, removal.without_hot)
    )
    lowest, highest = (
        strength(each, is_share=removal.of_probability, in_words=True)
        for each in (min(removal.without_controls), max(removal.without_controls))
    )
    between = lowest
    if lowest != highest:
        between = REMOVALS["range"].format(lowest=lowest, highest=highest)
    return REMOVALS["numbers"].format(
        share=percent(removal.share, in_words=True),
        before=before,
        without=without,
        count=len(removal.without_controls),
        between=between,
    )


def scramble_sentence(correlation: float | None) -> str:
    """Say in one sentence what has become of a map, now that all weights are random.

    Args:
        correlation: Rank correlation with the trained network's map; ``None`` if not measured yet.
    """
    if correlation is None:
        return SCRAMBLED
    if abs(correlation) > SAME_MAP:
        return (
            "With random weights the map is still much the same: it shows the picture, not what "
            "the network has learned."
        )
    if abs(correlation) > ALIKE_MAP:
        return (
            "With random weights the map has changed in part only: some of it shows the picture, "
            "not what the network has learned."
        )
    return (
        "With random weights the map falls apart, as it should: the true one shows what the "
        "network has learned."
    )


def _clear_fall(removal: Removal) -> float:
    if removal.of_probability:
        return min(THRESHOLDS["clear"], THRESHOLDS["clear_share"] * removal.before)
    return THRESHOLDS["clear"] * max(
        map(abs, (removal.before, removal.without_hot, *removal.without_controls))
    )


def _figure(removal: Removal, value: float) -> str:
    return strength(value, is_share=removal.of_probability)


def _change(removal: Removal, after: float) -> str:
    return change_in_strength(removal.before, after, is_share=removal.of_probability)
