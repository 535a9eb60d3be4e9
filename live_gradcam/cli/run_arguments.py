"""Everything that can be typed after ``live-gradcam run``."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam.air.address import is_on_air
from live_gradcam.air.origins import parse_origin
from live_gradcam.choices import (
    DEFAULT_COLORMAP,
    DEFAULT_COMPILE,
    DEFAULT_ENGINE,
    DEFAULT_HUD_LAYOUT,
    DEFAULT_METHOD,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    ColormapName,
    HudLayout,
    Preset,
    StreamFormat,
)
from live_gradcam.cli.known_names import source_names
from live_gradcam.cli.network import (
    CompileOption,
    EngineOption,
    MethodOption,
    NetworkOptions,
    ViewOption,
)
from live_gradcam.cli.options import MODEL, Outputs, Overwrite, Window, matching, option
from live_gradcam.cli.preset_option import RUN_PRESET
from live_gradcam.errors import UsageError
from live_gradcam.hosts import parse_credentials

if TYPE_CHECKING:
    from live_gradcam.images.parts import Roi

_SIZE = re.compile(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})")
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
            "http(s):// address, - for standard input, 'screen' or 'window:TITLE' for what others "
            "show, or 'scene' for generated frames. Several "
            "files and folders are one run.",
            show_default="camera 0",
            autocompletion=matching(source_names),
        ),
    ] = ("0",)
    outputs: Outputs = ()
    preset: Annotated[Preset | None, RUN_PRESET] = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    method: MethodOption = DEFAULT_METHOD
    compile: CompileOption = DEFAULT_COMPILE
    engine: EngineOption = DEFAULT_ENGINE
    calibrate: Annotated[
        Path | None,
        option(
            "Pictures of the kind that will be explained, for --precision int8; half of them are "
            "what it is measured on.",
            panel=MODEL,
            metavar="FOLDER",
            show_default="the first ones of the source",
        ),
    ] = None
    force: Annotated[
        bool, option("Keep --precision int8 though it differs more than it should.", panel=MODEL)
    ] = False
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
    roi: Annotated[
        tuple[str, ...],
        option(
            "Explain this part of every frame alone, in its full resolution: pixels or percent, "
            "e.g. 10%,10%,50%,50%. Several are explained side by side. In the window, the mouse "
            "draws one.",
            panel=_PICTURE,
            metavar="X,Y,W,H",
            show_default="the whole frame",
        ),
    ] = ()
    top_k: Annotated[int, option("How many labels to show.", panel=_PICTURE, min=1)] = DEFAULT_TOP_K
    colormap: Annotated[
        ColormapName, option("Colours of the heatmap.", panel=_PICTURE, metavar="NAME")
    ] = DEFAULT_COLORMAP
    opacity: Annotated[float, option("Opacity of full heat.", panel=_PICTURE, min=0.0, max=1.0)] = (
        DEFAULT_OPACITY
    )
    hud: Annotated[
        HudLayout,
        option(
            "What is written: labels and a legend, one large sentence, or all figures.",
            panel=_PICTURE,
        ),
    ] = DEFAULT_HUD_LAYOUT
    clean: Annotated[
        bool,
        option(
            "Heat only, for figures in papers: --no-labels, --no-legend and --no-fps.",
            panel=_PICTURE,
        ),
    ] = False
    show_labels: Annotated[
        bool, option("No labels in the picture.", "--no-labels", panel=_PICTURE)
    ] = True
    show_legend: Annotated[
        bool, option("No legend in the picture.", "--no-legend", panel=_PICTURE)
    ] = True
    mirror: Annotated[bool, option("Flip left and right.", panel=_PICTURE)] = False
    smooth: Annotated[
        bool, option("No smoothing of heat and labels in time.", "--no-smooth", panel=_PICTURE)
    ] = True
    show_rate: Annotated[
        bool,
        option("No rate in the picture: the same on every machine.", "--no-fps", panel=_PICTURE),
    ] = True
    width: Annotated[int | None, option("Width asked of a camera.", panel=_CAPTURE, min=1)] = None
    height: Annotated[int | None, option("Height asked of a camera.", panel=_CAPTURE, min=1)] = None
    fps: Annotated[
        float | None,
        option("Rate asked of a camera; rate of raw video.", panel=_CAPTURE, min=0.1, max=1000),
    ] = None
    size: Annotated[
        str | None,
        option(
            "Size of raw video, or asked of a camera: --width and --height in one.",
            panel=_CAPTURE,
            metavar="WIDTHxHEIGHT",
        ),
    ] = None
    input_format: Annotated[
        str | None,
        option(
            "Format of the pictures as they leave a camera: mjpeg is what USB carries fast, "
            "yuyv422 is uncompressed. Of a pipe or file: rawvideo, which needs --size.",
            panel=_CAPTURE,
            metavar="NAME",
            show_default="mjpeg from 1280x720 on, else the camera's own",
        ),
    ] = None
    pixel_format: Annotated[
        str | None,
        option(
            "Pixels of raw video by FFmpeg's name: bgr24, rgb24, gray, yuv420p, nv12, ...",
            panel=_CAPTURE,
            metavar="NAME",
            show_default="bgr24",
        ),
    ] = None
    seconds_per_picture: Annotated[
        float | None,
        option(
            "How long each picture lasts in a film.",
            panel=_CAPTURE,
            min=0.01,
            max=86400,
            show_default="1",
        ),
    ] = None
    stream: Annotated[
        int | None,
        option(
            "Number of the video stream in the file, as ffprobe counts.",
            panel=_CAPTURE,
            min=0,
            show_default="the default one",
        ),
    ] = None
    keep_timestamps: Annotated[
        bool, option("Times as the film has them, instead of from 0 on.", panel=_CAPTURE)
    ] = False
    max_frames: Annotated[
        int | None, option("Stop after so many frames.", panel=_CAPTURE, min=1)
    ] = None
    loop: Annotated[bool, option("Begin again at the end.", panel=_CAPTURE)] = False
    slideshow: Annotated[
        float | None,
        option(
            "In the window, show each picture for so long; space waits and goes on.",
            panel=_CAPTURE,
            metavar="SECONDS",
            min=0.1,
            max=86400,
            show_default="until a key is pressed",
        ),
    ] = None
    max_outage_seconds: Annotated[
        float | None,
        option(
            "Give up on a stream or camera that is away for longer.",
            "--max-outage",
            panel=_CAPTURE,
            min=0.0,
            metavar="SECONDS",
            show_default="never",
        ),
    ] = None
    strict: Annotated[
        bool, option("A frame, picture or source that cannot be read is an error.", panel=_CAPTURE)
    ] = False
    truth: Annotated[
        bool,
        option(
            "Test each picture and frame: how far its probability falls without the hottest area, "
            "and without areas elsewhere. The figures stand in records; takes 9 forwards.",
            panel=MODEL,
        ),
    ] = False
    teach: Annotated[
        str | None,
        option(
            "In the window, open the row of classes that are taught live, with these, or with none "
            "yet; a key (y) opens it at any time.",
            panel=MODEL,
            metavar="[NAME,NAME ...]",
            show_default="closed",
        ),
    ] = None
    resume: Annotated[
        bool,
        option(
            "Go on where a run over many files ended, however it ended; takes folders with all "
            "below them, patterns such as '**/*.jpg', and lists of files (.txt, .csv). With "
            "--teach, go on with the newest lesson that was not ended.",
            panel=_CAPTURE,
        ),
    ] = False
    format: Annotated[
        StreamFormat | None,
        option(
            "What -o - writes to standard output: a JSON line for each frame, the picture "
            "uncompressed (rawvideo: bgr24; y4m), or as H.264 in Matroska.",
            show_default="jsonl",
        ),
    ] = None
    overwrite: Overwrite = False
    kiosk: Annotated[
        bool,
        option(
            "Full screen without a quit key: only Ctrl-C or Alt-F4 end it. The source is "
            "opened again for ever; whoever comes finds it as at the beginning.",
            panel=_PICTURE,
        ),
    ] = False
    kiosk_title: Annotated[
        str | None,
        option(
            "Headline of the kiosk; empty for none.",
            panel=_PICTURE,
            metavar="TEXT",
            show_default="What does the network look at?",
        ),
    ] = None
    kiosk_invitation: Annotated[
        str | None,
        option(
            "What its visitors are asked to do while nothing happens; empty for nothing.",
            panel=_PICTURE,
            metavar="TEXT",
            show_default="Hold something up to the camera",
        ),
    ] = None
    kiosk_demonstration: Annotated[
        str | None,
        option(
            "Pictures or a film that it explains while nothing happens before the camera.",
            panel=_PICTURE,
            metavar="PATH",
            show_default="scenes or drawings, if the network knows them",
        ),
    ] = None
    auth: Annotated[
        str | None,
        option(
            "Name and password that a served picture asks for (-o http://:8090/).",
            metavar="USER:PASSWORD",
            envvar="LIVE_GRADCAM_AUTH",
        ),
    ] = None
    allow_origin: Annotated[
        tuple[str, ...],
        option(
            "Whose web pages may read a served picture and its records, besides those of this "
            "machine; may be repeated.",
            metavar="https://HOST",
            show_default="none",
        ),
    ] = ()
    window: Window = True
    verbose: Annotated[bool, option("Say how long each stage took, for films.")] = False

    @property
    def in_window(self) -> bool:
        """True if a window opens: nothing is written into files, and none was forbidden.

        HLS is watched while it is written, where the source is live.
        """
        return self.window and all(
            is_on_air(each) or (each.lower().endswith(".m3u8") and self._is_live)
            for each in self.outputs
        )

    @property
    def _is_live(self) -> bool:
        """True if the source, going by its name alone, is no file, folder or pipe."""
        source = self.source.strip()
        if len(self.sources) > 1 or source == "-" or glob.has_magic(source) or "%" in source:
            return False
        return source.startswith("/dev/video") or not Path(source).expanduser().exists()

    def with_size(self) -> RunArguments:
        """Return the same with the size that was typed in one as width and height.

        Raises:
            UsageError: It is no size, or contradicts the width or height that was typed.
        """
        if self.size is None:
            return self
        width, height = parse_size(self.size)
        for typed, given, name in ((self.width, width, "width"), (self.height, height, "height")):
            if typed not in (None, given):
                step = f"Leave one of --size and --{name} out"
                raise UsageError("--size contradicts", f"--{name} {typed}", "", step)
        return replace(self, width=width, height=height, size=None)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Name and password of whoever may watch.

        Raises:
            UsageError: They have another form.
        """
        return None if self.auth is None else parse_credentials(self.auth)

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages may read what is served.

        Raises:
            UsageError: One is no origin.
        """
        return tuple(parse_origin(each) for each in self.allow_origin)

    @property
    def rois(self) -> tuple[Roi, ...]:
        """The parts of every frame that are explained; none for all of it.

        Raises:
            UsageError: What was typed is no part.
        """
        if not self.roi:
            return ()
        from live_gradcam.images.parts import Roi

        return tuple(map(Roi.parse, self.roi))

    @property
    def shows_rate(self) -> bool:
        """True if the measured rate is drawn."""
        return self.show_rate and not self.clean

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


def parse_size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``.

    Raises:
        UsageError: It has another form.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        step = "Write WIDTHxHEIGHT in pixels, e.g. --size 640x480"
        raise UsageError("--size is no size", text, "", step)
    return int(found[1]), int(found[2])
