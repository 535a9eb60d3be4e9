"""The report: one HTML file that needs nothing else, for a screen, a phone, day and night.

Everything that comes from a file is escaped; the page may load nothing, which it also tells the
browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from live_gradcam.evaluate.gallery import Gallery, Shown
from live_gradcam.evaluate.summary import (
    METHOD_COLUMNS,
    PICTURE_COLUMNS,
    Column,
    percent,
)
from live_gradcam.evaluate.table import figure

_HERE = Path(__file__).resolve().parent
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_MOST_SKIPPED = 100
_MOST_FINDINGS = 6
_COLOURS = 6
# The curve's drawing area in units of the picture: left, right, top, bottom.
_PLOT = (44.0, 452.0, 12.0, 196.0)
_LOW, _HIGH = -0.2, 1.0


def as_html(result: Mapping[str, Any], gallery: Gallery) -> str:
    """The report as one page.

    Args:
        result: As JSON has it.
        gallery: Its pictures.
    """
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    title = "Is it looking at the right thing?"
    about = result["settings"]
    body = "\n".join(
        part
        for part in (
            f"<h1>{title}</h1>",
            f'<p class="soft">{escape(about["model"])}, layer {escape(about["layer"])}, on '
            f"{_count(result['totals']['pictures'], 'picture')} of {escape(result['source'])}</p>",
            _verdict(result),
            _totals(result),
            _classes(result),
            _gallery(result, gallery),
            _sanity(result),
            _rest(result),
        )
        if part
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} {escape(about['model'])}, live-gradcam</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n{body}\n<script>\n{script}</script>\n"
        "</body>\n</html>\n"
    )


def _verdict(result: Mapping[str, Any]) -> str:
    classes: Sequence[Mapping[str, Any]] = result["classes"]
    suspicious = [row for row in classes if row["findings"]]
    if not classes:
        text = "What the pictures show is not known, so only the explanations were tested."
    elif suspicious:
        text = f"{len(suspicious)} of {_count(len(classes), 'class', 'classes')} look suspicious."
    else:
        text = f"Nothing looks suspicious in {_count(len(classes), 'class', 'classes')}."
    parts = [f'<p class="verdict">{text}</p>']
    for row in suspicious[:_MOST_FINDINGS]:
        said = "".join(f"<p>{escape(each)}</p>" for each in row["findings"])
        parts.append(f'<div class="warn"><strong>{escape(row["label"])}</strong>{said}</div>')
    if len(suspicious) > _MOST_FINDINGS:
        others = len(suspicious) - _MOST_FINDINGS
        parts.append(f"<p>{_count(others, 'more class', 'more classes')}: see below.</p>")
    parts += [f'<div class="warn">{escape(each)}</div>' for each in result["sanity_findings"]]
    return "\n".join(parts)


def _totals(result: Mapping[str, Any]) -> str:
    totals = result["totals"]
    methods = list(totals["methods"])
    rows = []
    for column in PICTURE_COLUMNS:
        if totals[column.key] is not None:
            shown = [figure(column, totals[column.key])] * len(methods)
            rows.append(_total_row(column, shown))
    for column in METHOD_COLUMNS:
        values = [totals["methods"][method][column.key] for method in methods]
        if any(value is not None for value in values):
            rows.append(_total_row(column, [figure(column, value) for value in values]))
    heads = "".join(f"<th>{escape(method)}</th>" for method in methods)
    return (
        '<h2>All pictures</h2>\n<div class="scroll"><table class="totals">\n'
        f"<thead><tr><th>measure</th>{heads}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody>\n</table></div>"
    )


def _total_row(column: Column, values: Iterable[str]) -> str:
    way = {1: " ↑", -1: " ↓", 0: ""}[column.better]
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    meaning = f'<span class="soft">{escape(column.meaning)}</span>'
    return f"<tr><td><b>{escape(column.title)}{way}</b> {meaning}</td>{cells}</tr>\n"


def _classes(result: Mapping[str, Any]) -> str:
    classes: Sequence[Mapping[str, Any]] = result["classes"]
    if not classes:
        return ""
    methods = list(result["totals"]["methods"])
    columns: list[tuple[str, list[tuple[str, float | None]]]] = [
        ("pictures", [(str(row["pictures"]), row["pictures"]) for row in classes])
    ]
    for column in PICTURE_COLUMNS:
        cells = [(figure(column, row[column.key]), row[column.key]) for row in classes]
        columns.append((column.title, cells))
    for column in METHOD_COLUMNS:
        for method in methods:
            values = [row["methods"][method][column.key] for row in classes]
            if any(value is not None for value in values):
                title = f"{column.title} {method}" if len(methods) > 1 else column.title
                columns.append((title, [(figure(column, value), value) for value in values]))
    heads = "".join(
        f'<th scope="col"><button type="button">{escape(title)}</button></th>'
        for title in ("class", *(title for title, _ in columns))
    )
    rows = []
    for place, row in enumerate(classes):
        bad = ' class="bad"' if row["findings"] else ""
        cells_ = "".join(
            f'<td data-value="{"" if value is None else f"{value:.6g}"}">{escape(text)}</td>'
            for text, value in (cells[place] for _, cells in columns)
        )
        label = escape(row["label"])
        rows.append(f'<tr><td{bad} title="{label}">{label}</td>{cells_}</tr>\n')
    return (
        '<h2>Classes, worst first</h2>\n<p class="soft">A heading sorts by its column.</p>\n'
        f'<div class="scroll"><table class="classes">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody>\n</table></div>"
    )


def _sanity(result: Mapping[str, Any]) -> str:
    stages: Sequence[Mapping[str, Any]] = result["sanity"]
    if not stages:
        return ""
    methods = list(result["totals"]["methods"])
    key = "".join(
        f'<span style="--colour: var(--c{place % _COLOURS})">{escape(method)}</span>'
        for place, method in enumerate(methods)
    )
    return (
        "<h2>Sanity check</h2>\n"
        '<p class="soft">The weights are drawn at random, part by part, from the head down to the '
        "first layer. A map that shows what the network has learned becomes another one: its rank "
        "correlation with the original falls towards 0 (arXiv 1810.03292).</p>\n"
        f'<p class="key">{key}</p>\n{_curve(stages, methods)}'
    )


def _curve(stages: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> str:
    left, right, top, bottom = _PLOT
    names = ["trained", *(stage["stage"] for stage in stages)]

    def x(place: int) -> float:
        return left + (right - left) * place / max(1, len(names) - 1)

    def y(value: float) -> float:
        inside = min(max(value, _LOW), _HIGH)
        return bottom - (bottom - top) * (inside - _LOW) / (_HIGH - _LOW)

    parts = []
    for level in (0.0, 0.5, 1.0):
        at = f"{y(level):.1f}"
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{level}</text>'
        )
    for step, name in enumerate(names):
        where = f"{x(step):.1f} {bottom + 8}"
        short = name if len(name) <= 14 else f"{name[:13]}…"
        parts.append(
            f'<text transform="translate({where}) rotate(-40)" text-anchor="end">'
            f"{escape(short)}</text>"
        )
    for place, method in enumerate(methods):
        values = [1.0, *(stage["correlation"][method] for stage in stages)]
        spots = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
        colour = f"var(--c{place % _COLOURS})"
        parts.append(f'<polyline style="stroke: {colour}" points="{spots}"/>')
        parts += [
            f'<circle r="3.5" cx="{x(i):.1f}" cy="{y(value):.1f}" style="fill: {colour}">'
            f"<title>{escape(method)}, {escape(names[i])}: {value:.2f}</title></circle>"
            for i, value in enumerate(values)
        ]
    height = bottom + 20 + 4.6 * min(14, max(map(len, names)))
    return (
        f'<svg viewBox="0 0 470 {height:.0f}" role="img" '
        f'aria-label="Rank correlation with the original map '
        f'after each part is drawn at random">{"".join(parts)}</svg>'
    )


def _gallery(result: Mapping[str, Any], gallery: Gallery) -> str:
    labels = {row["class_index"]: row for row in result["classes"]}
    parts = []
    for index, pictures in gallery.of_class.items():
        if not pictures:
            continue
        row = labels.get(index) if index is not None else None
        head = escape(row["label"]) if row else "Pictures of unknown content"
        if row and row["top1"] is not None:
            right = f"{percent(row['top1'])} of {_count(row['pictures'], 'picture')} right"
            head += f' <span class="soft">{right}</span>'
        findings = row["findings"] if row else ()
        warnings = "".join(f'<p class="finding">{escape(each)}</p>' for each in findings)
        several = " several" if len(pictures[0].heat) > 1 else ""
        figures = "".join(map(_figure, pictures))
        parts.append(
            f'<section class="class"><h3>{head}</h3>{warnings}'
            f'<div class="pictures{several}">{figures}</div></section>'
        )
    if not parts:
        return ""
    left_out = (
        f'<p class="soft">{_count(gallery.left_out, "more class", "more classes")} only in the '
        "table above, to keep this file small.</p>"
        if gallery.left_out
        else ""
    )
    return (
        "<h2>The worst and the best pictures</h2>\n"
        '<p class="soft">Red is where the evidence is; the thin line is the outline of the object, '
        "where it is known. What the network is not shown is darker.</p>\n"
        + "\n".join(parts)
        + left_out
    )


def _figure(shown: Shown) -> str:
    several = len(shown.heat) > 1
    name = escape(shown.name)
    pictures = "".join(
        f'<div><img alt="{name}, {escape(method)}" src="{uri}">'
        + (f'<span class="method">{escape(method)}</span>' if several else "")
        + "</div>"
        for method, uri in shown.heat.items()
    )
    mark = "best" if shown.good else "worst"
    kind = ' class="several"' if several else ""
    return (
        f'<figure{kind}><div class="heat">{pictures}</div>'
        f'<figcaption><span class="mark {mark}">{mark}</span> {name}<br>'
        f'<span class="soft">{escape(shown.caption)}</span></figcaption></figure>\n'
    )


def _rest(result: Mapping[str, Any]) -> str:
    parts = []
    if result["notes"]:
        parts.append("<h2>Notes</h2>")
        parts += [f"<p>{escape(note)}</p>" for note in result["notes"]]
    skipped = result["skipped"]
    if skipped:
        lines = "".join(
            f"<li>{escape(each['name'])}: {escape(each['reason'])}</li>"
            for each in skipped[:_MOST_SKIPPED]
        )
        more = len(skipped) - _MOST_SKIPPED
        rest = f"<p>... and {more} more; the JSON output has all of them.</p>" if more > 0 else ""
        parts.append(
            f"<details><summary>{_count(len(skipped), 'entry', 'entries')} left out</summary>"
            f"<ul>{lines}</ul>{rest}</details>"
        )
    settings = "".join(
        f"<dt>{escape(key.replace('_', ' '))}</dt><dd>{escape(_plain(value))}</dd>"
        for key, value in result["settings"].items()
    )
    parts.append(f"<details><summary>Settings</summary><dl>{settings}</dl></details>")
    return "\n".join(parts)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
