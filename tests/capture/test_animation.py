"""Animated pictures are films with their own frame times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from live_gradcam.capture.open import open_source
from live_gradcam.errors import SourceError

COLOURS = ("red", "lime", "blue", "white")
DURATIONS = [40, 100, 250, 60]


def animated(path: Path, **options: Any) -> Path:
    first, *others = (Pillow.new("RGB", (32, 24), colour) for colour in COLOURS)
    first.save(path, save_all=True, append_images=others, duration=DURATIONS, loop=0, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.png", {}), ("a.webp", {"lossless": True}), ("a.avif", {"quality": 100})],
)
def test_each_frame_has_its_time(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    with open_source(animated(tmp_path / name, **options)) as source:
        frames = list(source)
        info = source.info
    seen = [[int(value) > 128 for value in frame.image[10, 10]] for frame in frames]
    assert seen == [[False, False, True], [False, True, False], [True, False, False], [True] * 3]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([0, 0.04, 0.14, 0.39])
    assert (info.kind, info.width, info.height) == ("video", 32, 24)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_a_single_one_is_a_picture(tmp_path: Path, name: str) -> None:
    Pillow.new("RGB", (32, 24), "red").save(tmp_path / name)
    with open_source(tmp_path / name) as source:
        assert source.info.kind == "pictures"
        assert len(list(source)) == 1


def test_transparent_parts_lie_on_white(tmp_path: Path) -> None:
    clear = Pillow.new("RGBA", (32, 24), (255, 0, 0, 0))
    solid = Pillow.new("RGBA", (32, 24), (255, 0, 0, 255))
    clear.save(tmp_path / "a.webp", save_all=True, append_images=[solid], lossless=True)
    with open_source(tmp_path / "a.webp") as source:
        frames = list(source)
    assert [frame.image[5, 5].tolist() for frame in frames] == [[255, 255, 255], [0, 0, 255]]


def test_a_loop_goes_on_counting(tmp_path: Path) -> None:
    with open_source(animated(tmp_path / "a.webp", lossless=True), loop=True) as source:
        frames = [frame for frame, _ in zip(source, range(6), strict=False)]
    assert [frame.index for frame in frames] == list(range(6))
    assert frames[4].pts_seconds == pytest.approx(0.45)


def test_a_broken_one_ends_where_it_breaks(tmp_path: Path) -> None:
    path = animated(tmp_path / "a.webp", lossless=True)
    path.write_bytes(path.read_bytes()[:-30])
    try:
        with open_source(path) as source:
            assert len(list(source)) <= 4
    except SourceError as error:
        assert "a.webp" in str(error)  # noqa: PT017 - either is right
