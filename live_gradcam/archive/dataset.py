"""The folder of an archive's results: its plan, its tables, its manifest, and what is done.

::

    DATASET/frames/kind=picture/part-ID.parquet   rows, see `live_gradcam.archive.schema`
    DATASET/frames/kind=frame/part-ID.parquet
    DATASET/files/part-ID.parquet                 written last: the part is done
    DATASET/plan/plan-NNNN.jsonl                  a part in each line; later plans replace parts
    DATASET/manifest.json  errors.jsonl

Whatever is killed, a file under its own name is whole: a part that was explained twice has one
name, and so is there once.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from live_gradcam.archive.parts import Part
from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.os_errors import cannot_write
from live_gradcam.show.images import replace_file
from live_gradcam.show.records import json_line

KIND = "live-gradcam archive"
FORMAT = 1


class Dataset:
    """The folder of results, without anything open.

    Args:
        folder: Where it is, or will be.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest_path = self.folder / "manifest.json"
        self.errors_path = self.folder / "errors.jsonl"

    def rows_path(self, part: Part) -> Path:
        """Return where a part's rows are."""
        return self.folder / f"frames/kind={'frame' if part.is_film else 'picture'}" / _name(part)

    def files_path(self, part: Part) -> Path:
        """Return where the table of a part's files is; it is there once the part is done."""
        return self.folder / "files" / _name(part)

    def is_done(self, part: Part) -> bool:
        """Return whether a part is explained and committed."""
        return self.files_path(part).exists()

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest; ``None`` where nothing was begun.

        Raises:
            UsageError: It cannot be read, or is none.
        """
        step = "Name another folder"
        where = str(self.manifest_path)
        try:
            content = json.loads(self.manifest_path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise UsageError("cannot go on", where, "the manifest is damaged", step) from exc
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise UsageError("cannot go on", where, "it is no manifest of an archive", step)
        if content.get("format") != FORMAT:
            cause = "it is of another version of live-gradcam"
            raise UsageError("cannot go on", where, cause, step)
        return content

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Write the manifest.

        Raises:
            SinkError: It cannot be written.
        """
        text = json.dumps({"kind": KIND, "format": FORMAT, **content}, indent=1)
        self._replace(self.manifest_path, text + "\n")

    def check_options(self, record: Mapping[str, Any]) -> None:
        """Refuse to go on with other options than those that the results were begun with.

        Args:
            record: Of `live_gradcam.archive.options.ArchiveOptions.as_record`.

        Raises:
            UsageError: They are others; the message names one, then and now.
        """
        manifest = self.read_manifest()
        if manifest is None:
            return
        begun = manifest["options"]
        for key in {**record, **begun}:
            if begun.get(key) != record.get(key):
                then, now = (_shortened(each.get(key)) for each in (begun, record))
                cause = f"it was begun with other options: {key} was {then}, is {now}"
                step = "Give the same options, or name another folder"
                raise UsageError("cannot go on", str(self.folder), cause, step)

    def parts(self) -> Iterator[Part]:
        """Yield the parts of the plan, in order, without those that later plans have replaced.

        Raises:
            UsageError: The plan is damaged.
        """
        plans = self._plans()
        replaces = [_replaced(path) for path in plans]
        for number, path in enumerate(plans):
            gone = {each for later in replaces[number + 1 :] for each in later}
            with path.open(encoding="utf-8") as lines:
                next(lines)  # says what it replaces
                for line in lines:
                    part = _part(path, line)
                    if part.id not in gone:
                        yield part

    def add_plan(self, parts: Iterable[Part], replaced: Sequence[str]) -> None:
        """Write a plan, before any of its parts is begun.

        Args:
            parts: Its parts.
            replaced: Ids of parts that are not wanted any more; what they left is removed.

        Raises:
            SinkError: It cannot be written.
        """
        number = len(self._plans()) + 1
        path = self.folder / "plan" / f"plan-{number:04}.jsonl"
        beside = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                file.write(json_line({"replaces": list(replaced)}))
                for part in parts:
                    file.write(part.to_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as exc:
            raise cannot_write("cannot write plan", path, exc) from exc

    def sweep(self) -> None:
        """Remove what parts have left that are not of the plan, and what was half written.

        Raises:
            SinkError: It cannot be removed.
        """
        wanted = {_name(part) for part in self.parts()}
        try:
            for table in ("frames/kind=picture", "frames/kind=frame", "files"):
                for path in (self.folder / table).glob("*part*"):
                    if path.name not in wanted:
                        path.unlink()
        except OSError as exc:
            raise cannot_write("cannot tidy", self.folder, exc) from exc

    def write_errors(self, errors: Iterable[Mapping[str, Any]]) -> None:
        """Write the table of errors, a JSON line for each; without any there is no such file.

        Raises:
            SinkError: It cannot be written.
        """
        text = "".join(map(json_line, errors))
        if text:
            self._replace(self.errors_path, text)
        else:
            self.errors_path.unlink(missing_ok=True)

    def lock(self) -> DatasetLock:
        """Keep other runs away from the folder, which is made if need be.

        Raises:
            UsageError: Another run is at it.
            SinkError: It cannot be made.
        """
        return DatasetLock(self.folder)

    def _plans(self) -> list[Path]:
        return sorted((self.folder / "plan").glob("plan-*.jsonl"))

    def _replace(self, path: Path, text: str) -> None:
        try:
            replace_file(path, text.encode("utf-8", "backslashreplace"))
        except OSError as exc:
            raise cannot_write("cannot write", path, exc) from exc


class DatasetLock(Closeable):
    """Keeps other runs on this machine away from a folder of results, while this process lives."""

    def __init__(self, folder: Path) -> None:
        path = folder / ".lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as exc:
            raise cannot_write("cannot create folder", folder, exc) from exc
        with contextlib.suppress(ImportError):
            import fcntl  # not there on Windows

            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                self.close()
                step = "Wait for it, or end it"
                raise UsageError("cannot go on", str(folder), "another run is at it", step) from exc
            except OSError:
                pass  # a file system without locks: trust the others

    def close(self) -> None:
        """Let others at it. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _name(part: Part) -> str:
    return f"part-{part.id}.parquet"


def _part(path: Path, line: str) -> Part:
    try:
        return Part.from_json(line)
    except (ValueError, KeyError, TypeError, IndexError) as exc:
        raise _damaged(path) from exc


def _replaced(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            found: list[str] = json.loads(next(lines))["replaces"]
            return found
    except (ValueError, KeyError, TypeError, StopIteration) as exc:
        raise _damaged(path) from exc


def _damaged(path: Path) -> UsageError:
    step = "Name another folder"
    return UsageError("cannot go on", str(path), "the plan is damaged", step)


def _shortened(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
