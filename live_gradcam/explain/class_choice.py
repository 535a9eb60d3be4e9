"""Which classes get a map: what a caller names becomes what the engine is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import Selection
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation


class ClassChooser:
    """Translates choices of classes for one classifier.

    Args:
        classifier: It knows the classes by name.
        top_k: Number of classes that ``"top"`` stands for.
    """

    def __init__(self, classifier: Classifier, top_k: int) -> None:
        self._classifier = classifier
        self._top_k = top_k
        output = classifier.output
        # With another threshold than a half, the larger score is not always the answer.
        self._by_threshold = output.name == "binary" and output.threshold != 0.5
        self._found = lru_cache(maxsize=64)(self._find)

    def selection(self, classes: ClassChoice) -> Selection:
        """Return what the engine is to be asked for.

        Raises:
            UsageError: There is no such class, or none was named.
        """
        listed = isinstance(classes, Sequence) and not isinstance(classes, str)
        return self._found(tuple(classes) if listed else classes)  # type: ignore[arg-type]

    def keep_chosen(self, explained: list[Explanation], classes: ClassChoice) -> list[Explanation]:
        """Leave only the chosen maps, where the engine had to be asked for more."""
        if not self._by_threshold or not (classes is None or classes == "top"):
            return explained
        count = 1 if classes is None else self._top_k
        return [_keep_best(each, count) for each in explained]

    def _find(self, classes: int | str | tuple[int | str, ...] | None) -> Selection:
        if self._by_threshold and (classes is None or classes == "top"):
            return (0, 1)
        if classes is None:
            return (-1,)
        if classes == "top":
            return tuple(range(-1, -1 - self._top_k, -1))
        if classes == "all":
            return tuple(range(self._classifier.class_count))
        named = classes if isinstance(classes, tuple) else (classes,)
        if not named:
            raise UsageError("cannot explain", "", "no class was named", "Name a class")
        return tuple(self._classifier.class_index(each) for each in named)


def _keep_best(explanation: Explanation, count: int) -> Explanation:
    """Return the maps of the best classes of a binary network, which has those of both sides."""
    best = [each.class_index for each in explanation.predictions[:count]]
    # The two maps are each other's negative, so what is known of one is known of both.
    residual = explanation.completeness_residual
    return replace(explanation.with_classes(best), completeness_residual=residual)
