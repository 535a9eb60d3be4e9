"""Files and names as strangers leave them."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

from live_gradcam.evaluate.folders import LabelledFile, read_label_table


def test_a_table_gives_every_label_of_a_file_and_the_last_row_counts(tmp_path: Path) -> None:
    image = tmp_path / "sub" / "a.png"
    image.parent.mkdir()
    PIL.Image.new("RGB", (4, 3)).save(image)
    table = tmp_path / "labels.csv"
    table.write_text("file,index,label\nsub/a.png,7,cat\nsub/a.png,,dog\nsub/b.png,1,dog\n")
    found, skipped = read_label_table(table)
    assert found == [LabelledFile(image, "sub/a.png", ("dog",))]
    assert [tuple(each) for each in skipped] == [("sub/b.png", "there is no such file")]
