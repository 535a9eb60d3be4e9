"""What a graph's file says about itself, so that the file alone is enough."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from live_gradcam.choices import ExportPrecision
from live_gradcam.errors import ModelError
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import SOFTMAX, OutputKind

KEY = "live_gradcam"
"""Name of the metadata entry, one JSON text, in ONNX files as in OpenVINO's."""

FORMAT = 2
"""Newest version of the entry; files of a newer one are refused. Only graphs that put out their
features, too, say 2: all others are for older programs as well."""

PIXELS, SELECTION, SCORES, CLASSES, EVIDENCE, FEATURES = (
    "pixels",
    "selection",
    "scores",
    "classes",
    "evidence",
    "features",
)
"""Names of a graph's inputs and outputs. Only the graphs of `Explainer`'s own engines have a
``selection int64 (K)`` as second input, see `live_gradcam.explain.heads.choose_classes`."""

ExplainedClasses: TypeAlias = "Literal['top', 'all', 'asked'] | tuple[int, ...]"
"""Classes that have a map: the best ones of each image, all, those that are asked for by the
``selection``, or always these."""

GraphPrecision: TypeAlias = ExportPrecision


@dataclass(frozen=True, slots=True)
class GraphMetadata:
    """Everything about a graph that its numbers do not say.

    Attributes:
        network: Short name of the network.
        layer: Name of the explained layer.
        labels: Names of the classes, in order.
        preprocessing: Resizing, cropping and normalisation; the graph itself begins with ``uint8``
            pixels of the cropped size.
        method: Name of the method that makes the maps.
        unit: Of the maps.
        classes: Classes that have a map. With ``top`` the graph has a third output, ``classes
            int64 (N, K)``, which says whose maps they are.
        maps: Number of maps, K.
        class_specific: The maps depend on the class.
        bias: Of each class where a map's sum plus the bias is the score; else ``None``.
        output: Meaning of the scores.
        precision: Of the trunk.
        any_size: Height and width of the pixels are free.
        features: Channels C of a last output ``features float32 (N, C, h, w)``, the explained layer
            itself, on whose means a head can be taught; 0 where there is no such output.
        weights_origin: Source of the weights, as a short sentence.
        weights_hash: SHA-256 of the weights, in hexadecimal digits.
        content_hash: SHA-256 of the file without its metadata, in hexadecimal digits; empty in
            graphs that are in no file. See `live_gradcam.graph.integrity`.
        versions: Version of each library that made the file.
        fidelity: Figures that were measured against the network after the file was made.
        notes: Sentences that users should read.
    """

    network: str
    layer: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    method: str
    unit: str
    classes: ExplainedClasses
    maps: int
    class_specific: bool = True
    bias: tuple[float, ...] | None = None
    output: OutputKind = SOFTMAX
    precision: GraphPrecision = "fp32"
    any_size: bool = False
    features: int = 0
    weights_origin: str = ""
    weights_hash: str = ""
    content_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    fidelity: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text of the metadata entry."""
        record = {"format": FORMAT, **asdict(self)}
        if not self.features:
            del record["features"]
            record["format"] = 1
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, name: str) -> GraphMetadata:
        """Read the text of the metadata entry.

        Args:
            text: As `to_json` wrote it.
            name: Of the file, for errors.

        Raises:
            ModelError: It is not such a text, or of a newer version.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            version = int(record.pop("format"))
            if version > FORMAT:
                cause = f"its format is {version}, this version reads up to {FORMAT}"
                raise ModelError("cannot use graph", name, cause, "Update live-gradcam")
            for key in ("labels", "notes"):
                record[key] = tuple(record[key])
            if isinstance(record["classes"], list):
                record["classes"] = tuple(record["classes"])
            if record["bias"] is not None:
                record["bias"] = tuple(record["bias"])
            settings: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in record["preprocessing"].items()
            }
            record["preprocessing"] = Preprocessing(**settings)
            record["output"] = OutputKind(**record["output"])
            return cls(**record)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            cause = "its metadata is damaged"
            raise ModelError("cannot use graph", name, cause, "Export it again") from exc
