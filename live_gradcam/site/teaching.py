"""What the page has to know to teach its network: figures, names, and what a saved head says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.methods import require_method
from live_gradcam.explain.pooled import layout_of
from live_gradcam.explain.taught import facts_of
from live_gradcam.teaching.examples import ANYTHING_ELSE
from live_gradcam.teaching.fit import DEFAULT_STRENGTH, STRENGTHS
from live_gradcam.teaching.lesson import placeholder
from live_gradcam.teaching.validation import MOST_FOLDS

MOST_CLASSES = 9
"""As many as there are digits, beside that of everything else."""

MOST_EXAMPLES = 2000
"""A page keeps so many; by then more of the same teach nothing."""


def why_not_teachable(classifier: Classifier) -> str:
    """Return why visitors cannot teach a network; empty if they can."""
    try:
        layout_of(classifier)
    except ModelError as exc:
        return exc.cause
    return ""


def describe_teaching(classifier: Classifier, features: int) -> Mapping[str, Any] | None:
    """Return what the page has to know to teach; ``None`` where the graph puts out no features.

    ``facts`` are the texts that a file of a taught head says about itself, but for its labels, see
    `live_gradcam.explain.taught.TaughtFacts.as_metadata`: what the page saves is what Python saves.

    Args:
        classifier: What was exported.
        features: Of the graph, see `live_gradcam.graph.metadata.GraphMetadata.features`.
    """
    if not features:
        return None
    facts = facts_of(placeholder(classifier, features), whole=False)
    return {
        "features": features,
        "trunk": facts.trunk,
        "facts": facts.as_metadata(),
        "method_title": require_method("gradcam").title,
        "strengths": list(STRENGTHS),
        "default_strength": DEFAULT_STRENGTH,
        "most_folds": MOST_FOLDS,
        "most_classes": MOST_CLASSES,
        "most_examples": MOST_EXAMPLES,
        "anything_else": ANYTHING_ELSE,
    }
