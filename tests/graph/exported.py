"""Exported files of the bundled network and of a tiny one, made as the command makes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.fused import FusedNetwork
from live_gradcam.explain.export.onnx_graph import make_onnx
from live_gradcam.explain.heads import LinearHead
from live_gradcam.explain.methods import METHODS
from live_gradcam.graph.integrity import content_hash
from live_gradcam.graph.metadata import KEY, ExplainedClasses, GraphMetadata


def export_to(
    path: Path,
    classifier: Classifier,
    *,
    classes: ExplainedClasses = "top",
    maps: int = 3,
    method: str = "gradcam",
    any_size: bool = False,
) -> GraphMetadata:
    """Write an exported file.

    Args:
        path: Of the file.
        classifier: Exported at its layer.
        classes: Those that have a map.
        maps: Their number.
        method: Makes the maps.
        any_size: Height and width stay free.
    """
    if isinstance(classes, tuple):
        maps = len(classes)
    elif classes == "all":
        maps = classifier.class_count
    made = METHODS[method]
    explained = replace(classifier, head=made.make_head(classifier.head))
    network = FusedNetwork(explained, "fp32").eval()
    height, width = classifier.preprocessing.input_size
    model = make_onnx(
        network, classes=classes, maps=maps, shape=(2, height, width), any_size=any_size
    )
    head = classifier.head
    closed = isinstance(head, LinearHead) and made.complete
    metadata = GraphMetadata(
        network=classifier.name,
        layer=classifier.layer,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        method=method,
        unit=made.unit,
        classes=classes,
        maps=maps,
        class_specific=made.class_specific,
        bias=tuple(head.bias.tolist()) if closed and isinstance(head, LinearHead) else None,
        output=classifier.output,
        any_size=any_size,
    )
    path.write_bytes(model.SerializeToString())
    metadata = replace(metadata, content_hash=content_hash(path))
    onnx.helper.set_model_props(model, {KEY: metadata.to_json()})
    path.write_bytes(model.SerializeToString())
    return metadata
