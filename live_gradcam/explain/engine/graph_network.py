"""One network's graph in another engine, with tensors in and out as the rest of the house has them.

A graph makes as many maps as it was exported for. Where more are asked for, a second graph makes
those of all classes, if they are cheap; or the first one runs twice.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from live_gradcam.explain.engine.fused import BatchResult, Selection
from live_gradcam.graph.asked import MOST_RUNS, run_asked
from live_gradcam.graph.engine import GraphEngine, GraphResult


class GraphNetwork:
    """Runs a network's graph. Safe to use from many threads.

    Args:
        engine: Of the graph whose classes are asked for.
        depth: Number of maps that it makes.

    Attributes:
        engine: The one that was given.
        every: Engine of the graph that makes the maps of all classes, where there is one.
    """

    def __init__(self, engine: GraphEngine, depth: int) -> None:
        self.engine = engine
        self.every: GraphEngine | None = None
        self._depth = depth

    def run(self, pixels: Tensor, selection: Selection) -> BatchResult | None:
        """Return scores and evidence, or ``None`` for more classes than the graph can make.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, BGR, on the CPU.
            selection: Classes to explain.

        Raises:
            DeviceError: The engine failed, or was closed.
            UsageError: The graph does not take images of this size.
        """
        count, every = len(selection), self.every
        if count > self._depth and every is not None:
            return _selected(every.run(_rgb(pixels)), selection)
        if count > MOST_RUNS * self._depth:
            return None
        return _tensors(run_asked(self.engine, _rgb(pixels), selection, self._depth))

    def __call__(self, pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run as `live_gradcam.explain.engine.fused.Engine` does, without a basis."""
        found = self.run(pixels, tuple(selection.tolist()))
        assert found is not None, "no more classes than the graph has maps"
        return (*found, found.evidence[:, :0])

    def set_threads(self, number: int) -> None:
        """Use this number of threads on a processor."""
        for engine in filter(None, (self.engine, self.every)):
            engine.set_threads(number)

    def close(self) -> None:
        """Close the engines. Idempotent."""
        for engine in filter(None, (self.engine, self.every)):
            engine.close()


def every_as_engine(
    every: GraphEngine, pixels: Tensor, selection: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the graph of all classes as `live_gradcam.explain.engine.fused.Engine` does.

    Args:
        every: Its engine.
        pixels: ``uint8 (N, H, W, 3)``, BGR, on the CPU.
        selection: Classes, no ranks.
    """
    found = _selected(every.run(_rgb(pixels)), tuple(selection.tolist()))
    return (*found, found.evidence[:, :0])


def _rgb(pixels: Tensor) -> np.ndarray:
    swapped: np.ndarray = pixels.flip(3).numpy()
    return swapped


def _selected(found: GraphResult, selection: Selection) -> BatchResult:
    """Pick the maps of named classes from those of all."""
    everything = np.arange(found.evidence.shape[1])
    if np.array_equal(everything, selection):
        return _tensors(found)
    chosen = list(selection)
    return _tensors(GraphResult(found.scores, found.classes[:, chosen], found.evidence[:, chosen]))


def _tensors(found: GraphResult) -> BatchResult:
    return BatchResult(*map(torch.from_numpy, (found.scores, found.classes, found.evidence)))
