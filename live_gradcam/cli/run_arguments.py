"""Everything that can be typed after ``live-gradcam run``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from live_gradcam.choices import (
    DEFAULT_COLORMAP,
    DEFAULT_COMPILE,
    DEFAULT_METHOD,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    ColormapName,
)
from live_gradcam.cli.network import CompileOption, MethodOption, NetworkOptions, ViewOption
from live_gradcam.cli.options import MODEL, Outputs, Overwrite, Window

_PICTURE = "The picture"
_CAPTURE = "Frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """Everything that can be typed after ``live-gradcam run``."""

    sources: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="[SOURCE]...",
            help="Camera number or device, video file, picture, folder, pattern, rtsp:// or "
            "http(s):// address, - for standard input, or 'scene' for generated frames. Several "
            "files and folders are one run.",
            show_default="camera 0",
        ),
    ] = ("0",)
    outputs: Outputs = ()
    network: NetworkOptions = field(default_factory=NetworkOptions)
    method: MethodOption = DEFAULT_METHOD
    compile: CompileOption = DEFAULT_COMPILE
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME|INDEX",
            help="Explain this class.",
            rich_help_panel=MODEL,
            show_default="the top one",
        ),
    ] = None
    view: ViewOption = DEFAULT_VIEW
    top_k: Annotated[
        int, typer.Option(min=1, help="How many labels to show.", rich_help_panel=_PICTURE)
    ] = DEFAULT_TOP_K
    colormap: Annotated[
        ColormapName,
        typer.Option(metavar="NAME", help="Colours of the heatmap.", rich_help_panel=_PICTURE),
    ] = DEFAULT_COLORMAP
    opacity: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Opacity of full heat.", rich_help_panel=_PICTURE),
    ] = DEFAULT_OPACITY
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Flip left and right.", rich_help_panel=_PICTURE)
    ] = False
    smooth: Annotated[
        bool,
        typer.Option(
            "--no-smooth",
            help="No smoothing of heat and labels in time.",
            rich_help_panel=_PICTURE,
        ),
    ] = True
    show_rate: Annotated[
        bool,
        typer.Option(
            "--no-fps",
            help="No rate in the picture: the same on every machine.",
            rich_help_panel=_PICTURE,
        ),
    ] = True
    width: Annotated[
        int | None,
        typer.Option(min=1, help="Width asked of a camera.", rich_help_panel=_CAPTURE),
    ] = None
    height: Annotated[
        int | None,
        typer.Option(min=1, help="Height asked of a camera.", rich_help_panel=_CAPTURE),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, max=1000, help="Rate asked of a camera.", rich_help_panel=_CAPTURE),
    ] = None
    seconds_per_picture: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=86400,
            help="How long each picture lasts in a film.",
            rich_help_panel=_CAPTURE,
            show_default="1",
        ),
    ] = None
    stream: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of the video stream in the file, as ffprobe counts.",
            rich_help_panel=_CAPTURE,
            show_default="the default one",
        ),
    ] = None
    keep_timestamps: Annotated[
        bool,
        typer.Option(
            "--keep-timestamps",
            help="Times as the film has them, instead of from 0 on.",
            rich_help_panel=_CAPTURE,
        ),
    ] = False
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many frames.", rich_help_panel=_CAPTURE),
    ] = None
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin again at the end.", rich_help_panel=_CAPTURE)
    ] = False
    max_outage_seconds: Annotated[
        float | None,
        typer.Option(
            "--max-outage",
            min=0.0,
            metavar="SECONDS",
            help="Give up on a stream or camera that is away for longer.",
            rich_help_panel=_CAPTURE,
            show_default="never",
        ),
    ] = None
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="A frame, picture or source that cannot be read is an error.",
            rich_help_panel=_CAPTURE,
        ),
    ] = False
    overwrite: Overwrite = False
    kiosk: Annotated[
        bool,
        typer.Option(
            "--kiosk",
            help="Full screen without a quit key: only Ctrl-C or Alt-F4 end it. The source is "
            "opened again for ever.",
            rich_help_panel=_PICTURE,
        ),
    ] = False
    window: Window = True
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say how long each stage took, for films.")
    ] = False

    @property
    def in_window(self) -> bool:
        """True if a window opens: there is no output, and none was forbidden."""
        return self.window and not self.outputs

    @property
    def source(self) -> str:
        """The source, where there is one."""
        return self.sources[0]

    @property
    def pictures_per_second(self) -> float | None:
        """The rate of pictures; ``None`` where nothing was said about it."""
        if self.seconds_per_picture is not None:
            return 1 / self.seconds_per_picture
        return self.fps
