"""Examples from a folder of folders: pictures and films of each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from live_gradcam.capture import open_source
from live_gradcam.capture.images import is_image_file, natural_key
from live_gradcam.errors import SourceError
from live_gradcam.images import read_image
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import cannot_open, sniff
from live_gradcam.teaching.examples import Burst, Examples, make_burst, picture_burst
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.values import Frame

_WHAT = "cannot teach from the folder"
_STEP = "Give a folder with a folder of pictures or films for each class"
_MOST_FRAMES = 64
_FEWEST_IN_BURST, _MOST_BURSTS = 8, 5
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """The files of one class.

    Attributes:
        label: Name of its folder.
        files: Pictures and films, in natural order.
    """

    label: str
    files: tuple[Path, ...]


def class_folders(folder: Path) -> list[Path]:
    """Return the folders of a folder in natural order, without hidden ones.

    Raises:
        SourceError: There is no such folder, or it holds none.
    """
    try:
        inside = list(folder.iterdir())
    except NotADirectoryError as exc:
        raise SourceError(_WHAT, str(folder), "it is a file", _STEP) from exc
    except FileNotFoundError as exc:
        raise SourceError(_WHAT, str(folder), "there is no such folder", _STEP) from exc
    except OSError as exc:
        raise cannot_open(folder, exc) from exc
    found = [each for each in inside if each.is_dir() and not each.name.startswith(".")]
    if not found:
        raise SourceError(_WHAT, str(folder), "there are no folders in it", _STEP)
    return sorted(found, key=natural_key)


def find_files(folder: Path, on_notice: Callable[[str], None]) -> list[ClassFolder]:
    """Find the pictures and films of each class.

    Args:
        folder: With a folder for each class; files deeper inside are the class's, too.
        on_notice: Told of each class that has none, and is left out.

    Raises:
        SourceError: Fewer than two classes have files.
    """
    found = []
    for each in class_folders(folder):
        files = tuple(_media(each, _DEEPEST))
        if files:
            found.append(ClassFolder(each.name, files))
        else:
            on_notice(f"{each.name} is left out: there are no pictures or films in its folder")
    if len(found) < 2:
        cause = f"only {found[0].label} has pictures" if found else "there are no pictures in it"
        raise SourceError(_WHAT, str(folder), cause, "A network is taught at least two classes")
    return found


def _media(folder: Path, depth: int) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir(), key=natural_key)
    except OSError:
        return
    for each in inside:
        if each.name.startswith("."):
            continue
        if each.is_dir():
            if depth and not each.is_symlink():
                yield from _media(each, depth - 1)
        elif is_image_file(each) or _is_film(each):
            yield each


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
        known: Examples of an earlier call, which need not be made again.
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
    kept = _film_frames(path, extractor)
    cut = cut_into_bursts(kept)
    return [
        make_burst(label, part, extractor, name=f"{key}#{number}/{len(cut)}")
        for number, part in enumerate(cut, 1)
    ]


def _film_frames(path: Path, extractor: FeatureExtractor) -> list[FrameFeatures]:
    """Return features of at most `_MOST_FRAMES` frames, evenly over a film of any length."""
    kept: list[FrameFeatures] = []
    waiting: list[Frame] = []
    step = 1
    with open_source(path) as source:
        for frame in source:
            if frame.index % step:
                continue
            waiting.append(frame)
            if len(waiting) == extractor.preferred_batch_size:
                kept += extractor.extract([each.image for each in waiting])
                waiting.clear()
            if len(kept) > 2 * _MOST_FRAMES and not waiting:
                kept, step = kept[::2], 2 * step
    if waiting:
        kept += extractor.extract([each.image for each in waiting])
    return kept[:: -(-len(kept) // _MOST_FRAMES) or 1]


def cut_into_bursts(frames: Sequence[FrameFeatures]) -> list[Sequence[FrameFeatures]]:
    """Cut the frames of a film into bursts that follow each other, with a frame between them."""
    count = max(1, min(_MOST_BURSTS, len(frames) // _FEWEST_IN_BURST))
    borders = [round(index * len(frames) / count) for index in range(count + 1)]
    return [frames[start + (start > 0) : stop] for start, stop in pairwise(borders)]
