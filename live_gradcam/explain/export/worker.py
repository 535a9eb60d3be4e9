"""Exporting a network's graph in a child process, for the engines beside torch."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path

from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.graph.metadata import KEY, GraphMetadata

_LIBRARIES = ("onnx", "onnxscript")


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A network whose graph is wanted; see `live_gradcam.explain.engine.compile_worker.Request`.

    Attributes:
        network: Its head makes the maps.
        metadata: What the file says about itself.
        shape: Of an example of the pixels.
        output: Path of the ``.onnx`` file.
    """

    network: FusedNetwork
    metadata: GraphMetadata
    shape: Shape
    output: Path

    def serve(self) -> None:
        """Write the file."""
        from live_gradcam.explain.export.onnx_graph import make_onnx

        model = make_onnx(
            self.network,
            classes=self.metadata.classes,
            maps=self.metadata.maps,
            shape=self.shape,
        )
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, self.metadata.to_json()
        self.output.write_bytes(model.SerializeToString())


class GraphExporter:
    """Makes graphs of networks, see `live_gradcam.explain.engine.graphs.Exporter`.

    Attributes:
        modules: Names of the modules whose code makes a graph.
        versions: Of the libraries that take part.
    """

    modules = (__name__,)

    @property
    def missing(self) -> str:
        """Name of a library that is not installed; empty if there is none."""
        return next((name for name in _LIBRARIES if not _version(name)), "")

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of the libraries that take part."""
        return tuple(f"{name} {_version(name)}" for name in _LIBRARIES)

    def request(
        self, network: FusedNetwork, metadata: GraphMetadata, shape: Shape, output: Path
    ) -> bytes:
        """Return the pickled request for the child process."""
        return pickle.dumps(ExportRequest(network, metadata, shape, output))


def _version(name: str) -> str:
    try:
        return packages.version(name)
    except packages.PackageNotFoundError:
        return ""
