"""The files of a network's graphs, in the user's cache: found there, or made in a child process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Protocol

from live_gradcam.explain.engine.child_process import make_in_child
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.package_cache import graph_key, prune_cache
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.graph.metadata import GraphMetadata


class Exporter(Protocol):
    """Makes graphs of networks."""

    @property
    def modules(self) -> Sequence[str]:
        """Names of the modules whose code makes a graph."""

    @property
    def missing(self) -> str:
        """Name of a library that is not installed; empty if there is none."""

    @property
    def versions(self) -> Sequence[str]:
        """Versions of the libraries that take part."""

    def request(
        self, network: FusedNetwork, metadata: GraphMetadata, shape: Shape, output: Path
    ) -> bytes:
        """Return a pickled `live_gradcam.explain.engine.compile_worker.Request`."""


class GraphFiles:
    """Finds and makes the files of one network's graphs; for one thread.

    Args:
        make_network: Makes the eager network in float32 on the CPU.
        exporter: Makes graphs.
        closing: Ends the child process when it is set.
        yielding: The child process gives way to all others.
    """

    def __init__(
        self,
        make_network: Callable[[], FusedNetwork],
        exporter: Exporter,
        *,
        closing: threading.Event,
        yielding: bool,
    ) -> None:
        self._make_network = make_network
        self._exporter = exporter
        self._closing = closing
        self._yielding = yielding

    @cached_property
    def network(self) -> FusedNetwork:
        """The eager network in float32 on the CPU."""
        return in_short_lived_thread(self._make_network)

    def path(self, folder: Path, metadata: GraphMetadata, shape: Shape) -> Path:
        """Return the place of a graph, whether it is there or not.

        Args:
            folder: The cache.
            metadata: Says which classes are explained.
            shape: Of the pixels; graphs take batches of any size.
        """
        key = graph_key(
            self.network,
            metadata.classes,
            metadata.maps,
            shape[1:],
            modules=self._exporter.modules,
            versions=self._exporter.versions,
        )
        return folder / f"{key}.onnx"

    def obtain(
        self, path: Path, metadata: GraphMetadata, shape: Shape, *, may_export: bool
    ) -> bool:
        """Return whether a graph is in the cache, made if it may be.

        Raises:
            ChildFailed: It cannot be made.
        """
        if path.is_file():
            with suppress(OSError):
                os.utime(path)
            return True
        if not may_export:
            return False
        made = make_in_child(
            path,
            lambda output: self._exporter.request(self.network, metadata, shape, output),
            closing=self._closing,
            yielding=self._yielding,
        )
        if made:
            prune_cache(path.parent, keep=path)
        return made
