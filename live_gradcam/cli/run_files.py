"""A run over many files that can be interrupted at any time and goes on where it was."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from live_gradcam import lifecycle
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_opening import open_explainer, say_what_is_loaded
from live_gradcam.cli.run_values import Run
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.archive.run import FilesSummary
    from live_gradcam.capture.source import Source
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.graph.explainer import GraphExplainer

_RATE_SECONDS = 10.0
_LEDGER, _ERRORS = "ledger.jsonl", "errors.jsonl"
# What may differ from one run to the next without changing what is written.
_FREE = frozenset(
    [
        "sources",
        "outputs",
        "overwrite",
        "resume",
        "strict",
        "verbose",
        "window",
        "kiosk",
        "kiosk_title",
        "kiosk_invitation",
        "kiosk_demonstration",
        "engine",
        "preset",
        "loop",
        "max_outage_seconds",
        "compile",
        "slideshow",
        "show_rate",
        "fps",
        "width",
        "height",
    ]
)


def run_files_command(run: Run) -> None:
    """Explain every file that is not done yet; see `live_gradcam.archive.run`.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; the next run goes on.
    """
    from live_gradcam.archive.files import find_files
    from live_gradcam.archive.ledger import Ledger
    from live_gradcam.archive.run import FilesRun, run_files, write_errors
    from live_gradcam.os_errors import cannot_write
    from live_gradcam.pipeline import RunOptions

    arguments, console = run.arguments, run.console
    folders, records = check_resumable(arguments)
    home = (folders or [records[0].parent])[0]
    prefix = "" if folders else f"{records[0].stem}."
    ledger_path, errors_path = home / f"{prefix}{_LEDGER}", home / f"{prefix}{_ERRORS}"
    with console.waiting("looking for files"):
        files = find_files(arguments.sources)
    written = {path.resolve() for path in (*records, ledger_path, errors_path)}
    homes = [folder.resolve() for folder in folders]
    files = [
        file
        for file, path in ((file, file.path.resolve()) for file in files)
        if path not in written and not any(map(path.is_relative_to, homes))
    ]
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise cannot_write("cannot create folder", folder, exc) from exc
    if not ledger_path.exists():
        _refuse_existing(folders, records, overwrite=arguments.overwrite)
    with Ledger(ledger_path, _options(arguments)) as ledger, lifecycle.cooperative() as stop:
        with console.progress("files", unit="files") as line:
            rate = _Rate()
            work = FilesRun(
                folders=folders,
                records=records,
                overlay=run.overlay,
                options=RunOptions(
                    classes=arguments.class_name,
                    mirror=arguments.mirror,
                    show_rate=False,
                    truth=arguments.truth,
                    rois=arguments.rois,
                ),
                smooth=arguments.smooth,
                strict=arguments.strict,
                open_film=lambda path: _open_film(path, run),
                on_progress=lambda done, total: line.update(done, total, rate.per_second(done)),
                on_notice=console.note,
            )
            summary = run_files(files, lambda: _open_explainer(run), ledger, work, stop)
        try:
            write_errors(errors_path, summary.errors)
        except OSError as exc:
            raise cannot_write("cannot write errors", errors_path, exc) from exc
        _print_summary(run, summary, errors_path, [*folders, *records])


def _open_explainer(run: Run) -> Explainer | GraphExplainer:
    say_what_is_loaded(run.arguments, run.console)
    return open_explainer(run)


def check_resumable(arguments: RunArguments) -> tuple[list[Path], list[Path]]:
    """Return the folders and the records among the outputs of a run that may go on later.

    Raises:
        UsageError: An output cannot be gone on with, or an option contradicts.
        SinkError: The folder of an output does not exist.
    """
    from live_gradcam.show.open import is_folder, is_maps, is_record, validate_outputs

    if not arguments.outputs:
        raise UsageError("--resume needs outputs", "", "", "Add -o FOLDER/ or -o OUTPUT.jsonl")
    for given, name in ((arguments.loop, "--loop"), (arguments.kiosk, "--kiosk")):
        if given:
            raise UsageError(f"{name} and --resume exclude each other", "", "")
    if arguments.max_frames is not None:
        cause = "a run that goes on explains every file whole"
        raise UsageError("--max-frames and --resume exclude each other", "", cause)
    validate_outputs(arguments.outputs, (), overwrite=True)
    folders: list[Path] = []
    records: list[Path] = []
    for spec in arguments.outputs:
        if spec != "-" and is_folder(spec) and not is_maps(spec):
            folders.append(Path(spec))
        elif spec != "-" and is_record(spec):
            records.append(Path(spec))
        else:
            cause = "only folders of pictures and films, .jsonl and .csv grow file by file"
            raise UsageError("--resume cannot go on with this output", spec, cause)
    names = [path.name for path in records]
    if len(set(names)) < len(names):
        raise UsageError("two outputs have one name", names[0], "", "Give them different names")
    return folders, records


def _refuse_existing(folders: list[Path], records: list[Path], *, overwrite: bool) -> None:
    """Refuse outputs that stood there before the first run, unless they may be replaced."""
    for path in (*folders, *records):
        stands = any(path.iterdir()) if path.is_dir() else path.exists()
        if stands and not overwrite:
            cause = "it was not begun with --resume, and is not overwritten"
            step = "Add --overwrite or choose another name"
            raise UsageError("output exists", str(path), cause, step)
    for path in records:
        path.unlink(missing_ok=True)


def _options(arguments: RunArguments) -> Mapping[str, Any]:
    """Return all that results depend on, by name; files by what is in them now."""
    given = asdict(arguments)
    network = given.pop("network")
    options = {name: value for name, value in {**given, **network}.items() if name not in _FREE}
    options["outputs"] = sorted(os.path.normcase(each) for each in arguments.outputs)
    options["version"] = version("live-gradcam")
    for name, value in options.items():
        if isinstance(value, Path) or (name == "model" and Path(str(value)).is_file()):
            options[name] = [str(value), _stamps(Path(value))]
    return options


def _stamps(path: Path) -> object:
    """Return a file's size and time; of a folder, a digest of those of all that is in it."""
    from live_gradcam.archive.ledger import stamp

    if not path.is_dir():
        return stamp(path)
    inside = [(os.fspath(each), stamp(each)) for each in sorted(path.rglob("*"))]
    return hashlib.sha256(repr(inside).encode("ascii", "backslashreplace")).hexdigest()


def _open_film(path: Path, run: Run) -> Source:
    from live_gradcam.capture.open import open_source

    arguments = run.arguments
    return open_source(
        path,
        fps=arguments.pictures_per_second,
        strict=arguments.strict,
        stream=arguments.stream,
        keep_timestamps=arguments.keep_timestamps,
        on_notice=lambda note: run.console.note(f"{path.name}: {note}"),
    )


class _Rate:
    """Files per second of this run."""

    def __init__(self) -> None:
        from live_gradcam.timing import RateMeter

        self._meter = RateMeter(_RATE_SECONDS)
        self._seen: int | None = None

    def per_second(self, done: int) -> float | None:
        """Return the rate, once there is one."""
        now = time.monotonic()
        seen = done if self._seen is None else self._seen
        for _ in range(done - seen):
            self._meter.tick(now)
        self._seen = max(seen, done)
        return self._meter.per_second


def _print_summary(run: Run, summary: FilesSummary, errors_path: Path, outputs: list[Path]) -> None:
    note = run.console.note
    files = "file" if summary.files == 1 else "files"
    begun = f", {summary.before} were done before" if summary.before else ""
    note(
        f"{summary.done} of {summary.files} {files} ({summary.frames} frames) "
        f"in {summary.seconds:.1f} s{begun}"
    )
    if left := summary.files - summary.before - summary.done:
        note(f"{left} are left: the same command goes on with them")
    if summary.errors:
        count = len(summary.errors)
        words = "file" if count == 1 else "files"
        note(f"{count} {words} could not be explained, or not to the end: see {errors_path}")
    for output in outputs:
        note(f"wrote {output}")
