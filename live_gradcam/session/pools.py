"""The explainers that a session's keys can choose from, beside the one that it began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.late import LateExplainer
from live_gradcam.graph.only import OnlyExplainer
from live_gradcam.protocol import Explainers, LiveExplainer
from live_gradcam.session.config import TeachingOptions
from live_gradcam.session.late_pools import LatePools

if TYPE_CHECKING:
    from live_gradcam.session.taught_pools import TaughtPools
    from live_gradcam.session.teaching_desk import TeachingDesk


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
    if isinstance(explainer, LateExplainer):
        return LatePools(explainer, keep=keep, on_forwards=on_forwards)
    if isinstance(explainer, GraphExplainer):
        return OnlyExplainer(explainer)
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.session.taught_pools import TaughtPools

    return TaughtPools(cast(Explainer, explainer), keep=keep, on_forwards=on_forwards)


def pools_to_teach(pool: Explainers[LiveExplainer]) -> TaughtPools | None:
    """Return the explainers that classes can be taught beside; ``None`` without, or not yet."""
    if isinstance(pool, OnlyExplainer):
        return None
    if isinstance(pool, LatePools):
        return pool.loaded
    from live_gradcam.session.taught_pools import TaughtPools

    return pool if isinstance(pool, TaughtPools) else None


def make_desk(
    pools: TaughtPools,
    options: TeachingOptions,
    *,
    folder: Path,
    moving: bool,
    on_notice: Callable[[str], None],
) -> TeachingDesk:
    """Make the desk where classes are taught; see `TeachingDesk`."""
    from live_gradcam.session.teaching_desk import TeachingDesk

    return TeachingDesk(pools, options, folder=folder, moving=moving, on_notice=on_notice)
