"""Runs over many files that end anywhere and go on: nothing twice, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.native import av, cv2
from live_gradcam.show.images import write_image
from scripts.faults.media import write_film
from tests.archive.support import NETWORK, PICTURE, Run, rows

RUN = [sys.executable, "-m", "live_gradcam", "run", *NETWORK]


EVERY_ROW = [
    *(f"day1/p{number}.png 0" for number in range(6)),
    *(f"day2/p{number}.png 0" for number in range(6, 12)),
    *(f"day1/clip.mp4 {index}" for index in range(5)),
    *(f"last.mp4 {index}" for index in range(30)),
]


def test_everything_below_a_folder_has_its_output_and_its_rows(archive: Path, run: Run) -> None:
    done = run("-o", "out/", "-o", "all.csv", "-o", "all.jsonl")
    assert done.returncode == 0, done.stderr
    assert sorted(rows(archive / "all.csv")) == sorted(EVERY_ROW)
    assert rows(archive / "all.jsonl") == rows(archive / "all.csv")
    out = archive / "out"
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    pictures = {row.split()[0] for row in EVERY_ROW}
    assert found == {*pictures, "ledger.jsonl", "errors.jsonl"}
    with av.open(str(out / "last.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 30
    errors = [json.loads(line) for line in (out / "errors.jsonl").read_text().splitlines()]
    assert [error["name"] for error in errors] == ["day2/broken.jpg", "day2/text.mp4"]
    assert "truncated" in errors[0]["error"] or "cannot read" in errors[0]["error"]
    assert "16 of 16 files (47 frames)" in done.stderr
    assert "2 files could not be explained" in done.stderr


def test_a_second_run_does_nothing_and_loads_nothing(archive: Path, run: Run) -> None:
    run("-o", "out/", "-o", "all.csv")
    before = (archive / "all.csv").read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in (archive / "out").rglob("*.mp4")}
    done = run("-o", "out/", "-o", "all.csv")
    assert "0 of 16 files (0 frames)" in done.stderr
    assert "16 were done before" in done.stderr
    assert "loading" not in done.stderr
    assert (archive / "all.csv").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_only_new_and_changed_files_are_explained_and_vanished_ones_leave(
    archive: Path, run: Run
) -> None:
    run("-o", "all.csv")
    cv2.imwrite(str(archive / "src/day1/p2.png"), np.full((48, 64, 3), 200, np.uint8))
    os.utime(archive / "src/day1/p2.png", (1, 1))  # also where the size is the same
    cv2.imwrite(str(archive / "src/day1/new.png"), np.full((48, 64, 3), 9, np.uint8))
    (archive / "src/day1/clip.mp4").unlink()
    done = run("-o", "all.csv")
    assert "2 of 16 files (2 frames)" in done.stderr
    expected = [row for row in EVERY_ROW if "clip" not in row] + ["day1/new.png 0"]
    assert sorted(rows(archive / "all.csv")) == sorted(expected)
    assert json.loads((archive / "all.errors.jsonl").read_text().splitlines()[0])["frames"] == 0


@pytest.mark.timeout(1200)  # five processes one after another
def test_kills_at_any_moment_lose_nothing_and_double_nothing(archive: Path, run: Run) -> None:
    arguments = ["src", "-o", "out/", "-o", "all.csv", "-o", "all.jsonl", "--resume"]
    ledger = archive / "out/ledger.jsonl"
    seen = []
    for lines in (1, 2, 14, 15):  # after so many lines of the ledger, wherever it is then
        process = subprocess.Popen([*RUN, *arguments], cwd=archive, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 250
        while process.poll() is None and time.monotonic() < deadline:
            if ledger.exists() and ledger.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.append(ledger.read_bytes().count(b"\n"))
    with ledger.open("ab") as file:
        file.write(b'{"name": "torn')  # as a kill in the middle of a line leaves it
    with (archive / "all.jsonl").open("ab") as file:
        file.write(b'{"index": 3, "so')
    assert run(*arguments[1:-1]).returncode == 0
    for name in ("all.csv", "all.jsonl"):
        assert Counter(rows(archive / name)) == Counter(EVERY_ROW), seen
    for name in {row.split()[0] for row in EVERY_ROW}:
        if name.endswith(".mp4"):
            with av.open(str(archive / "out" / name)) as film:
                frames = sum(1 for _ in film.decode(video=0))
            assert frames == sum(row.startswith(f"{name} ") for row in EVERY_ROW)
        else:
            assert cv2.imread(str(archive / "out" / name)) is not None
    assert not list(archive.rglob("*.part"))


def test_an_interrupted_run_says_how_to_go_on(archive: Path, run: Run) -> None:
    write_film(archive / "src/zlong.mp4", frames=2000, rate=25, image=lambda *_: PICTURE)
    arguments = ["src", "-o", "all.jsonl", "--resume"]
    process = subprocess.Popen([*RUN, *arguments], cwd=archive, stderr=subprocess.PIPE, text=True)
    records = archive / "all.jsonl"
    while process.poll() is None:
        if records.exists() and b"zlong" in records.read_bytes():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "16 of 17 files" in said
    assert "1 are left: the same command goes on with them" in said
    (archive / "src/zlong.mp4").unlink()
    run(*arguments[1:-1])
    assert Counter(rows(records)) == Counter(EVERY_ROW), "of the film that was begun nothing stays"


def test_other_options_are_refused_by_name(archive: Path, run: Run) -> None:
    run("-o", "all.csv", sources=("src/day1",))
    done = run("-o", "all.csv", "--method", "layercam", sources=("src/day1",))
    assert done.returncode == 2
    assert 'method was "gradcam", is "layercam"' in done.stderr.splitlines()[-1]
    assert run("-o", "all.csv", "--verbose", sources=("src/day1",)).returncode == 0


def test_what_stood_there_before_is_not_replaced(archive: Path, run: Run) -> None:
    (archive / "all.csv").write_text("mine")
    done = run("-o", "all.csv")
    assert done.returncode == 2
    assert "all.csv" in done.stderr
    assert (archive / "all.csv").read_text() == "mine"


def test_rows_that_were_taken_away_are_noticed(archive: Path, run: Run) -> None:
    run("-o", "all.csv", sources=("src/day1",))
    (archive / "all.csv").unlink()
    done = run("-o", "all.csv", sources=("src/day1",))
    assert done.returncode == 2
    assert "rows that the ledger knows are not there any more" in done.stderr


def test_a_broken_file_ends_a_strict_run(archive: Path, run: Run) -> None:
    done = run("-o", "all.csv", "--strict")
    assert done.returncode == 3
    assert "broken.jpg" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("ending", [".txt", ".csv"])
def test_a_list_names_files_relative_to_itself(archive: Path, run: Run, ending: str) -> None:
    lines = ["day1/p0.png", "last.mp4", "day2/gone.png"]
    text = (
        "\n".join(lines)
        if ending == ".txt"
        else "id,path\n" + "".join(f"{number},{line}\n" for number, line in enumerate(lines))
    )
    (archive / f"src/list{ending}").write_text(text)
    done = run("-o", "all.jsonl", sources=(f"src/list{ending}",))
    assert done.returncode == 0, done.stderr
    assert len(rows(archive / "all.jsonl")) == 31
    (error,) = (archive / "all.errors.jsonl").read_text().splitlines()
    assert "gone.png" in json.loads(error)["name"]
    cv2.imwrite(str(archive / "src/day2/gone.png"), np.full((48, 64, 3), 9, np.uint8))
    run("-o", "all.jsonl", sources=(f"src/list{ending}",))
    assert len(rows(archive / "all.jsonl")) == 32, "it is there now"
    assert not (archive / "all.errors.jsonl").exists()


def test_two_stars_are_any_number_of_folders(archive: Path, run: Run) -> None:
    run("-o", "all.jsonl", sources=("src/**/*.png",))
    expected = [row for row in EVERY_ROW if ".png" in row]
    assert sorted(rows(archive / "all.jsonl")) == sorted(expected)


def test_names_that_would_be_the_same_are_told_apart(archive: Path, run: Run) -> None:
    pixels = np.full((48, 64, 3), 90, np.uint8)
    for name in ("x.png", "x.tiff"):
        cv2.imwrite(str(archive / "src/day1" / name), pixels)
    run("-o", "out/", sources=("src/day1",))
    assert {"x.png", "x.tiff.png"} <= {path.name for path in (archive / "out").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "sources", "named"),
    [
        (["-o", "film.mp4"], ("src",), "film.mp4"),
        (["-o", "-"], ("src",), "-"),
        (["-o", "maps/"], ("src",), "maps/"),
        ([], ("src",), "needs outputs"),
        (["-o", "all.csv", "--loop"], ("src",), "--loop"),
        (["-o", "all.csv", "--max-frames", "3"], ("src",), "--max-frames"),
        (["-o", "all.csv"], ("0",), "no file"),
        (["-o", "all.csv"], ("nowhere",), "no such file"),
    ],
)
def test_what_cannot_go_on_is_refused(
    archive: Path, run: Run, arguments: list[str], sources: tuple[str, ...], named: str
) -> None:
    done = run(*arguments, sources=sources)
    assert done.returncode in (2, 3)
    assert named in done.stderr.splitlines()[-1]
    assert not list(archive.glob("*.csv"))


def test_parts_are_rows_and_a_picture_beside_them_is_an_error_of_its_own(
    tmp_path: Path, run: Run
) -> None:
    (tmp_path / "src").mkdir()
    for name, width in (("a.png", 64), ("b.png", 20), ("c.png", 64)):
        write_image(tmp_path / "src" / name, np.full((48, width, 3), 90, np.uint8))
    done = run("-o", "out/", "-o", "all.jsonl", "--roi", "30,0,20,20", "--roi", "0,0,50%,50%")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "all.jsonl") == ["a.png 0", "a.png 0", "c.png 0", "c.png 0"]
    (error,) = map(json.loads, (tmp_path / "out" / "errors.jsonl").read_text().splitlines())
    assert error["name"] == "b.png"
    assert "20x48" in error["error"]
    before = (tmp_path / "all.jsonl").read_bytes()
    parts = ("--roi", "30,0,20,20", "--roi", "0,0,50%,50%")
    assert "0 of 3 files" in run("-o", "out/", "-o", "all.jsonl", *parts).stderr
    assert (tmp_path / "all.jsonl").read_bytes() == before
    assert "roi" in run("-o", "out/", "-o", "all.jsonl").stderr
