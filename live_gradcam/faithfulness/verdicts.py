"""Results of the tests in plain sentences, the same in the window, on the page and in reports.

A sentence claims no more than what was tested: that an area decides, does not, or that this cannot
be told. Whether the network is right is another question, and whether it can be trusted, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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

# A fall is clear from this share on: of all, or of the probability where there is little of it.
_CLEAR = 0.1
_CLEAR_SHARE = 0.5
# Without this share of it, little is left of what has no name to lose.
_MOST = 0.5
# Beyond the controls is what falls by this factor more than they usually do.
_TIMES = 1.5
# Of a class with less than this probability that is not the answer, there is nothing to lose.
_HARDLY = 0.05
_NOUN = re.compile(r"[^\W\d_][\w' ,()/-]*$")
_NO_NOUNS = frozenset(("a", "an", "class", "no", "none", "not", "nothing", "other", "the", "with"))


def judge(removal: Removal) -> Verdict:
    """Return what a removal test means."""
    if removal.of_probability and removal.before < _HARDLY and not removal.named:
        return "untestable"
    usual, greatest = median(removal.control_drops), removal.control_range[1]
    if removal.drop < _clear_fall(removal) or removal.drop <= removal.control_drop:
        return "does not decide"
    lost = removal.named and not removal.named_without_hot
    kept = 2 * removal.named_without_controls > len(removal.without_controls)
    beyond = removal.drop > greatest and removal.drop >= _TIMES * max(usual, 0.0)
    if not beyond or (lost and not kept):
        return "undecided"
    if not (removal.of_probability and removal.named):  # what cannot be lost can be halved
        lost = removal.drop >= _MOST * abs(removal.before)
    return "decides" if lost else "counts"


def judge_several(verdicts: Sequence[str]) -> Verdict:
    """Return what most of several removal tests mean; ``undecided`` where there is no such thing.

    Args:
        verdicts: Of those tests that could show something.
    """
    most = len(verdicts) / 2
    decides, matters = verdicts.count("decides"), verdicts.count("counts")
    if decides > most:
        return "decides"
    if decides + matters > most:
        return "counts"
    return "does not decide" if verdicts.count("does not decide") > most else "undecided"


def removal_sentence(
    removal: Removal | None,
    *,
    area: str = "the marked area",
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
        return "No place speaks for it: there is nothing to test."
    verdict, what = judge(removal), _Class(removal, written(removal.label))
    clear = _clear_fall(removal)
    judgement = JUDGEMENTS[verdict].format("this area")
    if verdict == "untestable":
        found = f"There is hardly any {what.quoted} here, so that hiding a part shows nothing"
    elif verdict == "decides":
        found = f"Without {area} {what.lost}, with as much hidden elsewhere {what.kept}"
    elif verdict == "counts":
        found = f"Without {area} {what.less}, with as much hidden elsewhere less so"
    elif verdict == "undecided":
        found = f"Without {area} {what.lost}, but hiding as much elsewhere can matter as much"
    elif removal.drop <= -clear:
        found = f"Without {area} {what.more}"
    elif removal.control_drop >= clear:
        found = f"Hiding as much elsewhere matters as much as hiding {area}"
    else:
        found = f"Without {area} {what.same}"
    return f"{found}: {emphasis(judgement)}."


class _Class:
    """Words for what becomes of a class, in the middle of a sentence."""

    def __init__(self, removal: Removal, label: str) -> None:
        self._removal = removal
        self._label = label
        # "no zebra any more" fits most labels; whatever is no noun is quoted.
        first = removal.label.split()[:1]
        noun = bool(_NOUN.match(removal.label)) and first[0].lower() not in _NO_NOUNS
        self._is_noun = noun and removal.exclusive
        self.quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{label}\N{RIGHT DOUBLE QUOTATION MARK}"

    @property
    def lost(self) -> str:
        removal = self._removal
        if not removal.of_probability or not removal.named or removal.named_without_hot:
            return self.less
        if self._is_noun:
            return f"it is no {self._label} any more"
        return f"the network no longer says {self.quoted}"

    @property
    def kept(self) -> str:
        removal = self._removal
        if not removal.of_probability or not removal.named:
            return "less so"
        all_of_them = removal.named_without_controls == len(removal.without_controls)
        often = "" if all_of_them else "mostly "
        return f"it {often}still {'is' if self._is_noun else 'does'}"

    @property
    def less(self) -> str:
        return self._change("it is clearly less like {}", "the number of {} is clearly smaller")

    @property
    def more(self) -> str:
        return self._change("it would be even more like {}", "the number of {} would be larger")

    @property
    def same(self) -> str:
        return self._change("it is hardly less like {}", "the number of {} hardly changes")

    def _change(self, of_probability: str, of_number: str) -> str:
        words = of_probability if self._removal.of_probability else of_number
        return words.format(self.quoted)


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
    between = lowest if lowest == highest else f"{lowest} to {highest}"
    share = percent(removal.share, in_words=True)
    return (
        f"With the hottest {share} of what it saw hidden, {before} become {without}; "
        f"with as much hidden in {len(removal.without_controls)} other places, {between}."
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
        return min(_CLEAR, _CLEAR_SHARE * removal.before)
    return _CLEAR * max(map(abs, (removal.before, removal.without_hot, *removal.without_controls)))


def _figure(removal: Removal, value: float) -> str:
    return strength(value, is_share=removal.of_probability)


def _change(removal: Removal, after: float) -> str:
    return change_in_strength(removal.before, after, is_share=removal.of_probability)
