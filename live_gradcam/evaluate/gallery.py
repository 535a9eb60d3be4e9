"""The pictures of a report: for each class those that look worst and best, with their heat."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from live_gradcam.errors import SourceError
from live_gradcam.evaluate.dataset import Item, Lookup, Sample, load, merged_masks
from live_gradcam.evaluate.examine import best_first
from live_gradcam.evaluate.run import Machine
from live_gradcam.evaluate.settings import Settings
from live_gradcam.evaluate.summary import looks_right, percent, signed_points
from live_gradcam.explain.classifier import Classifier
from live_gradcam.native import cv2
from live_gradcam.show.overlay import OverlayOptions, draw
from live_gradcam.values import Explanation, Image, Region

PER_SIDE = 2
"""So many of the worst and so many of the best pictures of each class are shown."""

MOST_BYTES = 6 << 20
"""Where the pictures of a report end, whatever there is left to show."""

# Pictures are shown at their own size between these, scaled to them otherwise.
_LONGEST_SIDE, _SHORTEST_LONG_SIDE = 320, 224
_QUALITY = 80
_HEAT = OverlayOptions(opacity=0.55, show_labels=False, show_legend=False, show_hud=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a report.

    Attributes:
        name: Of the picture.
        caption: What the network says and what was measured, as a line.
        good: Whether it is one of the best of its class, not of the worst.
        heat: For each method, a JPEG as a data URI.
    """

    name: str
    caption: str
    good: bool
    heat: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures of a report.

    Attributes:
        of_class: By class index; those of pictures without a known truth under ``None``.
        left_out: How many classes have none here, because the report would become too large.
    """

    of_class: Mapping[int | None, Sequence[Shown]]
    left_out: int = 0


def extremes(
    records: Sequence[Mapping[str, Any]], index: int | None, method: str
) -> list[tuple[Mapping[str, Any], bool]]:
    """The worst pictures of a class and the best, worst first; no picture twice.

    Args:
        records: Of all pictures.
        index: The class; ``None`` for pictures without a known truth.
        method: Whose figures decide.

    Returns:
        Records, and whether each is one of the best.
    """
    own = [
        record
        for record in records
        if (index in record["labels"] if index is not None else not record["labels"])
        and index in (None, record["methods"][method]["class_index"])
    ]
    ranked = sorted(own, key=lambda record: (goodness(record["methods"][method]), record["name"]))
    worst = ranked[: min(PER_SIDE, (len(ranked) + 1) // 2)]
    best = ranked[max(len(worst), len(ranked) - PER_SIDE) :]
    return [(each, False) for each in worst] + [(each, True) for each in best]


def goodness(measured: Mapping[str, Any]) -> tuple[float, ...]:
    """How much a picture's explanation can be believed, to sort by; what is blank cannot."""
    believed = looks_right({**measured, **(_own_object(measured) or {})})
    return (-float(measured["blank"]), *believed, measured["probability"])


def _own_object(measured: Mapping[str, Any]) -> Mapping[str, Any] | None:
    objects = measured.get("objects", ())
    return next((o for o in objects if o["class_index"] == measured["class_index"]), None)


def make_gallery(
    result: Mapping[str, Any],
    items: Mapping[int, Item],
    classifier: Classifier,
    settings: Settings,
    machine: Machine,
    lookup: Lookup,
    *,
    most_bytes: int = MOST_BYTES,
) -> Gallery:
    """Draw the pictures of a report: the classes in their order, until it is large enough.

    Args:
        result: As JSON has it.
        items: Its pictures, by number.
        classifier: What was evaluated.
        settings: What was measured.
        machine: Where explanations are computed.
        lookup: Which class a name means.
        most_bytes: How large all of the pictures may be.
    """
    groups: list[int | None] = [row["class_index"] for row in result["classes"]]
    if any(not record["labels"] for record in result["pictures"]):
        groups.append(None)
    of_class: dict[int | None, list[Shown]] = {}
    used = 0
    with machine.explainers(classifier, settings.methods) as explainers:
        for group in groups:
            if used >= most_bytes:
                break
            of_class[group] = []
            for record, good in extremes(result["pictures"], group, settings.methods[0]):
                try:
                    sample = load(items[record["picture"]], lookup)
                except SourceError:
                    continue  # it was there when it was measured
                heat = {}
                for method, explainer in explainers.items():
                    classes = list(sample.labels) or None
                    (found,) = explainer.explain_batch(
                        [sample.image], classes=classes, view=settings.view
                    )
                    heat[method] = _data_uri(drawn(sample, best_first(found, sample.labels)))
                    used += len(heat[method])
                caption = _caption(record, settings.methods[0])
                of_class[group].append(Shown(record["name"], caption, good, heat))
    return Gallery(of_class, len(groups) - len(of_class))


def drawn(sample: Sample, explanation: Explanation) -> Image:
    """A small picture with its heat, and the outline of the object where it is known."""
    height, width = sample.image.shape[:2]
    longest = max(height, width)
    scale = min(max(longest, _SHORTEST_LONG_SIDE), _LONGEST_SIDE) / longest
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(sample.image, size, interpolation=way), np.uint8)
    region = explanation.region
    left, top = round(region.x * scale), round(region.y * scale)
    right = max(left + 1, round((region.x + region.width) * scale))
    bottom = max(top + 1, round((region.y + region.height) * scale))
    explanation = replace(explanation, region=Region(left, top, right - left, bottom - top))
    picture = draw(small, explanation, options=_HEAT)
    mask = merged_masks(sample.objects).get(explanation.explained[0])
    if mask is not None:
        outline = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        pieces, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, pieces, -1, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.drawContours(picture, pieces, -1, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def _data_uri(picture: Image) -> str:
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a JPEG encoder is part of OpenCV"
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def _caption(record: Mapping[str, Any], method: str) -> str:
    best = record["predictions"][0]
    measured = record["methods"][method]
    parts = [f"says {best['label']}, {percent(best['probability'])}"]
    if measured["class_index"] != best["class_index"]:
        parts.append(f"heat of the true class, {percent(measured['probability'])}")
    own = _own_object(measured)
    if measured["blank"]:
        parts.append("no evidence")
    elif own is not None and own["inside"] is not None:
        parts.append(f"{percent(own['inside'])} on the object")
    if "removal_drop" in measured:
        hot, control = (signed_points(-measured[key]) for key in ("removal_drop", "control_drop"))
        parts.append(f"{hot} points without the hottest fifth, {control} without a random one")
    return "; ".join(parts)
