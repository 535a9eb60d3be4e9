"""Folders of classes, and the files in them, read as a stranger's: anything may be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from live_gradcam.capture.images import is_image_file, natural_key
from live_gradcam.images.sniff import cannot_open

_DEEPEST = 32


def printable(text: str) -> str:
    """Return a name that is safe to print and to write: what is not printable is escaped.

    Very long names are cut in the middle.
    """
    shown = "".join(each if each.isprintable() else _escaped(each) for each in text)
    return shown if len(shown) <= 200 else f"{shown[:98]} … {shown[-98:]}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def find_images(
    folder: Path,
    root: Path,
    *,
    deep: bool = True,
    is_wanted: Callable[[Path], bool] = is_image_file,
) -> Iterator[Path]:
    """Yield the image files of a folder and, if ``deep``, of the folders in it, in natural order.

    Hidden files, links to folders and folders that may not be read are passed over.

    Args:
        folder: The folder.
        root: The data set's own folder.
        deep: ``True`` to look into folders, too.
        is_wanted: Whether a file is one of those that are looked for, if not images only; where it
            raises an `OSError` it is not.
    """
    if len(folder.relative_to(root).parts) > _DEEPEST:
        return
    for path in sorted(_list_folder(folder), key=natural_key):
        if path.name.startswith("."):
            continue
        if _is_folder(path):
            if deep and not path.is_symlink():
                yield from find_images(path, root, is_wanted=is_wanted)
        elif _is_one(path, is_wanted):
            yield path


def _list_folder(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def class_folders(folder: Path) -> list[Path]:
    """Return the folders of a folder in natural order, without hidden ones.

    Raises:
        SourceError: The folder may not be read.
    """
    try:
        inside = list(folder.iterdir())
    except OSError as exc:
        raise cannot_open(folder, exc) from exc
    found = [path for path in inside if not path.name.startswith(".") and _is_folder(path)]
    return sorted(found, key=natural_key)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # links in a circle, names that are too long
        return False


def _is_one(path: Path, is_wanted: Callable[[Path], bool]) -> bool:
    try:
        return is_wanted(path)
    except OSError:
        return False
