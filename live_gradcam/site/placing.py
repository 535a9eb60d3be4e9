"""A page's files and the folder that they stand in: what is a user's own is never touched.

A page's own files are those that its ``site.json`` names. Each is put there whole, ``site.json``
last; what cannot be finished is taken back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from live_gradcam.errors import UsageError
from live_gradcam.fetching import file_sha256
from live_gradcam.show.images import already_exists

DESCRIPTION = "site.json"
"""File with everything that the page has to know, see `describe_site`."""

_STAGED = ".live-gradcam-"
_BACKUP = ".before"
# The page, what keeps it, and what describes it: all that they name is there before them.
_LAST = ("index.html", "service-worker.js", DESCRIPTION)


def read_description(folder: Path) -> Mapping[str, Any] | None:
    """Return the content of a page's ``site.json``; ``None`` where it is not one."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(content, dict) and "format" in content and "version" in content
    return content if known and isinstance(content.get("files"), dict) else None


def check_files(folder: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Refuse to write where a page is already, or files of the user's that have the same names.

    Args:
        folder: Where the page goes; it need not exist.
        names: Files that will be written, with slashes.
        overwrite: A page that is there may be replaced.

    Raises:
        UsageError: It may not, or the files are no page's.
    """
    _check_names(folder, names, _own_files(folder))
    if read_description(folder) is not None and not overwrite:
        raise already_exists(folder / DESCRIPTION)


def _check_names(folder: Path, names: Iterable[str], own: Container[str]) -> None:
    for name in sorted(names):
        place = folder / name
        above = [folder / each for each in PurePosixPath(name).parents if each.name]
        # What is behind a link is not in this folder.
        wrong = next((each for each in above if each.is_symlink() or each.is_file()), None)
        if wrong is None and (place.is_dir() or (name not in own and os.path.lexists(place))):
            wrong = place
        if wrong is not None:
            cause = "it is no file of a page that live-gradcam wrote, and stays"
            step = "Name a folder that is empty, or has a page"
            raise UsageError("cannot write the page", str(wrong), cause, step)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a folder beside a page's files to write new ones in; nothing of it stays.

    Raises:
        OSError: It cannot be made.
    """
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=_STAGED, dir=folder) as made:
            yield Path(made)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is full now, unless something failed
                folder.rmdir()


def put(staged: Path, folder: Path) -> None:
    """Move the files of a page to their places; either all of them are there, or none.

    Files of the page before it that the new one does not have are removed, unless somebody changed
    them.

    Raises:
        UsageError: A file that is no page's has come meanwhile.
        OSError: A file cannot be moved; what was there before is there again.
    """
    names = [each.relative_to(staged).as_posix() for each in staged.rglob("*") if each.is_file()]
    names.sort(key=lambda name: (_LAST.index(name) if name in _LAST else -1, name))
    own = _own_files(folder, without=staged)
    _check_names(folder, names, own)
    gone = {name: sha for name, sha in own.items() if name not in names}
    moved: list[str] = []
    try:
        for name in names:
            place, backup = folder / name, staged / _BACKUP / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                backup.parent.mkdir(parents=True, exist_ok=True)
                _copy(place, backup)
            moved.append(name)
            (staged / name).replace(place)
    except OSError:
        for name in reversed(moved):
            _take_back(folder / name, staged / _BACKUP / name)
        raise
    for name, sha in gone.items():
        place = folder / name
        if place.is_file() and not place.is_symlink() and file_sha256(place) == sha:
            place.unlink()
            _remove_if_empty(place.parent, folder)
    for left in folder.glob(f"{_STAGED}*"):
        if left != staged and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def _copy(place: Path, backup: Path) -> None:
    try:
        os.link(place, backup)
    except OSError:  # file systems without links
        shutil.copy2(place, backup)


def _take_back(place: Path, backup: Path) -> None:
    with contextlib.suppress(OSError):
        if backup.exists():
            backup.replace(place)
        else:
            place.unlink(missing_ok=True)


def _remove_if_empty(place: Path, folder: Path) -> None:
    while place != folder:
        try:
            place.rmdir()
        except OSError:
            return
        place = place.parent


def _own_files(folder: Path, *, without: Path | None = None) -> dict[str, str]:
    """SHA-256 of each file of the pages in a folder, by its name.

    One that was being put there when its program was killed counts: its description is left in the
    folder that it was staged in.
    """
    found: dict[str, str] = {}
    for each in (*folder.glob(f"{_STAGED}*"), folder):
        content = None if each == without else read_description(each)
        if content is None:
            continue
        found[DESCRIPTION] = ""
        for name, facts in content["files"].items():
            path = PurePosixPath(name)
            if not path.is_absolute() and ".." not in path.parts and isinstance(facts, dict):
                found[name] = str(facts.get("sha256", ""))
    return found
