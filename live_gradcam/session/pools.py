"""The explainers that a session's keys can choose from, beside the one that it began with."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.only import OnlyExplainer
from live_gradcam.protocol import Explainers, LiveExplainer


def explainers_beside(
    explainer: LiveExplainer,
    *,
    keep: int | None = None,
    on_forwards: Callable[[int, int], None] | None = None,
) -> Explainers[LiveExplainer]:
    """Return the explainers of the same network at other layers, with other methods or weights.

    Args:
        explainer: The given one; stays its owner's.
        keep: How many of the others are kept at most.
        on_forwards: Called with the progress of a slow method.
    """
    if isinstance(explainer, GraphExplainer):
        return OnlyExplainer(explainer)
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.pool import pool_beside

    return pool_beside(cast(Explainer, explainer), keep=keep, on_forwards=on_forwards)
