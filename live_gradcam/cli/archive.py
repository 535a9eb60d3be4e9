"""``live-gradcam archive``: many films and pictures, explained into tables that can be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam import lifecycle
from live_gradcam.choices import (
    DEFAULT_COLORMAP,
    DEFAULT_COMPILE,
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    ColormapName,
    OutputChoice,
)
from live_gradcam.cli.archive_ray import RayOptions, runner_of
from live_gradcam.cli.console import Console
from live_gradcam.cli.graph_network import exported_metadata, refuse_others
from live_gradcam.cli.network import (
    CompileOption,
    EngineOption,
    MethodOption,
    NetworkOptions,
    ViewOption,
    preprocessing_of,
    split_meaning,
)
from live_gradcam.cli.options import MODEL, Overwrite, option
from live_gradcam.errors import SinkError, UsageError

if TYPE_CHECKING:
    from live_gradcam.archive.archive_run import ArchiveProgress, ArchiveSummary
    from live_gradcam.archive.options import ArchiveOptions

_rows = partial(option, panel="The rows")
_drawn = partial(option, panel="Pictures and films with heat")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveArguments:
    """Everything that can be typed after ``live-gradcam archive``."""

    sources: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders with all below them, patterns such as '**/*.jpg', lists (.txt, .csv), "
            "Parquet with a column of paths, and addresses that fsspec reads: s3:// gs:// hf://. "
            "A folder called report is ./report: 'archive report DATASET' shows what was found.",
            show_default=False,
        ),
    ]
    outputs: Annotated[
        tuple[str, ...],
        option(
            "Folder of the tables, Parquet; one that was begun with the same options goes on. The "
            "words softmax, sigmoid, probabilities and raw say what the network's output means.",
            *("--output", "-o"),
            metavar="DATASET",
            show_default=False,
        ),
    ] = ()
    network: NetworkOptions = field(default_factory=NetworkOptions)
    method: MethodOption = DEFAULT_METHOD
    compile: CompileOption = DEFAULT_COMPILE
    engine: EngineOption = DEFAULT_ENGINE
    class_name: Annotated[
        str | None,
        option(
            "Explain this class.",
            "--class",
            panel=MODEL,
            metavar="NAME|INDEX",
            show_default="the top one",
        ),
    ] = None
    view: ViewOption = DEFAULT_VIEW
    every: Annotated[
        str,
        _rows(
            "Which frames of films: 10 is each tenth, 1s one each second (also ms, m and h).",
            metavar="N|TIME",
        ),
    ] = "1s"
    column: Annotated[
        str | None,
        _rows(
            "Column of Parquet sources that holds paths.",
            metavar="NAME",
            show_default="path, file, image and the like",
        ),
    ] = None
    top_k: Annotated[int, _rows("How many labels a row has.", min=1)] = DEFAULT_TOP_K
    boxes: Annotated[
        Path | None,
        _rows(
            "Where objects are, for the share of the evidence on them: COCO JSON, or a folder of "
            "PascalVOC XML.",
            metavar="FILE|FOLDER",
        ),
    ] = None
    truth: Annotated[
        float,
        _rows(
            "Share of the rows that are tested: how far the probability falls without the hottest "
            "area, and without areas elsewhere. A tested row takes 9 forwards.",
            metavar="SHARE",
            min=0.0,
            max=1.0,
        ),
    ] = 0.0
    maps: Annotated[bool, _rows("Rows have the evidence map, in half precision.")] = False
    thumbnails: Annotated[bool, _rows("Rows have a small picture with its heat, JPEG.")] = False
    overlays: Annotated[
        Path | None,
        _drawn(
            "Write pictures and films with their heat, as run does; of films the frames that are "
            "explained.",
            metavar="FOLDER",
        ),
    ] = None
    colormap: Annotated[ColormapName, _drawn("Colours of the heatmap.", metavar="NAME")] = (
        DEFAULT_COLORMAP
    )
    opacity: Annotated[float, _drawn("Opacity of full heat.", min=0.0, max=1.0)] = DEFAULT_OPACITY
    smooth: Annotated[
        bool, _drawn("No smoothing of the colours of films in time.", "--no-smooth")
    ] = True
    overwrite: Overwrite = False
    cluster: RayOptions = field(default_factory=RayOptions)
    strict: Annotated[bool, option("A file that cannot be explained to its end is an error.")] = (
        False
    )


def archive_command(arguments: ArchiveArguments, console: Console) -> None:
    """Explain many films and pictures into tables: a row for each picture and frame.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; the same command goes on.
    """
    meaning, folders = split_meaning(arguments.outputs)
    dataset = _dataset_folder(folders)
    _check(arguments, meaning)
    from live_gradcam.archive.archive_run import run_archive
    from live_gradcam.archive.listing import list_files

    options = _options(arguments, dataset, meaning)
    runner = runner_of(arguments.cluster)
    _refuse_existing(arguments, dataset)
    written = [dataset, *([] if arguments.overlays is None else [arguments.overlays])]
    with console.waiting("looking for files"):
        files = list_files(arguments.sources, column=arguments.column, left_out=written)
    with lifecycle.cooperative() as stop:
        with console.progress("archive", unit="files") as line:
            summary = run_archive(
                files,
                options,
                runner,
                stop=stop,
                on_progress=lambda progress: _show(line.update, progress),
                on_notice=console.note,
            )
        _print_summary(console, summary, dataset)


def _dataset_folder(folders: tuple[str, ...]) -> Path:
    for folder in folders:
        path = Path(folder)
        is_file = bool(path.suffix) and not folder.endswith(("/", "\\"))
        if (folder == "-" or "://" in folder or is_file) and not path.is_dir():
            cause = f"the ending {path.suffix} is that of a file" if is_file else "it is no folder"
            step = f"The tables are a folder of this machine: write -o {path.stem or 'DATASET'}/"
            raise UsageError("cannot use --output", folder, cause, step)
    if len(folders) != 1:
        cause = "no folder is given" if not folders else "there is more than one"
        raise UsageError("archive needs one folder", ", ".join(folders), cause, "Add -o DATASET/")
    path = Path(folders[0])
    _require_parent(path)
    return path


def _require_parent(folder: Path) -> None:
    if not folder.absolute().parent.is_dir():
        cause = f"there is no folder {folder.parent}"
        raise SinkError("cannot create folder", str(folder), cause, "Make it first")


def _check(arguments: ArchiveArguments, meaning: OutputChoice) -> None:
    """Refuse what is wrong by itself, before anything is loaded.

    Raises:
        UsageError: It is.
        SinkError: A folder cannot be made.
    """
    from live_gradcam.archive.listing import is_table

    if arguments.overlays is not None:
        _require_parent(arguments.overlays)
    if arguments.column is not None and not any(map(is_table, arguments.sources)):
        raise UsageError("--column is for Parquet sources", arguments.column, "there is none")
    if arguments.network.precision == "int8":
        cause = "it is calibrated on pictures of its own"
        step = "Export the network with it, and archive with --model FILE.onnx"
        raise UsageError("cannot use", "--precision int8", cause, step)
    exported = exported_metadata(arguments.network)
    if exported is not None:
        refuse_others(arguments.network, exported, arguments.method, meaning, arguments.engine)


def _options(arguments: ArchiveArguments, dataset: Path, meaning: OutputChoice) -> ArchiveOptions:
    from live_gradcam.archive.options import ArchiveOptions, parse_every
    from live_gradcam.evaluate.annotations import read_annotations

    if arguments.boxes is not None:
        read_annotations(arguments.boxes)  # what is wrong with them is said at once
    network = arguments.network
    return ArchiveOptions(
        dataset=str(dataset.absolute()),
        model=network.model,
        weights=_absolute(network.weights),
        labels=_absolute(network.labels),
        state=network.state,
        layer=network.layer,
        fuse=network.fuse,
        output=meaning,
        output_name=network.output_name,
        threshold=network.threshold,
        preprocessing=preprocessing_of(network),
        transform_input=network.transform_input,
        device=network.device,
        precision=network.precision,
        compile=arguments.compile,
        engine=arguments.engine,
        top_k=arguments.top_k,
        view=arguments.view,
        method=arguments.method,
        class_name=arguments.class_name,
        every=parse_every(arguments.every),
        boxes=_absolute(arguments.boxes),
        truth=arguments.truth,
        maps=arguments.maps,
        thumbnails=arguments.thumbnails,
        overlays=None if arguments.overlays is None else str(arguments.overlays.absolute()),
        colormap=arguments.colormap,
        opacity=arguments.opacity,
        smooth=arguments.smooth,
        strict=arguments.strict,
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _refuse_existing(arguments: ArchiveArguments, dataset: Path) -> None:
    """Refuse folders that hold something else, before the first run."""
    if (dataset / "manifest.json").exists() or (dataset / "plan").exists():
        return
    cause = "it was not begun by archive"
    if dataset.exists() and (not dataset.is_dir() or any(dataset.iterdir())):
        raise UsageError("output exists", str(dataset), cause, "Choose another name")
    overlays = arguments.overlays
    if overlays is None or not overlays.exists() or arguments.overwrite:
        return
    if not overlays.is_dir() or any(overlays.iterdir()):
        step = "Add --overwrite or choose another name"
        raise UsageError("output exists", str(overlays), cause, step)


def _show(update: Callable[..., None], progress: ArchiveProgress) -> None:
    frames, rate = progress.frames, progress.frames_per_second
    note = f", {frames} frames" + (f" ({rate:.1f}/s)" if rate else "")
    if (left := progress.seconds_left) is not None:
        note += f", {_duration(left)} left"
    if progress.errors:
        note += f", {progress.errors} errors"
    update(progress.files, progress.total, None, note=note)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _print_summary(console: Console, summary: ArchiveSummary, dataset: Path) -> None:
    note = console.note
    files = "file" if summary.files == 1 else "files"
    begun = f", {summary.before} were done before" if summary.before else ""
    note(
        f"{summary.done} of {summary.files} {files} ({summary.frames} frames) "
        f"in {summary.seconds:.1f} s{begun}"
    )
    if left := summary.files - summary.before - summary.done:
        note(f"{left} are left: the same command goes on with them")
    if summary.errors:
        words = "file" if summary.errors == 1 else "files"
        where = dataset / "errors.jsonl"
        note(f"{summary.errors} {words} could not be explained, or not to the end: see {where}")
    note(f"wrote {dataset}")
