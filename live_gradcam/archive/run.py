"""Explaining many files, one after another, so that a run that ended anywhere can go on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from live_gradcam.archive.files import SourceFile, kind_of
from live_gradcam.archive.ledger import Entry, Ledger, stamp
from live_gradcam.archive.named import NamedSource
from live_gradcam.archive.output_names import free_output_name
from live_gradcam.archive.pictures import PicturesSource
from live_gradcam.archive.sinks import (
    GrowingRecords,
    MirroredImages,
    RowsSink,
    make_folder,
    tidy_records,
)
from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.lifecycle import StopToken
from live_gradcam.os_errors import cannot_write
from live_gradcam.painter import Painter
from live_gradcam.pipeline import RunOptions, run_offline
from live_gradcam.protocol import LiveExplainer
from live_gradcam.show.images import replace_file
from live_gradcam.show.open import open_sink
from live_gradcam.show.options import OverlayOptions
from live_gradcam.show.records import json_line
from live_gradcam.show.sink import Sink

_PICTURES_AT_ONCE = 64
"""Pictures that are noted together: so many are explained once more after a kill at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRun:
    """What a run over many files does with each.

    Attributes:
        folders: Folders that get the rendered films and pictures, at their places.
        records: Files that get a row for each frame.
        overlay: How frames are drawn.
        options: Options of a run.
        smooth: The colours of films are steady.
        strict: A broken file is an error, also one that a run before has left out.
        open_film: Opens a film.
        on_progress: Told the numbers of files that are done, and of all files.
        on_notice: Told each sentence that users should know.
    """

    folders: Sequence[Path]
    records: Sequence[Path]
    overlay: OverlayOptions
    options: RunOptions
    smooth: bool = True
    strict: bool = False
    open_film: Callable[[Path], Source]
    on_progress: Callable[[int, int], None]
    on_notice: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FilesSummary:
    """Result of a run over many files.

    Attributes:
        files: Number of files that there are.
        before: Number of them that were done before.
        done: Number of them that were explained now.
        frames: Number of frames that were explained now.
        seconds: Time that it took.
        errors: All files that could not be explained, or not to their end.
    """

    files: int
    before: int
    done: int
    frames: int
    seconds: float
    errors: Sequence[Entry]


def run_files(
    files: Sequence[SourceFile],
    open_explainer: Callable[[], AbstractContextManager[LiveExplainer]],
    ledger: Ledger,
    run: FilesRun,
    stop: StopToken,
) -> FilesSummary:
    """Explain what is not done yet, and note each file that is.

    Rows of files that have changed since, or are not among the files any more, are taken out.

    Args:
        files: All files of the run.
        open_explainer: Opens what explains them, where anything is left to do.
        ledger: Says what is done.
        run: What is done with each.
        stop: When set, the file at hand is given up; the next run begins with it.

    Raises:
        SourceError: A file is broken and ``strict`` is set.
        SinkError: An output failed.
        UsageError: Rows that should be there are gone.
    """
    began = time.monotonic()
    done = {
        file.name
        for file in files
        if ledger.is_done(file.name, file.path)
        and not (run.strict and ledger.entries[file.name].error)
    }
    records = _open_records(ledger, done, run.records)
    left = [file for file in files if file.name not in done]
    explained, frames = 0, 0
    with contextlib.ExitStack() as stack:
        for opened in records.values():
            stack.enter_context(opened)
        if left:
            explainer = stack.enter_context(open_explainer())
            worker = _Worker(explainer, ledger, run, stop, records, len(files), len(done))
            worker.explain_all(left)
            explained, frames = worker.done, worker.frames
    known = {file.name for file in files}
    errors = [each for each in ledger.entries.values() if each.error and each.name in known]
    seconds = time.monotonic() - began
    return FilesSummary(len(files), len(done), explained, frames, seconds, errors)


def write_errors(path: Path, errors: Sequence[Entry]) -> None:
    """Write the table of errors, a JSON line for each; without any there is no such file.

    Raises:
        OSError: It cannot be written.
    """
    if errors:
        lines = (json_line(_error_record(entry)) for entry in errors)
        replace_file(path, "".join(lines).encode("utf-8", "backslashreplace"))
    else:
        path.unlink(missing_ok=True)


def _error_record(entry: Entry) -> dict[str, object]:
    record = asdict(entry)
    return {key: record[key] for key in ("name", "error", "frames", "size", "mtime_ns")}


def _open_records(
    ledger: Ledger, done: set[str], paths: Sequence[Path]
) -> dict[str, GrowingRecords]:
    """Open the records, with the rows of files that are done and no others."""
    for path in paths:  # where a run was killed before this was done
        _put_in_place(path, ledger.replacements)
    kept = [entry for entry in ledger.entries.values() if entry.name in done]
    number = ledger.replacements + 1
    moved = {
        path.name: tidy_records(
            path,
            [entry.rows[path.name] for entry in kept if path.name in entry.rows],
            _beside(path, number),
        )
        for path in paths
    }
    entries = [
        replace(entry, rows={name: moved[name][rows] for name, rows in entry.rows.items()})
        for entry in kept
    ]
    if entries != list(ledger.entries.values()):
        ledger.replace(entries)
    with contextlib.ExitStack() as stack:
        opened: dict[str, GrowingRecords] = {}
        for path in paths:
            _put_in_place(path, ledger.replacements)
            size = max((last for _, last in moved[path.name].values()), default=0)
            opened[path.name] = stack.enter_context(GrowingRecords(path, size))
        stack.pop_all()
    return opened


def _put_in_place(path: Path, number: int) -> None:
    """Let records that were written anew for a replacement of the ledger take their place."""
    try:
        if (anew := _beside(path, number)).exists():
            anew.replace(path)
    except OSError as exc:
        raise cannot_write("cannot create records", path, exc) from exc


def _beside(path: Path, number: int) -> Path:
    return path.with_name(f".{path.name}.{number}.part")


@dataclass(slots=True)
class _Worker:
    explainer: LiveExplainer
    ledger: Ledger
    run: FilesRun
    stop: StopToken
    records: Mapping[str, GrowingRecords]
    total: int
    before: int
    done: int = 0
    frames: int = 0

    def explain_all(self, files: Sequence[SourceFile]) -> None:
        """Explain films one by one, and pictures that follow each other together."""
        for kind, group in groupby(files, lambda file: kind_of(file.path)):
            several = _PICTURES_AT_ONCE if kind == "picture" else 1
            while not self.stop.requested and (some := list(islice(group, several))):
                self.explain(kind, some)

    def explain(self, kind: str, files: Sequence[SourceFile]) -> None:
        """Explain a film, or some pictures, and note them; nothing where the run is to end."""
        stamps = {file.name: stamp(file.path) for file in files}  # as they are before
        sizes = {name: each.size for name, each in self.records.items()}
        rows = [RowsSink(each) for each in self.records.values()]
        began = time.monotonic()
        names = self._output_names(kind, files)
        before = self.frames
        try:
            if kind == "picture":
                errors = self._explain_pictures(files, names, rows)
            else:
                errors = self._explain_film(files[0], names[files[0].name], rows)
        except BaseException:
            self._take_back(sizes)
            raise
        if self.stop.requested:
            self._take_back(sizes)
            return
        if self.run.strict and errors:
            self._take_back(sizes)
            raise next(iter(errors.values()))
        seconds = (time.monotonic() - began) / len(files)
        frames = self.frames - before
        for each in self.records.values():
            each.sync()
        self.ledger.add(
            Entry(
                file.name,
                *stamps[file.name],
                error=str(errors[file.name]) if file.name in errors else "",
                frames=frames if kind == "film" else int(file.name not in errors),
                seconds=round(seconds, 4),
                output=names[file.name],
                rows={
                    sink.path.name: sink.rows[file.name] for sink in rows if file.name in sink.rows
                },
            )
            for file in files
        )
        self.done += len(files)
        for name, error in errors.items():
            self.run.on_notice(f"left out: {name}: {error}")
        self._report(0)

    def _explain_pictures(
        self, files: Sequence[SourceFile], names: Mapping[str, str], rows: Sequence[Sink]
    ) -> dict[str, SourceError]:
        images = [MirroredImages(folder, names) for folder in self.run.folders]
        source = PicturesSource(files, self.run.on_notice, rois=self.run.options.rois)
        self._run(source, [*images, *rows], moving=False)
        return source.errors

    def _explain_film(
        self, file: SourceFile, name: str, rows: Sequence[Sink]
    ) -> dict[str, SourceError]:
        try:
            with NamedSource(self.run.open_film(file.path), file.name) as source:
                films: list[Sink] = []
                with contextlib.ExitStack() as stack:
                    for folder in self.run.folders:
                        make_folder((folder / name).parent)
                        film = open_sink(folder / name, source.info, overwrite=True)
                        films.append(stack.enter_context(film))
                    stack.pop_all()  # closed by the run
                self._run(source, [*films, *rows], moving=self.run.smooth)
        except SourceError as error:
            return {file.name: error}
        return {}

    def _run(self, source: Source, sinks: Sequence[Sink], *, moving: bool) -> None:
        counted = 0
        in_files = isinstance(source, PicturesSource)  # each frame is a file

        def count(frames: int) -> None:
            nonlocal counted
            self.frames += frames - counted
            counted = frames
            self._report(frames if in_files else 0)

        run_offline(
            source,
            self.explainer,
            sinks,
            painter=Painter(self.run.overlay, moving=moving, for_files=True),
            options=replace(self.run.options, batch_size=self.explainer.preferred_batch_size),
            stop=self.stop,
            on_progress=lambda progress: count(progress.frames),
        )

    def _report(self, at_hand: int) -> None:
        self.run.on_progress(self.before + self.done + at_hand, self.total)

    def _take_back(self, sizes: Mapping[str, int]) -> None:
        for name, file in self.records.items():
            file.truncate(sizes[name])

    def _output_names(self, kind: str, files: Sequence[SourceFile]) -> dict[str, str]:
        """Name each file's output: as itself, unless that cannot be written or is another's."""
        used = {each.output.casefold() for each in self.ledger.entries.values() if each.output}
        names: dict[str, str] = {}
        for file in files:
            names[file.name] = free_output_name(file.name, kind, used)
            used.add(names[file.name].casefold())
        return names
