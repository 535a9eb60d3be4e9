"""An explanation in words: one line for terminals, and a small page for notebooks."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from live_gradcam.errors import LiveGradcamError
from live_gradcam.images.geometry import resize
from live_gradcam.native import cv2
from live_gradcam.present.drawing import overlay
from live_gradcam.values import Explanation, Image, Prediction
from live_gradcam.wording import strength

_LONGEST = 640
_LISTED = 5
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]


def describe(explanation: Explanation) -> str:
    """Return one line: the best classes, and the shapes of what there is."""
    best = ", ".join(_named(each) for each in explanation.predictions[:3]) or "no predictions"
    names = ", ".join(explanation.labels[:3]) or ", ".join(map(str, explanation.explained[:3]))
    if len(explanation.explained) > 3:
        names += ", ..."
    region = explanation.region
    seen = f"{region.width}x{region.height}+{region.x}+{region.y}"
    picture = explanation.picture
    if picture is not None:
        seen += f" of {picture.width}x{picture.height}"
        seen += f", picture {picture.name}" if picture.name else ""
    shape = f"{explanation.evidence.dtype} {explanation.evidence.shape}"
    empty = "" if _has_evidence(explanation) else ", no evidence"
    return f"Explanation({best}; {explanation.method} {shape} of {names or 'none'}{empty}; {seen})"


def headline(explanation: Explanation) -> str:
    """Return the explained class and how strongly it is predicted, e.g. ``zebra 93 %``."""
    if not explanation.explained:
        return "nothing explained"
    index = explanation.explained[0]
    known = [each for each in explanation.predictions if each.class_index == index]
    label = explanation.labels[0] if explanation.labels else f"class {index}"
    name = _named(known[0]) if known else label
    return name if _has_evidence(explanation) else f"{name}: no evidence"


def repr_png(explanation: Explanation) -> bytes | None:
    """Return the overlay for notebooks, at most 640 pixels wide; ``None`` without its picture."""
    try:
        return to_png(overlay(explanation))
    except LiveGradcamError:
        return None


def repr_html(explanation: Explanation) -> str:
    """Return overlay and predictions for notebooks; the reason in place of a missing picture."""
    try:
        rendered: Image | None = overlay(explanation, show_labels=False)
        missing = ""
    except LiveGradcamError as exc:
        rendered, missing = None, str(exc)
    return page(explanation, rendered, missing)


def page(explanation: Explanation, rendered: Image | None, missing: str = "") -> str:
    """Return a picture and the predictions as HTML.

    Args:
        explanation: Any.
        rendered: Its overlay.
        missing: The reason why there is none.
    """
    title = escape(headline(explanation))
    if rendered is None:
        shown = f"<p>{escape(missing)}</p>"
    else:
        small = _small(rendered)
        _, encoded = cv2.imencode(".jpg", small, _JPEG)
        data = base64.b64encode(encoded.tobytes()).decode("ascii")
        size = f'width="{small.shape[1]}" height="{small.shape[0]}"'
        shown = f'<img alt="{title}" {size} src="data:image/jpeg;base64,{data}">'
    rows = "".join(_row(each) for each in explanation.predictions[:_LISTED])
    table = f'<table aria-label="predictions"><tbody>{rows}</tbody></table>' if rows else ""
    unit = escape(explanation.unit)
    maps = f"{explanation.evidence.shape[0]} of {_grid(explanation)} cells, in {unit}"
    caption = f"<small>{escape(explanation.method)}: {maps}</small>"
    return f"<div><strong>{title}</strong><br>{shown}{table}{caption}</div>"


def to_png(rendered: Image) -> bytes:
    """Return a drawn picture as a small PNG."""
    _, encoded = cv2.imencode(".png", _small(rendered))
    return encoded.tobytes()


def _row(prediction: Prediction) -> str:
    value = strength(prediction.strength, is_share=prediction.probability is not None)
    number = f'<td style="text-align:right">{escape(value)}</td>'
    return f'<tr><td style="text-align:left">{escape(prediction.label)}</td>{number}</tr>'


def _named(prediction: Prediction) -> str:
    value = strength(prediction.strength, is_share=prediction.probability is not None)
    return f"{prediction.label} {value}"


def _grid(explanation: Explanation) -> str:
    return f"{explanation.evidence.shape[1]}x{explanation.evidence.shape[2]}"


def _has_evidence(explanation: Explanation) -> bool:
    return bool(len(explanation.evidence)) and bool((explanation.evidence[0] > 0).any())


def _small(rendered: Image) -> Image:
    scale = min(1.0, _LONGEST / max(rendered.shape[:2]))
    width, height = (max(1, round(each * scale)) for each in (rendered.shape[1], rendered.shape[0]))
    return np.ascontiguousarray(resize(rendered, width, height))
