"""The report: one HTML file that needs nothing else, for a screen, a phone, day and night.

The page is made from ``templates``, which escape everything that comes from a file; it may load
nothing, which it also tells the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

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
from live_gradcam.wording import percent

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
    environment = Environment(
        loader=PackageLoader("live_gradcam.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": _count, "listed": _listed, "percent": percent}
    summary = result.summary
    methods = list(summary.totals.methods)
    return environment.get_template("report.html").render(
        result=result,
        summary=summary,
        settings=result.provenance.to_dict(),
        methods=methods,
        colours=_COLOURS,
        verdict=_verdict(summary),
        suspicious=[each for each in summary.classes if each.findings],
        metrics=metric_rows(summary.totals),
        columns=_class_columns(summary, methods),
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
        return f"{suspicious} of {_count(len(classes), 'class', 'classes')} look suspicious."
    if all(each.images < FEWEST for each in classes):
        return "There are too few pictures of each class to judge the classes."
    return f"Nothing looks suspicious in {_count(len(classes), 'class', 'classes')}."


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table of classes.

    Attributes:
        title: Heading.
        cells: Text and value of each class; an empty value is not known.
    """

    title: str
    cells: tuple[tuple[str, str], ...]


def _class_columns(summary: Summary, methods: Sequence[str]) -> list[_Column]:
    classes = summary.classes
    columns = [_Column("pictures", tuple((str(e.images), f"{e.images:.6g}") for e in classes))]
    shares = summary.totals.has_probabilities
    columns += [_column(metric, metric.title, classes, shares) for metric in GROUP_METRICS]
    for metric in METHOD_METRICS:
        for method in methods:
            figures = [each.methods[method] for each in classes]
            if any(metric.value(each) is not None for each in figures):
                title = f"{metric.title} {method}" if len(methods) > 1 else metric.title
                columns.append(_column(metric, title, figures, shares))
    return columns


def _column(
    metric: Metric, title: str, figures: Sequence[GroupSummary | MethodSummary], shares: bool
) -> _Column:
    values = [metric.value(each) for each in figures]
    texts = [format_figure(metric, value, of_probabilities=shares) for value in values]
    exact = ["" if value is None else f"{value:.6g}" for value in values]
    return _Column(title, tuple(zip(texts, exact, strict=True)))


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


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
