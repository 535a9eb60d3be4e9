"""`open_dataset`: pictures, and the truth about them in the classifier's own classes.

Whatever cannot be used is counted and named, picture by picture; only where nothing is left is it
an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import SourceError, UsageError
from live_gradcam.evaluate.annotations import Annotated, Annotations, mask_of
from live_gradcam.evaluate.folders import (
    Found,
    class_folders,
    pictures_below,
    printable,
    read_label_table,
    relative_name,
)
from live_gradcam.images.read import load_image
from live_gradcam.images.sniff import cannot_open
from live_gradcam.scenes import SCENE_CLASSES, render_scene
from live_gradcam.values import Image

Lookup: TypeAlias = Callable[[str], "int | None"]
"""From a name to the class that it means; see `class_lookup`."""

TABLE = "labels.csv"
SCENES_PER_SEED = 1_000_000
_OBJECTS = (1, 2, 1, 3)  # half of the scenes with one object, a quarter each with two and three
_SHAPE_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a data set, not yet read.

    Attributes:
        name: Its path in the data set, printable.
        path: Its file; ``None`` for a generated scene.
        scene: Seed and number of objects of a generated scene.
        labels: Its classes, the first the one it stands under; empty where the truth is not known.
        annotated: Its objects; the names of their classes are those of ``classes``.
        classes: What each annotated object is, ``None`` for one that means no class.
    """

    name: str
    path: Path | None = None
    scene: tuple[int, int] | None = None
    labels: tuple[int, ...] = ()
    annotated: Annotated | None = None
    classes: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A picture that was read.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR.
        labels: As of `Item`.
        objects: Class and ``bool (H, W)`` mask of each object.
        note: What is to be said about it; empty where there is nothing.
    """

    image: Image
    labels: tuple[int, ...]
    objects: tuple[tuple[int, NDArray[np.bool_]], ...]
    note: str = ""


@dataclass(slots=True)
class Dataset:
    """Pictures and the truth about them.

    Attributes:
        name: What the whole is called.
        items: The pictures, in order.
        skipped: Name and reason of each picture that cannot be used, as far as it is known now.
        notes: One sentence for each thing that was understood rather than plain.
        files: Files that the pictures and their labels are read from, beside the pictures.
    """

    name: str
    items: list[Item]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def open_dataset(
    source: str,
    lookup: Lookup,
    *,
    boxes: Annotations | None = None,
    scenes: int = 64,
    seed: int = 0,
) -> Dataset:
    """Find the pictures of a source and what is known about them.

    Args:
        source: A folder with a folder for each class, with a ``labels.csv``, or with pictures only;
            a CSV file or a picture; or ``scenes``, ``scenes:SEED``.
        lookup: Which class a name means.
        boxes: Where the objects are.
        scenes: How many scenes are generated.
        seed: Of the scenes, where ``source`` names none.

    Raises:
        UsageError: The source's form is wrong.
        SourceError: It holds no picture that can be used.
    """
    require_source(source)
    if is_scenes(source):
        if boxes is not None:
            raise UsageError("scenes have masks of their own", "--boxes", "", "Leave it out")
        return _scenes(source, lookup, scenes, seed)
    path = Path(source).expanduser()
    data = _pictures(source, path, lookup, labelled_by_boxes=boxes is not None)
    if boxes is not None:
        _add_boxes(data, boxes, lookup)
    return data


def require_source(source: str) -> None:
    """Refuse a source that is not there, before anything slow begins.

    Raises:
        SourceError: There is no such folder.
    """
    try:
        there = is_scenes(source) or Path(source).expanduser().exists()
    except (OSError, ValueError) as exc:
        raise cannot_open(Path(source), exc) from exc
    if not there:
        cause, step = "there is no such folder", "Give a folder of pictures, or scenes"
        raise SourceError("cannot open data set", source, cause, step)


def is_scenes(source: str) -> bool:
    """Whether a source means generated scenes."""
    return source.partition(":")[0] == "scenes" and not Path(source).exists()


def _scenes(source: str, lookup: Lookup, count: int, seed: int) -> Dataset:
    number = source.partition(":")[2]
    if number and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise UsageError("unknown scenes", source, "the seed is not a number", "Use scenes:SEED")
    first = (int(number) if number else seed) * SCENES_PER_SEED
    if not 1 <= count <= SCENES_PER_SEED:
        raise UsageError("cannot make so many scenes", str(count), f"1 to {SCENES_PER_SEED}")
    if not any(lookup(name) is not None for name in SCENE_CLASSES):
        raise SourceError(
            "cannot use scenes",
            source,
            f"the network knows none of their classes ({', '.join(SCENE_CLASSES[:4])}, ...)",
            "Use --model scenes or pictures of your own classes",
        )
    items = [
        Item(f"scene {first + index}", scene=(first + index, _OBJECTS[index % len(_OBJECTS)]))
        for index in range(count)
    ]
    return Dataset(source, items)


def _pictures(source: str, path: Path, lookup: Lookup, *, labelled_by_boxes: bool) -> Dataset:
    try:
        is_folder = path.is_dir()
        table = path / TABLE if is_folder else path
        has_table = table.is_file() and table.suffix.lower() == ".csv"
    except (OSError, ValueError) as exc:
        raise cannot_open(path, exc) from exc
    data = Dataset(source, [])
    if has_table:
        found, data.skipped = read_label_table(table)
        data.files.append(table)
    elif is_folder:
        found = _in_folders(path, lookup, data, forgiving=labelled_by_boxes)
    else:
        found = [Found(path, path.name)]
    _add_items(data, found, lookup, forgiving=labelled_by_boxes)
    if not data.items:
        raise _nothing(source, data)
    return data


def _in_folders(path: Path, lookup: Lookup, data: Dataset, *, forgiving: bool) -> list[Found]:
    folders = class_folders(path)
    flat = [
        Found(each, relative_name(each, path)) for each in pictures_below(path, path, deep=False)
    ]
    known = {folder for folder in folders if lookup(folder.name) is not None}
    if folders and not known and not forgiving and not flat:
        _refuse_unknown_folders(path, folders)
    if not known and not forgiving:
        if folders and flat:
            data.notes.append(f"{len(folders)} folders in {path} are no classes and are left out")
        return flat
    found = []
    for folder in folders:
        pictures = pictures_below(folder, path) if folder in known or forgiving else ()
        found += [Found(each, relative_name(each, path), (folder.name,)) for each in pictures]
    unknown = [folder.name for folder in folders if folder not in known]
    if unknown and not forgiving:
        data.notes.append(f"{_some(unknown, 'folder')} mean no class of the network: left out")
        data.skipped += [(printable(name) + "/", "no class is called so") for name in unknown]
    if forgiving:
        return found + flat
    data.skipped += [(printable(each.relative), "it is in no class's folder") for each in flat]
    return found


def _refuse_unknown_folders(path: Path, folders: Sequence[Path]) -> None:
    names = [printable(folder.name) for folder in folders[:3]]
    raise SourceError(
        "no folder means a class of the network",
        str(path),
        f"{len(folders)} folders, such as {', '.join(names)}",
        "Call them by the network's labels or indices, or give --labels with these names",
    )


def _add_items(data: Dataset, found: Iterable[Found], lookup: Lookup, *, forgiving: bool) -> None:
    unknown: Counter[str] = Counter()
    for each in found:
        index = next((i for i in map(lookup, each.names) if i is not None), None)
        name = printable(each.relative)
        if each.names and index is None and not forgiving:
            unknown[printable(each.names[0])] += 1
            data.skipped.append((name, f"no class is called {printable(each.names[0])}"))
            continue
        labels = () if index is None else (index,)
        data.items.append(Item(name, each.path, labels=labels))
    if unknown:
        total = sum(unknown.values())
        labels_of = _some(sorted(unknown), "label")
        data.notes.append(f"{labels_of} mean no class of the network: {total} pictures left out")


def _some(names: Sequence[str], what: str) -> str:
    shown = ", ".join(printable(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what}{'s' if len(names) != 1 else ''} ({shown})"


def _nothing(source: str, data: Dataset) -> SourceError:
    if not data.skipped:
        cause, step = "there is no picture in it", "Give a folder of pictures"
        return SourceError("cannot open data set", source, cause, step)
    name, reason = data.skipped[0]
    cause = f"none of its {len(data.skipped)} entries can be used, such as {name}: {reason}"
    step = "Labels are the network's names, their synonyms or indices; see --labels"
    return SourceError("cannot open data set", source, cause, step)


def _add_boxes(data: Dataset, boxes: Annotations, lookup: Lookup) -> None:
    foreign: Counter[str] = Counter()
    without = adopted = 0
    for place, item in enumerate(data.items):
        annotated = boxes.of(item.name) or (boxes.of(item.path.name) if item.path else None)
        if annotated is None:
            without += 1
            continue
        classes = [lookup(shape.name) for shape in annotated.shapes]
        strange = {
            shape.name for shape, c in zip(annotated.shapes, classes, strict=True) if c is None
        }
        if item.labels and len(strange) == 1 and item.labels[0] not in classes:
            # One class of boxes that the network does not know, on a picture whose class is known.
            classes = [item.labels[0] if c is None else c for c in classes]
            adopted += 1
        else:
            foreign.update(strange)
        known = tuple(dict.fromkeys(c for c in classes if c is not None))
        labels = item.labels or known
        data.items[place] = replace(
            item, labels=labels, annotated=annotated, classes=tuple(classes)
        )
    if without == len(data.items):
        cause = "they name none of the pictures"
        raise SourceError("cannot use boxes", data.name, cause, "Check the names of the files")
    if without:
        data.notes.append(f"{without} of {len(data.items)} pictures have no boxes")
    if adopted:
        data.notes.append(
            f"boxes of {adopted} pictures have names that mean no class of the network: they are "
            "taken for the picture's own class"
        )
    if foreign:
        data.notes.append(f"boxes of {_some(sorted(foreign), 'name')} mean no class: left out")
    if boxes.broken:
        data.notes.append(
            f"{boxes.broken} boxes cannot be read, such as {printable(boxes.example)}"
        )


def choose(items: Sequence[Item], count: int | None, seed: int) -> list[Item]:
    """At most so many pictures, of each class as many as of the others where that is possible.

    Args:
        items: In order; the order is kept.
        count: ``None`` takes all.
        seed: Decides which.
    """
    if count is None or count >= len(items):
        return list(items)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(items)).tolist()
    rounds: Counter[int] = Counter()
    places: list[tuple[int, int, int]] = []
    for place in order:
        label = items[place].labels[0] if items[place].labels else -1
        places.append((rounds[label], len(places), place))
        rounds[label] += 1
    kept = sorted(place for _, _, place in sorted(places)[:count])
    return [items[place] for place in kept]


def load(item: Item, lookup: Lookup) -> Sample:
    """Read or make a picture and the masks of its objects.

    Raises:
        SourceError: The picture cannot be read.
    """
    if item.scene is not None:
        seed, count = item.scene
        scene = render_scene(seed, objects=count)
        named = [(lookup(each.label), each.mask) for each in scene.objects]
        objects = tuple((index, mask) for index, mask in named if index is not None)
        return Sample(scene.image, tuple(dict.fromkeys(c for c, _ in objects)), objects)
    assert item.path is not None, "an item is a file or a scene"
    image = load_image(item.path).image
    if item.annotated is None:
        return Sample(image, item.labels, ())
    height, width = image.shape[:2]
    scale = _scale(item.annotated.size, width, height)
    if scale is None:
        known = "x".join(map(str, item.annotated.size or ()))
        note = f"its boxes are for a picture of {known}, not {width}x{height}: left out"
        return Sample(image, item.labels, (), note)
    pairs = zip(item.classes, item.annotated.shapes, strict=True)
    masks = [(index, mask_of(shape, (width, height), scale)) for index, shape in pairs]
    objects = tuple((i, mask) for i, mask in masks if i is not None and mask.any())
    return Sample(image, item.labels, objects)


def _scale(size: tuple[int, int] | None, width: int, height: int) -> tuple[float, float] | None:
    if size is None:
        return 1.0, 1.0
    across, down = width / size[0], height / size[1]
    return (across, down) if abs(across / down - 1.0) <= _SHAPE_TOLERANCE else None


def merged_masks(
    objects: Iterable[tuple[int, NDArray[np.bool_]]],
) -> dict[int, NDArray[np.bool_]]:
    """One mask for each class: several objects of a class are one target."""
    merged: dict[int, NDArray[np.bool_]] = {}
    for index, mask in objects:
        merged[index] = mask | merged[index] if index in merged else mask
    return merged
