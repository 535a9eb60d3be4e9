"""What a head has learned: how often it is right about bursts that it was not taught, and by what.

A class is told by its background where it is still named when all that moves is covered, and the
backgrounds of other classes are not taken for it. Where it is not, but was never shown before any
background that another class has, too, nothing says that it will not be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.teaching.examples import ANYTHING_ELSE, Burst, Examples
from live_gradcam.teaching.fit import FittedHead
from live_gradcam.teaching.motion import is_same_wall
from live_gradcam.teaching.validation import Validation
from live_gradcam.wording import percent

LEARNED: Mapping[str, str] = {
    "same_pictures": "{one} and {other} have the same pictures: they cannot be told apart by them",
    "by_background": "it knows {label} by what is behind it: cover the {label} and it still says "
    "{label} ({share} on average)",
    "one_background": "{label} was always shown before one background, and no other class was: it "
    "may be told by that; show it before another one, too",
    "one_burst": "shown in one go only, so nothing of it could be held out: {labels}",
    "one_film": "held out by parts of one film only, which are much alike: {labels}",
    "more": "{labels} and {count} more",
    "accuracy": "right about {share} of {count} examples of bursts that were held out",
    "confused": "{truth} was taken for {said}: {count} of {asked}",
    "moving": "{share} of the evidence for {label} lies on what moves",
}
"""Sentences about what was learned; whoever shows them fills in what stands in braces."""

# Mean probability of a class from which it is still named with its object covered, and how much
# less it must be before the backgrounds of the others.
_NAMED, _LEAD = 0.5, 0.3
# Backgrounds that are compared: of each class and of all together.
_FEWEST_WALLS, _MOST_WALLS = 2, 160
_NAMES_SHOWN = 3
_MOST_SENTENCES = 50


@dataclass(frozen=True, slots=True)
class ClassLearned:
    """What is known of one class.

    Attributes:
        label: Its name.
        examples: Number of its examples.
        bursts: Number of its bursts.
        accuracy: Share of its held-out examples that were rightly named, 0..1; ``None`` where it
            has one burst only.
        moving_share: Share of its evidence on what moves, 0..1; ``None`` where the camera moved, or
            nothing did.
        covered: Mean probability of the class for its own pictures with all that moves covered;
            ``None`` likewise.
        covered_others: The same for pictures of the other classes.
        by_background: It is told by its background; never said of `ANYTHING_ELSE`, which is one.
        one_background: It was always shown before one background that no other class has.
        one_film: It was held out by parts of one film only.
    """

    label: str
    examples: int
    bursts: int
    accuracy: float | None = None
    moving_share: float | None = None
    covered: float | None = None
    covered_others: float | None = None
    by_background: bool = False
    one_background: bool = False
    one_film: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a head has learned.

    Attributes:
        classes: In order.
        strength: C of the regression.
        confusion: Number of held-out examples of each class (rows) by what was said of them.
        same_pictures: Pairs of classes that share examples, bit for bit.
    """

    classes: tuple[ClassLearned, ...]
    strength: float
    confusion: NDArray[np.int64]
    same_pictures: tuple[tuple[str, str], ...] = ()

    @property
    def held_out(self) -> int:
        """Number of examples that were held out."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float | None:
        """Share of held-out examples that were rightly named, 0..1; ``None`` if there were none."""
        return float(np.trace(self.confusion)) / self.held_out if self.held_out else None

    def confused(self) -> list[tuple[str, str, int]]:
        """Return which class was taken for which other one, and how often; most often first."""
        labels = [each.label for each in self.classes]
        found = [
            (labels[truth], labels[said], int(self.confusion[truth, said]))
            for truth, said in np.argwhere(self.confusion)
            if truth != said
        ]
        return sorted(found, key=lambda each: -each[2])

    @property
    def sentences(self) -> tuple[str, ...]:
        """What people should know, one sentence each; what is worst first."""
        return tuple(_sentences(self))

    @property
    def headline(self) -> str:
        """How often it was right about what was held out, in words; empty if nothing was."""
        if self.accuracy is None:
            return ""
        return LEARNED["accuracy"].format(share=percent(self.accuracy), count=self.held_out)

    def confusions(self, most: int) -> tuple[str, ...]:
        """Return what was taken for what, one sentence each, most often first."""
        asked = dict(zip((each.label for each in self.classes), self.confusion.sum(1), strict=True))
        return tuple(
            LEARNED["confused"].format(truth=truth, said=said, count=count, asked=asked[truth])
            for truth, said, count in self.confused()[:most]
        )

    def as_record(self) -> dict[str, Any]:
        """Return the figures and sentences as JSON can hold them, for the classifier's file."""
        return {
            "accuracy": self.accuracy,
            "held_out": self.held_out,
            "strength": self.strength,
            "classes": [
                {
                    "label": each.label,
                    "examples": each.examples,
                    "bursts": each.bursts,
                    "accuracy": each.accuracy,
                    "moving_share": each.moving_share,
                    "by_background": each.by_background,
                    "one_background": each.one_background,
                }
                for each in self.classes
            ],
            "sentences": [*filter(None, [self.headline]), *self.sentences[:_MOST_SENTENCES]],
        }


def describe_learned(examples: Examples, head: FittedHead, validation: Validation) -> Learned:
    """Say what a head has learned.

    Args:
        examples: That it was taught.
        head: Fitted on all of them.
        validation: Of the same examples.
    """
    count = len(examples.labels)
    confusion = np.zeros((count, count), np.int64)
    for burst, answers in zip(examples.bursts, validation.answers, strict=True):
        if answers is not None:
            row = examples.labels.index(burst.label)
            confusion[row] += np.bincount(answers, minlength=count)
    covered = _covered(examples, head, validation)
    walls = _Walls(examples)
    found = []
    for index, label in enumerate(examples.labels):
        own = [each for each in examples.bursts if each.label == label]
        asked = int(confusion[index].sum())
        hidden, others = _means(covered, examples.bursts, label, index)
        within, across = walls.within(label), walls.across(label)
        found.append(
            ClassLearned(
                label=label,
                examples=examples.count(label),
                bursts=len(own),
                accuracy=float(confusion[index, index]) / asked if asked else None,
                moving_share=_moving_share(own, head.weight[index]),
                covered=hidden,
                covered_others=others,
                by_background=within is not False
                and across is not True
                and label != ANYTHING_ELSE
                and _is_told(hidden, others),
                one_background=within is True and across is False and label != ANYTHING_ELSE,
                one_film=bool(asked) and _is_one_film(own),
            )
        )
    return Learned(tuple(found), head.strength, confusion, _shared(examples))


def _covered(
    examples: Examples, head: FittedHead, validation: Validation
) -> list[NDArray[np.float64]]:
    """Return of each burst the probabilities of its covered frames, held out where that can be."""
    found = []
    for burst, held in zip(examples.bursts, validation.covered, strict=True):
        if held is not None or burst.moving is None:
            found.append(held if held is not None else np.zeros((0, len(head.bias))))
        else:
            found.append(head.probabilities(burst.moving.covered))
    return found


def _means(
    covered: Sequence[NDArray[np.float64]], bursts: Sequence[Burst], label: str, index: int
) -> tuple[float | None, float | None]:
    means: list[float | None] = []
    for is_own in (True, False):
        chosen = [
            each[:, index]
            for each, burst in zip(covered, bursts, strict=True)
            if (burst.label == label) == is_own and len(each)
        ]
        means.append(float(np.mean([each.mean() for each in chosen])) if chosen else None)
    return means[0], means[1]


def _is_told(covered: float | None, others: float | None) -> bool:
    """Return whether a class is named with its object covered, and not before other backgrounds."""
    if covered is None or others is None:
        return False
    return covered >= _NAMED and covered - others >= _LEAD


def _moving_share(bursts: Sequence[Burst], weight: NDArray[np.float32]) -> float | None:
    """Return the share of a class's positive evidence that lies where something moves."""
    on, all_of_it = 0.0, 0.0
    for each in bursts:
        if each.moving is not None and len(each.moving.maps):
            evidence = np.einsum("c,mchw->mhw", weight, each.moving.maps.astype(np.float32))
            evidence = np.maximum(evidence, 0)
            on += float((evidence * each.moving.share).sum())
            all_of_it += float(evidence.sum())
    return on / all_of_it if all_of_it > 0 else None


class _Walls:
    """The backgrounds of the bursts of each class, of which each pair is compared once at most.

    Args:
        examples: Of many bursts some are taken.
    """

    def __init__(self, examples: Examples) -> None:
        self._walls: dict[str, list[NDArray[np.uint8]]] = {}
        self._shown: dict[str, list[int]] = {}
        self._known: dict[tuple[str, int, str, int], bool | None] = {}
        most = max(_FEWEST_WALLS, _MOST_WALLS // max(1, len(examples.labels)))
        for label in examples.labels:
            seen = [b.moving for b in examples.bursts if b.label == label and b.moving is not None]
            step = -(-len(seen) // most) or 1
            taken = seen[::step]
            self._walls[label] = [each.wall for each in taken]
            # Those before which something moved: an empty table is a background, and no object.
            self._shown[label] = [i for i, each in enumerate(taken) if len(each.maps)]

    def within(self, label: str) -> bool | None:
        """Return whether a class was always shown before one background.

        ``None`` where that cannot be told.
        """
        shown = self._shown[label]
        if not shown:
            return None
        found = {self._is_same(label, shown[0], label, each) for each in shown[1:]}
        return False if False in found else None if None in found else True

    def across(self, label: str) -> bool | None:
        """Return whether another class was shown before a background of a class.

        ``None`` where that cannot be told.
        """
        found: set[bool | None] = set()
        for other, walls in self._walls.items():
            if other == label:
                continue
            for one in self._shown[label]:
                for index in range(len(walls)):
                    same = self._is_same(label, one, other, index)
                    if same:
                        return True
                    found.add(same)
        return False if found == {False} else None

    def _is_same(self, one: str, first: int, other: str, second: int) -> bool | None:
        key = min((one, first, other, second), (other, second, one, first))
        if key not in self._known:
            self._known[key] = is_same_wall(self._walls[one][first], self._walls[other][second])
        return self._known[key]


def _is_one_film(bursts: Sequence[Burst]) -> bool:
    """Return whether all bursts of a class are parts of one film."""
    sources = {each.source for each in bursts}
    return len(bursts) > 1 and len(sources) == 1 and "" not in sources


def _shared(examples: Examples) -> tuple[tuple[str, str], ...]:
    """Return the pairs of classes of which examples are the same, bit for bit."""
    owners: dict[bytes, set[str]] = defaultdict(set)
    for burst in examples.bursts:
        for each in burst.features:
            owners[each.tobytes()].add(burst.label)
    pairs = {
        (one, other)
        for names in owners.values()
        for one in names
        for other in names
        if examples.labels.index(one) < examples.labels.index(other)
    }
    return tuple(sorted(pairs, key=lambda pair: tuple(map(examples.labels.index, pair))))


def _sentences(learned: Learned) -> list[str]:
    found = [
        LEARNED["same_pictures"].format(one=one, other=other)
        for one, other in learned.same_pictures
    ]
    for each in learned.classes:
        if each.by_background and each.covered is not None:
            share = percent(each.covered)
            found.append(LEARNED["by_background"].format(label=each.label, share=share))
        elif each.one_background:
            found.append(LEARNED["one_background"].format(label=each.label))
    alone = [each.label for each in learned.classes if each.bursts == 1]
    same_film = [each.label for each in learned.classes if each.one_film]
    for key, labels in (("one_burst", alone), ("one_film", same_film)):
        if labels:
            found.append(LEARNED[key].format(labels=_named(labels)))
    return found


def _named(labels: Sequence[str]) -> str:
    names = ", ".join(labels[:_NAMES_SHOWN])
    more = len(labels) - _NAMES_SHOWN
    return LEARNED["more"].format(labels=names, count=more) if more > 0 else names
