"""The contract of engines: what runs a graph."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.graph.metadata import GraphMetadata

EngineName: TypeAlias = Literal["openvino", "onnxruntime"]

ComputePrecision: TypeAlias = Literal["fp32", "bf16", "fp16"]
"""Number format that an engine computes a graph of floating-point numbers in. The quantised layers
of an int8 graph stay int8; this is said about the others."""


class GraphResult(NamedTuple):
    """Output of a graph for a batch; the arrays belong to the caller.

    Attributes:
        scores: float32 ``(N, classes)``.
        classes: int64 ``(N, K)``, the explained classes.
        evidence: float32 ``(N, K, h, w)``.
        features: float32 ``(N, C, h, w)``, of graphs that put them out.
    """

    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    evidence: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


class GraphEngine(Protocol):
    """Runs one graph. Safe to use from many threads.

    Attributes:
        version: Of its library.
        device: Where it runs, in the engine's words.
        precision: Number format that it computes in.
        metadata: What the graph's file says about itself.
        threads: Number of threads that it computes with on a processor.
    """

    version: str
    device: str
    precision: ComputePrecision
    metadata: GraphMetadata
    threads: int

    @property
    def name(self) -> EngineName:
        """Of the engine, as ``--engine`` has it."""

    def run(
        self, pixels: NDArray[np.uint8], selection: NDArray[np.int64] | None = None
    ) -> GraphResult:
        """Run the graph.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, RGB, of the network's size; not modified.
            selection: ``int64 (K,)`` for graphs whose classes are ``asked``; else ``None``.

        Raises:
            DeviceError: The device failed, or has too little memory, or the engine is closed.
            UsageError: The graph does not take images of this size.
        """

    def set_threads(self, number: int) -> None:
        """Use this number of threads from the next run on; may cost as much as a few runs.

        Runs of other threads go on meanwhile. Does nothing where no processor computes.
        """

    def close(self) -> None:
        """Give the engine's memory and threads back. Idempotent."""
