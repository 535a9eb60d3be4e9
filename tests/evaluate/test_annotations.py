"""COCO and PascalVOC, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.evaluate.annotations import ObjectAnnotation, object_mask, read_annotations


def write_coco(path: Path, *annotations: dict[str, Any]) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "sub/a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 3, "name": "fish"}],
        "annotations": [{"image_id": 7, "category_id": 3, **each} for each in annotations],
    }
    path.write_text(json.dumps(content))
    return path


def test_coco_boxes_and_outlines(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path / "coco.json",
        {"bbox": [10, 20, 4, 5]},
        {"bbox": [0, 0, 20, 20], "segmentation": [[0, 0, 20, 0, 0, 20]]},
        {"segmentation": [[30, 30, 40, 30, 40, 40, 30, 40], [50, 30, 60, 30, 60, 40]]},
    )
    annotations = read_annotations(path)
    for name in ("sub/a.jpg", "a.jpg", "other/a.png"):  # by path, by name, by stem
        annotated = annotations.find(name)
        assert annotated is not None
        assert annotated.size == (64, 48)
        box, outline, pieces = annotated.objects
    assert box == ObjectAnnotation("fish", (10.0, 20.0, 4.0, 5.0))
    assert object_mask(box, (64, 48)).sum() == 20
    triangle = object_mask(outline, (64, 48))
    assert triangle[2, 2]
    assert not triangle[18, 18]
    assert pieces.box == (30.0, 30.0, 30.0, 10.0)
    both = object_mask(pieces, (64, 48))
    assert both[35, 35]
    assert both[32, 57]
    assert not both[35, 45]
    assert annotations.find("b.jpg") is None


def test_coco_run_length_masks(tmp_path: Path) -> None:
    # Rows 2 to 4 of the columns 1 and 2.
    counts = [48 + 2, 3, 45, 3, 64 * 48 - 101]
    path = write_coco(
        tmp_path / "coco.json",
        {"bbox": [1, 2, 2, 3], "segmentation": {"counts": counts, "size": [48, 64]}, "iscrowd": 1},
        {"segmentation": {"counts": "b13]10^k2", "size": [48, 64]}},
    )
    annotated = read_annotations(path).find("a.jpg")
    assert annotated is not None
    expected = np.zeros((48, 64), bool)
    expected[2:5, 1:3] = True
    assert len(annotated.objects) == 2
    for shape in annotated.objects:
        assert shape.box == (1.0, 2.0, 2.0, 3.0)
        np.testing.assert_array_equal(object_mask(shape, (64, 48)), expected)
        twice = object_mask(shape, (128, 96), (2.0, 2.0))
        np.testing.assert_array_equal(twice, expected.repeat(2, 0).repeat(2, 1))
        assert object_mask(shape, (2, 100)).sum() == 3, "a mask ends at the picture's edges"


def test_masks_scale_with_the_picture_and_end_at_its_edges() -> None:
    shape = ObjectAnnotation("x", (-5.0, 10.0, 20.0, 1000.0))
    mask = object_mask(shape, (30, 40), (0.5, 2.0))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 0, 7)
    assert not object_mask(ObjectAnnotation("x", (500.0, 500.0, 3.0, 3.0)), (30, 40)).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, -3, 4]},
        {"bbox": ["a", 2, 3, 4]},
        {"bbox": [1, 2, 1e300, 4]},
        {"bbox": [float("nan"), 2, 3, 4]},
        {"bbox": None},
        {},
        {"bbox": [1, 2, 3, 4], "category_id": [1]},
        {"segmentation": [[1, 2]]},
        {"segmentation": ["text"]},
        {"bbox": [1, 2, 3, 4], "segmentation": {"counts": "abc", "size": [48, 64]}},
        {"bbox": [1, 2, 3, 4], "segmentation": {"counts": [1, 2, 3], "size": [48, 64]}},
        {"bbox": [1, 2, 3, 4], "segmentation": {"counts": [3072]}},
        {"segmentation": {"counts": [3072], "size": [48, 64]}},
    ],
)
def test_what_is_wrong_in_coco_is_left_out_and_counted(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    path = write_coco(tmp_path / "coco.json", wrong, {"bbox": [1, 2, 3, 4]})
    annotations = read_annotations(path)
    annotated = annotations.find("a.jpg")
    assert annotated is not None
    assert [shape.box for shape in annotated.objects] == [(1.0, 2.0, 3.0, 4.0)]
    assert annotations.broken == 1
    assert annotations.example


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "not JSON"),
        ("[1]", "no list of images"),
        ('{"images": 3}', "no list of images"),
        ('{"images": [{"id": 1}]}', "none"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path: Path, content: str, cause: str) -> None:
    path = tmp_path / "coco.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=cause):
        read_annotations(path)


def test_missing_boxes_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_annotations(tmp_path / "nowhere.json")


VOC = (
    "<annotation>{extra}<filename>{name}</filename><size><width>64</width><height>48</height></size>"
    "<object><name>{label}</name><part><name>head</name></part><bndbox><xmin>1</xmin><ymin>1</ymin>"
    "<xmax>10</xmax><ymax>5</ymax></bndbox></object></annotation>"
)


def test_voc(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(VOC.format(extra="", name="a.jpg", label="fish &amp; chips"))
    (tmp_path / "notes.txt").write_text("not an annotation")
    for source in (tmp_path, tmp_path / "a.xml"):
        annotated = read_annotations(source).find("folder/a.jpg")
        assert annotated is not None
        assert annotated.objects == (ObjectAnnotation("fish & chips", (0.0, 0.0, 10.0, 5.0)),)
        assert annotated.size == (64, 48)


BILLION = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;">]>'
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY d SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declared", [BILLION, OUTSIDE, "<!DOCTYPE annotation>"])
def test_entities_are_never_expanded(tmp_path: Path, declared: str) -> None:
    (tmp_path / "evil.xml").write_text(
        declared + VOC.format(extra="", name="e.jpg", label="&d;").replace("<?xml", "<?xml")
    )
    with pytest.raises(SourceError, match="document type or entities"):
        read_annotations(tmp_path / "evil.xml")
    (tmp_path / "good.xml").write_text(VOC.format(extra="", name="g.jpg", label="fish"))
    annotations = read_annotations(tmp_path)
    assert annotations.find("g.jpg") is not None
    assert annotations.find("e.jpg") is None
    assert annotations.broken == 1
    assert "evil.xml" in annotations.example


@pytest.mark.parametrize("text", ["", "<annotation>", "<a>" * 100 + "</a>" * 100, "\0", "not xml"])
def test_broken_xml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(SourceError):
        read_annotations(tmp_path / "a.xml")
    with pytest.raises(SourceError, match=r"a\.xml"):
        read_annotations(tmp_path)


def test_an_object_without_a_box_is_left_out(tmp_path: Path) -> None:
    bad = "<object><name>x</name></object><object><bndbox><xmin>q</xmin></bndbox></object>"
    (tmp_path / "a.xml").write_text(VOC.format(extra=bad, name="a.jpg", label="fish"))
    annotations = read_annotations(tmp_path)
    annotated = annotations.find("a.jpg")
    assert annotated is not None
    assert len(annotated.objects) == 1
    assert annotations.broken == 2
