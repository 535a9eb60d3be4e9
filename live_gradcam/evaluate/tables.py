"""Results as two tables of plain text: the methods side by side, and the classes, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TypeAlias

from live_gradcam.evaluate.summary import GROUP_METRICS, METHOD_METRICS, Metric
from live_gradcam.evaluate.values import EvaluationResult, GroupSummary, Summary
from live_gradcam.wording import number, percent

_GAP = 2
_LONGEST_LABEL = 24
# Of the classes, the metrics that matter most come first: what does not fit is left out.
_CLASS_KEYS = ("inside", "pointing", "removal_drop", "control_drop", "insertion", "deletion")
_NOT_IN_PERCENT = ("deletion", "insertion", "completeness_residual")
_OF_PROBABILITIES = ("removal_drop", "control_drop", "deletion", "insertion")

Table: TypeAlias = tuple[list[str], list[list[str]]]
"""Headings and rows."""


def format_figure(metric: Metric, value: float | None, *, of_probabilities: bool = True) -> str:
    """Return a figure as it is shown: shares in percent, areas and residuals as they are.

    Args:
        metric: What the figure is of.
        value: The figure.
        of_probabilities: ``False`` where the network's output is plain numbers.
    """
    if value is None:
        return "-"
    if metric.key == "completeness_residual":
        return f"{value:.1e}"
    if not of_probabilities and metric.key in _OF_PROBABILITIES:
        return number(value)
    if metric.key in _NOT_IN_PERCENT:
        return f"{value:.3f}"
    if value < 0:
        return f"\N{MINUS SIGN}{percent(-value, digits=1)}"
    return percent(value, digits=1)


def metric_rows(totals: GroupSummary) -> list[tuple[Metric, list[str]]]:
    """Return each metric that is known, with its figure for each method."""
    rows = []
    for metric in (*GROUP_METRICS, *METHOD_METRICS):
        of_group = metric in GROUP_METRICS
        figures = totals.methods.values()
        values = [metric.value(totals if of_group else each) for each in figures]
        if any(value is not None for value in values):
            shares = totals.has_probabilities
            texts = [format_figure(metric, value, of_probabilities=shares) for value in values]
            rows.append((metric, texts))
    return rows


def totals_table(result: EvaluationResult) -> Table:
    """Return the table of metrics, down, and methods, side by side."""
    totals = result.summary.totals
    rows = [["pictures", *[str(totals.images)] * len(totals.methods)]]
    rows += [[metric.title, *figures] for metric, figures in metric_rows(totals)]
    blank = [figures.blank for figures in totals.methods.values()]
    if any(blank):
        rows.append(["no evidence", *map(str, blank)])
    if result.sanity:
        last = result.sanity[-1].correlation
        rows.append(["sanity (0 is good)", *(f"{last[name]:.2f}" for name in totals.methods)])
    return ["all", *totals.methods], rows


def classes_table(summary: Summary, *, width: int, height: int) -> Table | None:
    """Return the table of classes, worst first, cut to what fits; ``None`` without classes.

    Args:
        summary: The figures.
        width: Width of the terminal in characters.
        height: Number of lines that the classes may take.
    """
    if not summary.classes:
        return None
    methods = list(summary.totals.methods)
    shown = summary.classes[: max(1, height)]
    top1 = GROUP_METRICS[0]
    columns: list[list[str]] = [
        ["class", *(shortened(each.label) for each in shown)],
        ["pictures", *(str(each.images) for each in shown)],
        [top1.title, *(format_figure(top1, each.top1) for each in shown)],
    ]
    by_key = {metric.key: metric for metric in METHOD_METRICS}
    room = width - sum(_width(cells) + _GAP for cells in columns)
    for metric, method in product((by_key[key] for key in _CLASS_KEYS), methods):
        values = [metric.value(each.methods[method]) for each in shown]
        if all(value is None for value in values):
            continue
        title = metric.title + (f" {method}" if len(methods) > 1 else "")
        shares = summary.totals.has_probabilities
        cells = [title]
        cells += [format_figure(metric, value, of_probabilities=shares) for value in values]
        room -= _width(cells) + _GAP
        if room < 0:
            break
        columns.append(cells)
    heading, *rows = (list(row) for row in zip(*columns, strict=True))
    return heading, rows


def _width(cells: Sequence[str]) -> int:
    return max(map(len, cells))


def shortened(label: str, longest: int = _LONGEST_LABEL) -> str:
    """Return a label, cut at its end where it has more characters."""
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
