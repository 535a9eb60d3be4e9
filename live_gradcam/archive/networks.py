"""The network of an archive, opened from plain options: with torch, or as an exported file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from live_gradcam.archive.options import ArchiveOptions
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.load import load_classifier
from live_gradcam.explain.methods import require_method
from live_gradcam.exports.description import hash_of_weights
from live_gradcam.fetching import file_sha256
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.graph.files import read_metadata
from live_gradcam.graph.open import open_graph

AnyExplainer: TypeAlias = Explainer | GraphExplainer

_EXPORTED = (".onnx", ".xml")


def open_network(options: ArchiveOptions, on_notice: Callable[[str], None]) -> AnyExplainer:
    """Open the network that options name, and what explains with it.

    Args:
        options: Name it.
        on_notice: Told each sentence that users should know.

    Raises:
        ModelError: The network, its weights or its labels cannot be used.
        UsageError: There is no such class, layer or method.
        DeviceError: The device cannot be used.
    """
    if is_exported(options.model):
        graph = open_graph(
            options.model,
            engine="auto" if options.engine == "torch" else options.engine,
            device=options.device,
            top_k=options.top_k,
            view=options.view,
            on_notice=on_notice,
        )
        try:
            if options.class_name is not None:
                graph.require_maps(options.class_name)
        except BaseException:
            graph.close()
            raise
        return graph
    require_method(options.method)
    classifier = load_classifier(
        options.model,
        weights=options.weights,
        labels=options.labels,
        layer=options.layer,
        fuse=options.fuse,
        state=options.state,
        output=options.output,
        output_name=options.output_name,
        threshold=options.threshold,
        preprocessing=options.preprocessing,
        transform_input=options.transform_input,
        on_notice=on_notice,
    )
    if options.class_name is not None:
        classifier.class_index(options.class_name)
    return Explainer(
        classifier,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        engine=options.engine,
        top_k=options.top_k,
        view=options.view,
        method=options.method,
        on_notice=on_notice,
    )


def is_exported(model: str) -> bool:
    """Return whether a model is a file that ``live-gradcam export`` made."""
    if Path(model).suffix.lower() not in _EXPORTED:
        return False
    return read_metadata(model) is not None


def hash_of_network(options: ArchiveOptions, explainer: AnyExplainer) -> str:
    """Return the SHA-256 of a network's weights, in hexadecimal digits; of an exported file, its.

    Args:
        options: Name the network.
        explainer: Explains with it.
    """
    if isinstance(explainer, Explainer):
        return hash_of_weights(explainer.classifier)
    path = Path(options.model)
    weights = path.with_suffix(".bin")
    if path.suffix.lower() == ".xml" and weights.is_file():
        return hashlib.sha256(f"{file_sha256(path)}{file_sha256(weights)}".encode()).hexdigest()
    return file_sha256(path)
