"""Images as a source: natural order, unique names, broken ones left out and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live_gradcam.capture.images import ImagesSource
from live_gradcam.capture.open import open_source
from live_gradcam.errors import SourceError
from live_gradcam.native import cv2
from scripts.faults.media import counting_image, number_in, write_film


def save(path: Path, number: int, width: int = 32, height: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), counting_image(number, width, height))
    return path


def test_a_single_image(tmp_path: Path) -> None:
    path = save(tmp_path / "one.png", 3)
    with open_source(path) as source:
        (frame,) = list(source)
    assert number_in(frame.image) == 3
    assert (frame.index, frame.pts_seconds, frame.source) == (0, 0.0, "one.png")
    info = source.info
    assert (info.kind, info.live, info.width, info.height) == ("pictures", False, 32, 24)
    assert (info.frame_count, info.several_files, info.path, info.fps) == (1, False, None, None)


def test_a_folder_in_natural_order_with_other_files_ignored(tmp_path: Path) -> None:
    for number in (10, 2, 1, 21):
        save(tmp_path / f"p{number}.png", number)
    save(tmp_path / "P3.PNG", 3)
    save(tmp_path / ".hidden.png", 0)
    save(tmp_path / "sub" / "deep.png", 0)
    (tmp_path / "labels.csv").write_text("file,label\n")
    write_film(tmp_path / "film.mp4")
    save(tmp_path / "x.png", 5).rename(tmp_path / "p4")
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert [frame.source for frame in frames] == [
        "p1.png", "p2.png", "P3.PNG", "p4", "p10.png", "p21.png",
    ]  # fmt: skip
    assert [number_in(frame.image) for frame in frames] == [1, 2, 3, 5, 10, 21]
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.pts_seconds for frame in frames] == list(range(6))
    assert (source.info.several_files, source.info.frame_count) == (True, 6)
    assert (source.skipped, source.notes) == (0, ())


def test_a_pattern_across_folders_keeps_names_unique(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for number in (1, 2):
            save(tmp_path / folder / f"p_{number}.png", number)
    with open_source(f"{tmp_path}/*/p_*.png") as source:
        assert [frame.source for frame in source] == [
            "a/p_1.png", "a/p_2.png", "b/p_1.png", "b/p_2.png",
        ]  # fmt: skip
    with open_source(f"{tmp_path}/**/p_2.png") as source:
        assert [frame.source for frame in source] == ["a/p_2.png", "b/p_2.png"]


def test_images_keep_their_own_sizes(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    save(tmp_path / "2.png", 2, width=50, height=70)
    with open_source(tmp_path) as source:
        assert [frame.image.shape for frame in source] == [(24, 32, 3), (70, 50, 3)]


def test_broken_images_are_left_out_counted_and_named(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.jpg", number)
    data = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "0.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "2.jpg").write_text("not at all a picture")
    (tmp_path / "9.jpg").touch()
    told: list[str] = []
    with open_source(tmp_path, on_notice=told.append) as source:
        frames = list(source)
    assert [frame.source for frame in frames] == ["1.jpg", "3.jpg"]
    assert [frame.index for frame in frames] == [0, 1]
    assert source.skipped == 3
    assert told == list(source.notes)
    for name, cause in (("0.jpg", "truncated"), ("2.jpg", "text"), ("9.jpg", "empty")):
        assert any(name in note and cause in note for note in source.notes)


def test_strict_and_single_images_are_errors(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    bad = tmp_path / "2.png"
    bad.write_bytes((tmp_path / "1.png").read_bytes()[:50])
    with (
        open_source(tmp_path, strict=True) as source,
        pytest.raises(SourceError, match=r"2\.png"),
    ):
        list(source)
    with pytest.raises(SourceError, match=r"2\.png") as caught:
        open_source(bad)
    assert caught.value.exit_code == 3


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "bad" / name).write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    for spec, says in (
        (tmp_path, "no pictures"),
        (tmp_path / "bad", "none of the 2 pictures"),
        (f"{tmp_path}/*.png", "no file matches"),
        (f"{tmp_path}/bad/*.txt", "no file matches"),
        (f"{tmp_path}/*.txt", "text"),
    ):
        with pytest.raises(SourceError, match=says) as caught:
            open_source(spec)
        assert caught.value.exit_code == 3
    with pytest.raises(SourceError, match="there are none"):
        ImagesSource([])


def test_loop_and_rate(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    with open_source(tmp_path, loop=True, fps=10) as source:
        frames = [frame for frame, _ in zip(source, range(7), strict=False)]
    assert [number_in(frame.image) for frame in frames] == [0, 1, 2, 0, 1, 2, 0]
    assert [frame.pts_seconds for frame in frames] == pytest.approx(np.arange(7) / 10)
    assert (source.info.fps, source.info.frame_count) == (10, None)


def test_a_loop_whose_images_vanish_ends(tmp_path: Path) -> None:
    path = save(tmp_path / "0.png", 0)
    save(tmp_path / "1.png", 1)
    with open_source(tmp_path, loop=True) as source:
        frames = iter(source)
        next(frames)
        path.unlink()
        (tmp_path / "1.png").unlink()
        assert list(frames) == []
    assert source.skipped == 2


def test_an_animation_among_pictures_is_its_first_one(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    first, second = (Pillow.new("RGB", (9, 9), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    first.save(tmp_path / "b.png")
    with open_source(tmp_path) as source:
        frames = list(source)
    assert [frame.image[4, 4].tolist() for frame in frames] == [[0, 0, 255]] * 2
    assert "first picture" in source.notes[0]
