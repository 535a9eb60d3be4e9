"""The report of an archive: one HTML file, made as `live_gradcam.reports` makes all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from live_gradcam.archive.report import days, suspicion
from live_gradcam.archive.report.charts import bars, drift_charts, heat_picture
from live_gradcam.archive.report.findings import OTHERS, Findings
from live_gradcam.archive.report.groups import BINS, VERDICTS, Groups
from live_gradcam.archive.report.rows import BORDER_AREA
from live_gradcam.archive.report.suspicion import Suspect
from live_gradcam.faithfulness.verdicts import several_sentence
from live_gradcam.reports.page import count, jpeg_uri, open_template
from live_gradcam.wording import listed, number, percent, signed_points

MOST_SHOWN = 100
"""Classes, folders and days that are named, each."""

_MOST_PICTURES = 40  # of classes and folders, each
_MOSTLY = 0.5
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
_COLOURS = 6


def render_archive(findings: Findings) -> str:
    """Return the report as one page; the same archive gives the same page."""
    total, whole = findings.total, Kinds.of(findings.total)
    return open_template("live_gradcam.archive.report", "archive.html").render(
        name=findings.folder.resolve().name,
        answer=_answer(findings, whole),
        facts=_facts(findings),
        warnings=list(_warnings(findings)),
        missing=list(_missing(findings, whole)),
        kinds=whole,
        tables=_tables(findings, whole),
        picture=_picture(total, 0, whole),
        bars=bars(total.bars[0]) if findings.rows else "",
        removal=_removal(findings),
        drift=findings.drift,
        marked=findings.drift.sentences(),
        charts=drift_charts(findings.drift) if findings.drift.days else [],
        rule=days,
        suspicion=suspicion,
        suspects=[_suspect(each, findings.thumbnails) for each in findings.suspects],
        findings=findings,
        errors=findings.files.errors(),
        settings=list(_settings(findings.manifest)),
        border_area=BORDER_AREA,
        mostly=_MOSTLY,
        most_shown=MOST_SHOWN,
        colours=_COLOURS,
    )


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which figures an archive has.

    Attributes:
        probabilities: How sure the network is.
        evidence: Where the evidence lies.
        boxes: How much of it lies inside boxes.
        removal: What hiding it does.
        maps: The maps themselves.
    """

    probabilities: bool
    evidence: bool
    boxes: bool
    removal: bool
    maps: bool

    @classmethod
    def of(cls, total: Groups[str]) -> Kinds:
        """Return which of the figures are known of any row."""
        return cls(
            bool(total.bars.sum()),
            bool(total.known("border_share").sum()),
            bool(total.known("box_share").sum()),
            bool(total.known("removal_fall").sum()),
            bool(total.map_counts.sum()),
        )


def _answer(findings: Findings, kinds: Kinds) -> str:
    """Say what was found in one sentence with its figures."""
    total = findings.total
    if not findings.rows:
        return "There are no rows in this archive."
    parts = [f"{count(findings.rows, 'row')} of {count(findings.files.count, 'file')}"]
    if kinds.probabilities:
        parts.append(f"on average {percent(float(total.mean('probability')[0]))} sure")
    if kinds.boxes:
        outside = _clipped(1.0 - float(total.mean("box_share")[0]))
        parts.append(f"{percent(outside)} of the evidence outside the boxes")
    elif kinds.evidence:
        border = _clipped(float(total.mean("border_share")[0]))
        parts.append(f"{percent(border)} of the evidence at the border of the frame")
    if findings.suspicious:
        parts.append(f"{count(findings.suspicious, 'suspicious frame')}")
    return "; ".join(parts) + "."


def _facts(findings: Findings) -> list[str]:
    files = findings.files
    kinds = ((files.pictures, "picture"), (files.films, "film"))
    named = [count(number, one) for number, one in kinds if number]
    facts = [listed(named)] if named else []
    facts.append(f"{count(len(findings.classes), 'class', 'classes')} among the answers")
    if files.bytes:
        facts.append(_size(files.bytes))
    if files.seconds:
        facts.append(f"{_duration(files.seconds)} of work")
    if findings.drift.days:
        first, last = findings.drift.days[0], findings.drift.days[-1]
        facts.append(f"{first}" if first == last else f"{first} to {last}")
    return facts


def _warnings(findings: Findings) -> Iterator[str]:
    files = findings.files
    if findings.unfinished:
        done = findings.planned - findings.unfinished
        yield (
            f"This archive is not finished: {done:,} of {findings.planned:,} parts are done, and "
            "only they are shown here. The same archive command goes on with it."
        )
    if files.failed or files.partly:
        kinds = (
            (files.failed, "could not be read"),
            (files.partly, "could not be read to their end" if files.partly > 1 else ""),
        )
        said = [
            f"{count(number, 'file')} {words or 'could not be read to its end'}"
            for number, words in kinds
            if number
        ]
        yield f"{listed(said)}: see Errors."
    if findings.rows != files.frames:
        yield (
            f"The table of files speaks of {count(files.frames, 'row')}, but there are "
            f"{findings.rows:,}: the archive is damaged, or was changed."
        )


def _missing(findings: Findings, kinds: Kinds) -> Iterator[str]:
    """Say what the archive has no figures of, and which option would give them."""
    if not findings.rows:
        return
    if not kinds.probabilities:
        yield "How sure the network is cannot be said: its output is plain numbers."
    if not kinds.evidence:
        yield "Where the network looks is not known: no row has figures of its evidence."
    elif not kinds.maps:
        yield (
            "Mean evidence maps need --maps; what is drawn here is where the centres of the "
            "evidence lie."
        )
    if kinds.evidence and not kinds.boxes:
        yield (
            "What share lies on the background can be said with --boxes only; what is said here "
            f"is the share in the outer tenth of the frame, {percent(BORDER_AREA)} of its area."
        )
    elif 0 < (known := int(findings.total.known("box_share")[0])) < findings.rows:
        yield (
            f"How much of the evidence lies inside boxes is known of {known:,} of "
            f"{count(findings.rows, 'row')}."
        )
    if not kinds.removal:
        yield "Whether what it looks at decides was not tested: --truth 0.01 tests one row in 100."
    if findings.suspects and not findings.thumbnails:
        yield "Pictures of the suspicious frames need --thumbnails."


@dataclass(frozen=True, slots=True)
class _Row:
    """One class or folder in its table.

    Attributes:
        name: Its name.
        bad: More of its evidence than half lies where it should not.
        bars: Distribution of its probabilities as an SVG path.
        picture: Where its evidence lies, as a data URI; empty where that is not known.
        cells: Text and value of each column.
    """

    name: str
    bad: bool
    bars: str
    picture: str
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of classes or folders.

    Attributes:
        anchor: Its name in the page.
        title: Its heading.
        head: Heading of its first column.
        titles: Headings of the columns of figures.
        rows: Its rows, those with most frames first.
        left_out: Number of classes or folders that have no row.
    """

    anchor: str
    title: str
    head: str
    titles: Sequence[str]
    rows: Sequence[_Row]
    left_out: int


def _tables(findings: Findings, kinds: Kinds) -> list[_Table]:
    of_class = _table(findings.classes, findings.labels, kinds, ("classes", "Classes", "class"))
    names = [each or "no folder" for each in findings.folders.keys]
    of_folder = _table(findings.folders, names, kinds, ("folders", "Folders", "folder"))
    return [each for each in (of_class, of_folder) if each.rows]


def _table(
    groups: Groups[Any], names: Sequence[str], kinds: Kinds, words: tuple[str, str, str]
) -> _Table:
    titles = ["frames", "share"]
    titles += ["mean", f"under {percent(_MOSTLY)}"] if kinds.probabilities else []
    titles += ["outside boxes"] if kinds.boxes else []
    titles += ["at the border"] if kinds.evidence else []
    titles += ["hidden", "elsewhere"] if kinds.removal else []
    # What is taken together comes last, however much it is.
    last = np.array([name == OTHERS for name in names], np.bool_)
    order = np.lexsort((-groups.rows, last))[:MOST_SHOWN].tolist()
    rows = []
    for place, code in enumerate(order):
        picture = _picture(groups, code, kinds) if place < _MOST_PICTURES else ""
        shares = (
            ("box_share", 1.0 - float(groups.mean("box_share")[code])),
            ("border_share", float(groups.mean("border_share")[code])),
        )
        bad = any(
            share > _MOSTLY and groups.known(name)[code] >= days.FEWEST_ROWS
            for name, share in shares
        )
        cells = _cells(groups, code, kinds)
        rows.append(_Row(names[code], bad, bars(groups.bars[code]), picture, cells))
    return _Table(*words, titles, rows, max(0, len(groups) - MOST_SHOWN))


def _cells(groups: Groups[Any], code: int, kinds: Kinds) -> list[tuple[str, str]]:
    def share(value: float, *, change: bool = False) -> tuple[str, str]:
        if not np.isfinite(value):
            return "-", ""
        if change:
            text = signed_points(value) if kinds.probabilities else number(value)
        else:
            text = percent(_clipped(value), digits=1)
        return text, f"{value:.6g}"

    rows = int(groups.rows[code])
    cells = [(f"{rows:,}", str(rows)), share(rows / int(groups.rows.sum()))]
    if kinds.probabilities:
        own = groups.bars[code]
        unsure = own[: int(_MOSTLY * BINS)].sum() / own.sum() if own.sum() else np.nan
        cells += [share(float(groups.mean("probability")[code])), share(float(unsure))]
    if kinds.boxes:
        cells.append(share(1.0 - float(groups.mean("box_share")[code])))
    if kinds.evidence:
        cells.append(share(float(groups.mean("border_share")[code])))
    if kinds.removal:
        for name in ("removal_fall", "removal_control"):
            cells.append(share(-float(groups.mean(name)[code]), change=True))
    return cells


def _picture(groups: Groups[Any], code: int, kinds: Kinds) -> str:
    """Draw where the evidence of a group lies: its mean map, or where its centres are."""
    places = groups.mean_map(code) if kinds.maps else None
    if places is None and not kinds.maps and kinds.evidence:
        places = groups.centres[code].astype(np.float32)
    return heat_picture(places) if places is not None and (places > 0).any() else ""


@dataclass(frozen=True, slots=True)
class _Removal:
    """What the removal tests found together.

    Attributes:
        sentence: The judgement; empty where no test could show anything.
        tested: Number of tests.
        figures: The mean falls, in words.
        verdicts: Each verdict and how often there was it.
    """

    sentence: str
    tested: int
    figures: str
    verdicts: Sequence[tuple[str, int]]


def _removal(findings: Findings) -> _Removal | None:
    total = findings.total
    tested = int(total.known("removal_fall").sum())
    if not tested:
        return None
    counts = dict(zip(VERDICTS, total.verdicts[0].tolist(), strict=True))
    telling = {name: found for name, found in counts.items() if name != "untestable"}
    said = several_sentence(telling)
    fall, elsewhere = (float(total.mean(each)[0]) for each in ("removal_fall", "removal_control"))
    shares = Kinds.of(total).probabilities
    hot, other = (_points(-each) if shares else number(-each) for each in (fall, elsewhere))
    return _Removal(
        f"{said[0].upper()}{said[1:]}." if said else "",
        tested,
        f"with the hottest fifth hidden {hot}, with as much hidden elsewhere {other}",
        [(name, found) for name, found in counts.items() if found],
    )


def _suspect(suspect: Suspect, thumbnails: Mapping[str, bytes]) -> dict[str, Any]:
    record = suspect.record
    image = thumbnails.get(record["id"])
    moment = record["timestamp"]
    where = [] if record["time_s"] is None else [f"frame {record['frame']}"]
    where += [] if record["time_s"] is None else [f"at {record['time_s']:.1f} s"]
    where += [] if moment is None else [f"{moment:%Y-%m-%d %H:%M:%S}"]
    return {
        "file": record["file"],
        "where": ", ".join(where),
        "reason": suspect.reason,
        "score": f"{suspect.score:.2f}",
        "image": "" if image is None else jpeg_uri(image),
    }


def _settings(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield what an archive says of itself, name by name; long lists are counted."""
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _settings(value, f"{name}: ")
        elif isinstance(value, list) and len(value) > 10:
            yield name, count(len(value), "entry", "entries")
        elif value is not None:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _points(change: float) -> str:
    text = signed_points(change)
    return f"{text} point{'' if text[1:] == '1' else 's'}"


def _clipped(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _size(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(_BYTES) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_BYTES[unit]}" if unit == 0 else f"{size:.1f} {_BYTES[unit]}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
