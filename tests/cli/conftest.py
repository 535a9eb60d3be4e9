"""Fixtures and checks of the command line's tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (120, 160, 3), np.uint8)
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


def assert_one_line_error(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    # What is being loaded is said before anything can go wrong with it.
    lines = [line for line in done.stderr.splitlines() if line and line[:8] != "loading "]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part.lower() in lines[0].lower(), lines[0]
