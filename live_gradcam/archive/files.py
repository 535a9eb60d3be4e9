"""The files of a run over many: folders with all that is in them, patterns, and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from live_gradcam.capture.images import is_image_file, natural_key
from live_gradcam.capture.open import source_files
from live_gradcam.choices import FILM_SUFFIXES
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.images.animated import is_animated
from live_gradcam.images.sniff import sniff
from live_gradcam.images.tables import column_of_files, read_table, read_text

FileKind: TypeAlias = Literal["picture", "film"]

LIST_SUFFIXES = (".txt", ".csv")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to explain.

    Attributes:
        path: Where it is.
        name: Its name among all of them: relative to the folder that the sources share.
    """

    path: Path
    name: str


def is_list(spec: str) -> bool:
    """Return whether a source is a list of files: a table or a text that exists."""
    return Path(spec).suffix.lower() in LIST_SUFFIXES and Path(spec).expanduser().is_file()


def expand_lists(specs: Sequence[str]) -> tuple[str, ...]:
    """Put the files that lists name in place of the lists.

    Raises:
        SourceError: A list cannot be read, or names nothing.
    """
    expanded: list[str] = []
    for spec in specs:
        if not is_list(spec):
            expanded.append(spec)
            continue
        named = [str(path) for path in _in_list(Path(spec).expanduser())]
        if not named:
            raise SourceError("cannot use list", spec, "it names no file")
        expanded += named
    return tuple(expanded)


def find_files(specs: Sequence[str]) -> list[SourceFile]:
    """Find every film and picture that some sources mean, each once.

    A folder means all in it and below, in natural order, without what is hidden; a pattern its
    matches, ``**`` any number of folders; a list (``.txt``: a path in each line; ``.csv``: the
    column ``path``, ``file`` or ``filename``, else the first) the files that it names, relative to
    itself. Files that are named, in a list or by themselves, need not exist: they are errors of
    the run, not of the search.

    Raises:
        SourceError: A source is not there, or nothing was found at all.
        UsageError: A source is no file: a camera, a stream, standard input or generated scenes.
    """
    found: dict[str, Path] = {}
    for spec in specs:
        for path in files_of(spec):
            found.setdefault(os.path.normpath(path), path)
    if not found:
        cause = "there is no film and no picture"
        raise SourceError("nothing to explain", ", ".join(specs), cause, "Check folder or pattern")
    root = shared_folder(map(home_of, specs))
    return [SourceFile(path, name_in(root, place)) for place, path in found.items()]


def files_of(spec: str) -> Iterator[Path]:
    """Yield the films and pictures that one source means, as absolute paths; see `find_files`.

    Raises:
        SourceError: It is not there, or cannot be read.
        UsageError: It is no file.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        yield from _in_folder(path)
    elif is_list(spec):
        yield from _in_list(path)
    elif path.exists():
        yield path.absolute()
    elif glob.has_magic(spec):
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns as well
        files = [Path(match) for match in matches if Path(match).is_file()]
        yield from _sorted(each for each in files if _is_wanted(each))
    elif numbered := source_files(spec):
        yield from (each.absolute() for each in numbered)
    elif spec.strip().isdecimal() or "://" in spec or spec.strip() in ("-", "scene"):
        cause = "it is no file"
        raise UsageError("cannot go on later", spec, cause, "--resume takes files and folders")
    else:
        raise SourceError("cannot open source", spec, "there is no such file")


def _in_folder(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [each for name in names if _is_wanted(each := Path(parent) / name)]
    return _sorted(found)


def _in_list(path: Path) -> Iterator[Path]:
    for name in names_in_list(path):
        # A name that begins with ~ may mean nobody's home.
        yield (path.parent / os.path.expanduser(name)).absolute()  # noqa: PTH111


def names_in_list(path: Path) -> Iterator[str]:
    """Yield what a list names, as it names it: a text line by line, a table by its column of files.

    Raises:
        SourceError: It cannot be read.
    """
    what = "cannot read list"
    if path.suffix.lower() == ".csv":
        rows = read_table(path, what)
        column = column_of_files(rows[0]) if rows else None
        place = column or 0
        cells = [row[place] for row in rows[column is not None :] if place < len(row)]
        names = [cell.strip() for cell in cells]
    else:
        lines = [line.strip() for line in read_text(path, what).split("\n")]
        names = [line for line in lines if not line.startswith("#")]
    yield from filter(None, names)


def _is_wanted(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    return path.suffix.lower() in FILM_SUFFIXES or is_image_file(path)


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return [path.absolute() for path in sorted(paths, key=natural_key)]


def home_of(spec: str) -> str:
    """Return the folder that names are relative to, which hangs on nothing that is found in it."""
    path = Path(spec).expanduser()
    if path.is_dir():
        home = path
    elif path.exists():
        home = path.parent
    else:
        home = next((each for each in path.parents if not glob.has_magic(str(each))), path)
    return os.path.normpath(home.absolute())


def shared_folder(folders: Iterable[str]) -> str:
    """Return the folder that some folders share."""
    try:
        return os.path.commonpath(list(folders))
    except ValueError:  # several drives
        return os.sep


def name_in(root: str, path: str) -> str:
    """Return the name of a path in a folder, with ``/``."""
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return Path(path).as_posix().replace(":", "").lstrip("/")


def kind_of(path: Path) -> FileKind:
    """Tell pictures, explained once, from films, explained frame by frame.

    What cannot be read is what its name says.
    """
    by_name: FileKind = "film" if path.suffix.lower() in FILM_SUFFIXES else "picture"
    try:
        verdict = sniff(path)
    except SourceError:
        return by_name
    if verdict.content == "video":
        return "film"
    if verdict.content != "image":
        return by_name
    return "film" if is_animated(path, verdict.format) else "picture"
