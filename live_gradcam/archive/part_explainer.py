"""What explains the parts of an archive: one network, opened once, for any number of them."""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from live_gradcam.archive.dataset import Dataset
from live_gradcam.archive.files import SourceFile
from live_gradcam.archive.networks import AnyExplainer, hash_of_network, open_network
from live_gradcam.archive.options import ArchiveOptions
from live_gradcam.archive.part_rows import PartRows, is_drawn, modified_at, row_id
from live_gradcam.archive.parts import Abandoned, ArchiveFile, Part, PartSummary
from live_gradcam.archive.pictures import PicturesSource
from live_gradcam.archive.reading import load_picture, open_film, picture_taken
from live_gradcam.archive.schema import FILES, FRAMES, write_rows
from live_gradcam.archive.sinks import MirroredImages, make_folder
from live_gradcam.capture.source import Source
from live_gradcam.closeable import Closeable
from live_gradcam.errors import SourceError
from live_gradcam.evaluate.annotations import read_annotations
from live_gradcam.lifecycle import StopToken
from live_gradcam.os_errors import cannot_write
from live_gradcam.painter import Painter
from live_gradcam.pipeline import RunOptions, run_offline
from live_gradcam.show.open import open_sink
from live_gradcam.show.options import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.values import Frame

# What a film is called while it is written, and a picture.
_BEGUN = re.compile(r"\.[0-9a-f]{32}\.\w+|\..+\.\d+\.part")


@dataclass(slots=True)
class _Outcome:
    """What came of the frames of a part.

    Attributes:
        rows: Its rows.
        errors: Message of each file that is broken.
    """

    rows: PartRows
    errors: dict[str, str]


class PartExplainer(Closeable):
    """Explains parts, one after another, and commits each. A context manager.

    Args:
        options: What is done; plain data.
        on_notice: Told each sentence that users should know.

    Raises:
        ModelError: The network cannot be used.
        UsageError: An option has a value that does not exist.
        DeviceError: The device cannot be used.
        SourceError: The boxes cannot be read.
    """

    def __init__(
        self, options: ArchiveOptions, *, on_notice: Callable[[str], None] | None = None
    ) -> None:
        self.options = options
        self._on_notice = on_notice or _ignore
        self._dataset = Dataset(options.dataset)
        self._boxes = None if options.boxes is None else read_annotations(options.boxes)
        self.explainer: AnyExplainer = open_network(options, self._on_notice)
        """Explains with the network."""

    def explain(
        self,
        part: Part,
        *,
        stop: StopToken | None = None,
        on_frames: Callable[[int], None] | None = None,
        without: Mapping[str, str] | None = None,
    ) -> PartSummary:
        """Explain a part and commit it: its rows first, then its table of files.

        Args:
            part: The part; one that is done already is done again, with the same result.
            stop: When set, the part is given up.
            on_frames: Told the number of its frames that are done, in the caller's thread.
            without: Files of it that are not opened, and the error that each gets.

        Raises:
            Abandoned: ``stop`` was set; nothing was committed.
            SourceError: A file is broken, and the options are strict.
            SinkError: The results cannot be written.
        """
        stop = stop or StopToken()
        began = time.monotonic()
        outcome = self._outcome(part, stop, on_frames, dict(without or {}))
        if stop.requested:
            raise Abandoned
        seconds = time.monotonic() - began
        frames = sum(outcome.rows.counts.values())
        rows_path = self._dataset.rows_path(part)
        if frames:
            write_rows(rows_path, FRAMES, outcome.rows.columns)
        columns = _files_table(part, outcome, seconds)
        write_rows(self._dataset.files_path(part), FILES, columns)
        errors = tuple(outcome.errors.items())
        return PartSummary(part.id, part.file_count, frames, seconds, errors)

    def describe_network(self) -> dict[str, Any]:
        """Return what is to be known of the network, ready for JSON."""
        explainer = self.explainer
        return {
            "name": explainer.classifier.name,
            "weights_sha256": hash_of_network(self.options, explainer),
            "layer": explainer.classifier.layer,
            "method": explainer.method,
            "labels": list(explainer.classifier.labels),
        }

    def close(self) -> None:
        """Close the network. Idempotent."""
        self.explainer.close()

    def rows_of(self, part: Part) -> tuple[dict[str, list[Any]], dict[str, str]]:
        """Explain a part, and commit nothing.

        Returns:
            The rows as columns, by the names of `live_gradcam.archive.schema.FRAMES`, and the
            message of each file that is broken.

        Raises:
            SourceError: A file is broken, and the options are strict.
        """
        outcome = self._outcome(part, StopToken(), None, {})
        return outcome.rows.columns, outcome.errors

    def _outcome(
        self,
        part: Part,
        stop: StopToken,
        on_frames: Callable[[int], None] | None,
        without: Mapping[str, str],
    ) -> _Outcome:
        files = {each.file: each for each in part.files if each.file not in without}
        if not files:
            outcome = _Outcome(self._rows({}, lambda _: None), {})
        elif part.is_film:
            outcome = self._explain_film(part, stop, on_frames)
        else:
            outcome = self._explain_pictures(files, stop, on_frames)
        outcome.errors.update(without)
        return outcome

    def _explain_pictures(
        self,
        files: Mapping[str, ArchiveFile],
        stop: StopToken,
        on_frames: Callable[[int], None] | None,
    ) -> _Outcome:
        source = PicturesSource(
            [SourceFile(Path(each.address), each.file) for each in files.values()],
            self._on_notice,
            load=lambda file: load_picture(files[file.name]),
        )
        rows = self._rows(files, picture_taken)
        sinks: list[Sink] = [rows]
        if self.options.overlays is not None:
            names = {each.file: each.output for each in files.values()}
            sinks.append(MirroredImages(Path(self.options.overlays), names))
        self._run(source, sinks, stop, on_frames, moving=False)
        if self.options.strict and source.errors:
            raise next(iter(source.errors.values()))
        return _Outcome(rows, {name: str(error) for name, error in source.errors.items()})

    def _explain_film(
        self, part: Part, stop: StopToken, on_frames: Callable[[int], None] | None
    ) -> _Outcome:
        (file,) = part.files
        begun: list[datetime | None] = []
        rows = self._rows({file.file: file}, lambda _: begun[0] if begun else None)
        errors: dict[str, str] = {}
        try:
            with open_film(file, self.options, self._on_notice, part.range) as film:
                begun.append(film.begun or modified_at(file))
                with self._overlay_of(file, film) as overlays:
                    self._run(film, [rows, *overlays], stop, on_frames, moving=self.options.smooth)
        except SourceError as error:
            if self.options.strict:
                raise
            errors[file.file] = str(error)
        return _Outcome(rows, errors)

    def _rows(
        self,
        files: Mapping[str, ArchiveFile],
        times: Callable[[ArchiveFile], datetime | None],
    ) -> PartRows:
        options = self.options
        small = OverlayOptions(
            colormap=options.colormap,
            opacity=options.opacity,
            show_labels=False,
            show_legend=False,
            show_hud=False,
        )
        return PartRows(
            files,
            times,
            maps=options.maps,
            thumbnails=small if options.thumbnails else None,
            boxes=self._boxes,
        )

    @contextlib.contextmanager
    def _overlay_of(self, file: ArchiveFile, film: Source) -> Iterator[list[Sink]]:
        """Open the film with heat, which takes its name once it is whole."""
        if self.options.overlays is None:
            yield []
            return
        path = Path(self.options.overlays) / file.output
        make_folder(path.parent)
        beside = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
        try:
            with open_sink(beside, film.info, overwrite=True) as sink:
                yield [sink]
            try:
                beside.replace(path)
            except OSError as exc:
                raise cannot_write("cannot write film", path, exc) from exc
        finally:
            beside.unlink(missing_ok=True)

    def _run(
        self,
        source: Source,
        sinks: Sequence[Sink],
        stop: StopToken,
        on_frames: Callable[[int], None] | None,
        *,
        moving: bool,
    ) -> None:
        options = self.options
        overlay = OverlayOptions(colormap=options.colormap, opacity=options.opacity)

        def is_tested(frame: Frame) -> bool:
            return is_drawn(row_id(frame.source, frame.index), options.truth)

        run_offline(
            source,
            self.explainer,
            sinks,
            painter=Painter(overlay, moving=moving, for_files=True),
            options=RunOptions(
                classes=options.class_name,
                batch_size=self.explainer.preferred_batch_size,
                show_rate=False,
                truth=is_tested if options.truth else False,
            ),
            stop=stop,
            on_progress=None if on_frames is None else (lambda done: on_frames(done.frames)),
        )


def sweep_overlays(folder: Path) -> None:
    """Remove films that were begun by processes that ended; nobody may be writing there.

    Raises:
        SinkError: They cannot be removed.
    """
    try:
        for path in folder.rglob(".*"):
            if _BEGUN.fullmatch(path.name):
                path.unlink(missing_ok=True)
    except OSError as exc:
        raise cannot_write("cannot tidy", folder, exc) from exc


def _ignore(_: str) -> None:
    """Take a notice that nobody wants."""


def _files_table(part: Part, outcome: _Outcome, seconds: float) -> dict[str, list[Any]]:
    counts = outcome.rows.counts
    share = seconds / len(part.files)
    columns: dict[str, list[Any]] = {name: [] for name in FILES.names}
    for each in part.files:
        error, frames = outcome.errors.get(each.file, ""), counts.get(each.file, 0)
        values = {
            "file": each.file,
            "folder": each.folder,
            "kind": each.kind,
            "size": each.size,
            "modified": modified_at(each),
            "status": "ok" if not error else ("partly" if frames else "failed"),
            "error": error,
            "frames": frames,
            "seconds": share,
            "part": part.id,
        }
        for name, value in values.items():
            columns[name].append(value)
    return columns
