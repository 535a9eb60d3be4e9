"""Files that fsspec reads: ``s3://``, ``gs://``, ``hf://`` and what else is installed.

Keys and passwords are those of fsspec's own configuration and environment; an address with a
password in it is refused, since addresses stand in rows and plans.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any, BinaryIO, NamedTuple, cast

from live_gradcam.credentials import printable, scheme_of
from live_gradcam.errors import SourceError, UsageError
from live_gradcam.wording import install_step

try:
    import fsspec
except ImportError as exc:
    raise UsageError(
        "cannot use archives", "", "fsspec is not installed", install_step("archive")
    ) from exc

_AT_ONCE = 16
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


class RemoteFile(NamedTuple):
    """A file that fsspec has found.

    Attributes:
        uri: With its scheme.
        size: In bytes; ``None`` where it is not there.
        modified_ns: Time of its last change; ``None`` where the storage does not say.
    """

    uri: str
    size: int | None
    modified_ns: int | None


def is_remote(spec: str) -> bool:
    """Return whether a source is an address, and no file of this machine."""
    scheme = scheme_of(spec)
    return scheme is not None and scheme != "file"


def check_address(uri: str) -> None:
    """Refuse an address with a password or a key in it.

    Raises:
        UsageError: There is one.
    """
    if printable(uri) != uri:
        cause = "its password or key would stand in every row"
        step = "Give it to fsspec: by its configuration or the storage's environment variables"
        raise UsageError("cannot use address", printable(uri), cause, step)


def find_remote(uri: str) -> Iterator[RemoteFile]:
    """Yield the files of an address: itself, all below a folder, or the matches of a pattern.

    Raises:
        SourceError: It is not there, or the storage does not answer.
        UsageError: There is a password in it.
    """
    check_address(uri)
    try:
        system, path = fsspec.core.url_to_fs(uri)
        if glob.has_magic(path):
            found = system.glob(path, detail=True)
        elif (about := system.info(path)).get("type") == "directory":
            found = system.find(path, detail=True)
        else:
            found = {path: about}
        for name, about in sorted(found.items()):
            if about.get("type") == "file":
                yield _described(system.unstrip_protocol(name), about)
    except Exception as exc:
        raise _cannot(uri, exc) from exc


def describe_remote(uris: Sequence[str]) -> Iterator[RemoteFile]:
    """Look up files that are named one by one; one that is not there has no size.

    Raises:
        UsageError: There is a password in an address.
    """
    for uri in uris:
        check_address(uri)
    with ThreadPoolExecutor(_AT_ONCE, "look-up") as pool:
        yield from pool.map(_look_up, uris)


def open_remote(uri: str) -> BinaryIO:
    """Open a file for reading; only what is asked for is fetched, in blocks.

    Raises:
        SourceError: It is not there, or the storage does not answer.
    """
    try:
        system, path = fsspec.core.url_to_fs(uri)
        return cast(BinaryIO, system.open(path, "rb"))
    except Exception as exc:
        raise _cannot(uri, exc) from exc


def _look_up(uri: str) -> RemoteFile:
    try:
        system, path = fsspec.core.url_to_fs(uri)
        return _described(uri, system.info(path))
    except Exception:  # it is an error of the run, with its reason, when it is opened
        return RemoteFile(uri, None, None)


def _described(uri: str, about: dict[str, Any]) -> RemoteFile:
    size = about.get("size")
    moment = next((about[key] for key in _TIMES if about.get(key) is not None), None)
    nanoseconds = None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        except ValueError:
            moment = None
    if isinstance(moment, datetime):
        aware = moment.replace(tzinfo=moment.tzinfo or timezone.utc)
        nanoseconds = round(aware.timestamp() * 1_000_000) * 1000
    elif isinstance(moment, (int, float)):
        nanoseconds = round(moment * 1_000_000) * 1000
    return RemoteFile(uri, None if size is None else int(size), nanoseconds)


def _cannot(uri: str, exc: Exception) -> SourceError:
    where = printable(uri)
    if isinstance(exc, (ImportError, ValueError)) and "rotocol" in str(exc) + type(exc).__name__:
        step = "Check the scheme"
        return SourceError("cannot open", where, "fsspec knows no such scheme", step)
    if isinstance(exc, ImportError):  # it names the package
        return SourceError("cannot open", where, str(exc), "Install that package")
    if isinstance(exc, FileNotFoundError):
        return SourceError("cannot open", where, "there is no such file")
    cause = printable(str(exc)) or type(exc).__name__
    return SourceError("cannot open", where, f"the storage says: {cause}")
