"""Data sets as strangers leave them: found, matched to the classifier's classes, or refused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from live_gradcam.class_names import class_lookup
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.evaluate.annotations import read_annotations
from live_gradcam.evaluate.dataset import open_dataset
from live_gradcam.scenes import SCENE_CLASSES

LABELS = ("tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "crane", "7")


def save(path: Path, width: int = 24, height: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(width * 1000 + height)
    PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("goldfish", 1),
        ("Carassius_auratus", 1),
        ("Tench, Tinca tinca", 0),
        ("0", 0),
        ("4", 4),
        ("7", 4),
        ("3", 3),
        ("crane", None),
        ("fish", None),
        ("5", None),
        ("-1", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_a_name_means_a_label_a_synonym_or_an_index(name: str, index: int | None) -> None:
    assert class_lookup(LABELS)(name) == index


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("tench/b.png", "tench/deep/a.png", "1/c.png", "shark/d.png", "loose.png"):
        save(tmp_path / name)
    (tmp_path / "tench" / "notes.txt").write_text("no picture")
    data = open_dataset(tmp_path, LABELS)
    found = {item.name: item.labels for item in data.items}
    assert found == {"1/c.png": (1,), "tench/b.png": (0,), "tench/deep/a.png": (0,)}
    assert dict(data.skipped) == {
        "shark/": "no class is called so",
        "loose.png": "it is in no class's folder",
    }
    assert any("shark" in note for note in data.notes)


@pytest.mark.parametrize(
    "table",
    [
        "file,label\ntench.png,tench\nsub/gold.png,1\n",
        "Label;Image\ntench;tench.png\nCARASSIUS AURATUS;sub/gold.png\n",
        "\ufefffilename\tclass\ntench.png\t0\nsub/gold.png\tgoldfish\n\n",
        "file,imagenet_index,label\ntench.png,0,tench\nsub/gold.png,1,goldfish\n",
    ],
)
def test_a_table_of_labels(tmp_path: Path, table: str) -> None:
    save(tmp_path / "tench.png")
    save(tmp_path / "sub" / "gold.png")
    save(tmp_path / "not listed.png")
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
    for source in (tmp_path, tmp_path / "labels.csv"):
        data = open_dataset(str(source), LABELS)
        labels = {item.name: item.labels for item in data.items}
        assert labels == {"tench.png": (0,), "sub/gold.png": (1,)}


def labelled(tmp_path: Path, table: str, *names: str) -> Path:
    for name in names:
        save(tmp_path / name)
    (tmp_path / "labels.csv").write_text(table)
    return tmp_path


def test_an_index_decides_between_classes_of_one_name(tmp_path: Path) -> None:
    folder = labelled(
        tmp_path, "file,index,label\na.png,3,crane\nb.png,1,goldfish\n", "a.png", "b.png"
    )
    found = {item.name: item.labels for item in open_dataset(folder, LABELS).items}
    assert found == {"a.png": (3,), "b.png": (1,)}


def test_a_name_that_several_classes_have_is_left_out_with_the_reason(tmp_path: Path) -> None:
    folder = labelled(tmp_path, "file,label\na.png,crane\nb.png,goldfish\n", "a.png", "b.png")
    data = open_dataset(folder, LABELS)
    assert [item.name for item in data.items] == ["b.png"]
    assert dict(data.skipped) == {"a.png": "2 classes are called crane: give its index"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        # A name decides: an index that means another class is a mistake somewhere.
        (
            "file,label,index\na.png,goldfish,3\nb.png,tench,0\n",
            "a.png is called goldfish, class 1 of this network, but has the index 3, which is "
            "'crane'",
        ),
        ("file,label,index\na.png,tench,1\nb.png,goldfish,2\n", "count from 1"),
        ("file,label,index\na.png,goldfish,94\n", "94, which is none of its 5 classes"),
        # Another network's indices, though its names are none of this one's.
        ("file,index,label\na.png,1,zebra\nb.png,2,snail\n", "2 of 2 labels mean no class of it"),
        ("file,index\na.png,1\nb.png,340\n", "index 340 is beyond the network's 5 classes, 0 to 4"),
        ("file,label\na.png,1\nb.png,340\n", "index 340 is beyond"),
        ("file,index\na.png,1\nb.png,5\n", "Do they count from 1"),
        ("file,label\na.png,zebra\nb.png,snail\nc.png,tench\n", "such as zebra, snail"),
        ("file,label\na.png,n01440764\nb.png,n01443537\n", "WordNet"),
    ],
)
def test_labels_that_cannot_be_the_network_s_are_refused(
    tmp_path: Path, table: str, words: str
) -> None:
    folder = labelled(tmp_path, table, "a.png", "b.png")
    with pytest.raises(SourceError) as caught:
        open_dataset(folder, LABELS)
    assert words in str(caught.value)
    assert "labels.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("tench", "zebra", "snail"), "2 of 3 labels mean no class of it, such as snail, zebra"),
        (("1", "2", "3", "4", "5"), "Do they count from 1"),
        (("0", "17"), "index 17 is beyond"),
        (("17", "18"), "index 18 is beyond"),
    ],
)
def test_folders_of_another_network_are_refused(
    tmp_path: Path, folders: tuple[str, ...], words: str
) -> None:
    for name in folders:
        save(tmp_path / name / "a.png")
    with pytest.raises(SourceError) as caught:
        open_dataset(tmp_path, LABELS)
    assert words in str(caught.value)


def test_the_labels_of_the_real_photographs_are_not_those_of_the_scenes(shared: Path) -> None:
    with pytest.raises(SourceError, match=r"labels.csv.*40 of 40 labels mean no class of it"):
        open_dataset(shared / "media" / "images", SCENE_CLASSES)


def test_rows_that_cannot_be_used_are_counted_and_named(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.png")
    save(tmp_path / "outside.png")
    (tmp_path / "data" / "labels.csv").write_text(
        "file,label\na.png,tench\n../outside.png,tench\nmissing.png,tench\na\0b.png,tench\n"
        ",tench\nshort\n/etc/passwd,tench\n"
    )
    data = open_dataset(tmp_path / "data", LABELS)
    assert [item.name for item in data.items] == ["a.png"]
    reasons = dict(data.skipped)
    assert reasons["../outside.png"] == reasons["/etc/passwd"] == "it lies outside of the folder"
    assert reasons["missing.png"] == "there is no such file"
    assert len(data.skipped) == 6


@pytest.mark.parametrize(
    "table", ["", "a,b\n1,2\n", "file\nx.png\n", "label\ntench\n", "file,label\n"]
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, table: str) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(SourceError):
        open_dataset(tmp_path, LABELS)


def test_the_real_photographs_and_their_table(shared: Path) -> None:
    from torchvision.models import SqueezeNet1_1_Weights

    folder = shared / "media" / "images"
    data = open_dataset(folder, SqueezeNet1_1_Weights.DEFAULT.meta["categories"])
    rows = [line.split(",") for line in (folder / "labels.csv").read_text().splitlines()[1:]]
    assert {item.name: item.labels[0] for item in data.items} == {
        name: int(index) for name, index, *_ in rows
    }
    assert len(data.items) == 40


def test_pictures_only_have_no_labels(tmp_path: Path) -> None:
    for name in ("p10.png", "p2.png", ".hidden.png"):
        save(tmp_path / name)
    data = open_dataset(tmp_path, LABELS)
    assert [(item.name, item.labels) for item in data.items] == [("p2.png", ()), ("p10.png", ())]
    (item,) = open_dataset(str(tmp_path / "p2.png"), LABELS).items
    assert item.name == "p2.png"


def test_a_folder_beside_pictures_that_is_no_class_is_left_out(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "thumbnails" / "a.png")
    data = open_dataset(tmp_path, LABELS)
    assert [item.name for item in data.items] == ["a.png"]
    assert data.notes


def test_folders_that_mean_no_class_are_an_error_that_names_them(tmp_path: Path) -> None:
    for name in ("n01440764", "n01443537"):
        save(tmp_path / name / "a.png")
    with pytest.raises(SourceError, match=r"2 folders, such as n01440764.*--labels"):
        open_dataset(tmp_path, LABELS)


def test_an_empty_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no picture"):
        open_dataset(tmp_path, LABELS)
    with pytest.raises(SourceError, match="no such folder"):
        open_dataset(str(tmp_path / "nowhere"), LABELS)
    with pytest.raises(SourceError):
        open_dataset("\0", LABELS)


def test_a_hostile_folder_gives_what_is_good_in_it(tmp_path: Path) -> None:
    save(tmp_path / "tench" / "good.png")
    (tmp_path / "tench" / "loop").symlink_to(tmp_path)
    (tmp_path / "tench" / "self.png").symlink_to(tmp_path / "tench" / "self.png")
    (tmp_path / "goldfish").symlink_to(tmp_path / "goldfish")
    (tmp_path / "tench" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    (tmp_path / "tench" / ("x" * 251 + ".png")).write_bytes(b"")
    os.mkfifo(tmp_path / "tench" / "pipe.png")
    (tmp_path / os.fsdecode(b"\xff\xfe\n\x1b[31m")).mkdir()
    save(tmp_path / "tench" / "odd \x1b[31m\n\u202e.png")
    data = open_dataset(tmp_path, LABELS)
    assert "tench/good.png" in {item.name for item in data.items}
    assert all(item.name.isprintable() for item in data.items)
    assert all(name.isprintable() for name, _ in data.skipped)
    assert not any("pipe" in item.name or "loop" in item.name for item in data.items)
    readable = []
    for item in data.items:
        with suppress(SourceError):
            readable.append(data.load(item).image.shape)
    assert readable == [(16, 24, 3), (16, 24, 3)]


def test_thousands_of_folders_are_no_trouble(tmp_path: Path) -> None:
    labels = [f"class {index}" for index in range(3000)]
    for index in range(3000):
        (tmp_path / f"class_{index}").mkdir()
    save(tmp_path / "class_2999" / "a.png")
    data = open_dataset(str(tmp_path), labels)
    assert [item.labels for item in data.items] == [(2999,)]


def test_generated_scenes_have_masks_and_depend_on_their_seed_alone() -> None:
    first, again, other = (
        open_dataset(source, SCENE_CLASSES, scenes=6)
        for source in ("scenes:3", "scenes:3", "scenes:4")
    )
    assert [item.scene for item in first.items] == [item.scene for item in again.items]
    assert first.items[0].scene != other.items[0].scene
    sample = first.load(first.items[1])
    assert len(sample.labels) == len(sample.objects) == 2
    assert all(mask.any() and mask.shape == (256, 256) for _, mask in sample.objects)
    with pytest.raises(UsageError, match="seed"):
        open_dataset("scenes:x", SCENE_CLASSES)
    with pytest.raises(SourceError, match="--model scenes"):
        open_dataset("scenes", LABELS)


def test_a_choice_of_pictures_is_spread_over_the_classes(tmp_path: Path) -> None:
    for index in range(30):
        save(tmp_path / "tench" / f"{index}.png")
    for index in range(3):
        save(tmp_path / "goldfish" / f"{index}.png")
    data = open_dataset(tmp_path, LABELS)
    chosen = data.subset(8, seed=1).items
    assert [item.labels[0] for item in chosen].count(1) == 3
    assert len(chosen) == 8
    assert chosen == data.subset(8, seed=1).items != data.subset(8, seed=2).items
    assert chosen == tuple(item for item in data.items if item in chosen)
    assert data.subset(100).items == data.subset(None).items == data.items


def test_boxes_give_labels_and_masks_in_the_picture_s_own_pixels(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.png", 40, 20)
    save(tmp_path / "data" / "half.png", 20, 10)
    save(tmp_path / "data" / "cropped.png", 20, 20)
    save(tmp_path / "data" / "bare.png")
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    for name in ("a", "half", "cropped"):
        (boxes / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><size><width>40</width>"
            "<height>20</height><depth>3</depth></size><object><name>tench</name><bndbox>"
            "<xmin>11</xmin><ymin>5</ymin><xmax>20</xmax><ymax>14</ymax></bndbox></object>"
            "<object><name>shark</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
            "<ymax>2</ymax></bndbox></object></annotation>"
        )
    data = open_dataset(tmp_path / "data", LABELS, boxes=read_annotations(boxes))
    samples = {item.name: data.load(item) for item in data.items}
    ((index, mask),) = samples["a.png"].objects
    assert index == 0
    assert samples["a.png"].labels == (0,)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 13, 10, 19)
    ((_, half),) = samples["half.png"].objects
    assert half.sum() == 25
    assert not samples["cropped.png"].objects
    assert "40x20, not 20x20" in samples["cropped.png"].note
    assert samples["bare.png"].labels == ()
    assert any("shark" in note for note in data.notes)
    assert any("1 of 4 pictures have no boxes" in note for note in data.notes)


def test_boxes_without_names_of_classes_belong_to_the_picture_s_class(tmp_path: Path) -> None:
    save(tmp_path / "data" / "goldfish" / "a.png")
    (tmp_path / "boxes.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "object"}],'
        '"annotations": [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 4, 5]}]}'
    )
    boxes = read_annotations(tmp_path / "boxes.json")
    data = open_dataset(tmp_path / "data", LABELS, boxes=boxes)
    (item,) = data.items
    sample = data.load(item)
    assert [(index, int(mask.sum())) for index, mask in sample.objects] == [(1, 20)]
    assert any("own class" in note for note in data.notes)


def test_boxes_of_other_pictures_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "data" / "a.png")
    (tmp_path / "boxes.json").write_text('{"images": [{"id": 1, "file_name": "b.png"}]}')
    with pytest.raises(SourceError, match="none of the pictures"):
        open_dataset(tmp_path / "data", LABELS, boxes=tmp_path / "boxes.json")
