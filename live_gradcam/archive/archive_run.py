"""A run over an archive: plan what is not done, hand it to a runner, and tell how it goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from live_gradcam.archive.dataset import Dataset
from live_gradcam.archive.local_runner import Runner, run_here
from live_gradcam.archive.options import ArchiveOptions, options_digest
from live_gradcam.archive.part_explainer import PartExplainer, sweep_overlays
from live_gradcam.archive.parts import ArchiveFile, Part, PartSummary
from live_gradcam.archive.planning import find_changes, make_parts
from live_gradcam.archive.schema import read_rows
from live_gradcam.exports.description import versions
from live_gradcam.lifecycle import StopToken


@dataclass(frozen=True, slots=True)
class ArchiveProgress:
    """How far an archive is.

    Attributes:
        files: Number of files that are done, also before this run.
        total: Number of all files.
        frames: Number of frames that this run has explained.
        errors: Number of files that could not be explained, or not to their end.
        seconds: Time since the first part was begun.
        done_now: Number of files that are done by this run.
        done_at: When the last of them was done, as ``seconds``.
    """

    files: int
    total: int
    frames: int
    errors: int
    seconds: float
    done_now: int
    done_at: float = 0.0

    @property
    def frames_per_second(self) -> float | None:
        """Rate of this run, once there is one."""
        return self.frames / self.seconds if self.seconds > 0 and self.frames else None

    @property
    def seconds_left(self) -> float | None:
        """Time until all files are done, if they take as long as those of this run so far.

        ``None`` where that is not known yet, or is known to be wrong: a long film is at hand.
        """
        if not self.done_now:
            return None
        expected = (self.total - self.files) * self.done_at / self.done_now
        left = expected - (self.seconds - self.done_at)
        return left if left > 0 or self.files == self.total else None


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """Result of a run over an archive.

    Attributes:
        files: Number of files that there are.
        before: Number of them that were done before.
        done: Number of them that were explained now.
        frames: Number of frames that were explained now.
        seconds: Time that it took.
        errors: Number of files that could not be explained, or not to their end.
    """

    files: int
    before: int
    done: int
    frames: int
    seconds: float
    errors: int


@dataclass(slots=True)
class _Counter:
    total: int
    before: int
    errors: set[str]
    on_progress: Callable[[ArchiveProgress], None]
    began: float
    done: int = 0
    frames: int = 0
    done_at: float = 0.0

    def add(self, summary: PartSummary) -> None:
        self.done += summary.files
        self.done_at = time.monotonic() - self.began
        self.frames += summary.frames
        self.errors |= {file for file, _ in summary.errors}
        self.report(0)

    def report(self, frames_at_hand: int) -> None:
        seconds = time.monotonic() - self.began
        frames = self.frames + frames_at_hand
        files = self.before + self.done
        errors = len(self.errors)
        self.on_progress(
            ArchiveProgress(files, self.total, frames, errors, seconds, self.done, self.done_at)
        )


def run_archive(
    files: Sequence[ArchiveFile],
    options: ArchiveOptions,
    runner: Runner = run_here,
    *,
    stop: StopToken,
    on_progress: Callable[[ArchiveProgress], None],
    on_notice: Callable[[str], None],
) -> ArchiveSummary:
    """Explain what is not done yet, part by part.

    Args:
        files: All files of the sources.
        options: What is done with each.
        runner: Explains the parts.
        stop: When set, the parts at hand are given up; the next run begins with them.
        on_progress: Told how far it is, in the caller's thread.
        on_notice: Told each sentence that users should know.

    Raises:
        LiveGradcamError: See `live_gradcam.archive.local_runner.Runner`; a `UsageError` where the
            folder was begun with other options, or another run is at it.
    """
    began = time.monotonic()
    dataset = Dataset(options.dataset)
    record = options.as_record()
    with contextlib.ExitStack() as stack:
        first: PartExplainer | None = None
        if dataset.read_manifest() is None:  # what is wrong with the network is said first
            first = stack.enter_context(PartExplainer(options, on_notice=on_notice))
        stack.enter_context(dataset.lock())
        dataset.check_options(record)
        _plan(dataset, files, options, on_notice)
        total, before, errors = _count(dataset, strict=options.strict)
        counter = _Counter(total, before, errors, on_progress, began)
        if before < total and first is None:
            first = stack.enter_context(PartExplainer(options, on_notice=on_notice))
        try:
            if first is not None:
                _note_network(dataset, first, record)
                counter.began = time.monotonic()
                runner(
                    _left(dataset),
                    first,
                    stop=stop,
                    on_done=counter.add,
                    on_frames=counter.report,
                    on_notice=on_notice,
                )
        finally:
            # Workers may have been killed in the middle of something.
            dataset.sweep()
            if options.overlays is not None:
                sweep_overlays(Path(options.overlays))
            dataset.write_errors(list(_errors(dataset)))
    seconds = time.monotonic() - began
    return ArchiveSummary(total, before, counter.done, counter.frames, seconds, len(counter.errors))


def _plan(
    dataset: Dataset,
    files: Sequence[ArchiveFile],
    options: ArchiveOptions,
    on_notice: Callable[[str], None],
) -> None:
    change = find_changes(dataset, files)
    if change.changed or change.gone:
        words = f"files that have changed: {change.changed}, that are gone: {change.gone}"
        on_notice(f"{words}; their rows are replaced or taken out")
    if change.files or change.replaced:
        gone = set(change.replaced)

        def used_outputs() -> set[str]:
            parts = (part for part in dataset.parts() if part.id not in gone)
            return {file.output.casefold() for part in parts for file in part.files}

        digest = options_digest(options.as_record())
        outputs = used_outputs if options.overlays is not None else None
        dataset.add_plan(make_parts(change.files, digest, outputs), change.replaced)
    dataset.sweep()


def _count(dataset: Dataset, *, strict: bool) -> tuple[int, int, set[str]]:
    """Count all files and those that are done, and name those of them that are broken.

    A strict run does parts with broken files again.
    """
    total = before = 0
    errors: set[str] = set()
    for part in dataset.parts():
        total += part.file_count
        if not dataset.is_done(part):
            continue
        broken = [row for row in _status(dataset, part) if row["status"] != "ok"]
        if strict and broken:
            dataset.files_path(part).unlink()
            continue
        before += part.file_count
        errors |= {row["file"] for row in broken}
    return total, before, errors


def _left(dataset: Dataset) -> Iterator[Part]:
    return (part for part in dataset.parts() if not dataset.is_done(part))


def _note_network(dataset: Dataset, first: PartExplainer, record: dict[str, Any]) -> None:
    if dataset.read_manifest() is None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        dataset.write_manifest(
            {
                "created": now,
                "versions": dict(versions()),
                "network": first.describe_network(),
                "options": record,
            }
        )


def _status(dataset: Dataset, part: Part) -> list[dict[str, Any]]:
    return read_rows(dataset.files_path(part), ["file", "status", "error", "frames"])


def _errors(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for part in dataset.parts():
        if dataset.is_done(part):
            yield from (row for row in _status(dataset, part) if row["status"] != "ok")
