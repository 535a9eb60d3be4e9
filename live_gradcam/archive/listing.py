"""The files of an archive: folders, patterns, lists, tables with a column of paths, addresses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from live_gradcam.archive.files import (
    FileKind,
    files_of,
    home_of,
    is_list,
    kind_of,
    name_in,
    names_in_list,
    shared_folder,
)
from live_gradcam.archive.ledger import stamp
from live_gradcam.archive.parts import ArchiveFile
from live_gradcam.archive.remote import (
    RemoteFile,
    describe_remote,
    find_remote,
    is_remote,
    open_remote,
)
from live_gradcam.archive.schema import path_column
from live_gradcam.capture.images import IMAGE_SUFFIXES
from live_gradcam.choices import FILM_SUFFIXES
from live_gradcam.errors import SourceError

_TABLE_SUFFIXES = (".parquet", ".pq")


def list_files(
    specs: Sequence[str], *, column: str | None = None, left_out: Sequence[Path] = ()
) -> list[ArchiveFile]:
    """Find every film and picture that some sources mean, each once, in order.

    What folders, patterns and lists mean is said in `live_gradcam.archive.files.find_files`.
    Parquet files mean the paths and URIs in one of their columns, relative to themselves. Addresses
    mean a file, all below a folder, or the matches of a pattern.

    Args:
        specs: The sources.
        column: Column of Parquet files; found by its name if ``None``.
        left_out: Folders whose files are not meant, such as those that are written.

    Raises:
        SourceError: A source is not there, or nothing was found at all.
        UsageError: A source is no file, or a table has no such column.
    """
    found: dict[str, ArchiveFile] = {}
    root = shared_folder([home_of(spec) for spec in specs if not is_remote(spec)] or [os.sep])
    apart = [each.resolve() for each in left_out]
    for spec in specs:
        for each in _files(spec, root, column):
            if each.address in found or _is_below(each, apart):
                continue
            found[each.address] = each
    if not found:
        cause = "there is no film and no picture"
        raise SourceError("nothing to explain", ", ".join(specs), cause, "Check folder or pattern")
    return list(found.values())


def named_files(names: Iterable[str]) -> list[ArchiveFile]:
    """Return the files with these paths and URIs, each once, called as they are here.

    Raises:
        SourceError: A storage does not answer.
        UsageError: An address has a password in it.
    """
    found: dict[str, ArchiveFile] = {}
    for name in names:
        if is_remote(name):
            found.update((each.file, each) for each in map(_remote, describe_remote([name])))
        else:
            local = _local(Path(name).absolute(), os.sep, absolute=True)
            found[name] = replace(local, file=name)
    return list(found.values())


def is_table(spec: str) -> bool:
    """Return whether a source is a Parquet table of paths."""
    return spec.lower().endswith(_TABLE_SUFFIXES)


def _is_below(file: ArchiveFile, folders: Sequence[Path]) -> bool:
    if not folders or is_remote(file.address):
        return False
    return any(map(Path(file.address).resolve().is_relative_to, folders))


def _files(spec: str, root: str, column: str | None) -> Iterator[ArchiveFile]:
    if is_table(spec):
        yield from _in_table(spec, root, column)
    elif is_remote(spec):
        for each in find_remote(spec):
            if _looks_wanted(each.uri) or each.uri.rstrip("/") == spec.rstrip("/"):
                yield _remote(each)
    elif is_list(spec):
        path = Path(spec).expanduser()
        yield from _named(names_in_list(path), path.parent, root, absolute=_is_absolute(spec))
    else:
        for path in files_of(spec):
            yield _local(path, root, absolute=_is_absolute(spec))


def _in_table(spec: str, root: str, column: str | None) -> Iterator[ArchiveFile]:
    if is_remote(spec):
        with open_remote(spec) as file:
            base = spec.rpartition("/")[0]
            names = path_column(file, spec, column)
            whole = (each if is_remote(each) else f"{base}/{each}" for each in names)
            yield from map(_remote, describe_remote(list(dict.fromkeys(whole))))
        return
    path = Path(spec).expanduser()
    if not path.exists():
        raise SourceError("cannot open source", spec, "there is no such file")
    tables = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    for table in tables:
        names = path_column(table, str(table), column)
        yield from _named(names, table.parent, root, absolute=_is_absolute(spec))


def _named(names: Iterable[str], base: Path, root: str, *, absolute: bool) -> Iterator[ArchiveFile]:
    """Yield files that were named one by one; those elsewhere are looked up together."""
    elsewhere: list[str] = []
    for name in names:
        if is_remote(name):
            elsewhere.append(name)
        else:
            own = os.path.expanduser(name)  # noqa: PTH111 - one that is nobody's home stays
            yield _local(
                (base / own).absolute(), root, absolute=absolute or Path(own).is_absolute()
            )
    yield from map(_remote, describe_remote(list(dict.fromkeys(elsewhere))))


def _local(path: Path, root: str, *, absolute: bool) -> ArchiveFile:
    address = os.path.normpath(path)
    size, modified = stamp(Path(address))
    return ArchiveFile(
        file=address if absolute else _relative(address),
        address=address,
        name=name_in(root, address),
        kind=kind_of(Path(address)),
        size=size,
        modified_ns=modified,
    )


def _remote(found: RemoteFile) -> ArchiveFile:
    name = found.uri.partition("://")[2].partition("?")[0].lstrip("/")
    return ArchiveFile(
        file=found.uri,
        address=found.uri,
        name=name,
        kind=_kind_by_name(name),
        size=found.size,
        modified_ns=found.modified_ns,
    )


def _kind_by_name(name: str) -> FileKind:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - of an address
    return "film" if suffix in FILM_SUFFIXES else "picture"


def _looks_wanted(uri: str) -> bool:
    name = uri.partition("?")[0].rpartition("/")[2]
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - of an address
    return not name.startswith(".") and (suffix in FILM_SUFFIXES or suffix in IMAGE_SUFFIXES)


def _is_absolute(spec: str) -> bool:
    return Path(spec).expanduser().is_absolute()


def _relative(address: str) -> str:
    try:
        return Path(os.path.relpath(address)).as_posix()
    except ValueError:  # another drive
        return address
