"""From the pictures' records to figures for each class and for all, and to plain sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

Record = Mapping[str, Any]

FEWEST = 3
"""From so many pictures on, a class's figures are worth a sentence."""

_MOSTLY = 0.5
# Differences of probabilities below this are none.
_NO_DIFFERENCE = 0.02
_SANE = 0.5


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of the tables.

    Attributes:
        key: Its name in the results.
        title: As a heading.
        meaning: One sentence for the reader.
        better: Which way is better: 1 up, -1 down, 0 neither.
    """

    key: str
    title: str
    meaning: str
    better: int = 1


PICTURE_COLUMNS: tuple[Column, ...] = (
    Column("top1", "top-1", "the true class is the network's first choice"),
    Column("top3", "top-3", "the true class is among its first three"),
)
METHOD_COLUMNS: tuple[Column, ...] = (
    Column(
        "inside",
        "on object",
        "share of the positive evidence that lies on the object, or one cell of the map beside it",
    ),
    Column("area", "(area)", "share of the picture that counts as on the object", 0),
    Column(
        "pointing",
        "pointing",
        "the hottest point hits the object, 15 pixels beside it included (arXiv 1608.00507); "
        "in the totals, the mean of the classes",
    ),
    Column("chance", "(chance)", "how often a random point would hit it", 0),
    Column(
        "removal_drop",
        "removal",
        "how far the probability falls when the hottest fifth of the picture is blurred",
    ),
    Column(
        "control_drop",
        "(random)",
        "how far it falls when a fifth of the same shape somewhere else is blurred",
        0,
    ),
    Column(
        "deletion",
        "deletion",
        "area under the probability while the hottest pixels go first (RISE, arXiv 1806.07421)",
        -1,
    ),
    Column(
        "insertion",
        "insertion",
        "area under the probability while the hottest pixels come back first, from a blurred "
        "picture (RISE)",
    ),
    Column(
        "average_drop",
        "avg drop",
        "share of the probability that is lost when only what is hot is left "
        "(Grad-CAM++, arXiv 1710.11063)",
        -1,
    ),
    Column(
        "increase",
        "increase",
        "share of the pictures whose probability rises when only what is hot is left",
    ),
    Column(
        "completeness_residual",
        "residual",
        "how far the map's sum and the bias are from the score, in logits (closed-form heads)",
        -1,
    ),
)


def summarise(
    records: Sequence[Record], labels: Sequence[str], methods: Sequence[str]
) -> dict[str, Any]:
    """Totals, and each class with its findings, the worst first.

    Args:
        records: Of the pictures.
        labels: Of the classifier's classes.
        methods: Names of the methods; the first decides the order of the classes.

    Returns:
        ``totals`` and ``classes``, each with its ``findings``, and under ``limits`` what could not
        be judged; ready for JSON. A figure that nothing is known about is ``None``.
    """
    classes = sorted({index for record in records for index in record["labels"]})
    rows = [_class_row(records, index, labels[index], methods) for index in classes]
    rows.sort(key=lambda row: _worst_first(row, methods[0]))
    totals: dict[str, Any] = {
        "pictures": len(records),
        **{c.key: _mean(record[c.key] for record in records) for c in PICTURE_COLUMNS},
        "methods": {},
    }
    for method in methods:
        figures = _figures(records, None, method)
        # The pointing game is averaged over the classes, so that frequent ones do not decide.
        figures["pointing"] = _mean(row["methods"][method]["pointing"] for row in rows)
        totals["methods"][method] = figures
    totals["findings"] = findings(totals, methods)
    return {"totals": totals, "classes": rows, "limits": _limits(totals, rows, methods)}


def _limits(
    totals: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], methods: Sequence[str]
) -> list[str]:
    """What could not be judged, and why, as sentences."""
    limits = []
    few = sum(row["pictures"] < FEWEST for row in rows)
    if few:
        limits.append(
            f"{few} of {len(rows)} classes have fewer than {FEWEST} pictures: too few to be judged."
        )
    first = totals["methods"][methods[0]]
    if first["objects_without_evidence"]:
        limits.append(
            f"{first['objects_without_evidence']} of {first['objects']} objects have no evidence "
            "at all: they are misses of the pointing game, and count nothing elsewhere."
        )
    if not first["objects"]:
        limits.append(
            "Where the objects are is not known, so it was not measured whether the evidence lies "
            "on them (--boxes)."
        )
    return limits


def _class_row(
    records: Sequence[Record], index: int, label: str, methods: Sequence[str]
) -> dict[str, Any]:
    own = [record for record in records if index in record["labels"]]
    row: dict[str, Any] = {
        "class_index": index,
        "label": label,
        "pictures": len(own),
        **{c.key: _mean(record[c.key] for record in own) for c in PICTURE_COLUMNS},
        "methods": {method: _figures(own, index, method) for method in methods},
    }
    row["findings"] = findings(row, methods)
    return row


def _figures(records: Sequence[Record], index: int | None, method: str) -> dict[str, Any]:
    """Means over pictures, and over objects: of one class, or of all where it is ``None``."""
    values: dict[str, list[float]] = defaultdict(list)
    for record in records:
        measured = record["methods"][method]
        for item in measured.get("objects", ()):
            if index is None or item["class_index"] == index:
                values["pointing"].append(item["hit"])
                for key in ("chance", "inside", "area"):
                    if item[key] is not None:
                        values[key].append(item[key])
        if index is not None and measured["class_index"] != index:
            continue  # its map is another class's: this class's was not tested on this picture
        for column in METHOD_COLUMNS:
            if measured.get(column.key) is not None:
                values[column.key].append(measured[column.key])
        values["blank"].append(measured["blank"])
    figures: dict[str, Any] = {c.key: _mean(values[c.key]) for c in METHOD_COLUMNS}
    figures["blank"] = int(sum(values["blank"]))
    figures["objects"] = len(values["pointing"])
    figures["objects_without_evidence"] = len(values["pointing"]) - len(values["inside"])
    figures["tested"] = len(values["removal_drop"])
    return figures


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def looks_right(figures: Mapping[str, Any]) -> tuple[float, ...]:
    """How much an explanation can be believed, larger is better: to sort by.

    First the share on the object (to the percent), then what removal says beyond its control, then
    insertion less deletion; what is not known counts as nothing.
    """
    pairs = (("inside", ""), ("removal_drop", "control_drop"), ("insertion", "deletion"))
    values = [(figures.get(key) or 0.0) - (figures.get(less) or 0.0) for key, less in pairs]
    return (round(values[0], 2), *values[1:])


def _worst_first(row: Mapping[str, Any], method: str) -> tuple[float, ...]:
    accuracy = 0.0 if row["top1"] is None else float(row["top1"])
    return (-len(row["findings"]), *looks_right(row["methods"][method]), accuracy)


_OUTSIDE = "evidence mostly outside of the object"


def findings(row: Mapping[str, Any], methods: Sequence[str]) -> list[str]:
    """What looks suspicious about a class, as plain sentences; nothing where nothing does.

    Args:
        row: A class's figures, as `summarise` makes them.
        methods: Names of the methods; where there are several, a sentence says whose it is, with
            the figures of the first of them.
    """
    found = []
    for look in (_beside, _no_effect):
        said = {method: look(row, row["methods"][method]) for method in methods}
        of = [method for method, sentence in said.items() if sentence]
        if of:
            by = f" ({', '.join(of)})" if len(methods) > 1 else ""
            meaning = look is _beside and _OUTSIDE in said[of[0]].lower()
            if meaning and len(of) == len(methods):
                by = f"; the network looks at the background{by}"
            elif meaning:  # one network cannot look at two places
                by += "; by the other maps it looks at the object, so the methods differ here"
            found.append(f"{said[of[0]]}{by}.")
    return found


def _beside(row: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """Evidence and maximum beside the object."""
    inside = figures["inside"]
    if figures["objects"] < FEWEST or inside is None:
        return ""
    right = row["top1"] is not None and row["top1"] >= _MOSTLY
    named = f"named right in {percent(row['top1'])} of the pictures, but " if right else ""
    if inside < _MOSTLY:
        text = (
            f"{_OUTSIDE}: only {percent(inside)} of it lies on the "
            f"object or beside it, which covers {percent(figures['area'])} of the picture"
        )
        return _capital(f"{named}{text}")
    if figures["pointing"] <= figures["chance"]:
        return _capital(
            f"{named}the hottest point hits the object in {percent(figures['pointing'])} of the "
            f"pictures, a random point in {percent(figures['chance'])}"
        )
    return ""


def _no_effect(_: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """Removal that does no more than its control."""
    drop, control = figures["removal_drop"], figures["control_drop"]
    if figures["tested"] < FEWEST or drop is None or control is None:
        return ""
    if drop - control >= _NO_DIFFERENCE:
        return ""
    return (
        f"Removing the hottest fifth does not matter more than removing a fifth at random: the "
        f"probability falls by {points(drop)} against {points(control)}"
    )


def sanity_findings(sanity: Sequence[Record], methods: Sequence[str]) -> list[str]:
    """What is suspicious about a method, as plain sentences."""
    if not sanity:
        return []
    last = sanity[-1]["correlation"]
    return [
        f"{method} hardly changes when all weights are random (rank correlation "
        f"{last[method]:.2f}): it shows the picture, not what the network has learned."
        for method in methods
        if abs(last[method]) > _SANE
    ]


def signed_points(difference: float) -> str:
    """A change of a probability in percentage points, with its sign."""
    rounded = round(100 * difference)
    return f"{'−' if rounded < 0 else '+'}{abs(rounded)}" if rounded else "±0"  # noqa: RUF001


def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{100 * share:.0f} %"


def points(difference: float) -> str:
    """A difference of probabilities in percentage points."""
    rounded = round(100 * difference)
    return f"{rounded} point{'' if abs(rounded) == 1 else 's'}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
