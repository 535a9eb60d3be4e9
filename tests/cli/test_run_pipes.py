"""``ffmpeg ... | live-gradcam run - -o - | ffmpeg ...``: programs that are joined by pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from .conftest import assert_one_line_error

pytestmark = pytest.mark.skipif(os.name != "posix", reason="joined by a POSIX shell")

SIZE = "640x480"
FRAMES = 8
RUN = (sys.executable, "-m", "live_gradcam", "run", "-", "--model", "scenes", "--no-fps")
RAW = ("--input-format", "rawvideo", "--size", SIZE, "--fps", "20")
CAMERA = (
    f"ffmpeg -v error -f lavfi -i testsrc2=s={SIZE}:r=20 -frames:v {FRAMES} "
    "-f rawvideo -pix_fmt bgr24 -"
).split()


def test_raw_video_goes_in_and_comes_out_whole(tmp_path: Path) -> None:
    """The next program gets the very pictures that a folder gets, and nothing else."""
    reader = (
        f"ffmpeg -v error -f rawvideo -pixel_format bgr24 -video_size {SIZE} -framerate 20 "
        "-i - -c:v ffv1 -pix_fmt bgr0 out.mkv"
    ).split()
    outputs = ("-o", "-", "--format", "rawvideo", "-o", "images/", "-o", "out.jsonl")
    with (
        subprocess.Popen(CAMERA, stdout=subprocess.PIPE) as camera,
        subprocess.Popen(
            [*RUN, *RAW, *outputs],
            stdin=camera.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as running,
        subprocess.Popen(reader, stdin=running.stdout, cwd=tmp_path) as film,
    ):
        assert running.stderr is not None
        said = running.stderr.read().decode()
    assert (camera.returncode, running.returncode, film.returncode) == (0, 0, 0), said
    assert f"standard output: rawvideo bgr24 {SIZE}; read it with {' '.join(reader[:1])}" in said
    images = [np.asarray(cv2.imread(str(p))) for p in sorted((tmp_path / "images").iterdir())]
    shown = cv2.VideoCapture(str(tmp_path / "out.mkv"))
    for image in images:
        assert np.array_equal(shown.read()[1], image)
    assert not shown.read()[0]
    shown.release()
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(images) == len(records) == FRAMES
    assert [each["pts_seconds"] for each in records] == pytest.approx(np.arange(FRAMES) / 20)


def test_a_reader_that_goes_ends_the_run_and_leaves_the_other_outputs_whole(
    tmp_path: Path,
) -> None:
    """Whoever reads goes in the middle, so that it is known that more would have come."""
    camera = [word if word != str(FRAMES) else "500" for word in CAMERA]
    outputs = ("-o", "out.jsonl", "-o", "out.mkv", "-o", "-", "--format", "rawvideo")
    with (
        subprocess.Popen(camera, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ffmpeg,
        subprocess.Popen(
            [*RUN, *RAW, *outputs],
            stdin=ffmpeg.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        ) as running,
    ):
        assert ffmpeg.stdout is not None
        ffmpeg.stdout.close()
        assert running.stdout is not None
        assert running.stderr is not None
        taken = running.stdout.read(3 * 640 * 480 * 3)
        running.stdout.close()
        *_, error = running.stderr.read().decode().splitlines()
    assert running.returncode == 4
    assert error.startswith("error: cannot write the picture: standard output: nobody reads it")
    assert len(taken) == 3 * 640 * 480 * 3
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert 3 <= len(records) < 500
    film = cv2.VideoCapture(str(tmp_path / "out.mkv"))
    frames = 0
    while film.read()[0]:
        frames += 1
    film.release()
    assert frames == len(records)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input-format", "rawvideo"), "needs --size"),
        (("--size", "vga"), "Write WIDTHxHEIGHT"),
        (("--size", "640x480", "--width", "320"), "--width 320"),
        (("--pixel-format", "rgb24"), "Add --input-format rawvideo"),
        (("--format", "rawvideo"), "--format needs standard output"),
    ],
)
def test_what_contradicts_itself_is_said_at_once(
    command: Callable[..., subprocess.CompletedProcess[str]],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    outputs = ("-o", "x.mkv") if "--format" in arguments else ("-o", "-")
    done = command("run", "-", "--model", "scenes", *arguments, *outputs)
    assert_one_line_error(done, 2, words)
