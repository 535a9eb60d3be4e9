"""Examples from a folder of folders: pictures and films of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from live_gradcam.capture import open_source
from live_gradcam.capture.class_folders import class_folders, find_images, printable
from live_gradcam.capture.images import is_image_file
from live_gradcam.class_names import check_label, folded_name
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.images import read_image
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import cannot_open, sniff
from live_gradcam.teaching.examples import (
    ANYTHING_ELSE,
    Burst,
    Examples,
    make_burst,
    picture_burst,
)
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.values import Frame

_WHAT = "cannot teach from the folder"
_STEP = "Give a folder with a folder of pictures or films for each class"
_MOST_FRAMES = 64
_FEWEST_IN_BURST, _MOST_BURSTS = 8, 5
# Between two bursts of one film: frames that are nearer to each other are near-copies.
_APART_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """The files of one class.

    Attributes:
        label: Name of its folder; `ANYTHING_ELSE` in any spelling of upper case and ``_``.
        files: Pictures and films, in natural order.
    """

    label: str
    files: tuple[Path, ...]


def folders_of_classes(folder: Path) -> dict[str, Path]:
    """Return the folder of each class, in natural order.

    Raises:
        SourceError: There is no such folder, or it holds none.
        UsageError: A folder's name cannot be a class's, or two are the same.
    """
    try:
        is_folder, is_there = folder.is_dir(), folder.exists()
    except OSError as exc:  # a name that is too long, for one
        raise cannot_open(folder, exc) from exc
    if not is_folder:
        cause = "it is a file" if is_there else "there is no such folder"
        raise SourceError(_WHAT, str(folder), cause, _STEP)
    found: dict[str, Path] = {}
    for each in class_folders(folder):
        label = check_label(each.name, _WHAT)
        label = ANYTHING_ELSE if folded_name(label) == ANYTHING_ELSE else label
        if label in found:
            cause = f"{printable(found[label].name)} and {printable(each.name)} are one class"
            raise UsageError(_WHAT, str(folder), cause, "Rename one of them, or make them one")
        found[label] = each
    if not found:
        raise SourceError(_WHAT, str(folder), "there are no folders in it", _STEP)
    return found


def find_files(folder: Path, on_notice: Callable[[str], None]) -> list[ClassFolder]:
    """Find the pictures and films of each class.

    Args:
        folder: With a folder for each class; files deeper inside are the class's, too.
        on_notice: Told of each class that has none, and is left out.

    Raises:
        SourceError: There is no such folder, or fewer than two classes have files.
        UsageError: A folder's name cannot be a class's, or two are the same.
    """
    found = []
    for label, each in folders_of_classes(folder).items():
        files = tuple(find_images(each, each, is_wanted=_is_example))
        if files:
            found.append(ClassFolder(label, files))
        else:
            on_notice(f"{label} is left out: there are no pictures or films in its folder")
    if len(found) < 2:
        cause = f"only {found[0].label} has pictures" if found else "there are no pictures in it"
        step = f'Add a folder of another class, or one called "{ANYTHING_ELSE}"'
        raise SourceError(_WHAT, str(folder), cause, step)
    return found


def _is_example(path: Path) -> bool:
    return is_image_file(path) or _is_film(path)


def _is_film(path: Path) -> bool:
    try:
        return sniff(path).content == "video"
    except SourceError:
        return False


def collect(
    classes: Sequence[ClassFolder],
    extractor: FeatureExtractor,
    *,
    known: Examples | None = None,
    on_burst: Callable[[Burst], None] = lambda _: None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Examples:
    """Make examples of files; those that cannot be read are left out.

    Args:
        classes: See `find_files`.
        extractor: Runs the trunk.
        known: Examples of an earlier call with the same `FeatureExtractor.settings`, which need
            not be made again.
        on_burst: Told each new burst.
        on_progress: Told how many files are done, and of how many.
        on_notice: Told of each file that is left out, and why.

    Raises:
        DeviceError: The device failed, or has too little memory.
    """
    earlier = _by_file(known) if known is not None else {}
    examples = Examples()
    total, done = sum(len(each.files) for each in classes), 0
    for each in classes:
        examples = examples.with_class(each.label)
        for path in each.files:
            key = _key(each.label, path)
            bursts = earlier.get(key)
            if bursts is None:
                try:
                    bursts = _bursts(each.label, path, key, extractor)
                except SourceError as exc:
                    bursts = []
                    on_notice(f"left out: {exc}")
                for burst in bursts:
                    on_burst(burst)
            for burst in bursts:
                examples = examples.with_burst(burst)
            done += 1
            on_progress(done, total)
        if not examples.count(each.label):
            on_notice(f"{each.label} is left out: none of its files can be read")
    return examples


def _key(label: str, path: Path) -> str:
    """Return what a file's examples are known by: another file has another one."""
    try:
        facts = path.stat()
    except OSError:
        return f"{label}/{path.name}"
    return f"{label}/{path.absolute()}:{facts.st_size}:{facts.st_mtime_ns}"


def _by_file(examples: Examples) -> dict[str, list[Burst]]:
    """Return the bursts of the files of which all are there."""
    found: dict[str, dict[str, Burst]] = {}
    for each in examples.bursts:
        key, _, number = each.name.rpartition("#")
        found.setdefault(key, {})[number] = each
    whole = {}
    for key, bursts in found.items():
        count = next(iter(bursts)).rpartition("/")[2]
        if count == str(len(bursts)):
            whole[key] = list(bursts.values())
    return whole


def _bursts(label: str, path: Path, key: str, extractor: FeatureExtractor) -> list[Burst]:
    verdict = sniff(path)
    # What is no picture is read as one where it is called so: that says what is wrong with it.
    if verdict.content != "video" and not is_animated(path, verdict.format):
        return [picture_burst(label, read_image(path), extractor, name=f"{key}#1/1")]
    frames, seconds = read_film(path, extractor)
    cut = cut_into_bursts(frames, seconds)
    return [
        make_burst(label, part, extractor, name=f"{key}#{number}/{len(cut)}")
        for number, part in enumerate(cut, 1)
    ]


def read_film(path: Path, extractor: FeatureExtractor) -> tuple[list[FrameFeatures], float]:
    """Return features of at most 64 frames, evenly over a film of any length.

    Args:
        path: The film.
        extractor: Runs the trunk.

    Returns:
        The features, and the seconds from each frame to the next.

    Raises:
        SourceError: It cannot be read.
        DeviceError: The device failed, or has too little memory.
    """
    kept: list[FrameFeatures] = []
    times: list[float] = []
    waiting: list[Frame] = []
    step = 1

    def take() -> None:
        nonlocal kept, times
        kept += extractor.extract([each.image for each in waiting])
        times += [each.pts_seconds for each in waiting]
        waiting.clear()

    with open_source(path) as source:
        for frame in source:
            if frame.index % step:
                continue
            waiting.append(frame)
            if len(waiting) == extractor.preferred_batch_size:
                take()
            if len(kept) > 2 * _MOST_FRAMES and not waiting:
                kept, times, step = kept[::2], times[::2], 2 * step
    if waiting:
        take()
    every = -(-len(kept) // _MOST_FRAMES) or 1
    kept, times = kept[::every], times[::every]
    return kept, (times[-1] - times[0]) / max(1, len(times) - 1) if times else 0.0


def cut_into_bursts(
    frames: Sequence[FrameFeatures], seconds: float
) -> list[Sequence[FrameFeatures]]:
    """Cut the frames of a film into bursts that follow each other, with a while between them.

    Args:
        frames: In order.
        seconds: From each to the next.
    """
    apart = 1 if seconds <= 0 else max(1, int(-(-_APART_SECONDS // seconds)))
    count = _MOST_BURSTS
    while count > 1 and (len(frames) - apart * (count - 1)) // count < _FEWEST_IN_BURST:
        count -= 1
    room = len(frames) - apart * (count - 1)
    borders = [round(index * room / count) for index in range(count + 1)]
    return [
        frames[start + apart * index : stop + apart * index]
        for index, (start, stop) in enumerate(pairwise(borders))
    ]
