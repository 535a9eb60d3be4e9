"""The contract of engines: what runs a graph."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from live_gradcam.graph.metadata import GraphMetadata


class GraphResult(NamedTuple):
    """Output of a graph for a batch.

    Attributes:
        scores: float32 ``(N, classes)``.
        classes: int64 ``(N, K)``, the explained classes.
        evidence: float32 ``(N, K, h, w)``.
    """

    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    evidence: NDArray[np.float32]


class GraphEngine(Protocol):
    """Runs one graph. Safe to use from many threads.

    Attributes:
        name: Of the engine, as ``--engine`` has it: ``openvino`` or ``onnxruntime``.
        device: Where it runs, in the engine's words.
        metadata: What the graph's file says about itself.
    """

    name: str
    device: str
    metadata: GraphMetadata

    def run(
        self, pixels: NDArray[np.uint8], selection: NDArray[np.int64] | None = None
    ) -> GraphResult:
        """Run the graph.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, RGB, of the network's size; not modified.
            selection: ``int64 (K,)`` for graphs whose classes are ``asked``; else ``None``.

        Raises:
            DeviceError: The device failed, or has too little memory.
            UsageError: The graph does not take images of this size.
        """

    def set_threads(self, number: int) -> None:
        """Use this number of threads from the next run on; may cost as much as a few runs."""

    def close(self) -> None:
        """Give the engine's memory and threads back. Idempotent."""
