"""The options that commands share: their names, types, defaults and help.

An option that several commands have is a name for its type; options that always come together are
a value, which `grouped` spreads over a command line and puts together again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

MODEL = "The network"
PICTURE = "The picture"
CAPTURE = "Frames"

Source = Annotated[
    str,
    typer.Argument(
        help="Camera number or device, video file, picture, folder, quoted glob, rtsp:// or "
        "http(s):// stream, or 'scene' for generated frames.",
        show_default="camera 0",
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUTPUT",
        help="Where results go; may be repeated: .mp4 .mkv video, .png .jpg picture, a folder, "
        ".jsonl .csv records, '-' for JSON lines on stdout. Without one, a window opens.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """Which network, where it is explained, and what it runs on: a field is an option."""

    model: Annotated[
        str,
        typer.Option(
            help="A torchvision network, timm:NAME, or 'scenes' for the bundled one. See "
            "'live-gradcam models'.",
            rich_help_panel=MODEL,
        ),
    ] = "resnet18"
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own checkpoint: .pth, .pt or .safetensors.",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Class names: text, one a line, or JSON.",
            rich_help_panel=MODEL,
            show_default=False,
        ),
    ] = None
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|INDEX|all",
            help="The layer to explain, or several, separated by commas. See "
            "'live-gradcam models --layers MODEL'.",
            rich_help_panel=MODEL,
            show_default="the network's last one",
        ),
    ] = None
    fuse: Annotated[
        Literal["mean", "max"],
        typer.Option(help="How maps of several layers become one.", rich_help_panel=MODEL),
    ] = "mean"
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=MODEL)
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option(help="What the network computes in.", rich_help_panel=MODEL),
    ] = "auto"


Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME",
        help="What makes the maps. See 'live-gradcam models --methods'.",
        rich_help_panel=MODEL,
    ),
]
Compile = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        "--compile",
        help="auto compiles beside the running network, on waits for it, off never does.",
        rich_help_panel=MODEL,
    ),
]
Class = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME|INDEX",
        help="Explain this class.",
        rich_help_panel=MODEL,
        show_default="the top one",
    ),
]
TopK = Annotated[int, typer.Option(min=1, help="How many labels to show.", rich_help_panel=PICTURE)]
View = Annotated[
    Literal["crop", "stretch", "full"],
    typer.Option(
        "--view",
        help="What the network sees: the centre square, the squeezed frame, or the whole frame.",
        rich_help_panel=MODEL,
    ),
]
Colormap = Annotated[
    str, typer.Option(metavar="NAME", help="Colours of the heatmap.", rich_help_panel=PICTURE)
]
Opacity = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Opacity of full heat.", rich_help_panel=PICTURE),
]
Mirror = Annotated[
    bool, typer.Option("--mirror", help="Flip left and right.", rich_help_panel=PICTURE)
]
NoSmooth = Annotated[
    bool,
    typer.Option(
        "--no-smooth", help="No smoothing of heat and labels in time.", rich_help_panel=PICTURE
    ),
]
Width = Annotated[
    int | None,
    typer.Option(min=1, help="Width asked of a camera.", rich_help_panel=CAPTURE),
]
Height = Annotated[
    int | None,
    typer.Option(min=1, help="Height asked of a camera.", rich_help_panel=CAPTURE),
]
Fps = Annotated[
    float | None,
    typer.Option(min=0.1, help="Rate asked of a camera.", rich_help_panel=CAPTURE),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(min=1, help="Stop after so many frames.", rich_help_panel=CAPTURE),
]
Loop = Annotated[
    bool, typer.Option("--loop", help="Begin again at the end.", rich_help_panel=CAPTURE)
]
MaxOutage = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        help="Give up on a stream or camera that is away for longer.",
        rich_help_panel=CAPTURE,
        show_default="never",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="A frame or picture that cannot be decoded is an error.",
        rich_help_panel=CAPTURE,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Kiosk = Annotated[
    bool,
    typer.Option(
        "--kiosk",
        help="Full screen without a quit key: only Ctrl-C or Alt-F4 end it. The source is opened "
        "again for ever.",
        rich_help_panel=PICTURE,
    ),
]
NoWindow = Annotated[bool, typer.Option("--no-window", help="Never open a window.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and log messages.")]

EVALUATE = "What is measured"

DataSource = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder with a folder for each class, with a labels.csv, or with pictures only; or "
        "'scenes' or 'scenes:SEED' for generated pictures with masks.",
        show_default=False,
    ),
]
ReportOutputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUTPUT",
        help="Where results go; may be repeated: .html a report, .json everything, .csv a row for "
        "each picture and method.",
        show_default=False,
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="What makes the maps; may be repeated, to compare. See 'live-gradcam models "
        "--methods'.",
        rich_help_panel=EVALUATE,
        show_default="gradcam",
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measures",
        metavar="NAME,...",
        help="accuracy, removal, curves (deletion and insertion), drop (average drop and "
        "increase), pointing (and evidence on the object), completeness.",
        rich_help_panel=EVALUATE,
        show_default="all",
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help="Where the objects are: COCO JSON, or a folder of PascalVOC XML.",
        rich_help_panel=EVALUATE,
        show_default=False,
    ),
]
Scenes = Annotated[
    int, typer.Option(min=1, help="How many scenes to generate.", rich_help_panel=EVALUATE)
]
Seed = Annotated[
    int,
    typer.Option(min=0, help="Decides everything that is random.", rich_help_panel=EVALUATE),
]
Steps = Annotated[
    int,
    typer.Option(
        min=1, max=1000, help="Steps of deletion and insertion.", rich_help_panel=EVALUATE
    ),
]
MaxPictures = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Measure at most so many pictures, spread over the classes.",
        rich_help_panel=EVALUATE,
        show_default="all",
    ),
]
Sanity = Annotated[
    bool,
    typer.Option(
        "--sanity/--no-sanity",
        help="Scramble the weights part by part: the maps have to change.",
        rich_help_panel=EVALUATE,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep partial results here, and go on from them.",
        show_default="beside the first output, until that is written",
    ),
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes values, as one that takes an option for each of their fields.

    Args:
        command: Its parameters are passed by name; those whose type is a dataclass are spread.
    """
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind))
            continue
        assert isinstance(kind, type), "a parameter's type is no value"
        groups[name] = kind
        types = get_type_hints(kind, include_extras=True)
        parameters += [
            parameter.replace(name=each.name, default=each.default, annotation=types[each.name])
            for each in fields(kind)
        ]

    @wraps(command)
    def spread(**given: Any) -> None:  # noqa: ANN401 - whatever the options are
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        command(**given)

    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return spread
