"""The pool of explainers: made once, found while others are made, closed when too many."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from live_gradcam.choices import View
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import ClassChoice
from live_gradcam.values import Explanation, Image
from tests.helpers.live import tiny_classifier


class NamedExplainer:
    """Explains nothing; knows what it was made for, and that it was closed."""

    def __init__(self, classifier: Classifier, method: str) -> None:
        self.made_for = (classifier.layer, method)
        self.closed = False

    def explain_batch(
        self, images: Sequence[Image], *, classes: ClassChoice = None, view: View | None = None
    ) -> list[Explanation]:
        return []

    def close(self) -> None:
        self.closed = True


def test_explainers_are_made_once_and_the_given_one_never() -> None:
    classifier = tiny_classifier()
    given = NamedExplainer(classifier, "gradcam")
    with ExplainerPool(classifier, NamedExplainer, given=given) as pool:
        assert pool.get(pool.key()) is given
        assert pool.find(pool.key("c")) is None
        made = pool.get(pool.key("c", "layercam"))
        assert made.made_for == ("c", "layercam")
        assert pool.get(pool.key("c", "layercam")) is made
        assert pool.find(pool.key("c", "layercam")) is made
        with pytest.raises(UsageError, match="unknown layer"):
            pool.get(pool.key("absent"))
    assert made.closed
    assert not given.closed


def test_the_explainer_that_was_not_used_for_longest_is_closed_first() -> None:
    with ExplainerPool(tiny_classifier(), NamedExplainer, keep=2) as pool:
        first, second = pool.get(pool.key("a")), pool.get(pool.key("b"))
        assert pool.find(pool.key("a")) is first
        pool.get(pool.key("c"))
        assert (first.closed, second.closed) == (False, True)
        assert pool.find(pool.key("b")) is None


def test_finding_one_does_not_wait_for_another_being_made() -> None:
    making, found = threading.Event(), threading.Event()

    def make(classifier: Classifier, method: str) -> NamedExplainer:
        making.set()
        assert found.wait(20)
        return NamedExplainer(classifier, method)

    with ExplainerPool(tiny_classifier(), make) as pool:
        maker = threading.Thread(target=pool.get, args=(pool.key("c"),))
        maker.start()
        assert making.wait(20)
        assert pool.find(pool.key("c")) is None
        found.set()
        maker.join()
        assert pool.find(pool.key("c")) is not None
