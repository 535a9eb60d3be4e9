"""The sanity check of explanations by cascading randomisation (Adebayo et al., arXiv 1810.03292).

Part by part, from the scores down to the first layer, the weights are drawn at random. The map of a
method that shows what the network has learned becomes another one; its rank correlation with the
original falls towards 0 (section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from live_gradcam.evaluate.dataset import Sample
from live_gradcam.evaluate.image_evaluator import explain_sample, open_pool
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.partial_results import PartialResults
from live_gradcam.evaluate.values import SanityStage
from live_gradcam.explain.explainer import Explainer
from live_gradcam.faithfulness.randomize import cascading_randomization, count_stages
from live_gradcam.faithfulness.removal import rank_correlation
from live_gradcam.pool import ExplainerPool
from live_gradcam.values import Explanation


def run_sanity_check(
    pool: ExplainerPool[Explainer],
    samples: Sequence[Sample],
    options: EvaluationOptions,
    partial: PartialResults,
    *,
    on_notice: Callable[[str], None] | None = None,
    on_stage: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[SanityStage, ...]:
    """Randomise the weights part by part and compare the maps with the originals.

    Args:
        pool: Explainers of the untouched classifier, which is not modified.
        samples: The images that it is done with.
        options: Methods, view, seed, device and precision.
        partial: Stages that are done already, and where new ones are kept.
        on_notice: As of `Explainer`.
        on_stage: Called with the number of stages that are done, and of all.

    Returns:
        The stages, from the head to the first layer.
    """
    originals: dict[str, list[Explanation]] = {}
    count = count_stages(pool.classifier)
    randomised = cascading_randomization(pool.classifier, seed=options.seed)
    for place, (name, classifier) in enumerate(randomised):
        if place not in partial.stages:
            originals = originals or _explain_all(pool, samples, options)
            with open_pool(classifier, options, on_notice) as own:
                correlation = {
                    method: _correlation(own.get(own.key(method=method)), samples, maps, options)
                    for method, maps in originals.items()
                }
            partial.add_stage(place, SanityStage(name, correlation))
        on_stage(place + 1, count)
    return tuple(partial.stages[place] for place in range(count))


def _explain_all(
    pool: ExplainerPool[Explainer], samples: Sequence[Sample], options: EvaluationOptions
) -> dict[str, list[Explanation]]:
    explainers = {method: pool.get(pool.key(method=method)) for method in options.methods}
    return {
        method: [explain_sample(explainer, sample, options.view) for sample in samples]
        for method, explainer in explainers.items()
    }


def _correlation(
    explainer: Explainer,
    samples: Sequence[Sample],
    originals: Sequence[Explanation],
    options: EvaluationOptions,
) -> float:
    values = []
    for sample, original in zip(samples, originals, strict=True):
        (now,) = explainer.explain_batch(
            [sample.image], classes=[original.explained[0]], view=options.view
        )
        values.append(rank_correlation(original.evidence[0], now.evidence[0]))
    return float(np.mean(values))
