"""What a head has learned: how often it is right about bursts that it was not taught, and by what.

A class is told by its background where it is still named when all that moves is covered, and the
backgrounds of other classes are not taken for it. Where it is not, but was never shown before any
background that another class has, too, nothing says that it will not be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.teaching.examples import Burst, Examples
from live_gradcam.teaching.fit import FittedHead
from live_gradcam.teaching.motion import is_same_wall
from live_gradcam.teaching.validation import Validation
from live_gradcam.wording import percent

# Mean probability of a class from which it is still named with its object covered, and how much
# less it must be before the backgrounds of the others.
_NAMED, _LEAD = 0.6, 0.4
_MOST_NAMES = 3

LEARNED: Mapping[str, str] = {
    "same_pictures": "{one} and {other} have the same pictures: they cannot be told apart by them",
    "by_background": "it knows {label} by what is behind it: cover the {label} and it still says "
    "{label} ({share} on average)",
    "one_background": "{label} was always shown before one background, and no other class was: it "
    "may be told by that; show it before another one, too",
    "one_burst": "shown in one go only, so nothing of it could be held out: {names}",
    "and_more": "{names} and {count} more",
}
"""Templates of all sentences about what was learned."""


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
        by_background: It is told by its background.
        one_background: It was always shown before one background that no other class has.
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
    found = []
    for index, label in enumerate(examples.labels):
        own = [each for each in examples.bursts if each.label == label]
        asked = int(confusion[index].sum())
        hidden, others = _means(covered, examples.bursts, label, index)
        own_background = _own_background(examples, label)
        found.append(
            ClassLearned(
                label=label,
                examples=examples.count(label),
                bursts=len(own),
                accuracy=float(confusion[index, index]) / asked if asked else None,
                moving_share=_moving_share(own, head.weight[index]),
                covered=hidden,
                covered_others=others,
                by_background=own_background is not False and _is_told(hidden, others),
                one_background=own_background is True,
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


def _own_background(examples: Examples, label: str) -> bool | None:
    """Return whether a class was always shown before one background that no other one has.

    ``None`` where that cannot be told, because too little of the backgrounds is seen.
    """
    walls = [
        (each.label, each.moving.wall)
        for each in examples.bursts
        if each.moving is not None and (len(each.moving.maps) or each.label != label)
    ]
    own = [wall for name, wall in walls if name == label]
    others = [wall for name, wall in walls if name != label]
    if not own or not others:
        return None
    within = [is_same_wall(own[0], each) for each in own[1:]]
    across = [is_same_wall(one, other) for one in own for other in others]
    if False in within or True in across:
        return False
    return None if None in within or None in across else True


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
    if alone:
        names, more = ", ".join(alone[:_MOST_NAMES]), len(alone) - _MOST_NAMES
        if more > 0:
            names = LEARNED["and_more"].format(names=names, count=more)
        found.append(LEARNED["one_burst"].format(names=names))
    return found
