"""One picture: what the network says, and how well each method explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import View
from live_gradcam.evaluate.dataset import Sample, merged_masks
from live_gradcam.evaluate.folders import printable
from live_gradcam.evaluate.settings import Settings
from live_gradcam.explain.protocol import BatchExplainer
from live_gradcam.faithfulness import measures
from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.faithfulness.scoring import Seen
from live_gradcam.values import Explanation, Image, Prediction

TOP = 3
"""How many classes a record lists, and how many chances the wider accuracy gives."""


class Asker(Protocol):
    """The part of `live_gradcam.faithfulness.scoring.Scorer` that measuring needs."""

    def see(self, image: Image, view: View) -> Seen:
        """See `Scorer.see`."""

    def probabilities(self, inputs: NDArray[np.float32], class_index: int) -> NDArray[np.float64]:
        """See `Scorer.probabilities`."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """Measures pictures, one after another; keeps nothing of them.

    Attributes:
        explainers: For each method, by name; they predict at least `TOP` classes.
        probe: Whose probabilities the removal test asks for, cheaply.
        scorer: Asked about perturbed inputs.
        settings: What is measured.
    """

    explainers: Mapping[str, BatchExplainer]
    probe: BatchExplainer
    scorer: Asker
    settings: Settings

    def examine(self, sample: Sample, name: str, place: int) -> dict[str, Any]:
        """Measure one picture.

        The class that is explained is the true one (of several, the one with the highest score);
        where the truth is not known, the one that the network names first.

        Args:
            sample: The picture and the truth about it.
            name: Of the picture.
            place: Of the picture in the data set; with the seed, it decides where controls lie.

        Returns:
            The picture's record, ready for JSON; it depends on nothing but the arguments.
        """
        explained = {
            method: self._explain(explainer, sample)
            for method, explainer in self.explainers.items()
        }
        first = next(iter(explained.values()))
        best = first.predictions[:TOP]
        record: dict[str, Any] = {
            "picture": place,
            "name": name,
            "labels": list(sample.labels),
            "predictions": [_prediction(each) for each in best],
            "top1": _hit(best[:1], sample.labels),
            "top3": _hit(best, sample.labels),
        }
        if sample.note:
            record["note"] = sample.note
        record["methods"] = {
            method: self._measure(sample, explanation, place)
            for method, explanation in explained.items()
        }
        return record

    def _explain(self, explainer: BatchExplainer, sample: Sample) -> Explanation:
        """The picture explained, the class in question first."""
        present = dict.fromkeys((*sample.labels, *(index for index, _ in sample.objects)))
        classes = list(present) or None
        view = self.settings.view
        (explanation,) = explainer.explain_batch([sample.image], classes=classes, view=view)
        return best_first(explanation, sample.labels)

    def _measure(self, sample: Sample, explanation: Explanation, place: int) -> dict[str, Any]:
        wanted = self.settings.measures
        evidence = explanation.evidence[0]
        tested = explanation.explained[0]
        probability = next(
            each.probability for each in explanation.predictions if each.class_index == tested
        )
        blank = not bool((evidence > 0).any())
        record: dict[str, Any] = {
            "class_index": tested,
            "probability": probability,
            "blank": blank,
        }
        if "removal" in wanted:
            record |= self._removal(sample, explanation, place)
        if {"curves", "drop"} & set(wanted) and not blank:
            record |= self._perturbed(sample, evidence, tested)
        if "pointing" in wanted:
            record["objects"] = self._objects(sample, explanation)
        if "completeness" in wanted:
            record["completeness_residual"] = explanation.completeness_residual
        return record

    def _removal(self, sample: Sample, explanation: Explanation, place: int) -> dict[str, float]:
        found = removal_test(
            self.probe,
            sample.image,
            explanation,
            view=self.settings.view,
            generator=np.random.default_rng([self.settings.seed, place]),
        )
        if found is None:
            return {}
        return {"removal_drop": found.drop, "control_drop": found.control_drop}

    def _perturbed(self, sample: Sample, evidence: measures.Map, tested: int) -> dict[str, Any]:
        inputs = self.scorer.see(sample.image, self.settings.view).inputs

        def score(several: measures.Inputs) -> NDArray[np.float64]:
            return self.scorer.probabilities(several, tested)

        found: dict[str, Any] = {}
        masked = measures.masked_by(inputs, evidence)
        before, left = (float(each) for each in score(np.stack([inputs, masked])))
        if "drop" in self.settings.measures:
            found["average_drop"] = measures.average_drop(before, left)
            found["increase"] = left > before
        if "curves" in self.settings.measures:
            steps = self.settings.steps
            curves = measures.deletion_insertion(
                inputs, evidence, score, steps=steps, before=before
            )
            found["deletion"] = curves.deletion_area
            found["insertion"] = curves.insertion_area
        return found

    def _objects(self, sample: Sample, explanation: Explanation) -> list[dict[str, Any]]:
        height, width = self.scorer.see(sample.image, self.settings.view).inputs.shape[1:]
        objects = []
        for index, whole in merged_masks(sample.objects).items():
            mask = measures.in_view(whole, explanation.region, height, width)
            if not mask.any():
                continue  # the network was not shown it
            evidence = explanation.evidence[explanation.explained.index(index)]
            objects.append(
                {
                    "class_index": index,
                    "hit": measures.points_at(evidence, mask),
                    "chance": measures.pointing_chance(mask),
                    "inside": measures.share_inside(evidence, mask),
                    "area": measures.area_inside(evidence, mask),
                }
            )
        return objects


def best_first(explanation: Explanation, labels: tuple[int, ...]) -> Explanation:
    """The same explanation with the true class of the highest score before the others."""
    candidates = [each for each in explanation.explained if each in labels or not labels]
    order = [each.class_index for each in explanation.predictions]
    first = min(candidates, key=order.index)
    places = list(range(len(explanation.explained)))
    place = explanation.explained.index(first)
    places.insert(0, places.pop(place))
    residual = explanation.completeness_residual
    return replace(
        explanation,
        explained=tuple(explanation.explained[each] for each in places),
        labels=tuple(explanation.labels[each] for each in places),
        evidence=np.ascontiguousarray(explanation.evidence[places]),
        # It is known of the map that was the first.
        completeness_residual=residual if place == 0 else None,
    )


def _prediction(prediction: Prediction) -> dict[str, Any]:
    return {
        "class_index": prediction.class_index,
        "label": printable(prediction.label),
        "probability": prediction.probability,
    }


def _hit(best: tuple[Prediction, ...], labels: tuple[int, ...]) -> bool | None:
    """Whether one of the true classes is among the best; ``None`` where no truth is known."""
    return any(each.class_index in labels for each in best) if labels else None
