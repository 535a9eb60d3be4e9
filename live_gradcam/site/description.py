"""Everything that the page has to know about its network, and its words: ``site.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from live_gradcam.graph.explainer import CONTRASTING
from live_gradcam.graph.metadata import GraphMetadata
from live_gradcam.site import tables
from live_gradcam.site.preprocessing import describe_preprocessing
from live_gradcam.values import Int8Fidelity
from live_gradcam.web.settings import class_choices

FORMAT = 1
"""Version of ``site.json``; a page refuses those of another one."""


def describe_site(
    metadata: GraphMetadata,
    *,
    title: str,
    method_title: str,
    graph: Mapping[str, Any],
    runtime: Mapping[str, Any],
    examples: Sequence[Mapping[str, Any]],
    words: Mapping[str, str],
    files: Mapping[str, Mapping[str, Any]],
    teaching: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Return the content of ``site.json``, but for its version.

    Args:
        metadata: Of the exported graph.
        title: Headline of the page.
        method_title: Name of the method for people.
        graph: ``file``, ``bytes`` and ``sha256`` of the graph.
        runtime: ``version`` of the runtime.
        examples: ``file`` and ``title`` of each picture.
        words: Every text of the page by its key.
        files: ``bytes`` and ``sha256`` of each file of the folder but this one, by its name.
        teaching: Of `live_gradcam.site.teaching.describe_teaching`; ``None`` where nothing can be
            taught.
    """
    return {
        "format": FORMAT,
        "title": title,
        "graph": graph,
        "model": _describe_model(metadata, method_title),
        "teaching": teaching,
        "preprocessing": describe_preprocessing(metadata.preprocessing, any_size=metadata.any_size),
        "texts": words,
        "colormaps": tables.colormaps(),
        "keys": tables.keys(),
        "settings": tables.settings(),
        "figures": tables.figures(),
        "runtime": runtime,
        "examples": examples,
        "files": files,
    }


def _describe_model(metadata: GraphMetadata, method_title: str) -> Mapping[str, Any]:
    """Return what the graph's numbers do not say.

    ``classes`` are those that the evidence has maps of, in its order; ``top`` where the graph's own
    output ``classes`` says it for each picture.
    """
    classes: Any = metadata.classes
    if classes == "all":
        classes = list(range(len(metadata.labels)))
    quantised = metadata.precision == "int8"
    return {
        "name": metadata.network,
        "labels": list(metadata.labels),
        "titles": [title for title, _ in class_choices(metadata.labels)],
        "classes": list(classes) if isinstance(classes, tuple) else classes,
        "maps": metadata.maps,
        "output": metadata.output.name,
        "threshold": metadata.output.threshold,
        "layer": metadata.layer,
        "method": metadata.method,
        "method_title": method_title,
        "unit": metadata.unit,
        "contrasts": metadata.unit == "logits" and metadata.method in CONTRASTING,
        "precision": metadata.precision,
        "int8": _known(Int8Fidelity.of(metadata.fidelity)) if quantised else None,
        "bias": None if metadata.bias is None else list(metadata.bias),
        "weights_hash": metadata.weights_hash,
        "notes": list(metadata.notes),
    }


def _known(figures: Int8Fidelity) -> Mapping[str, float]:
    return {name: each for name, each in figures._asdict().items() if not math.isnan(each)}
