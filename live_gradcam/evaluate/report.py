"""The report of an evaluation: one HTML file, made as `live_gradcam.reports` makes all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from live_gradcam.evaluate.answer import answer, judgement
from live_gradcam.evaluate.gallery import Gallery
from live_gradcam.evaluate.summary import FEWEST, GROUP_METRICS, METHOD_METRICS, Metric
from live_gradcam.evaluate.tables import format_figure, metric_rows, shortened
from live_gradcam.evaluate.values import (
    ClassSummary,
    EvaluationResult,
    GroupSummary,
    MethodSummary,
    SanityStage,
    Summary,
)
from live_gradcam.reports.page import count, open_template

_COLOURS = 6
# The curve's drawing area in units of the image: left, right, top, bottom.
_PLOT = (44.0, 452.0, 12.0, 196.0)
_LOW, _HIGH = -0.2, 1.0
_LONGEST_STAGE = 14


def render_report(result: EvaluationResult, gallery: Gallery) -> str:
    """Return the report as one page.

    Args:
        result: Everything that was found.
        gallery: Its images.
    """
    summary = result.summary
    methods = list(summary.totals.methods)
    return open_template("live_gradcam.evaluate", "report.html").render(
        result=result,
        summary=summary,
        settings=result.provenance.to_dict(),
        methods=methods,
        colours=_COLOURS,
        answer=answer(summary),
        judgement=judgement(result),
        verdict=_verdict(summary),
        suspicious=[each for each in summary.classes if each.findings],
        metrics=metric_rows(summary.totals),
        table=_class_table(summary, methods),
        curves=_sanity_curves(result.sanity, methods) if result.sanity else None,
        gallery=gallery,
        gallery_groups=_gallery_groups(summary, gallery),
    )


def _verdict(summary: Summary) -> str:
    classes = summary.classes
    suspicious = sum(bool(each.findings) for each in classes)
    if not classes:
        return "What the pictures show is not known, so only the explanations were tested."
    if suspicious:
        return f"{suspicious} of {count(len(classes), 'class', 'classes')} look suspicious."
    if all(each.images < FEWEST for each in classes):
        return "There are too few pictures of each class to judge the classes one by one."
    return f"Nothing looks suspicious in {count(len(classes), 'class', 'classes')}."


@dataclass(frozen=True, slots=True)
class _ClassTable:
    """The table of classes: a row for each class and method, so that it never grows too wide.

    Attributes:
        titles: Headings behind the one of the classes.
        rows: Class, whether it is suspicious, and text and value of each cell; an empty value is
            not known.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[tuple[str, str], ...]], ...]


def _class_table(summary: Summary, methods: Sequence[str]) -> _ClassTable:
    shares = summary.totals.has_probabilities
    several = len(methods) > 1
    of_class = [metric for metric in GROUP_METRICS if _is_known(metric, summary.classes)]
    figures = [each.methods[method] for each in summary.classes for method in methods]
    of_method = [metric for metric in METHOD_METRICS if _is_known(metric, figures)]
    titles = ["pictures", *(metric.title for metric in of_class), *(["method"] * several)]
    rows = []
    for each in summary.classes:
        own = [_cell(metric, each, shares) for metric in of_class]
        for method in methods:
            named = [(method, method)] * several
            cells = [_cell(metric, each.methods[method], shares) for metric in of_method]
            count = (str(each.images), f"{each.images:.6g}")
            rows.append((each.label, bool(each.findings), (count, *own, *named, *cells)))
    return _ClassTable((*titles, *(metric.title for metric in of_method)), tuple(rows))


def _is_known(metric: Metric, figures: Sequence[GroupSummary | MethodSummary]) -> bool:
    return any(metric.value(each) is not None for each in figures)


def _cell(metric: Metric, figures: GroupSummary | MethodSummary, shares: bool) -> tuple[str, str]:
    value = metric.value(figures)
    text = format_figure(metric, value, of_probabilities=shares)
    return text, "" if value is None else f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class _Curve:
    """The correlations of one method, in units of the drawing.

    Attributes:
        method: Name of the method.
        spots: Horizontal and vertical position, and title, of each stage.
    """

    method: str
    spots: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _Curves:
    """The drawing of the sanity check.

    Attributes:
        left: Left end of the grid's lines.
        right: Right end of the grid's lines.
        height: Height of the drawing.
        levels: Value and vertical position of each line of the grid, and of its number.
        stages: Short name, and position, of each stage.
        methods: The curves.
    """

    left: float
    right: float
    height: str
    levels: tuple[tuple[float, str, str], ...]
    stages: tuple[tuple[str, str], ...]
    methods: tuple[_Curve, ...]


def _sanity_curves(stages: Sequence[SanityStage], methods: Sequence[str]) -> _Curves:
    left, right, top, bottom = _PLOT
    names = ["trained", *(stage.stage for stage in stages)]
    across = [left + (right - left) * place / max(1, len(names) - 1) for place in range(len(names))]

    def down(value: float) -> float:
        inside = min(max(value, _LOW), _HIGH)
        return bottom - (bottom - top) * (inside - _LOW) / (_HIGH - _LOW)

    curves = []
    for method in methods:
        values = [1.0, *(stage.correlation[method] for stage in stages)]
        spots = zip(across, values, names, strict=True)
        shown = (
            (f"{x:.1f}", f"{down(value):.1f}", f"{method}, {name}: {value:.2f}")
            for x, value, name in spots
        )
        curves.append(_Curve(method, tuple(shown)))
    return _Curves(
        left,
        right,
        height=f"{bottom + 20 + 4.6 * min(_LONGEST_STAGE, max(map(len, names))):.0f}",
        levels=tuple(
            (level, f"{down(level):.1f}", f"{down(level) + 4:.1f}") for level in (0.0, 0.5, 1.0)
        ),
        stages=tuple(
            (shortened(name, _LONGEST_STAGE), f"{x:.1f} {bottom + 8}")
            for x, name in zip(across, names, strict=True)
        ),
        methods=tuple(curves),
    )


def _gallery_groups(summary: Summary, gallery: Gallery) -> list[tuple[ClassSummary | None, object]]:
    """Return the class of each group of images, where it is known, and the images."""
    classes = {each.class_index: each for each in summary.classes}
    return [
        (classes.get(index) if index is not None else None, images)
        for index, images in gallery.by_class.items()
        if images
    ]
