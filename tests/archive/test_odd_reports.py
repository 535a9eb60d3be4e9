"""Reports of archives that are odd: hostile names, nothing in them, figures that are missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from live_gradcam.archive.report.charts import drift_charts
from live_gradcam.archive.report.files import FileFigures
from live_gradcam.archive.report.findings import find
from live_gradcam.archive.report.page import render_archive
from live_gradcam.archive.report.rows import MEASURES
from live_gradcam.errors import SourceError
from tests.archive.made_archives import Row, file_row, made_rows, write_archive, write_films
from tests.helpers.html import Text, find_references, text_of

EVIL = '</script><img src="http://evil.example/x" onerror=alert(1)>{{ 7 * 7 }}&amp;'


def test_names_from_hell_are_shown_as_they_are(tmp_path: Path) -> None:
    rows = made_rows(1, 30)
    for number, each in enumerate(rows):
        each |= {"label": EVIL, "folder": EVIL, "border_share": 1.0, "probability": 0.9}
        each |= {"file": f"{EVIL}{number}.mp4", "id": f"{EVIL}{number}", "box_share": None}
    files = [file_row(each["file"], 1, folder=EVIL) for each in rows]
    files.append(file_row("x.jpg", 0, status="failed", error=EVIL))
    page = render_archive(find(write_archive(tmp_path / "a", rows, files)))
    parser = Text()
    parser.feed(page)
    kind = EVIL.replace("7 * 7", "# * #").replace("(1)", "(#)")
    assert "".join(parser.parts).count(kind) == 1
    assert "".join(parser.parts).count(EVIL) >= 30 * 2
    assert f"Where the evidence of {EVIL} lies" in parser.values
    assert find_references(page).scripts == 1
    assert "http://evil" not in " ".join(find_references(page).found)


def test_what_is_missing_is_said_with_the_option_that_gives_it(tmp_path: Path) -> None:
    rows = made_rows(4, 25)
    rows[3]["border_share"] = rows[3]["probability"] = 0.9
    bare = ("map", "map_height", "map_width", "thumbnail", "box_share", "timestamp")
    removal = ("removal_fall", "removal_control", "removal_verdict")
    found = find(write_films(tmp_path / "a", rows, without=(*bare, *removal)))
    text = text_of(render_archive(found))
    options = ("--maps", "--thumbnails", "--boxes", "--truth 0.01")
    assert [text.count(each) for each in options] == [1, 1, 1, 1]
    assert "No row has a time, so nothing is said of drift." in text
    assert "outside the boxes or" not in text
    assert "Removal test" not in text
    whole = text_of(render_archive(find(write_films(tmp_path / "b", rows))))
    assert not any(each in whole for each in options)
    assert "2 days have at least 20 rows: too few to say which days stand out" in whole


def _no_rows(_: list[Row]) -> tuple[list[Row], list[Row]]:
    return [], []


def _one_row(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    return rows[:1], [file_row(rows[0]["file"], 1)]


def _plain_numbers(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    own = [each | {"probability": None, "top_probabilities": None} for each in rows]
    return own, [file_row(rows[0]["file"], len(rows))]


def _no_evidence(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    unknown = dict.fromkeys(
        (*MEASURES[1:], "removal_verdict", "map", "map_height", "map_width"), None
    )
    return [each | unknown for each in rows], [file_row(rows[0]["file"], len(rows))]


def _nothing_for_it(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    places = ("concentration", "center_x", "center_y", "border_share", "box_share")
    blank = {"positive_share": 0.0, "probability": 0.8, **dict.fromkeys(places, None)}
    own = [each | (blank if number < 9 else {}) for number, each in enumerate(rows)]
    return own, [file_row(rows[0]["file"], len(rows))]


def _fewer_than_said(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    return rows, [file_row(rows[0]["file"], len(rows) + 1)]


def _same_names(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    own = [each | {"label": "crane"} for each in rows]
    return own, [file_row(rows[0]["file"], len(rows))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_no_rows, ["There are no rows in this archive."]),
        (_one_row, ["1 row of 1 file", "1 day in UTC", "0 days have at least 20 rows"]),
        (
            _plain_numbers,
            [
                "\N{MINUS SIGN}0.",
                "How sure the network is cannot be said: its output is plain numbers.",
                "Which frames are suspicious cannot be said: no row has a probability.",
            ],
        ),
        (
            _no_evidence,
            [
                "Where the network looks is not known: no row has figures of its evidence.",
                "Which frames are suspicious cannot be said",
            ],
        ),
        (_nothing_for_it, ["80 % sure of", "but nothing in the picture speaks for it"]),
        (_fewer_than_said, ["speaks of 31 rows, but there are 30", "damaged, or was changed"]),
        (_same_names, ["crane (0)", "crane (1)"]),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else "",
)
def test_an_odd_archive_has_a_page_that_says_so(
    tmp_path: Path, change: Callable[[list[Row]], tuple[list[Row], list[Row]]], said: list[str]
) -> None:
    rows, files = change(made_rows(1, 30))
    text = text_of(render_archive(find(write_archive(tmp_path / "a", rows, files))))
    for each in said:
        assert each in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "nan" not in text.lower().split()


def test_many_folders_are_taken_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made_rows(9, 12)
    for each in rows:
        each["folder"] = each["file"]
    monkeypatch.setattr("live_gradcam.archive.report.findings.MOST_FOLDERS", 4)
    frames = dict.fromkeys([each["file"] for each in rows], 12)
    files = [file_row(name, count, folder=name) for name, count in frames.items()]
    found = find(write_archive(tmp_path / "a", rows, files))
    assert found.folders.rows.tolist().count(12) == 4
    assert sum(found.folders.rows.tolist()) == len(rows)
    text = text_of(render_archive(found))
    assert f"all other folders {5 * 12}" in text
    assert "5 folders with the fewest frames taken together." in text


def test_a_line_crosses_no_days_without_rows(tmp_path: Path) -> None:
    rows = made_rows(8, 5)
    for each in rows[20:]:
        each["timestamp"] += timedelta(days=100)
    charts = drift_charts(find(write_films(tmp_path / "a", rows)).drift)
    assert [len(each.lines) for each in charts[0].curves] == [2] * 4


def test_a_film_in_pieces_is_one_file() -> None:
    found = FileFigures()
    broken = {"status": "failed", "error": "cannot read: it ends."}
    found.add([file_row("a.mp4", 5), file_row("a.mp4", 0, **broken), file_row("b.mp4", 9)])
    found.add([file_row("c.mp4", 0, **broken), file_row("c.mp4", 0, **broken)])
    found.add([file_row("d.jpg", 1), file_row("e.jpg", 0, **broken)])
    assert (found.films, found.pictures, found.count) == (3, 2, 5)
    assert (found.partly, found.failed, found.frames, found.bytes) == (1, 2, 15, 5000)
    (kind,) = found.errors()
    assert (kind.text, kind.files, kind.examples) == (
        "cannot read: it ends.",
        3,
        ["a.mp4", "c.mp4", "e.jpg"],
    )


def test_a_damaged_plan_is_said(tmp_path: Path) -> None:
    folder = write_films(tmp_path / "a", made_rows(1, 2))
    (folder / "plan").mkdir()
    (folder / "plan" / "plan-0001.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match="the plan is damaged"):
        find(folder)
