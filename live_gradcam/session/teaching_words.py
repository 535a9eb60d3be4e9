"""What the row of taught classes says: one sentence at a time, the most urgent first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from live_gradcam.teaching.learned import Learned
from live_gradcam.wording import percent

TEACHING: Mapping[str, str] = MappingProxyType(
    {
        "preparing": "Preparing to learn ...",
        "nothing": "Show it nothing for {seconds} s: that becomes anything else.",
        "first": "Hold 1 and show it something (+ asks for a name first).",
        "second": "Show a second class, or nothing (0): one alone cannot be told from anything.",
        "learning": "Learning ...",
        "right": "It is right about {share} of what it had not seen.",
        "taken for": "{one} is taken for {other}: {count} times of {all}.",
        "moves": "{share} of the evidence for {label} lies on what moves.",
        "taken back": "taken back: {count} of {label}",
        "nothing back": "there is nothing to take back",
        "full": "no more than {count} examples are kept",
    }
)
"""Sentences by their keys, with places in braces."""

SENTENCE_SECONDS = 5.0
"""Time for which one of several sentences stays."""


def learned_sentences(learned: Learned) -> Sequence[str]:
    """Say what was learned, what is worst first."""
    names = tuple(each.label for each in learned.classes)
    found = [_sentence(each, names) for each in learned.sentences]
    accuracy = learned.accuracy
    if accuracy is not None:
        found.append(TEACHING["right"].format(share=percent(accuracy)))
    for one, other, count in learned.confused()[:1]:
        asked = int(learned.confusion[names.index(one)].sum())
        found.append(TEACHING["taken for"].format(one=one, other=other, count=count, all=asked))
    for each in learned.classes:
        if each.moving_share is not None:
            share = percent(each.moving_share)
            found.append(TEACHING["moves"].format(share=share, label=each.label))
    return found


def _sentence(text: str, names: tuple[str, ...]) -> str:
    """Return a sentence with a full stop, and a large letter unless it begins with a name."""
    begins = text if text.startswith(names) else f"{text[:1].upper()}{text[1:]}"
    return begins if begins.endswith(".") else f"{begins}."
