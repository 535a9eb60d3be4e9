"""``live-gradcam export``: the network with its maps as a file that other engines run."""

from __future__ import annotations

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
    from live_gradcam.values import Image

_MOST_PICTURES = 600
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments:
    """Everything that can be typed after ``live-gradcam export``."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help=".onnx, .xml (OpenVINO IR, with a .bin beside it) or .pt2 (torch.export).",
            show_default=False,
        ),
    ]
    network: NetworkChoice = field(default_factory=NetworkChoice)
    method: MethodOption = DEFAULT_METHOD
    classes: Annotated[
        str,
        option(
            "Classes that have a map: top for the best ones of each picture, all, or names and "
            "indices, separated by commas.",
            metavar="top|all|NAME,...",
        ),
    ] = "top"
    top_k: Annotated[int, option("Number of maps of top.", min=1)] = DEFAULT_TOP_K
    precision: Annotated[
        ExportPrecision,
        option("What the network computes in; int8 needs --calibrate. Sums and maps are fp32."),
    ] = "fp32"
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
    overwrite: Overwrite = False


def export_command(arguments: ExportArguments, console: Console) -> None:
    """Write the network with its maps as one graph that runs without torch, and check it.

    Raises:
        UsageError: The ending, a class, the method or the precision does not exist, or the file
            does.
        ModelError: The network or the method cannot be exported, or the file does not compute what
            the network does; then there is no file.
        SourceError: There are no pictures in a folder.
        SinkError: The file cannot be written.
    """
    from live_gradcam.exports import export
    from live_gradcam.exports.export import check_output

    if arguments.precision != "int8":
        for given, name in ((arguments.calibrate, "--calibrate"), (arguments.force, "--force")):
            if given:
                raise UsageError(f"{name} is for --precision int8", "", "", "Leave it out")
    check_output(arguments.file, arguments.precision, overwrite=arguments.overwrite)
    check = read_pictures(arguments.check, console)
    calibrate = read_pictures(arguments.calibrate, console)
    classifier = open_classifier(arguments.network, console)
    words = [each.strip() for each in arguments.classes.split(",") if each.strip()]
    done = export(
        classifier,
        arguments.file,
        method=arguments.method,
        classes=words[0] if words in (["top"], ["all"]) else words,
        top_k=arguments.top_k,
        precision=arguments.precision,
        any_size=arguments.any_size,
        check=check,
        calibrate=calibrate,
        overwrite=arguments.overwrite,
        force=arguments.force,
        on_notice=console.note,
    )
    facts = done.metadata
    mapped = {"top": f"the {facts.maps} best classes", "all": "all classes"}
    which = mapped.get(str(facts.classes), f"{facts.maps} named classes")
    console.out(
        f"{done.path}: {done.size / _MIB:.1f} MiB, {facts.network} at {facts.layer}, "
        f"{facts.method} of {which}, {facts.precision}"
    )
    console.out(
        f"compared on {done.fidelity.pictures} pictures, run by {done.engine}: "
        f"{done.fidelity.describe(facts.precision)}"
    )


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
