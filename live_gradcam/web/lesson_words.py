"""What a visitor is told of a lesson: counts, one line about what to do, and what was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from live_gradcam.teaching import ANYTHING_ELSE, Learned
from live_gradcam.web.teaching import VisitorLesson
from live_gradcam.wording import percent

LINES: Mapping[str, str] = {
    "background": "First show it nothing: the empty table, the empty hand. {seconds} s",
    "full": "There is no room for more examples: take some back, or save what it knows.",
    "nothing": "Hold the button of a class, and show it to the camera.",
    "one": "Show a second class, or nothing at all: one alone cannot be told from anything.",
    "showing": "Turn it and move it a little; let go after some seconds.",
    "learning": "Learning …",
    "untested": "It answers. Show each class once more, a little differently: then it is tested.",
    "tested": "Right about {share} of {count} pictures that it had not been taught.",
    "taken_for": "{one} is taken for {other}: {count} of {all}",
}
"""What the line says, by what there is to say; ``taken_for`` is one of the sentences below it."""

# What is worst is enough.
_MOST_CONFUSIONS = 3


def lesson_facts(lesson: VisitorLesson) -> dict[str, Any]:
    """Everything that the Teach tab shows of a lesson, as JSON has it."""
    state, taught = lesson.state, lesson.state.taught
    learned = taught.learned if taught.is_learned else None
    bursts = [each.label for each in state.examples.bursts]
    return {
        **lesson_counts(lesson),
        "lesson": lesson.name,
        "classes": [
            {"label": each, "count": count, "bursts": bursts.count(each)}
            for each, count in state.counts.items()
        ],
        "sentences": [] if learned is None else _sentences(learned),
        "learned": None
        if learned is None or not learned.held_out
        else {
            "labels": [each.label for each in learned.classes],
            "confusion": learned.confusion.tolist(),
        },
        "ready": taught.classifier is not None,
        "learning": _is_learning(lesson),
        "own": lesson.own,
    }


def lesson_counts(lesson: VisitorLesson) -> dict[str, Any]:
    """What is told with every frame: counts in the order of the classes, and the line.

    ``revision`` is another one whenever `lesson_facts` has more to tell.
    """
    counts = list(lesson.state.counts.values())
    return {"counts": counts, "line": describe_lesson(lesson), "revision": lesson.revised()}


def describe_lesson(lesson: VisitorLesson) -> str:
    """What there is to do, or what was learned, in a sentence."""
    state, taught = lesson.state, lesson.state.taught
    showing, left = state.showing, state.seconds_left
    if showing == ANYTHING_ELSE and left is not None:
        return LINES["background"].format(seconds=math.ceil(left))
    if state.is_full:
        return LINES["full"]
    shown = sum(1 for count in state.counts.values() if count)
    if shown == 0:
        return LINES["nothing"]
    if showing is not None:
        return LINES["showing"]
    if shown == 1:
        return LINES["one"]
    if taught.trouble:
        return taught.trouble
    if _is_learning(lesson) or taught.learned is None:
        return LINES["learning"]
    accuracy = taught.learned.accuracy
    if accuracy is None:
        return LINES["untested"]
    return LINES["tested"].format(
        share=percent(accuracy, in_words=True), count=taught.learned.held_out
    )


def _is_learning(lesson: VisitorLesson) -> bool:
    state, taught = lesson.state, lesson.state.taught
    if state.showing is None and sum(1 for count in state.counts.values() if count) < 2:
        return False
    return not taught.trouble and not (taught.is_learned and taught.version == state.version)


def _sentences(learned: Learned) -> list[str]:
    found = list(learned.sentences)
    for one, other, count in learned.confused()[:_MOST_CONFUSIONS]:
        row = [each.label for each in learned.classes].index(one)
        asked = int(learned.confusion[row].sum())
        found.append(LINES["taken_for"].format(one=one, other=other, count=count, all=asked))
    return [f"{each[:1].upper()}{each[1:].rstrip('.')}." for each in found]
