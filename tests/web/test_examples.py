"""Examples: generated, and known by the very network that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.scenes import SCENE_CLASSES
from live_gradcam.values import Explanation, Image, Prediction, Region
from live_gradcam.web.drawings import DRAWINGS, SIDE
from live_gradcam.web.examples import find_examples


def test_the_bundled_network_knows_generated_scenes(
    explainer: Explainer, classifier: Classifier
) -> None:
    found = find_examples(explainer, classifier.labels)
    assert 2 <= len(found) <= 4
    for example in found:
        best = explainer.explain(example.image).predictions[0]
        assert best.label == example.name
        assert best.probability is not None
        assert best.probability >= 0.5


def test_a_network_of_imagenet_knows_drawings_of_things(shared: Path) -> None:
    weights = shared / "weights" / "squeezenet1_1-imagenet.pth"
    classifier = load_classifier("squeezenet1_1", weights=weights)
    with Explainer(classifier, device="cpu", precision="fp32", compile="off") as explainer:
        found = find_examples(explainer, classifier.labels)
        assert len(found) >= 3
        for example in found:
            assert explainer.explain(example.image).predictions[0].label == example.name


class Says:
    """A network that always says the same."""

    def __init__(self, label: str, probability: float | None) -> None:
        self.best = Prediction(0, label, 1.0, probability)
        self.asked = 0

    def explain_batch(self, images: Sequence[Any], **_options: object) -> list[Explanation]:
        self.asked += len(images)
        nothing = np.zeros((1, 1, 1), np.float32)
        return [Explanation((self.best,), (0,), nothing, Region(0, 0, 1, 1))] * len(images)


@pytest.mark.parametrize(
    ("says", "labels"),
    [
        (Says("cat", 1.0), ["cat", "dog"]),  # nothing of that can be drawn
        (Says("soccer ball", 1.0), ["cat", "strawberry"]),  # it does not know what it should
        (Says("strawberry", 0.3), ["cat", "strawberry"]),  # it is not sure
        (Says("strawberry", None), ["cat", "strawberry"]),  # it has no probabilities
        (Says("circle", 1.0), [*SCENE_CLASSES[:-1]]),  # labels like the scenes', but not theirs
    ],
)
def test_without_a_picture_that_it_knows_there_is_no_example(says: Any, labels: list[str]) -> None:
    assert find_examples(says, labels) == []


def test_labels_are_found_in_any_case() -> None:
    says = Says("Soccer Ball", 0.9)
    (found,) = find_examples(says, ["x", "Soccer Ball"])
    assert found.name == "Soccer Ball"
    assert says.asked == 1


def test_drawings_are_the_same_every_time() -> None:
    for _, make in DRAWINGS:
        first: Image = make()
        assert first.shape == (SIDE, SIDE, 3)
        assert np.array_equal(first, make())
    assert len({name for name, _ in DRAWINGS}) == len(DRAWINGS)
