"""Files and names as strangers leave them."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image

from live_gradcam.evaluate.folders import LabelledFile, find_images, printable, read_label_table


def test_names_are_printable_and_of_bounded_length() -> None:
    assert printable("a\nb\x1b[0m") == "a\\nb\\x1b[0m"
    assert printable(os.fsdecode(b"\xff.png")) == "\\udcff.png"
    assert len(printable("x" * 100_000)) < 210
    assert printable("pièce 金魚") == "pièce 金魚"


def test_a_table_gives_every_label_of_a_file_and_the_last_row_counts(tmp_path: Path) -> None:
    image = tmp_path / "sub" / "a.png"
    image.parent.mkdir()
    PIL.Image.new("RGB", (4, 3)).save(image)
    table = tmp_path / "labels.csv"
    table.write_text("file,index,label\nsub/a.png,7,cat\nsub/a.png,,dog\nsub/b.png,1,dog\n")
    found, skipped = read_label_table(table)
    assert found == [LabelledFile(image, "sub/a.png", ("dog",))]
    assert [tuple(each) for each in skipped] == [("sub/b.png", "there is no such file")]


def test_images_are_found_in_natural_order(tmp_path: Path) -> None:
    for name in ("p10.png", "p2.png", "deep/p1.png", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PIL.Image.new("RGB", (4, 3)).save(tmp_path / name)
    names = [path.name for path in find_images(tmp_path, tmp_path)]
    assert names == ["p1.png", "p2.png", "p10.png"]
    names = [path.name for path in find_images(tmp_path, tmp_path, deep=False)]
    assert names == ["p2.png", "p10.png"]
