"""The report of an archive: one HTML file, made as `live_gradcam.reports` makes all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from live_gradcam.archive.report import days, suspicion
from live_gradcam.archive.report.charts import bars, drift_charts
from live_gradcam.archive.report.findings import Findings
from live_gradcam.archive.report.groups import VERDICTS
from live_gradcam.archive.report.rows import BORDER_AREA
from live_gradcam.archive.report.suspicion import Suspect
from live_gradcam.archive.report.tables import (
    MOST_SHOWN,
    MOSTLY,
    Kinds,
    clipped,
    picture_of,
    tables_of,
)
from live_gradcam.faithfulness.verdicts import several_sentence
from live_gradcam.reports.page import count, jpeg_uri, open_template
from live_gradcam.wording import listed, number, percent, signed_points

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
        tables=tables_of(findings, whole),
        picture=picture_of(total, 0, whole),
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
        mostly=MOSTLY,
        most_shown=MOST_SHOWN,
        colours=_COLOURS,
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
        outside = clipped(1.0 - float(total.mean("box_share")[0]))
        parts.append(f"{percent(outside)} of the evidence outside the boxes")
    elif kinds.evidence:
        border = clipped(float(total.mean("border_share")[0]))
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


def _size(size: float) -> str:
    unit = 0
    while size >= 1000 and unit < len(_BYTES) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_BYTES[unit]}" if unit == 0 else f"{size:.1f} {_BYTES[unit]}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
