"""Explanations as dictionaries and JSON, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from live_gradcam.errors import SourceError
from live_gradcam.picture import Picture
from live_gradcam.values import Explanation, Int8Fidelity, OutputKind, Prediction, Region

_FORMAT = "live-gradcam explanation 1"
_WHAT = "cannot read explanation"


def to_dict(explanation: Explanation) -> dict[str, Any]:
    """Return everything as Python's own types; see `live_gradcam.Explanation.to_dict`."""
    return {**without_evidence(explanation), "evidence": _finite(explanation.evidence.tolist())}


def without_evidence(explanation: Explanation) -> dict[str, Any]:
    """Return what `to_dict` returns, without the maps."""
    picture = explanation.picture
    content: dict[str, Any] = _finite(
        {
            "format": _FORMAT,
            "predictions": [asdict(each) for each in explanation.predictions],
            "explained": [int(each) for each in explanation.explained],
            "labels": list(explanation.labels),
            "shape": list(explanation.evidence.shape),
            "region": explanation.region.as_list(),
            "roi": None if explanation.roi is None else explanation.roi.as_list(),
            "method": explanation.method,
            "unit": explanation.unit,
            "class_specific": explanation.class_specific,
            "completeness_residual": explanation.completeness_residual,
            "finite": explanation.finite,
            "timings_ms": dict(explanation.timings_ms),
            "output": asdict(explanation.output),
            "int8": None if explanation.int8 is None else explanation.int8._asdict(),
            "picture": None
            if picture is None
            else {
                "name": picture.name,
                "path": picture.path,
                "file_bytes": picture.file_bytes,
                "width": picture.width,
                "height": picture.height,
            },
        }
    )
    return content


def from_dict(content: Mapping[str, Any]) -> Explanation:
    """Return the explanation of a dictionary; see `live_gradcam.Explanation.from_dict`."""
    return rebuilt(content, None)


def rebuilt(content: Mapping[str, Any], evidence: np.ndarray | None) -> Explanation:
    """Return the explanation of a dictionary.

    Args:
        content: As `to_dict` or `without_evidence` returns it.
        evidence: The maps, where they are not in it.

    Raises:
        SourceError: It is no such dictionary.
    """
    found = content.get("format") if isinstance(content, Mapping) else None
    if found != _FORMAT:
        given = type(content).__name__ if found is None else f"format {found!r}"
        cause = "it is not what to_dict made, or was made by another version"
        raise SourceError(_WHAT, given, cause)
    try:
        if evidence is None:
            evidence = np.asarray(content["evidence"], np.float32)
        picture, roi, int8 = content["picture"], content.get("roi"), content.get("int8")
        return Explanation(
            predictions=tuple(_prediction(each) for each in content["predictions"]),
            explained=tuple(int(each) for each in content["explained"]),
            evidence=np.asarray(evidence, np.float32).reshape(content["shape"]),
            region=Region(*content["region"]),
            labels=tuple(content["labels"]),
            method=content["method"],
            unit=content["unit"],
            class_specific=content["class_specific"],
            completeness_residual=content["completeness_residual"],
            finite=content["finite"],
            timings_ms=dict(content["timings_ms"]),
            output=OutputKind(**content["output"]),
            picture=None if picture is None else Picture(**picture),
            roi=None if roi is None else Region(*roi),
            int8=None if int8 is None else Int8Fidelity.of(_without_null(int8)),
        )
    except (KeyError, TypeError, ValueError) as exc:
        cause = f"{type(exc).__name__}: {exc}"
        raise SourceError(_WHAT, "dictionary", f"something is missing or wrong ({cause})") from exc


def to_json(explanation: Explanation) -> str:
    """Return an explanation as JSON in one line."""
    return json.dumps(to_dict(explanation), ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Explanation:
    """Return the explanation of a JSON text; see `live_gradcam.Explanation.from_json`."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError) as exc:
        raise SourceError(_WHAT, "text", f"it is no JSON ({exc})") from exc
    return from_dict(content)


def _prediction(content: Mapping[str, Any]) -> Prediction:
    logit = content["logit"]
    return Prediction(
        int(content["class_index"]),
        str(content["label"]),
        math.nan if logit is None else float(logit),
        content["probability"],
    )


def _without_null(content: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in content.items() if value is not None}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Convert to Python's own types, without NaN and infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number
