"""The report of an archive: its figures are those of pandas and DuckDB on the same Parquet."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas
import pytest

from live_gradcam.archive.report.days import FEWEST_DAYS, LEAST
from live_gradcam.archive.report.findings import Findings, find
from live_gradcam.archive.report.page import render_archive
from live_gradcam.archive.report.rows import BORDER_AREA, MEASURES
from live_gradcam.cli import run_command_line
from live_gradcam.cli.archive_report import with_report_command
from live_gradcam.errors import SourceError
from live_gradcam.faithfulness.verdicts import JUDGEMENTS
from live_gradcam.native import cv2
from live_gradcam.scenes import render_scene
from tests.archive.made_archives import (
    BEGIN,
    ODD_DAY,
    file_row,
    made_rows,
    write_archive,
)
from tests.helpers.html import find_references, text_of


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of twelve days, and five broken pictures."""
    rows = made_rows()
    frames = pandas.DataFrame(rows)["file"].value_counts(sort=False)
    files = [file_row(str(name), int(count)) for name, count in frames.items()]
    files += [
        file_row(
            f"hall/{number}.jpg",
            0,
            status="failed",
            error=f"cannot read picture: hall/{number}.jpg: it ends after {number} bytes.",
        )
        for number in range(5)
    ]
    files.append(file_row("hall/6.jpg", 0, status="failed", error="cannot open: hall/6.jpg: no."))
    return write_archive(tmp_path_factory.mktemp("archive") / "hall", rows, files)


@pytest.fixture(scope="module")
def table(archive: Path) -> pandas.DataFrame:
    """The rows, as DuckDB reads them."""
    pattern = archive / "frames" / "*" / "*.parquet"
    return duckdb.execute(f"select * from read_parquet('{pattern}', hive_partitioning=true)").df()


@pytest.fixture(scope="module")
def findings(archive: Path) -> Findings:
    return find(archive)


@pytest.fixture(scope="module")
def page(findings: Findings) -> str:
    return render_archive(findings)


def test_the_figures_of_classes_and_folders_are_those_of_pandas(
    findings: Findings, table: pandas.DataFrame
) -> None:
    assert findings.rows == len(table)
    for groups, keys, column in (
        (findings.classes, [name for name, _ in findings.classes.keys], "label"),
        (findings.folders, list(findings.folders.keys), "folder"),
    ):
        theirs = table.groupby(column)
        assert sorted(keys) == sorted(theirs.groups)
        for code, key in enumerate(keys):
            own = theirs.get_group(key)
            assert groups.rows[code] == len(own)
            for name in MEASURES:
                assert groups.known(name)[code] == own[name].count()
                assert groups.mean(name)[code] == pytest.approx(own[name].mean(), rel=1e-6)
                spread = own[name].std(ddof=0)
                assert groups.spread(name)[code] == pytest.approx(spread, rel=1e-5)
            bars = np.histogram(own["probability"], np.linspace(0, 1, 21))[0]
            assert groups.bars[code].tolist() == bars.tolist()
            positive = np.maximum(np.stack(own["map"].to_list()).astype(np.float64), 0)
            mean = positive.mean(0).reshape(7, 7)
            assert groups.mean_map(code) == pytest.approx(mean, rel=1e-5, abs=1e-7)
            centres = np.histogram2d(own["center_y"], own["center_x"], 12, [[0, 1], [0, 1]])[0]
            assert groups.centres[code].tolist() == centres.tolist()


def test_the_page_shows_them(page: str, table: pandas.DataFrame) -> None:
    text = text_of(page)
    for _, own in table.groupby("label"):
        share = f"{len(own) / len(table):.1%}".replace("%", " %")
        mean = f"{own['probability'].mean():.1%}".replace("%", " %")
        unsure = f"{(own['probability'] < 0.5).mean():.1%}".replace("%", " %")
        outside = f"{1 - own['box_share'].mean():.1%}".replace("%", " %")
        border = f"{own['border_share'].mean():.1%}".replace("%", " %")
        assert f"{len(own):,} {share} {mean} {unsure} {outside} {border} \N{MINUS SIGN}" in text
    assert f"{len(table):,} rows of 30 files" in text
    assert "6 files could not be read: see Errors." in text
    assert f"is known of {table['box_share'].count():,} of {len(table):,} rows." in text


def test_a_day_stands_out_by_the_rule_that_the_page_states(
    findings: Findings, table: pandas.DataFrame
) -> None:
    by_day = table.groupby(table["timestamp"].dt.tz_convert("UTC").dt.date)
    assert findings.drift.days == sorted(by_day.groups)
    for each in findings.drift.series:
        if each.of_class:
            name = each.title.removeprefix("share of \N{LEFT DOUBLE QUOTATION MARK}")[:-1]
            values = by_day["label"].apply(lambda own, name=name: (own == name).mean())
            errors = ((values * (1 - values)) ** 0.5).median() / by_day.size() ** 0.5
            errors = errors.clip(lower=1 / by_day.size())
        else:
            column = {"m": "probability", "b": "border_share", "i": "box_share"}[
                each.title.replace("evidence at the ", "").replace("evidence ", "")[0]
            ]
            values = by_day[column].mean()
            errors = by_day[column].std(ddof=0).median() / by_day[column].count() ** 0.5
        median = float(values.median())
        assert each.values == pytest.approx(values.to_numpy(), rel=1e-5, nan_ok=True)
        distance = (values - median).abs()
        usual = max(LEAST, 1.4826 * float(distance.median()))
        if values.count() < FEWEST_DAYS:
            assert not each.marked.any()
            continue
        assert each.median == pytest.approx(median)
        assert each.marked.tolist() == ((distance > 3 * usual) & (distance > 4 * errors)).tolist()
    odd = (BEGIN + timedelta(days=ODD_DAY)).date()
    ((day, rows, said),) = findings.drift.sentences()
    assert (day, rows) == (odd, len(by_day.get_group(odd)))
    assert any(each.startswith("evidence at the border") for each in said)


def test_the_most_suspicious_frames_are_those_of_the_stated_score(
    findings: Findings, table: pandas.DataFrame
) -> None:
    border = (table["border_share"] - BORDER_AREA) / (1 - BORDER_AREA)
    odd = pandas.DataFrame(
        {
            "box": 1 - table["box_share"],
            "border": border.where(table["box_share"].isna()),
            "removal": 1 - (table["removal_fall"] - table["removal_control"]) / 0.1,
        }
    ).clip(0, 1)
    oddest = odd.max(axis=1)
    table = table.assign(score=table["probability"] * oddest)
    named = table[(table["probability"] >= 0.5) & (oddest >= 0.5)]
    assert findings.suspicious == len(named) > 50
    of_files = named.sort_values("score", ascending=False).groupby("file").head(3)
    worst = of_files.head(50)
    assert [each.record["id"] for each in findings.suspects] == worst["id"].to_list()
    assert [each.score for each in findings.suspects] == pytest.approx(worst["score"].to_list())
    images = dict(zip(table["id"], table["thumbnail"], strict=True))
    assert findings.thumbnails == {name: bytes(images[name]) for name in worst["id"]}


def test_errors_are_counted_by_what_they_say(page: str) -> None:
    text = text_of(page)
    assert (
        "cannot read picture: it ends after # bytes. 5 hall/0.jpg, hall/1.jpg, hall/2.jpg" in text
    )
    assert "cannot open: no. 1 hall/6.jpg" in text


def test_the_removal_tests_are_judged_as_everywhere(page: str, table: pandas.DataFrame) -> None:
    text = text_of(page)
    tested = table["removal_fall"].count()
    fall, other = (
        f"\N{MINUS SIGN}{table[each].mean() * 100:.0f} points"
        for each in ("removal_fall", "removal_control")
    )
    counts = table["removal_verdict"].value_counts()
    assert (
        f"What it looks at decides. {tested} rows were tested: with the hottest fifth hidden "
        f"{fall}, with as much hidden elsewhere {other}, on average. "
        f"decides: {counts['decides']}; counts: {counts['counts']}" in text
    )


def test_the_same_archive_gives_the_same_page_which_needs_nothing_else(
    archive: Path, page: str
) -> None:
    assert render_archive(find(archive)) == page
    found = find_references(page)
    assert found.scripts == 1
    assert all(each.startswith(("data:image/jpeg;base64,", "#")) for each in found.found)
    anchors = set(re.findall(r'id="([a-z]+)"', page))
    assert {each[1:] for each in found.found if each.startswith("#")} <= anchors


def test_rows_in_many_batches_give_the_same_figures(
    archive: Path, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_gradcam.archive.report.reading.BATCH", 17)
    again = find(archive)
    assert again.rows == findings.rows
    assert again.total.sums == pytest.approx(findings.total.sums)
    assert [each.record["id"] for each in again.suspects] == [
        each.record["id"] for each in findings.suspects
    ]


def test_a_part_without_its_files_is_not_counted(archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a"
    shutil.copytree(archive, copy)
    left_out = min((copy / "files").glob("*mp4*"))
    left_out.unlink()
    assert find(copy).rows == find(archive).rows - 60


@pytest.mark.parametrize("place", ["frames", "files"])
def test_a_damaged_part_is_named_with_what_to_do(archive: Path, tmp_path: Path, place: str) -> None:
    copy = tmp_path / "a"
    shutil.copytree(archive, copy)
    damaged = min((copy / place).rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(SourceError) as caught:
        find(copy)
    said = str(caught.value)
    assert str(damaged) in said
    assert str(copy / "files" / damaged.name) in said
    assert "explains that part again" in said


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
QUESTIONS = [
    each
    for each in re.findall(r"```sql\n(.*?)```", README, re.DOTALL)[0].split(";")
    if each.strip()
]


def test_the_questions_of_the_readme_have_the_answers_of_the_report(
    archive: Path, findings: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "explained").symlink_to(archive)
    monkeypatch.chdir(tmp_path)
    classes, days, suspicious = (duckdb.execute(each).df() for each in QUESTIONS)
    assert len(suspicious) == findings.suspicious
    assert list(days["day"].dt.date) == findings.drift.days
    assert days["frames"].to_list() == findings.drift.rows.tolist()
    names = [name for name, _ in findings.classes.keys]
    for each in classes.to_dict("records"):
        code = names.index(each["label"])
        assert each["frames"] == findings.classes.rows[code]
        for column, name in (("sure", "probability"), ("border", "border_share")):
            assert each[column] == pytest.approx(findings.classes.mean(name)[code], rel=1e-5)
        assert 1 - each["outside"] == pytest.approx(findings.classes.mean("box_share")[code])


def test_an_archive_of_pictures_is_read_as_the_readme_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        scene = render_scene(number, width=96, height=96, objects=1)
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), scene.image)
        os.utime(path, (86400 * number, 86400 * number))
    (tmp_path / "photos" / "broken.png").write_bytes(path.read_bytes()[:300])
    words = ["archive", "photos", "-o", "explained", "--model", "scenes", "--truth", "1", "--maps"]
    assert run_command_line([*words, "--thumbnails"]) == 0
    (command,) = re.findall(r"live-gradcam (archive report.*?) *#", README)
    assert run_command_line(shlex.split(command)) == 0
    capsys.readouterr()
    blocks = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    (code,) = (each for each in blocks if '"explained/frames"' in each)
    found: dict[str, Any] = {}
    exec(code, found)
    assert len(found["frames"]) == 4
    assert found["frames"]["kind"].unique().tolist() == ["picture"]
    assert found["frames"]["removal_verdict"].isin(JUDGEMENTS).all()
    assert found["files"]["file"].to_list() == ["photos/broken.png"]
    for each in QUESTIONS:
        duckdb.execute(each).fetchall()
    text = text_of(Path("report.html").read_text(encoding="utf-8"))
    mean = found["frames"]["probability"].mean()
    assert f"4 rows of 5 files; on average {mean:.0%}".replace("%", " %") in text
    assert "1970-01-01 to 1970-01-04" in text
    assert "4 rows were tested: " in text
    assert "1 file could not be read" in text
    assert not any(each in text for each in ("--maps need", "--thumbnails", "--truth 0.01"))
    (part,) = Path("explained/files").iterdir()
    part.unlink()
    text = text_of(render_archive(find(Path("explained"))))
    assert "This archive is not finished: 0 of 1 parts are done" in text
    assert "There are no rows in this archive." in text


def test_the_command_writes_the_page_and_overwrites_none(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], page: str
) -> None:
    output = tmp_path / "report.html"
    words = ["archive", "report", str(archive), "-o", str(output)]
    assert run_command_line(words) == 0
    assert output.read_text(encoding="utf-8") == page
    assert run_command_line(words) == 2
    assert run_command_line([*words, "--overwrite", "--quiet"]) == 0
    assert run_command_line(["archive", "report", str(tmp_path / "no"), "-o", "x.html"]) == 3
    assert run_command_line(["archive", "report", "-o", str(tmp_path / "rows")]) == 2
    assert run_command_line(["archive", "report", str(archive), "-o", str(tmp_path / "rows")]) == 2
    said = capsys.readouterr().err
    assert "it is not overwritten" in said
    assert "Make one with: live-gradcam archive" in said
    assert "Missing argument 'DATASET'" in said
    assert "a folder called report that is to be explained is ./report" in said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["archive", "report", "rows"], ["archive report", "rows"]),
        (["--no-settings", "archive", "report"], ["--no-settings", "archive report"]),
        (["archive", "./report", "-o", "x"], ["archive", "./report", "-o", "x"]),
        (["archive", "a", "report", "-o", "x"], ["archive", "a", "report", "-o", "x"]),
        (["archive"], ["archive"]),
        (["run", "archive", "report"], ["run", "archive", "report"]),
        ([], []),
    ],
)
def test_report_is_a_command_only_as_the_word_after_archive(
    typed: list[str], meant: list[str]
) -> None:
    assert with_report_command(typed) == meant
