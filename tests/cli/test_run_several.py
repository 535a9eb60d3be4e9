"""Several sources on one command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from live_gradcam.native import av, cv2
from scripts.faults.media import write_film

from .conftest import assert_one_line_error

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def things(tmp_path: Path) -> Path:
    write_film(tmp_path / "a.mp4", frames=5, rate=25, audio_tracks=1)
    (tmp_path / "c").mkdir()
    for name in ("b.png", "c/x.png", "c/y.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 90, np.uint8))
    return tmp_path


def test_a_folder_gets_a_result_for_each_and_a_film_gets_all(
    command: Command, things: Path
) -> None:
    sources = ["a.mp4", "b.png", "nowhere.mp4", "c"]
    outputs = ["-o", "out/", "-o", "all.mp4", "-o", "all.jsonl"]
    done = command("run", *sources, *outputs, "--model", "scenes", "--no-fps")
    assert done.returncode == 3, done.stderr
    assert "nowhere.mp4" in done.stderr.partition("wrote ")[0], "said before anything is written"
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 4 sources could not be read")
    found = {str(p.relative_to(things / "out")) for p in (things / "out").rglob("*.*")}
    assert found == {"a.mp4", "b.png", "c/x.png", "c/y.png"}
    with av.open(str(things / "out/a.mp4")) as film:
        assert len(film.streams.audio) == 1, "a film of its own keeps its sound"
    with av.open(str(things / "all.mp4")) as film:
        times = [float(frame.pts * frame.time_base) for frame in film.decode(video=0)]
        assert film.duration / av.time_base == pytest.approx(3.2, abs=0.01)
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2, 1.2, 2.2])
    records = [json.loads(line) for line in (things / "all.jsonl").read_text().splitlines()]
    assert [record["source"] for record in records] == [
        *["a.mp4"] * 5,
        "b.png",
        "c/x.png",
        "c/y.png",
    ]
    assert [record["index"] for record in records] == list(range(8))
    assert [record["pts_seconds"] for record in records] == pytest.approx(times)


def test_a_missing_source_stops_everything_where_that_is_asked_for(
    command: Command, things: Path
) -> None:
    done = command("run", "b.png", "no.png", "-o", "out/", "--model", "scenes", "--strict")
    assert_one_line_error(done, 3, "no.png")
    assert not (things / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["b.png", "0", "-o", "out/"], 2, "one of several"),
        (["a.mp4", "b.png"], 2, "-o OUTPUT"),
        (["b.png", "0", "--kiosk"], 2, "no picture"),
        (["a.mp4", "--slideshow", "3"], 2, "plays by itself"),
        (["0", "--slideshow", "3"], 2, "for pictures"),
        (["b.png", "--slideshow", "3", "-o", "out/"], 2, "--seconds-per-picture"),
        (["a.mp4", "b.png", "-o", "out/", "--loop"], 2, "--loop"),
        (["a.mp4", "b.png", "-o", "there/"], 2, "there/a.mp4"),
        (["a.mp4", "b.png", "-o", "."], 2, "output equals input"),
        (["a.mp4", "b.png", "-o", "one.png"], 2, "--max-frames 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(
    command: Command, things: Path, arguments: list[str], code: int, named: str
) -> None:
    (things / "there").mkdir()
    (things / "there/a.mp4").write_bytes(b"precious")
    done = command("run", *arguments, "--model", "scenes")
    assert_one_line_error(done, code, named)
    assert (things / "there/a.mp4").read_bytes() == b"precious"
    assert not (things / "out").exists()


def test_pictures_are_counted_as_pictures_and_last_as_long_as_asked(
    command: Command, things: Path
) -> None:
    options = ["--model", "scenes", "--seconds-per-picture", "2.5"]
    done = command("run", "c/x.png", "c/y.png", "b.png", "-o", "show.mp4", *options)
    assert done.returncode == 0, done.stderr
    assert "3 pictures in " in done.stderr
    assert "FPS" not in done.stderr
    assert "p50/p95" not in done.stderr
    with av.open(str(things / "show.mp4")) as film:
        assert film.duration / av.time_base == pytest.approx(7.5, abs=0.01)
