"""Archives as tables: every row is what the explainer says of that picture or frame, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import live_gradcam as lg
from live_gradcam.cli.main import run_command_line
from live_gradcam.native import av, cv2
from tests.archive.support import NETWORK, Done, Run

FIGURES = ["positive_share", "concentration", "center_x", "center_y", "border_share"]
EVERY_ID = [
    *(f"src/day1/p{number}.png#0" for number in range(6)),
    *(f"src/day2/p{number}.png#0" for number in range(6, 12)),
    *(f"src/day1/clip.mp4#{index}" for index in range(5)),
    *(f"src/last.mp4#{index}" for index in range(30)),
]


@pytest.fixture
def explain(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command over the archive, in this process."""
    monkeypatch.chdir(archive)

    def command(*arguments: str, sources: tuple[str, ...] = ("src",)) -> Done:
        words = ["archive", *sources, *NETWORK, "-o", "set/", *arguments]
        code = run_command_line(words)
        return Done(code, capsys.readouterr().err)

    return command


def rows(archive: Path) -> pd.DataFrame:
    table = pd.read_parquet(archive / "set/frames")
    assert table["id"].is_unique
    return table.set_index("id")


def test_rows_are_what_the_explainer_says_and_numpy_computes(archive: Path, explain: Run) -> None:
    done = explain("--every", "1", "--maps", "--top-k", "2")
    assert done.returncode == 0, done.stderr
    table = rows(archive)
    assert Counter(table.index) == Counter(EVERY_ID)
    classifier = lg.load_classifier("scenes")
    with lg.Explainer(classifier, compile="off", top_k=2) as explainer:
        for number in (0, 7):
            name = f"src/day{1 + number // 6}/p{number}.png"
            image = lg.read_image(archive / name)
            check_row(table.loc[f"{name}#0"], explainer.explain(image), image)
        with lg.open_source(archive / "src/last.mp4") as film:
            frames = [frame.image for frame in film]
        row = table.loc["src/last.mp4#7"]
        check_row(row, explainer.explain(frames[7]), frames[7])
        assert row["time_s"] == pytest.approx(7 / 25)
    assert set(table["kind"]) == {"picture", "frame"}
    changed = pd.Timestamp((archive / "src/day1/p0.png").stat().st_mtime, unit="s", tz="UTC")
    assert abs(table.loc["src/day1/p0.png#0"]["timestamp"] - changed) < pd.Timedelta("1ms")


def check_row(row: pd.Series[object], said: lg.Explanation, image: np.ndarray) -> None:
    """Compare a row with an explanation, and its figures with their definitions, pixel by pixel."""
    best = said.predictions[0]
    assert (row["label"], row["label_index"]) == (best.label, best.class_index)
    assert row["probability"] == pytest.approx(best.probability, abs=1e-5)
    assert row["score"] == pytest.approx(best.logit, rel=1e-4)
    assert list(row["top_labels"]) == [each.label for each in said.predictions]
    evidence = said.evidence[0].astype(np.float64)
    kept = np.array(row["map"], np.float64).reshape(row["map_height"], row["map_width"])
    assert np.abs(kept - evidence).max() <= np.abs(evidence).max() * 2e-3
    if not (evidence > 0).any():
        assert row[FIGURES[1:]].isna().all()
        return
    # Every cell is spread evenly over its box of the seen region, on a fine raster of the frame.
    height, width = image.shape[:2]
    region, fine = said.region, 8
    across = (np.arange(width * fine) + 0.5) / fine
    down = (np.arange(height * fine) + 0.5) / fine
    columns = np.floor((across - region.x) / region.width * evidence.shape[1]).astype(int)
    lines = np.floor((down - region.y) / region.height * evidence.shape[0]).astype(int)
    seen_x = (columns >= 0) & (columns < evidence.shape[1])
    seen_y = (lines >= 0) & (lines < evidence.shape[0])
    heat = np.zeros((height * fine, width * fine))
    heat[np.ix_(seen_y, seen_x)] = np.maximum(evidence, 0)[np.ix_(lines[seen_y], columns[seen_x])]
    heat /= heat.sum()
    assert row["center_x"] == pytest.approx((heat.sum(0) * across).sum() / width, abs=2e-3)
    assert row["center_y"] == pytest.approx((heat.sum(1) * down).sum() / height, abs=2e-3)
    outer_x = (across < 0.1 * width) | (across > 0.9 * width)
    outer_y = (down < 0.1 * height) | (down > 0.9 * height)
    border = heat[outer_y[:, None] | outer_x[None, :]].sum()
    assert row["border_share"] == pytest.approx(border, abs=5e-3)
    positive = np.maximum(evidence, 0).ravel()
    share = positive.sum() / np.abs(evidence).sum()
    assert row["positive_share"] == pytest.approx(share, rel=1e-3)
    differences = np.abs(positive[:, None] - positive[None, :]).sum()
    gini = differences / (2 * positive.size * positive.sum())
    assert row["concentration"] == pytest.approx(gini, abs=1e-3)


def test_pandas_polars_and_duckdb_read_the_same(archive: Path, explain: Run) -> None:
    explain("--every", "10", "--thumbnails")
    table = rows(archive)
    assert list(table[table["kind"] == "frame"]["frame"].sort_values()) == [0, 0, 10, 20]
    lazy = pl.scan_parquet(archive / "set/frames/**/*.parquet", hive_partitioning=True)
    assert set(lazy.collect()["id"]) == set(table.index)
    with duckdb.connect() as questions:
        found = questions.execute(
            "select kind, count(*), sum(probability) from "
            f"read_parquet('{archive}/set/frames/**/*.parquet') group by kind order by kind"
        ).fetchall()
    expected = table.groupby("kind")["probability"].agg(["count", "sum"])
    assert [each[:2] for each in found] == list(expected["count"].items())
    assert [each[2] for each in found] == pytest.approx(list(expected["sum"]), rel=1e-5)
    small = np.frombuffer(table.iloc[0]["thumbnail"], np.uint8)
    drawn = cv2.imdecode(small, cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.shape == (48, 64, 3)


def test_broken_files_are_rows_with_their_reason_and_strict_ends(
    archive: Path, explain: Run
) -> None:
    done = explain("--every", "1s")
    assert done.returncode == 0
    assert "2 files could not be explained" in done.stderr
    files = pd.read_parquet(archive / "set/files").set_index("file")
    assert files.index.is_unique
    assert len(files) == 16
    failed = files[files["status"] != "ok"]
    assert set(failed.index) == {"src/day2/broken.jpg", "src/day2/text.mp4"}
    errors = [json.loads(line) for line in (archive / "set/errors.jsonl").read_text().splitlines()]
    assert {each["file"]: each["error"] for each in errors} == failed["error"].to_dict()
    assert files.loc["src/last.mp4"]["frames"] == 2
    assert explain("--every", "1s", "--strict").returncode == 3
    for name in ("broken.jpg", "text.mp4"):
        (archive / "src/day2" / name).unlink()
    done = explain("--every", "1s", "--strict")
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(archive / "set/files")) == 14
    assert not (archive / "set/errors.jsonl").exists()


def test_only_what_is_new_or_changed_is_explained_again(archive: Path, explain: Run) -> None:
    explain("--every", "10")
    before = rows(archive)
    films = {path: path.stat().st_mtime_ns for path in (archive / "set").rglob("kind=frame/*")}
    assert "0 of 16 files" in explain("--every", "10").stderr
    white = np.full((48, 64, 3), 255, np.uint8)
    cv2.imwrite(str(archive / "src/day1/p2.png"), white)
    cv2.imwrite(str(archive / "src/day1/new.png"), white)
    (archive / "src/day1/p3.png").unlink()
    explain("--every", "10")
    after = rows(archive)
    assert set(after.index) == {*before.index, "src/day1/new.png#0"} - {"src/day1/p3.png#0"}
    changed, new = after.loc["src/day1/p2.png#0"], after.loc["src/day1/new.png#0"]
    assert changed["score"] == pytest.approx(new["score"], rel=1e-4)
    assert changed["score"] != before.loc["src/day1/p2.png#0"]["score"]
    assert {path: path.stat().st_mtime_ns for path in films} == films
    # Another source adds to what is there.
    cv2.imwrite(str(archive / "more.png"), white)
    explain("--every", "10", sources=("more.png",))
    assert set(rows(archive).index) == {*after.index, "more.png#0"}


def test_other_options_are_refused_by_name(archive: Path, explain: Run) -> None:
    explain("--every", "10", sources=("src/day1",))
    done = explain("--every", "1s", sources=("src/day1",))
    assert done.returncode == 2
    assert 'every was "10", is "1s"' in done.stderr
    assert "maps" in explain("--every", "10", "--maps", sources=("src/day1",)).stderr


@pytest.mark.timeout(600)
def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(
    archive: Path, explain: Run
) -> None:
    words = [sys.executable, "-m", "live_gradcam", "archive", "src", *NETWORK, "-o", "set/"]
    words += ["--every", "1", "--overlays", "drawn"]
    process = subprocess.Popen(words, cwd=archive, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 250
    while process.poll() is None and time.monotonic() < deadline:
        if list((archive / "set").glob("files/part-*")):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # As a kill leaves them: half a table, and rows without their table of files.
    (archive / "set/files/.part-x.parquet.abc.part").write_bytes(b"PAR1")
    assert explain("--every", "1", "--overlays", "drawn").returncode == 0
    assert Counter(rows(archive).index) == Counter(EVERY_ID)
    assert len(pd.read_parquet(archive / "set/files")) == 16
    assert not list(archive.rglob("*.part"))
    drawn = {
        path.relative_to(archive / "drawn").as_posix() for path in archive.glob("drawn/**/*.*")
    }
    assert drawn == {each.partition("#")[0].removeprefix("src/") for each in EVERY_ID}
    with av.open(str(archive / "drawn/last.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 30


def test_tested_rows_are_drawn_by_their_ids_alone(archive: Path, explain: Run) -> None:
    explain("--every", "1", "--truth", "0.4")
    first = rows(archive)["removal_fall"].notna()
    assert 8 <= first.sum() <= 29  # of 47, by a draw that is the same everywhere
    os.rename(archive / "set", archive / "other")  # noqa: PTH104
    explain("--every", "1", "--truth", "0.4", sources=("src/last.mp4", "src/day2", "src/day1"))
    again = rows(archive)["removal_fall"].notna()
    assert dict(again[again].items()).keys() == dict(first[first].items()).keys()
