"""Runs over many files in which something is odd: outputs among the sources, names, kills."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.cli.console import ProgressLine
from live_gradcam.cli.main import run_command_line
from live_gradcam.images import read_image
from live_gradcam.native import cv2
from scripts.faults.media import write_film
from tests.archive.support import NETWORK, PICTURE, Run, rows

GREY = np.full((96, 96, 3), 120, np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures in a folder, with names in the order of the run."""
    (tmp_path / "src").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"src/{number}.png"), GREY)
    return tmp_path


def test_the_run_s_own_output_among_the_sources_is_not_explained(pictures: Path, run: Run) -> None:
    assert "3 of 3 files" in run("-o", "out/", "-o", "all.csv", sources=(".",)).stderr
    assert "0 of 3 files" in run("-o", "out/", "-o", "all.csv", sources=(".",)).stderr
    assert sorted(path.name for path in (pictures / "out").rglob("*.*")) == [
        *("0.png", "1.png", "2.png", "ledger.jsonl"),
    ]


class Killed(BaseException):
    """What stands for the end of the process."""


def kill_in(monkeypatch: pytest.MonkeyPatch, name: str, call: int, *, after: bool) -> None:
    """Let the n-th call of a function of the system end the process, before or after its work."""
    plain, calls = getattr(os, name), 0

    def counted(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        plain(*given)
        if calls == call:
            raise Killed

    monkeypatch.setattr(os, name, counted)


@pytest.mark.parametrize(
    ("changed", "moment", "times"),
    [
        *(
            ("0.png", "before replace", 3),
            ("0.png", "after replace", 3),
            ("0.png", "after fsync", 3),
        ),
        *(
            ("2.png", "before replace", 1),
            ("2.png", "after replace", 1),
            ("2.png", "after fsync", 1),
        ),
    ],
)
def test_a_kill_while_rows_are_taken_out_loses_and_doubles_nothing(
    pictures: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    changed: str,
    moment: str,
    times: int,
) -> None:
    outputs = ("-o", "all.csv", "-o", "all.jsonl")
    run(*outputs)
    kept = tmp_path_factory.mktemp("kept")
    shutil.copytree(pictures, kept, dirs_exist_ok=True)
    after, name = moment.split()
    for call in range(1, times + 1):
        for file in pictures.glob("*.*"):
            file.unlink()
        shutil.copytree(kept, pictures, dirs_exist_ok=True)
        cv2.imwrite(str(pictures / "src" / changed), GREY // 2)
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            kill_in(patched, name, call, after=after == "after")
            run(*outputs)
            pytest.fail("it was not killed")
        (pictures / "src/1.png").unlink()
        done = run(*outputs)
        assert done.returncode == 0, (call, done.stderr)
        for path in ("all.csv", "all.jsonl"):
            assert sorted(rows(pictures / path)) == ["0.png 0", "2.png 0"], call
        assert sorted(path.name for path in pictures.iterdir()) == [
            *("all.csv", "all.jsonl", "all.ledger.jsonl", "src"),
        ]


def test_what_a_kill_left_at_the_end_is_cut_off_in_place(pictures: Path, run: Run) -> None:
    run("-o", "all.jsonl")
    records = pictures / "all.jsonl"
    before, place = records.read_bytes(), records.stat().st_ino
    records.write_bytes(before + b'{"index": 3, "so')
    run("-o", "all.jsonl")
    assert records.read_bytes() == before
    assert records.stat().st_ino == place, "the file is not copied for it"


def test_a_strict_run_takes_up_what_an_earlier_one_left_out(pictures: Path, run: Run) -> None:
    (pictures / "src/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    assert run("-o", "all.csv").returncode == 0
    done = run("-o", "all.csv", "--strict")
    assert done.returncode == 3
    assert "broken.jpg" in done.stderr.splitlines()[-1]
    assert run("-o", "all.csv").returncode == 0
    assert len(rows(pictures / "all.csv")) == 3


def test_progress_counts_files_also_without_steady_colours(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    write_film(tmp_path / "src/clip.mp4", frames=25, rate=25, image=lambda *_: PICTURE)
    shown: list[tuple[int, int | None]] = []
    monkeypatch.setattr(
        ProgressLine, "update", lambda _, done, total, rate: shown.append((done, total))
    )
    run("-o", "all.csv", "--no-smooth")
    assert shown[-1] == (1, 1)
    assert set(shown) == {(0, 1), (1, 1)}


def test_a_broken_file_s_name_need_not_be_text(pictures: Path, run: Run) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        (pictures / "src" / name).write_bytes(b"\xff\xd8\xff\xe0 no more")
    except OSError:
        pytest.skip("the file system takes text only")
    assert run("-o", "all.csv", "--quiet").returncode == 0
    assert "caf" in (pictures / "all.errors.jsonl").read_text()


def test_a_picture_is_drawn_as_without_resume(pictures: Path, run: Run) -> None:
    run("-o", "out/")
    run_command_line(["run", *NETWORK, "src/0.png", "-o", "plain.png"])
    assert read_image(pictures / "out/0.png").shape > GREY.shape, "there is writing beside it"
    np.testing.assert_array_equal(
        read_image(pictures / "out/0.png"), read_image(pictures / "plain.png")
    )


def test_where_one_output_of_a_film_cannot_be_opened_the_others_are_closed(
    tmp_path: Path, run: Run
) -> None:
    (tmp_path / "src/day").mkdir(parents=True)
    write_film(tmp_path / "src/day/clip.mp4", frames=3, rate=25, image=lambda *_: PICTURE)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/day").write_text("a file")
    done = run("-o", "a/", "-o", "b/", "--overwrite")
    assert "cannot create folder" in done.stderr
    assert not list((tmp_path / "a").rglob("*.part"))


def test_pictures_that_int8_is_calibrated_on_are_an_option(pictures: Path, run: Run) -> None:
    int8 = ("-o", "src/", "--overwrite", "--precision", "int8", "--calibrate", "cal")
    (pictures / "cal").mkdir()
    cv2.imwrite(str(pictures / "cal/0.png"), GREY)
    assert run(*int8).returncode == 0, "there is nothing to explain but outputs"
    assert run(*int8).returncode == 0
    cv2.imwrite(str(pictures / "cal/0.png"), GREY // 2)
    os.utime(pictures / "cal/0.png", (1, 1))
    done = run(*int8)
    assert done.returncode == 2
    assert "begun with other options: calibrate" in done.stderr


def test_int8_is_never_calibrated_on_files_that_may_be_added(pictures: Path, run: Run) -> None:
    done = run("-o", "all.csv", "--precision", "int8", "--model", "resnet18")
    assert done.returncode == 2
    assert "--calibrate" in done.stderr.splitlines()[-1]
