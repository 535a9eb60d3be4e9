"""One image, measured: predictions, and how well each method explains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from live_gradcam.capture.class_folders import printable
from live_gradcam.choices import View
from live_gradcam.evaluate.dataset import Sample
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.values import ClassProbability, ImageResult, MethodResult, ObjectResult
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness import measures
from live_gradcam.faithfulness.removal import removal_test
from live_gradcam.faithfulness.scoring import Scorer
from live_gradcam.faithfulness.verdicts import judge
from live_gradcam.pool import ExplainerPool
from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Explanation

TOP = 3
"""Number of classes that a result lists, and of chances that the wider accuracy gives."""


def open_pool(
    classifier: Classifier,
    options: EvaluationOptions,
    on_notice: Callable[[str], None] | None = None,
) -> ExplainerPool[Explainer]:
    """Return the explainers of a classifier.

    They run uncompiled, or in the engine that was named from the first image on, and always as many
    images in a forward: a network swapped in half-way, or sizes that are tried and timed, would
    make results depend on time.

    Args:
        classifier: The classifier.
        options: Device and precision.
        on_notice: As of `Explainer`.
    """
    make = partial(
        Explainer,
        device=options.device,
        precision=options.precision,
        top_k=TOP,
        on_notice=on_notice,
        steady=True,
    )
    named = options.engine not in ("auto", "torch")

    def explainer(each: Classifier, method: str) -> Explainer:
        if named and each is classifier:
            return make(each, method=method, engine=options.engine, compile="on")
        return make(each, method=method, engine="torch", compile="off")

    return ExplainerPool(classifier, explainer)


def explain_sample(
    explainer: BatchExplainer, sample: Sample, view: View, *, all_objects: bool = False
) -> Explanation:
    """Explain an image for its true classes, the one with the highest score first.

    Where the truth is not known, the network's first choice is explained.

    Args:
        explainer: Explains it.
        sample: The image and the truth about it.
        view: The part of the image that the network is shown.
        all_objects: ``True`` to explain the classes of all annotated objects, too.
    """
    objects = [index for index, _ in sample.objects] if all_objects else []
    classes = list(dict.fromkeys([*sample.labels, *objects])) or None
    (explanation,) = explainer.explain_batch([sample.image], classes=classes, view=view)
    order = [each.class_index for each in explanation.predictions]
    true = [each for each in explanation.explained if each in sample.labels or not sample.labels]
    first = min(true, key=order.index)
    others = (each for each in explanation.explained if each != first)
    return explanation.with_classes([first, *others])


@dataclass(frozen=True, slots=True)
class ImageEvaluator:
    """Measures images, one after another; keeps nothing of them.

    Attributes:
        explainers: Explainers by method; they predict at least `TOP` classes.
        predictor: The explainer whose predictions the removal test compares; a cheap one.
        scorer: Scores perturbed inputs.
        options: The choice of measures.
    """

    explainers: Mapping[str, BatchExplainer]
    predictor: BatchExplainer
    scorer: Scorer
    options: EvaluationOptions

    def evaluate(self, sample: Sample, name: str, index: int) -> ImageResult:
        """Measure one image.

        The class that is explained is the true one (of several, the one with the highest score);
        where the truth is not known, the one that the network names first.

        Args:
            sample: The image and the truth about it.
            name: Name of the image.
            index: Position of the image in the data set.

        Returns:
            The image's result; it depends on nothing but the arguments.
        """
        view = self.options.view
        explained = {
            method: explain_sample(explainer, sample, view, all_objects=True)
            for method, explainer in self.explainers.items()
        }
        best = next(iter(explained.values())).predictions[:TOP]
        hits = [each.class_index in sample.labels for each in best] if sample.labels else None
        return ImageResult(
            index,
            name,
            sample.labels,
            tuple(ClassProbability(e.class_index, printable(e.label), e.strength) for e in best),
            hits[0] if hits else None,
            any(hits) if hits else None,
            {method: self._measure(sample, each) for method, each in explained.items()},
            sample.note,
        )

    def _measure(self, sample: Sample, explanation: Explanation) -> MethodResult:
        wanted = self.options.measures
        explained = explanation.explained[0]
        blank = not bool((explanation.evidence[0] > 0).any())
        removal = drop = curves = objects = None
        if "removal" in wanted:
            removal = removal_test(
                self.predictor,
                sample.image,
                explanation,
                view=self.options.view,
                seed=self.options.seed,  # the same picture, the same figures
            )
        if {"curves", "drop"} & set(wanted) and not blank:
            drop, curves = self._perturb(sample, explanation)
        if "pointing" in wanted:
            objects = self._measure_objects(sample, explanation)
        chances = {each.class_index: each.strength for each in explanation.predictions}
        return MethodResult(
            class_index=explained,
            probability=chances[explained],
            blank=blank,
            removal_drop=removal.drop if removal else None,
            control_drop=removal.control_drop if removal else None,
            control_least=removal.control_range[0] if removal else None,
            control_most=removal.control_range[1] if removal else None,
            verdict=judge(removal) if removal else None,
            average_drop=(drop[0] if drop and explanation.output.has_probabilities else None),
            increase=drop[1] if drop else None,
            deletion=curves.deletion_area if curves else None,
            insertion=curves.insertion_area if curves else None,
            objects=objects,
            completeness_residual=(
                explanation.completeness_residual if "completeness" in wanted else None
            ),
        )

    def _perturb(
        self, sample: Sample, explanation: Explanation
    ) -> tuple[tuple[float, bool] | None, measures.Curves | None]:
        """Return average drop and increase, and the curves: each where it is wanted."""
        inputs = self.scorer.network_input(sample.image, self.options.view).pixels
        evidence, explained = explanation.evidence[0], explanation.explained[0]

        def score(several: measures.Inputs) -> NDArray[np.float64]:
            return self.scorer.strengths(several, explained)

        masked = measures.masked_by(inputs, evidence)
        before, left = (float(each) for each in score(np.stack([inputs, masked])))
        drop = curves = None
        if "drop" in self.options.measures:
            drop = measures.average_drop(before, left), left > before
        if "curves" in self.options.measures:
            curves = measures.deletion_insertion(
                inputs, evidence, score, steps=self.options.steps, before=before
            )
        return drop, curves

    def _measure_objects(
        self, sample: Sample, explanation: Explanation
    ) -> tuple[ObjectResult, ...]:
        height, width = self.scorer.network_input(sample.image, self.options.view).pixels.shape[1:]
        objects = []
        for index, whole in sample.class_masks().items():
            mask = measures.in_view(whole, explanation.region, height, width)
            if not mask.any():
                continue  # the network was not shown it
            evidence = explanation.evidence[explanation.explained.index(index)]
            found = ObjectResult(
                index,
                hit=measures.points_at(evidence, mask),
                chance=measures.pointing_chance(mask),
                inside=measures.share_inside(evidence, mask),
                area=measures.area_inside(evidence, mask),
            )
            objects.append(found)
        return tuple(objects)
