"""Numbered pictures are a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image as Pillow

from live_gradcam.capture.open import open_source, source_files
from live_gradcam.capture.pattern import numbered_files
from live_gradcam.errors import SourceError


def numbered(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        size = (40, 30) if number < 3 else (60, 30)
        Pillow.new("RGB", size, (10 * number, 0, 0)).save(folder / name)


def test_they_are_frames_of_one_film_at_25_or_the_rate_asked_for(tmp_path: Path) -> None:
    numbered(tmp_path, *(f"frame_{number:04d}.png" for number in range(98, 102)))
    pattern = str(tmp_path / "frame_%04d.png")
    with open_source(pattern) as source:
        frames = list(source)
        info = source.info
    assert [int(frame.image[15, 20, 2]) for frame in frames] == [0, 10, 20, 30]
    assert [frame.pts_seconds for frame in frames] == [0, 0.04, 0.08, 0.12]
    assert {frame.image.shape for frame in frames} == {(30, 40, 3)}
    assert {frame.source for frame in frames} == {"frame_%04d.png"}
    assert (info.kind, info.fps, info.time_base, info.several_files) == (
        "video",
        25,
        Fraction(1, 25),
        False,
    )
    assert any("letterboxed" in note for note in source.notes)
    with open_source(pattern, fps=10) as source:
        assert [frame.pts_seconds for frame in source] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert len(source_files(pattern)) == 4


def test_widths_and_gaps(tmp_path: Path) -> None:
    numbered(tmp_path, "a9.png", "a10.png", "a011.png", "a0012.png", "a12345.png", "b1.png")
    names = {
        spec: [path.name for path in numbered_files(str(tmp_path / spec))]
        for spec in ("a%d.png", "a%03d.png", "a%04d.png", "c%d.png")
    }
    assert names == {
        "a%d.png": ["a9.png", "a10.png", "a12345.png"],
        "a%03d.png": ["a011.png", "a12345.png"],
        "a%04d.png": ["a0012.png", "a12345.png"],
        "c%d.png": [],
    }
    with pytest.raises(SourceError, match="none with a number"):
        open_source(str(tmp_path / "c%d.png"))
