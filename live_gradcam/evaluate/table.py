"""Results as two tables of plain text: the methods side by side, and the classes, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from live_gradcam.evaluate.summary import METHOD_COLUMNS, PICTURE_COLUMNS, Column

_GAP = 2
_LONGEST_LABEL = 24
# Of the classes, the columns that matter most come first: what does not fit is left out.
_CLASS_KEYS = ("inside", "pointing", "removal_drop", "control_drop", "insertion", "deletion")
_SHARES_ONLY_IN = ("deletion", "insertion", "completeness_residual")

Table = tuple[list[str], list[list[str]]]


def figure(column: Column, value: float | None) -> str:
    """A figure as it is shown: shares in percent, areas and residuals as they are."""
    if value is None:
        return "-"
    if column.key == "completeness_residual":
        return f"{value:.1e}"
    if column.key in _SHARES_ONLY_IN:
        return f"{value:.3f}"
    return f"{100 * value:.1f} %"


def totals_table(result: Mapping[str, Any]) -> Table:
    """Measures down, methods side by side."""
    totals = result["totals"]
    methods = list(totals["methods"])
    rows = [["pictures", *[str(totals["pictures"])] * len(methods)]]
    for column in PICTURE_COLUMNS:
        if totals[column.key] is not None:
            rows.append([column.title, *[figure(column, totals[column.key])] * len(methods)])
    for column in METHOD_COLUMNS:
        values = [totals["methods"][method][column.key] for method in methods]
        if any(value is not None for value in values):
            rows.append([column.title, *(figure(column, value) for value in values)])
    blank = [totals["methods"][method]["blank"] for method in methods]
    if any(blank):
        rows.append(["no evidence", *map(str, blank)])
    if result["sanity"]:
        last = result["sanity"][-1]["correlation"]
        rows.append(["sanity (0 is good)", *(f"{last[method]:.2f}" for method in methods)])
    return ["all", *methods], rows


def classes_table(result: Mapping[str, Any], *, width: int, height: int) -> Table | None:
    """Classes down, worst first, cut to what fits; ``None`` where no truth is known.

    Args:
        result: As JSON has it.
        width: Of the terminal, in characters.
        height: How many lines the classes may take.
    """
    classes: Sequence[Mapping[str, Any]] = result["classes"]
    if not classes:
        return None
    methods = list(result["totals"]["methods"])
    shown = classes[: max(1, height)]
    columns: list[list[str]] = [
        ["class", *(_cut(row["label"]) for row in shown)],
        ["pictures", *(str(row["pictures"]) for row in shown)],
        ["top-1", *(figure(PICTURE_COLUMNS[0], row["top1"]) for row in shown)],
    ]
    by_key = {column.key: column for column in METHOD_COLUMNS}
    room = width - sum(_width(cells) + _GAP for cells in columns)
    for key in _CLASS_KEYS:
        group = []
        for method in methods:
            title = by_key[key].title + (f" {method}" if len(methods) > 1 else "")
            values = [row["methods"][method][key] for row in shown]
            if any(value is not None for value in values):
                group.append([title, *(figure(by_key[key], value) for value in values)])
        needed = sum(_width(cells) + _GAP for cells in group)
        if needed > room:
            break
        room -= needed
        columns += group
    heading, *rows = (list(row) for row in zip(*columns, strict=True))
    return heading, rows


def _width(cells: Sequence[str]) -> int:
    return max(map(len, cells))


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
