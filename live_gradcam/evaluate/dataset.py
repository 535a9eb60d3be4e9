"""`open_dataset`: images, and the truth about them in the classifier's own classes.

Entries that cannot be used are counted and named, one by one; only where nothing is left is it an
error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.capture.class_folders import class_folders, find_images, printable
from live_gradcam.choices import DEFAULT_SCENES, DEFAULT_SEED
from live_gradcam.class_names import class_lookup
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.evaluate.annotations import (
    Annotations,
    ImageAnnotation,
    object_mask,
    read_annotations,
    scale_to,
)
from live_gradcam.evaluate.folders import LabelledFile, read_label_table, relative_name
from live_gradcam.evaluate.truth import TruthCheck, wordnet_step
from live_gradcam.evaluate.values import SkippedEntry
from live_gradcam.images.read import load_image
from live_gradcam.images.sniff import cannot_open
from live_gradcam.scenes import SCENE_CLASSES, render_scene
from live_gradcam.values import Image

ClassLookup: TypeAlias = Callable[[str], "int | None"]
"""From a name to the index of the class that it means; see `class_lookup`."""

TABLE = "labels.csv"
SCENES_PER_SEED = 1_000_000
_OBJECTS = (1, 2, 1, 3)  # half of the scenes with one object, a quarter each with two and three


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """One image of a data set, not yet read.

    Attributes:
        name: Its path in the data set, printable.
        path: Its file; ``None`` for a generated scene.
        scene: Seed and number of objects of a generated scene.
        labels: Its classes, the first the one it stands under; empty where the truth is not known.
        annotation: Its objects; the names of their classes are those of ``classes``.
        classes: Class of each annotated object, ``None`` for one that means no class.
    """

    name: str
    path: Path | None = None
    scene: tuple[int, int] | None = None
    labels: tuple[int, ...] = ()
    annotation: ImageAnnotation | None = None
    classes: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An image that was read, and the truth about it.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR.
        labels: As of `DatasetItem`.
        objects: Class and ``bool (H, W)`` mask of each object.
        note: A remark on the image; empty where there is none.
    """

    image: Image
    labels: tuple[int, ...]
    objects: tuple[tuple[int, NDArray[np.bool_]], ...]
    note: str = ""

    def class_masks(self) -> dict[int, NDArray[np.bool_]]:
        """Return one mask for each class: several objects of a class are one target."""
        merged: dict[int, NDArray[np.bool_]] = {}
        for index, mask in self.objects:
            merged[index] = mask | merged[index] if index in merged else mask
        return merged


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images and the truth about them.

    Attributes:
        name: Name of the whole.
        items: The images, in order.
        lookup: From a name to the class that it means.
        skipped: Entries that cannot be used, as far as it is known now.
        notes: One sentence for each thing that was understood rather than plain.
    """

    name: str
    items: tuple[DatasetItem, ...]
    lookup: ClassLookup
    skipped: tuple[SkippedEntry, ...] = ()
    notes: tuple[str, ...] = ()

    def load(self, item: DatasetItem) -> Sample:
        """Read or make an image and the masks of its objects.

        Raises:
            SourceError: The image cannot be read.
        """
        if item.scene is not None:
            seed, count = item.scene
            scene = render_scene(seed, objects=count)
            named = [(self.lookup(each.label), each.mask) for each in scene.objects]
            objects = tuple((index, mask) for index, mask in named if index is not None)
            return Sample(scene.image, tuple(dict.fromkeys(c for c, _ in objects)), objects)
        assert item.path is not None, "an item is a file or a scene"
        image = load_image(item.path).image
        if item.annotation is None:
            return Sample(image, item.labels, ())
        height, width = image.shape[:2]
        scale = scale_to(item.annotation.size, width, height)
        if scale is None:
            known = "x".join(map(str, item.annotation.size or ()))
            note = f"its boxes are for a picture of {known}, not {width}x{height}: left out"
            return Sample(image, item.labels, (), note)
        pairs = zip(item.classes, item.annotation.objects, strict=True)
        masks = [(index, object_mask(each, (width, height), scale)) for index, each in pairs]
        objects = tuple((index, m) for index, m in masks if index is not None and m.any())
        return Sample(image, item.labels, objects)

    def subset(self, count: int | None, seed: int = DEFAULT_SEED) -> Dataset:
        """Return the data set with at most ``count`` images, as many of each class as possible.

        Args:
            count: Number of images, which keep their order; ``None`` takes all.
            seed: Decides which.
        """
        if count is None or count >= len(self.items):
            return self
        order = np.random.default_rng(seed).permutation(len(self.items)).tolist()
        rounds: Counter[int] = Counter()
        places: list[tuple[int, int, int]] = []
        for place in order:
            labels = self.items[place].labels
            label = labels[0] if labels else -1
            places.append((rounds[label], len(places), place))
            rounds[label] += 1
        kept = sorted(place for _, _, place in sorted(places)[:count])
        return replace(self, items=tuple(self.items[place] for place in kept))


@dataclass(slots=True)
class _Draft:
    """A data set while it is put together."""

    lookup: ClassLookup
    truth: TruthCheck
    items: list[DatasetItem] = field(default_factory=list)
    skipped: list[SkippedEntry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, names: Iterable[str], reason: str) -> None:
        self.skipped += [SkippedEntry(printable(name), reason) for name in names]

    def finish(self, name: str) -> Dataset:
        return Dataset(name, tuple(self.items), self.lookup, tuple(self.skipped), tuple(self.notes))


def open_dataset(
    source: str | Path,
    class_labels: Sequence[str],
    *,
    boxes: Annotations | str | Path | None = None,
    scenes: int = DEFAULT_SCENES,
    seed: int = DEFAULT_SEED,
) -> Dataset:
    """Find the images of a source and the truth about them.

    Args:
        source: A folder with a folder for each class, with a ``labels.csv``, or with images only;
            a CSV file or an image; or ``scenes``, ``scenes:SEED`` for generated ones.
        class_labels: ``labels`` of the `live_gradcam.Classifier`.
        boxes: Objects on the images: a COCO file, a folder of PascalVOC files, or annotations that
            were read from one.
        scenes: Number of generated scenes.
        seed: Seed of the scenes, where ``source`` names none.

    Raises:
        UsageError: The source's form is wrong.
        SourceError: It holds no image that can be used, its labels cannot be those of the network,
            or the boxes cannot be used.
    """
    name = str(source)
    require_source(name)
    lookup = class_lookup(class_labels)
    if is_scenes(name):
        if boxes is not None:
            raise UsageError("scenes have masks of their own", "--boxes", "", "Leave it out")
        return _scenes(name, lookup, scenes, seed)
    if isinstance(boxes, (str, Path)):
        boxes = read_annotations(Path(boxes))
    draft = _Draft(lookup, TruthCheck(class_labels, lookup))
    _add_files(draft, name, labelled_by_boxes=boxes is not None)
    if boxes is not None:
        _add_boxes(draft, name, boxes)
    return draft.finish(name)


def require_source(source: str) -> None:
    """Refuse a source that does not exist, before anything slow begins.

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
    """Return ``True`` if a source means generated scenes."""
    return source.partition(":")[0] == "scenes" and not Path(source).exists()


def _scenes(source: str, lookup: ClassLookup, count: int, seed: int) -> Dataset:
    number = source.partition(":")[2]
    if number and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise UsageError("unknown scenes", source, "the seed is not a number", "Use scenes:SEED")
    first = (int(number) if number else seed) * SCENES_PER_SEED
    if not 1 <= count <= SCENES_PER_SEED:
        raise UsageError("cannot make so many scenes", str(count), f"1 to {SCENES_PER_SEED}")
    if not any(lookup(name) is not None for name in SCENE_CLASSES):
        cause = f"the network knows none of their classes ({', '.join(SCENE_CLASSES[:4])}, ...)"
        step = "Use --model scenes or pictures of your own classes"
        raise SourceError("cannot use scenes", source, cause, step)
    seeds = zip(range(first, first + count), cycle(_OBJECTS), strict=False)
    items = (DatasetItem(f"scene {each}", scene=(each, objects)) for each, objects in seeds)
    return Dataset(source, tuple(items), lookup)


def _add_files(draft: _Draft, source: str, *, labelled_by_boxes: bool) -> None:
    path = Path(source).expanduser()
    try:
        is_folder = path.is_dir()
        table = path / TABLE if is_folder else path
        has_table = table.is_file() and table.suffix.lower() == ".csv"
    except (OSError, ValueError) as exc:
        raise cannot_open(path, exc) from exc
    if has_table:
        found, draft.skipped = read_label_table(table)
    elif is_folder:
        found = _files_in_folders(draft, path, forgiving=labelled_by_boxes)
    else:
        found = [LabelledFile(path, path.name)]
    _add_items(draft, found, forgiving=labelled_by_boxes)
    if not labelled_by_boxes:
        draft.truth.refuse_other_networks(str(table if has_table else path))
    if not draft.items:
        raise _no_images(source, draft.skipped)


def _files_in_folders(draft: _Draft, path: Path, *, forgiving: bool) -> list[LabelledFile]:
    folders = class_folders(path)
    images = find_images(path, path, deep=False)
    flat = [LabelledFile(each, relative_name(each, path)) for each in images]
    known = [
        folder for folder in folders if draft.truth.class_of(folder.name, [folder.name]) is not None
    ]
    if not known and not forgiving:
        if folders and not flat:
            raise _unknown_folders(draft.truth, path, folders)
        if folders and flat:
            draft.notes.append(f"{len(folders)} folders in {path} are no classes and are left out")
        draft.truth.unknown.clear()
        return flat
    found = []
    for folder in folders if forgiving else known:
        images = find_images(folder, path)
        found += [LabelledFile(each, relative_name(each, path), (folder.name,)) for each in images]
    unknown = [folder.name for folder in folders if folder not in known]
    if unknown and not forgiving:
        draft.notes.append(f"{_some(unknown, 'folder')} mean no class of the network: left out")
        draft.skip((f"{name}/" for name in unknown), "no class is called so")
    if forgiving:
        return found + flat
    draft.skip((each.relative for each in flat), "it is in no class's folder")
    return found


def _unknown_folders(truth: TruthCheck, path: Path, folders: Sequence[Path]) -> SourceError:
    try:
        truth.refuse_indices(str(path))
    except SourceError as error:
        return error
    names = [printable(folder.name) for folder in folders[:3]]
    cause = f"{len(folders)} folders, such as {', '.join(names)}"
    step = "Call them by the network's labels or indices, or give --labels with these names"
    step = wordnet_step((folder.name for folder in folders), step)
    return SourceError("no folder means a class of the network", str(path), cause, step)


def _add_items(draft: _Draft, found: Iterable[LabelledFile], *, forgiving: bool) -> None:
    unknown: Counter[str] = Counter()
    for each in found:
        given = each.labels or each.indices
        index = draft.truth.class_of(each.relative, each.labels, each.indices) if given else None
        name = printable(each.relative)
        if given and index is None and not forgiving:
            label = printable(given[0])
            unknown[label] += 1
            draft.skip([each.relative], draft.truth.reason_to_skip(given[0]))
            continue
        labels = () if index is None else (index,)
        draft.items.append(DatasetItem(name, each.path, labels=labels))
    if unknown:
        total = sum(unknown.values())
        labels_of = _some(sorted(unknown), "label")
        draft.notes.append(f"{labels_of} mean no class of the network: {total} pictures left out")


def _some(names: Sequence[str], what: str) -> str:
    shown = ", ".join(printable(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what}{'s' if len(names) != 1 else ''} ({shown})"


def _no_images(source: str, skipped: Sequence[SkippedEntry]) -> SourceError:
    if not skipped:
        cause, step = "there is no picture in it", "Give a folder of pictures"
        return SourceError("cannot open data set", source, cause, step)
    name, reason = skipped[0]
    cause = f"none of its {len(skipped)} entries can be used, such as {name}: {reason}"
    step = "Labels are the network's names, their synonyms or indices; see --labels"
    return SourceError("cannot open data set", source, cause, step)


def _add_boxes(draft: _Draft, source: str, boxes: Annotations) -> None:
    foreign: Counter[str] = Counter()
    without = adopted = 0
    for place, item in enumerate(draft.items):
        annotation = boxes.find(item.name) or (boxes.find(item.path.name) if item.path else None)
        if annotation is None:
            without += 1
            continue
        classes = [draft.lookup(each.name) for each in annotation.objects]
        pairs = zip(annotation.objects, classes, strict=True)
        strange = {each.name for each, index in pairs if index is None}
        if item.labels and len(strange) == 1 and item.labels[0] not in classes:
            # One class of boxes that the network does not know, on an image whose class is known.
            classes = [item.labels[0] if c is None else c for c in classes]
            adopted += 1
        else:
            foreign.update(strange)
        known = tuple(dict.fromkeys(c for c in classes if c is not None))
        draft.items[place] = replace(
            item, labels=item.labels or known, annotation=annotation, classes=tuple(classes)
        )
    if without == len(draft.items):
        cause = "they name none of the pictures"
        raise SourceError("cannot use boxes", source, cause, "Check the names of the files")
    if without:
        draft.notes.append(f"{without} of {len(draft.items)} pictures have no boxes")
    if adopted:
        foreign_names = f"boxes of {adopted} pictures have names that mean no class of the network"
        draft.notes.append(f"{foreign_names}: they are taken for the picture's own class")
    if foreign:
        draft.notes.append(f"boxes of {_some(sorted(foreign), 'name')} mean no class: left out")
    if boxes.broken:
        example = printable(boxes.example)
        draft.notes.append(f"{boxes.broken} boxes cannot be read, such as {example}")
