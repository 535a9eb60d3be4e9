"""Folders of classes, and files in them, as strangers leave them."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image

from live_gradcam.capture.class_folders import class_folders, find_images, printable


def test_names_are_printable_and_of_bounded_length() -> None:
    assert printable("a\nb\x1b[0m") == "a\\nb\\x1b[0m"
    assert printable(os.fsdecode(b"\xff.png")) == "\\udcff.png"
    assert len(printable("x" * 100_000)) < 210
    assert printable("pièce 金魚") == "pièce 金魚"


def test_images_are_found_in_natural_order(tmp_path: Path) -> None:
    for name in ("p10.png", "p2.png", "deep/p1.png", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PIL.Image.new("RGB", (4, 3)).save(tmp_path / name)
    names = [path.name for path in find_images(tmp_path, tmp_path)]
    assert names == ["p1.png", "p2.png", "p10.png"]
    names = [path.name for path in find_images(tmp_path, tmp_path, deep=False)]
    assert names == ["p2.png", "p10.png"]


def test_files_of_another_kind_are_found_on_demand(tmp_path: Path) -> None:
    for name in ("a.png", "b.txt", "deep/c.txt", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    def is_text(path: Path) -> bool:
        if path.name == "b.txt":
            raise PermissionError(path)
        return path.suffix == ".txt"

    found = find_images(tmp_path, tmp_path, is_wanted=is_text)
    assert [path.name for path in found] == ["c.txt"]


def test_folders_are_classes_but_for_hidden_ones(tmp_path: Path) -> None:
    for name in ("b10", "b2", ".git", "茶壶"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert [path.name for path in class_folders(tmp_path)] == ["b2", "b10", "茶壶"]
