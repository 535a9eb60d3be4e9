"""What an exported file says about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata as packages

import torch

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import FUSED_UNIT, LinearHead, MultiLayerHead
from live_gradcam.explain.methods import Method
from live_gradcam.graph.metadata import ExplainedClasses, GraphMetadata, GraphPrecision

_LIBRARIES = ("live-gradcam", "torch", "torchvision", "onnx", "onnxscript", "openvino", "nncf")


def describe(
    classifier: Classifier,
    method: type[Method],
    *,
    classes: ExplainedClasses,
    maps: int,
    precision: GraphPrecision,
    any_size: bool,
    features: int = 0,
) -> GraphMetadata:
    """Return everything about a graph that its numbers do not say; nothing is measured yet."""
    head = classifier.head
    fused = isinstance(head, MultiLayerHead)
    complete = method.complete and isinstance(head, LinearHead)
    return GraphMetadata(
        network=classifier.name,
        layer=classifier.layer,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        method=method.name,
        unit=FUSED_UNIT if fused else method.unit,
        classes=classes,
        maps=maps,
        class_specific=method.class_specific,
        bias=tuple(head.bias.tolist()) if complete and isinstance(head, LinearHead) else None,
        output=classifier.output,
        precision=precision,
        any_size=any_size,
        features=features,
        weights_origin=classifier.weights_origin,
        weights_hash=hash_of_weights(classifier),
        versions=versions(),
        notes=classifier.notes,
    )


def choose_classes(
    classifier: Classifier, classes: str | int | Iterable[str | int], top_k: int
) -> tuple[ExplainedClasses, int]:
    """Return the classes that have a map, and the number of maps.

    Args:
        classifier: Knows the names.
        classes: ``top``, ``all``, or names and indices.
        top_k: Number of maps of ``top``.

    Raises:
        UsageError: There is no such class, or none was named.
    """
    if classes == "all":
        return "all", classifier.class_count
    if classes == "top":
        if top_k < 1:
            raise UsageError("cannot explain so few classes", str(top_k), "", "Use 1 or more")
        return "top", min(top_k, classifier.class_count)
    named: Sequence[str | int] = [classes] if isinstance(classes, (str, int)) else list(classes)
    if not named:
        raise UsageError("cannot export", "", "no class was named", "Name a class, or top, or all")
    chosen = tuple(dict.fromkeys(classifier.class_index(each) for each in named))
    return chosen, len(chosen)


def hash_of_weights(classifier: Classifier) -> str:
    """Return the SHA-256 of all weights of a classifier, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in (classifier.trunk, classifier.head):
        for name, tensor in part.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


def versions() -> Mapping[str, str]:
    """Return the version of each library that takes part, as far as it is installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = packages.version(name)
        except packages.PackageNotFoundError:
            continue
    return found
