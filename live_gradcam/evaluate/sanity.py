"""Does a method look at the network at all? The sanity check by cascading randomisation.

Part by part, from the scores down to the first layer, the weights are drawn at random. The map of a
method that shows what the network has learned becomes another one; its rank correlation with the
original falls towards 0 (Adebayo et al., arXiv 1810.03292, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from live_gradcam.choices import View
from live_gradcam.evaluate.dataset import Sample
from live_gradcam.evaluate.examine import best_first
from live_gradcam.evaluate.state import State
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.randomize import cascading_randomization, count_stages
from live_gradcam.faithfulness.removal import rank_correlation
from live_gradcam.values import Evidence

MakeExplainer = Callable[[Classifier, str], Explainer]
"""From a classifier and a method's name to what explains with it."""


def check_sanity(
    classifier: Classifier,
    explainers: Mapping[str, Explainer],
    samples: Sequence[Sample],
    make_explainer: MakeExplainer,
    state: State,
    *,
    view: View,
    seed: int,
    on_stage: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Scramble the weights part by part and compare the maps with the originals.

    Args:
        classifier: Not modified.
        explainers: Of the untouched classifier, by method.
        samples: The pictures that it is done with.
        make_explainer: Makes one for a scrambled classifier.
        state: Where the stages are kept.
        view: What the network is shown.
        seed: Of the random weights.
        on_stage: Told how many stages are done, of how many.

    Returns:
        For each stage ``stage`` (the part that was drawn last), and under ``correlation`` for each
        method the mean rank correlation with the original map, from the head to the first layer.
    """
    originals: dict[str, list[tuple[int, Evidence]]] | None = None
    found = []
    count = count_stages(classifier)
    for place, (name, scrambled) in enumerate(cascading_randomization(classifier, seed=seed)):
        key = f"sanity {place}"
        if key not in state.done:
            if originals is None:
                originals = {
                    method: [_original(explainer, sample, view) for sample in samples]
                    for method, explainer in explainers.items()
                }
            with ExitStack() as stack:
                correlations = {}
                for method, maps in originals.items():
                    explainer = stack.enter_context(make_explainer(scrambled, method))
                    correlations[method] = _correlation(explainer, samples, maps, view)
            state.add(key, {"stage": name, "correlation": correlations})
        found.append(state.done[key])
        on_stage(len(found), count)
    return found


def _original(explainer: Explainer, sample: Sample, view: View) -> tuple[int, Evidence]:
    classes = list(sample.labels) or None
    (explanation,) = explainer.explain_batch([sample.image], classes=classes, view=view)
    explanation = best_first(explanation, sample.labels)
    return explanation.explained[0], explanation.evidence[0]


def _correlation(
    explainer: Explainer,
    samples: Sequence[Sample],
    originals: Sequence[tuple[int, Evidence]],
    view: View,
) -> float:
    values = []
    for sample, (index, before) in zip(samples, originals, strict=True):
        (now,) = explainer.explain_batch([sample.image], classes=[index], view=view)
        values.append(rank_correlation(before, now.evidence[0]))
    return float(np.mean(values))
