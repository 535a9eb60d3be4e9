"""Fixtures of the tests of runs over many files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live_gradcam.cli.main import run_command_line
from live_gradcam.native import cv2
from scripts.faults.media import write_film
from tests.archive.support import NETWORK, PICTURE, Done, Run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Twelve pictures in two folders, two films, a broken picture and a text named like a film."""
    generator = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "src" / ("day1" if number < 6 else "day2")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f"p{number}.png"), pixels)
    write_film(tmp_path / "src/day1/clip.mp4", frames=5, rate=25)
    write_film(tmp_path / "src/last.mp4", frames=30, rate=25, image=lambda *_: PICTURE)
    (tmp_path / "src/day2/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (tmp_path / "src/day2/text.mp4").write_text("hello")
    return tmp_path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in the test's own folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, sources: tuple[str, ...] = ("src",)) -> Done:
        words = ["run", *NETWORK, *sources, *arguments, "--resume"]
        code = run_command_line(words)
        return Done(code, capsys.readouterr().err)

    return command
