"""Running graphs whose classes are asked for: the first one needs not know how many it makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from live_gradcam.graph.engine import GraphEngine, GraphResult

MOST_RUNS = 2
"""Runs of such a graph that are still cheaper than one of another engine."""


def run_asked(
    engine: GraphEngine, pixels: NDArray[np.uint8], selection: Sequence[int], depth: int
) -> GraphResult:
    """Run a graph for any number of classes: again and again for more than it makes at once.

    Args:
        engine: Runs the graph.
        pixels: ``uint8 (N, H, W, 3)``, RGB.
        selection: Classes, or ranks: -1 is the best class of each image, -2 the second best, ...
        depth: Number of maps that the graph makes.

    Returns:
        As many maps as the selection has entries, in its order.

    Raises:
        DeviceError: The engine failed, or was closed.
        UsageError: The graph does not take images of this size.
    """
    parts = []
    for start in range(0, len(selection), depth):
        part = list(selection[start : start + depth])
        padded = (part + part[-1:] * depth)[:depth]
        parts.append((engine.run(pixels, np.array(padded, np.int64)), len(part)))
    return GraphResult(
        parts[0][0].scores,
        np.concatenate([found.classes[:, :kept] for found, kept in parts], 1),
        np.concatenate([found.evidence[:, :kept] for found, kept in parts], 1),
    )
