"""``live-gradcam export``: the network with its maps as a file for other engines, or as a page."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_TOP_K, ExportPrecision
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import MethodOption, NetworkChoice, open_classifier
from live_gradcam.cli.options import Overwrite, option
from live_gradcam.errors import SourceError, UsageError

if TYPE_CHECKING:
    from live_gradcam.exports import Exported
    from live_gradcam.values import Image

_MOST_PICTURES = 600
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments:
    """Everything that can be typed after ``live-gradcam export``."""

    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|FOLDER/",
            help=".onnx, .xml (OpenVINO IR, with a .bin beside it) or .pt2 (torch.export); or a "
            "folder, with a slash at its end: a page that explains in the visitor's browser.",
            show_default=False,
        ),
    ]
    network: NetworkChoice = field(default_factory=NetworkChoice)
    method: MethodOption = DEFAULT_METHOD
    classes: Annotated[
        str | None,
        option(
            "Classes that have a map: top for the best ones of each picture, all, or names and "
            "indices, separated by commas.",
            metavar="top|all|NAME,...",
            show_default="top; of a page all, where that costs nothing",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        option("Number of maps of top.", min=1, show_default=str(DEFAULT_TOP_K)),
    ] = None
    precision: Annotated[
        ExportPrecision | None,
        option(
            "What the network computes in; int8 needs --calibrate. Sums and maps are fp32.",
            show_default="fp32; of a page int8 where there are pictures for it, else fp16",
        ),
    ] = None
    any_size: Annotated[
        bool, option("Height and width of the pictures are free, where the network allows it.")
    ] = False
    check: Annotated[
        Path | None,
        option("Pictures that the file is compared with the network on.", metavar="FOLDER"),
    ] = None
    calibrate: Annotated[
        Path | None,
        option(
            "Pictures of the kind that will be explained, for int8; half of them are what it is "
            "measured on.",
            metavar="FOLDER",
        ),
    ] = None
    force: Annotated[bool, option("Keep an int8 file that differs more than it should.")] = False
    title: Annotated[
        str | None,
        option("Headline of a page.", metavar="TEXT", show_default="live-gradcam"),
    ] = None
    texts: Annotated[
        Path | None,
        option(
            "Words of a page in another language: a table like texts in its site.json.",
            metavar="FILE",
            show_default="English, or those of the page that is replaced",
        ),
    ] = None
    runtime: Annotated[
        Path | None,
        option(
            "Your own copy of onnxruntime-web, for a page.",
            metavar="FOLDER",
            show_default="fetched once",
        ),
    ] = None
    overwrite: Overwrite = False


def export_command(arguments: ExportArguments, console: Console) -> None:
    """Write the network with its maps as one graph that runs without torch, or as a page of it.

    Raises:
        UsageError: The ending, a class, the method or the precision does not exist, or the file
            does.
        ModelError: The network or the method cannot be exported, or the file does not compute what
            the network does; then there is no file.
        SourceError: There are no pictures in a folder.
        SinkError: The file cannot be written.
    """
    page = is_folder(arguments.file)
    # Pictures for the ranges make a page of int8.
    if arguments.precision != "int8" and not (page and arguments.precision is None):
        for given, name in ((arguments.calibrate, "--calibrate"), (arguments.force, "--force")):
            if given:
                raise UsageError(f"{name} is for --precision int8", "", "", "Leave it out")
    if arguments.top_k is not None and arguments.classes not in (None, "top"):
        step = "Leave one of them out"
        raise UsageError("--top-k is for --classes top", arguments.classes or "", "", step)
    if page:
        _export_site(arguments, console)
    else:
        _export_file(arguments, console)


def is_folder(typed: str) -> bool:
    """True if a path ends as a folder's name does, or is one."""
    separators = (os.sep, os.altsep or os.sep, "/")
    return bool(typed) and (typed.endswith(separators) or Path(typed).is_dir())


def _export_file(arguments: ExportArguments, console: Console) -> None:
    from live_gradcam.exports import export
    from live_gradcam.exports.checking import check_output

    for_pages = (
        (arguments.title, "--title"),
        (arguments.texts, "--texts"),
        (arguments.runtime, "--runtime"),
    )
    for given, name in for_pages:
        if given is not None:
            step = "Name a folder, with a slash at its end"
            raise UsageError(f"{name} is for a page", str(given), "a file has none", step)
    file, precision = Path(arguments.file), arguments.precision or "fp32"
    check_output(file, precision, overwrite=arguments.overwrite)
    check = read_pictures(arguments.check, console)
    calibrate = read_pictures(arguments.calibrate, console)
    classifier = open_classifier(arguments.network, console)
    done = export(
        classifier,
        file,
        method=arguments.method,
        classes=_classes(arguments) or "top",
        top_k=arguments.top_k or DEFAULT_TOP_K,
        precision=precision,
        any_size=arguments.any_size,
        check=check,
        calibrate=calibrate,
        overwrite=arguments.overwrite,
        force=arguments.force,
        on_notice=console.note,
    )
    console.out(f"{done.path}: {mebibytes(done.size)}, {_what(done)}")
    console.out(_compared(done))


def _export_site(arguments: ExportArguments, console: Console) -> None:
    from live_gradcam.exports.checking import check_question
    from live_gradcam.site.folder import (
        check_folder,
        check_title,
        usual_classes,
        usual_precision,
        write_site,
    )
    from live_gradcam.site.runtime import obtain_runtime
    from live_gradcam.site.translation import read_texts

    folder, title = Path(arguments.file), arguments.title or ""
    check_folder(folder, arguments.precision, overwrite=arguments.overwrite)
    check_title(title)
    words = read_texts(arguments.texts, console.note) if arguments.texts else None
    runtime = (
        obtain_runtime(arguments.runtime, on_notice=console.note) if arguments.runtime else None
    )
    check = read_pictures(arguments.check, console)
    calibrate = read_pictures(arguments.calibrate, console)
    classifier = open_classifier(arguments.network, console)
    classes = _classes(arguments) or ("top" if arguments.top_k else None)
    # What is wrong with the question is said before tens of megabytes are fetched.
    check_question(
        classifier,
        method=arguments.method,
        classes=classes or usual_classes(classifier, arguments.method),
        top_k=arguments.top_k or DEFAULT_TOP_K,
        precision=arguments.precision or usual_precision(classifier, calibrate),
        calibrate=calibrate,
    )
    if runtime is None:
        with console.waiting("fetching onnxruntime-web, once"):
            runtime = obtain_runtime(on_notice=console.note)
    done = write_site(
        folder,
        classifier,
        runtime=runtime,
        method=arguments.method,
        classes=classes,
        top_k=arguments.top_k or DEFAULT_TOP_K,
        precision=arguments.precision,
        any_size=arguments.any_size,
        title=title,
        words=words,
        check=check,
        calibrate=calibrate,
        overwrite=arguments.overwrite,
        force=arguments.force,
        on_notice=console.note,
    )
    parts = ", ".join(f"{name} {mebibytes(size)}" for name, size in done.sizes.items())
    console.out(f"{done.folder}{os.sep}: {mebibytes(done.size)} ({parts}), {_what(done.exported)}")
    console.out(_compared(done.exported))
    shown = ", ".join(dict.fromkeys(done.examples)) or "none: nothing that can be drawn is a label"
    console.out(f"examples: {shown}")
    console.out(f"look at it: live-gradcam site {shlex.quote(str(done.folder))}")


def _classes(arguments: ExportArguments) -> str | list[str] | None:
    """The classes that were typed: a word that means several, or names."""
    if arguments.classes is None:
        return None
    words = [each.strip() for each in arguments.classes.split(",") if each.strip()]
    return words[0] if words in (["top"], ["all"]) else words


def _what(done: Exported) -> str:
    facts = done.metadata
    mapped = {"top": f"the {facts.maps} best classes", "all": "all classes"}
    which = mapped.get(str(facts.classes), f"{facts.maps} named classes")
    return f"{facts.network} at {facts.layer}, {facts.method} of {which}, {facts.precision}"


def _compared(done: Exported) -> str:
    return (
        f"compared on {done.fidelity.pictures} pictures, run by {done.engine}: "
        f"{done.fidelity.describe(done.metadata.precision)}"
    )


def mebibytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / _MIB:.1f} MiB"


def read_pictures(folder: Path | None, console: Console) -> Sequence[Image]:
    """Read the pictures of a folder, or one picture; broken ones are noted and left out.

    Raises:
        SourceError: There is none.
    """
    if folder is None:
        return ()
    from live_gradcam.capture.images import is_image_file, natural_key
    from live_gradcam.images import read_image

    if not folder.exists():
        raise SourceError("cannot read pictures", str(folder), "there is no such folder")
    files = [folder] if folder.is_file() else sorted(folder.rglob("*"), key=natural_key)
    images: list[Image] = []
    for file in filter(is_image_file, files):
        if len(images) == _MOST_PICTURES:
            console.note(f"only the first {_MOST_PICTURES} pictures of {folder} are used")
            break
        try:
            images.append(read_image(file))
        except SourceError as exc:
            console.note(str(exc))
    if not images:
        raise SourceError("cannot read pictures", str(folder), "there are no pictures in it")
    return images
