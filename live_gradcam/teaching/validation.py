"""Cross-validation over bursts: what a head would have said of bursts that it was not taught.

Neighbouring frames are near-copies, so that only whole bursts are held out. Each fold holds out
some bursts of every class that has several; a class of one burst is always taught and never asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.teaching.calibration import choose_temperature
from live_gradcam.teaching.examples import Examples
from live_gradcam.teaching.fit import DEFAULT_STRENGTH, STRENGTHS, softmax, trial_scores

MOST_FOLDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """What was said of held-out bursts, by heads of the chosen strength.

    Attributes:
        strength: Of those that were tried the one with the smallest loss on held-out examples.
        temperature: With which the probabilities of held-out examples fit best, see `calibration`;
            1 where none could be held out.
        answers: Of each burst, what was said of each of its examples: class indices ``(n,)``;
            ``None`` where it was never held out.
        covered: Probabilities ``(m, classes)`` of its frames with all that moves covered; ``None``
            where it was never held out.
    """

    strength: float
    temperature: float
    answers: tuple[NDArray[np.int64] | None, ...]
    covered: tuple[NDArray[np.float64] | None, ...]

    @property
    def held_out(self) -> tuple[bool, ...]:
        """``True`` for each burst that was held out."""
        return tuple(each is not None for each in self.answers)


def folds_of(examples: Examples) -> list[int | None]:
    """Return for each burst the fold in which it is held out; ``None`` where it never is.

    Of a class of several films a film is held out as a whole: its parts are much alike.
    """
    groups: dict[str, dict[str, int]] = {}
    for index, each in enumerate(examples.bursts):
        known = groups.setdefault(each.label, {})
        known.setdefault(each.source or f"#{index}", len(known))
    for label, known in groups.items():
        if len(known) == 1:  # parts of one film are better than nothing
            own = (i for i, each in enumerate(examples.bursts) if each.label == label)
            groups[label] = {f"#{index}": place for place, index in enumerate(own)}
    folds = min(MOST_FOLDS, max(map(len, groups.values()), default=0))
    found: list[int | None] = []
    for index, each in enumerate(examples.bursts):
        known = groups[each.label]
        place = known.get(each.source, known.get(f"#{index}", 0))
        found.append(place % folds if len(known) > 1 else None)
    return found


def validate(
    examples: Examples,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Validation:
    """Hold out bursts, and choose the strength by what is said of them.

    Args:
        examples: Of at least two classes, each with examples.
        stop: Asked again and again; ``True`` gives up.
        on_progress: Told how many folds are done, and of how many.

    Raises:
        Stopped: The caller asked for it.
    """
    bursts, folds = examples.bursts, folds_of(examples)
    class_count = len(examples.labels)
    scores: list[NDArray[np.float64] | None] = [None] * len(bursts)
    numbers = sorted({each for each in folds if each is not None})
    for done, fold in enumerate(numbers):
        on_progress(done, len(numbers))
        taught = [burst for burst, each in zip(bursts, folds, strict=True) if each != fold]
        asked = [index for index, each in enumerate(folds) if each == fold]
        parts = [part for index in asked for part in _asked(examples, index)]
        found = trial_scores(
            examples.features(taught),
            examples.classes(taught),
            class_count,
            np.concatenate(parts),
            stop=stop,
        )
        lengths = [sum(map(len, _asked(examples, index))) for index in asked]
        split = np.split(found, np.cumsum(lengths)[:-1], axis=1)
        for index, part in zip(asked, split, strict=True):
            scores[index] = part
    on_progress(len(numbers), len(numbers))
    strength, temperature, best = _best(examples, scores)
    answers: list[NDArray[np.int64] | None] = []
    covered: list[NDArray[np.float64] | None] = []
    for burst, score in zip(bursts, scores, strict=True):
        own = None if score is None else score[best]
        answers.append(None if own is None else own[: len(burst)].argmax(1))
        covered.append(None if own is None else softmax(own[len(burst) :] / temperature))
    return Validation(strength, temperature, tuple(answers), tuple(covered))


def _asked(examples: Examples, index: int) -> list[NDArray[np.float32]]:
    burst = examples.bursts[index]
    return [burst.features, *([] if burst.moving is None else [burst.moving.covered])]


def _best(examples: Examples, scores: list[NDArray[np.float64] | None]) -> tuple[float, float, int]:
    """Return the strength with the smallest loss, its temperature, and its index.

    Every class counts alike. Each strength is judged with its own temperature: the freest is the
    surest, and no better for that.
    """
    held = [
        (burst, score[:, : len(burst)])
        for burst, score in zip(examples.bursts, scores, strict=True)
        if score is not None
    ]
    if not held:
        return DEFAULT_STRENGTH, 1.0, 0
    truth = examples.classes([burst for burst, _ in held])
    counts = np.bincount(truth, minlength=len(examples.labels))
    share = 1.0 / (counts[truth] * np.count_nonzero(counts))
    together = np.concatenate([score for _, score in held], axis=1)
    found = [choose_temperature(each, truth, share, len(held)) for each in together]
    best = int(np.argmin([loss for _, loss in found]))
    return STRENGTHS[best], found[best][0], best
