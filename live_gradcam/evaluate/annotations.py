"""Annotated objects: COCO's JSON and PascalVOC's XML, read as files from strangers.

Both give objects by a name or a number of their own, with a box and perhaps an outline or a mask.
XML is read without entities: a document that declares any is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.evaluate.rle import RunLengthMask, parse_run_lengths
from live_gradcam.images.sniff import cannot_open
from live_gradcam.native import cv2

_MOST_BYTES = 1 << 30
_MOST_XML_BYTES = 16 << 20
_MOST_POINTS = 100_000
_SHAPE_TOLERANCE = 0.02
_FORMS = "Give a COCO JSON file or a folder of PascalVOC XML files"


@dataclass(frozen=True, slots=True)
class ObjectAnnotation:
    """One annotated object.

    Attributes:
        name: Name of its class, in the annotation's own words.
        box: ``(x, y, width, height)`` in the annotated image's pixels.
        polygons: Outline as ``(x, y)`` points, where there is one: several pieces are one object.
        mask: Mask, where that was drawn instead.
    """

    name: str
    box: tuple[float, float, float, float]
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    mask: RunLengthMask | None = None


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """Annotation of one image.

    Attributes:
        objects: The objects.
        size: Width and height of the image that was annotated, where it is known.
    """

    objects: tuple[ObjectAnnotation, ...]
    size: tuple[int, int] | None = None


@dataclass(slots=True)
class Annotations:
    """Annotations of many images.

    Attributes:
        by_name: By the image's file name as the annotation has it, with ``/``.
        by_stem: By the name without folder and ending.
        broken: Number of entries or files that could not be understood.
        example: The first of them and what is wrong with it.
    """

    by_name: dict[str, ImageAnnotation] = field(default_factory=dict)
    by_stem: dict[str, ImageAnnotation] = field(default_factory=dict)
    broken: int = 0
    example: str = ""

    def find(self, relative: str) -> ImageAnnotation | None:
        """Return the annotation of an image, by its path in the data set, its name, or its stem."""
        name = relative.rpartition("/")[2]
        found = self.by_name.get(relative) or self.by_name.get(name)
        return found or self.by_stem.get(_stem(name))

    def add(self, name: str, annotation: ImageAnnotation) -> None:
        """Keep an image's annotation."""
        plain = name.replace("\\", "/").removeprefix("./")
        self.by_name[plain] = annotation
        self.by_stem.setdefault(_stem(plain.rpartition("/")[2]), annotation)

    def count_broken(self, example: str) -> None:
        """Count an entry that could not be understood."""
        self.broken += 1
        self.example = self.example or example


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def read_annotations(path: Path) -> Annotations:
    """Read a COCO file or a folder of PascalVOC files.

    Args:
        path: The file or the folder.

    Raises:
        UsageError: There is nothing there.
        SourceError: It cannot be read, or holds no annotations.
    """
    try:
        if path.is_dir():
            found = _read_folder(path)
        elif not path.exists():
            raise UsageError("cannot use --boxes", str(path), "there is no such file", _FORMS)
        elif path.suffix.lower() == ".xml":
            found = Annotations()
            _add_voc(found, path)
        else:
            found = _read_coco(path)
    except OSError as exc:
        raise cannot_open(path, exc) from exc
    if not found.by_name:
        cause = f"there are none in it ({found.example})" if found.example else "there are none"
        raise _unreadable(path, cause, _FORMS)
    return found


def _read_coco(path: Path) -> Annotations:
    if path.stat().st_size > _MOST_BYTES:
        raise _unreadable(path, "the file is larger than 1 GB")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise _unreadable(path, f"it is not JSON ({exc})", _FORMS) from exc
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise _unreadable(path, "it has no list of images, as COCO's annotations have", _FORMS)
    names = {
        each.get("id"): str(each.get("name", ""))
        for each in _dictionaries(content.get("categories"))
        if isinstance(each.get("id"), (int, str))
    }
    objects: dict[Any, list[ObjectAnnotation]] = {}
    found = Annotations()
    for entry in _dictionaries(content.get("annotations")):
        try:
            annotated = _coco_object(entry, names)
            objects.setdefault(entry["image_id"], []).append(annotated)
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            found.count_broken(f"annotation {str(entry.get('id', '?'))[:40]}: {_reason(exc)}")
    for image in _dictionaries(content["images"]):
        name, key = image.get("file_name"), image.get("id")
        if not isinstance(name, str) or not isinstance(key, (int, str)):
            found.count_broken("an image without file_name or id")
            continue
        found.add(name, ImageAnnotation(tuple(objects.get(key, ())), _size(image)))
    return found


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _coco_object(entry: Mapping[str, Any], names: Mapping[Any, str]) -> ObjectAnnotation:
    polygons = []
    mask = None
    outline = entry.get("segmentation")
    if isinstance(outline, dict):  # as crowds have, and whatever was painted, not outlined
        mask = parse_run_lengths(outline)
    elif isinstance(outline, list):
        for flat in outline[:1000]:
            numbers = [_number(each) for each in flat[:_MOST_POINTS]]
            if len(numbers) >= 6:
                polygons.append(tuple(zip(numbers[::2], numbers[1::2], strict=False)))
    if "bbox" in entry:
        left, top, width, height = (_number(each) for each in entry["bbox"])
    elif mask is not None:
        left, top, width, height = mask.bounding_box()
    else:
        xs, ys = zip(*(point for polygon in polygons for point in polygon), strict=True)
        left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    category = entry["category_id"]
    # Its number is the data set's own: it must not be taken for a class of the network.
    name = names.get(category) or f"category {category}"
    box = _checked_box(left, top, width, height)
    return ObjectAnnotation(name, box, tuple(polygons), mask)


def _read_folder(folder: Path) -> Annotations:
    found = Annotations()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".xml" and not path.name.startswith("."):
            try:
                _add_voc(found, path)
            except (SourceError, OSError) as exc:
                cause = exc.cause if isinstance(exc, SourceError) else str(exc)
                found.count_broken(f"{path.name}: {cause}")
    return found


def _add_voc(found: Annotations, path: Path) -> None:
    root = parse_xml(path)
    known = _size({key: root.findtext(f"size/{key}") for key in ("width", "height")})
    objects = []
    for entry in root.iter("object"):
        try:
            objects.append(_voc_object(entry))
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            found.count_broken(f"{path.name}: {_reason(exc)}")
    annotation = ImageAnnotation(tuple(objects), known)
    name = (root.findtext("filename") or "").strip()
    if name:
        found.add(name, annotation)
    found.by_stem[path.stem] = annotation
    found.by_name.setdefault(name or path.stem, annotation)


def _voc_object(entry: Element) -> ObjectAnnotation:
    box = entry.find("bndbox")
    if box is None:
        raise ValueError("an object has no bndbox")
    left, top, right, bottom = (
        _number(box.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax")
    )
    # VOC counts pixels from 1 and includes the last one.
    name = (entry.findtext("name") or "").strip()
    checked = _checked_box(left - 1, top - 1, right - left + 1, bottom - top + 1)
    return ObjectAnnotation(name, checked)


def parse_xml(path: Path) -> Element:
    """Read a small XML document without a document type, and therefore without own entities.

    Raises:
        SourceError: It is too large, not XML, or declares a document type.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise _unreadable(path, "it is not a regular file")
    if path.stat().st_size > _MOST_XML_BYTES:
        raise _unreadable(path, "the file is larger than 16 MB")
    parser = expat.ParserCreate()
    stack: list[Element] = []
    roots: list[Element] = []

    def refuse(*_: object) -> None:
        raise _unreadable(path, "it declares a document type or entities")

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > 64:
            raise _unreadable(path, "it is nested too deeply")
        element = Element(tag, attributes)
        (stack[-1].append if stack else roots.append)(element)
        stack.append(element)

    def text(data: str) -> None:
        if stack and not len(stack[-1]):
            stack[-1].text = (stack[-1].text or "") + data

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as exc:
        raise _unreadable(path, f"it is not XML ({exc})") from exc
    return roots[0]


def _unreadable(path: Path, cause: str, step: str = "") -> SourceError:
    return SourceError("cannot read boxes", str(path), cause, step)


def _number(value: Any) -> float:  # noqa: ANN401 - JSON or the text of an XML element
    number = float(value)
    if not math.isfinite(number) or abs(number) > 1e7:
        raise ValueError(f"{str(value)[:40]} is not a place in a picture")
    return number


def _checked_box(
    left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float]:
    if not (width > 0 and height > 0):
        raise ValueError(f"a box of {width:g}x{height:g}")
    return left, top, width, height


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    try:
        width, height = int(entry["width"]), int(entry["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _reason(exc: Exception) -> str:
    return f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else str(exc)[:120]


def object_mask(
    annotated: ObjectAnnotation, size: tuple[int, int], scale: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.bool_]:
    """Return the pixels of an object: its mask or its outline where there is one, else its box.

    Args:
        annotated: The object.
        size: Width and height of the image.
        scale: Pixels of the image per annotated pixel, across and down.

    Returns:
        ``bool (height, width)``; nowhere true where the object lies beside the image.
    """
    width, height = size
    across, down = scale
    mask = np.zeros((height, width), np.uint8)
    if annotated.mask is not None:
        own = annotated.mask.to_array().astype(np.uint8)
        scaled = max(1, round(own.shape[1] * across)), max(1, round(own.shape[0] * down))
        own = np.asarray(cv2.resize(own, scaled, interpolation=cv2.INTER_NEAREST), np.uint8)
        own = own[:height, :width]
        mask[: own.shape[0], : own.shape[1]] = own
    elif annotated.polygons:
        for points in annotated.polygons:
            piece = np.rint(np.asarray(points, np.float64) * (across, down)).astype(np.int32)
            # One by one: where pieces overlap, filling them together leaves holes.
            cv2.fillPoly(mask, [piece], 1)
    else:
        x, y, w, h = annotated.box
        rows = slice(max(0, round(y * down)), max(0, round((y + h) * down)))
        columns = slice(max(0, round(x * across)), max(0, round((x + w) * across)))
        mask[rows, columns] = 1
    return mask > 0


def scale_to(size: tuple[int, int] | None, width: int, height: int) -> tuple[float, float] | None:
    """Return what annotated pixels are multiplied by, across and down, to be an image's.

    Args:
        size: Width and height of the image that was annotated; ``None`` if unknown, and so its own.
        width: Of the image.
        height: Of the image.

    Returns:
        The factors; ``None`` where the image has another shape, and so is another one.
    """
    if size is None:
        return 1.0, 1.0
    across, down = width / size[0], height / size[1]
    return (across, down) if abs(across / down - 1.0) <= _SHAPE_TOLERANCE else None
