"""``live-gradcam run``: one source, any number of outputs, or a window."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam import lifecycle
from live_gradcam.choices import (
    DEFAULT_COLORMAP,
    DEFAULT_COMPILE,
    DEFAULT_METHOD,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
    ColormapName,
    OutputChoice,
)
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import (
    CompileOption,
    MethodOption,
    NetworkOptions,
    ViewOption,
    open_classifier,
    split_meaning,
    warn_of_forwards,
)
from live_gradcam.cli.options import MODEL, Outputs, Overwrite, Window
from live_gradcam.errors import SinkError, UsageError

if TYPE_CHECKING:
    from live_gradcam.capture.source import Source
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.pipeline import RunOptions, Summary
    from live_gradcam.show.overlay import OverlayOptions
    from live_gradcam.show.sink import Sink
    from live_gradcam.timing import StepProgress
    from live_gradcam.values import SourceInfo

_PICTURE = "The picture"
_CAPTURE = "Frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """Everything that can be typed after ``live-gradcam run``."""

    source: Annotated[
        str,
        typer.Argument(
            help="Camera number or device, video file, picture, folder, quoted glob, rtsp:// or "
            "http(s):// stream, or 'scene' for generated frames.",
            show_default="camera 0",
        ),
    ] = "0"
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
            help="A frame or picture that cannot be decoded is an error.",
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

    @property
    def in_window(self) -> bool:
        """True if a window opens: there is no output, and none was forbidden."""
        return self.window and not self.outputs


@dataclass(frozen=True, slots=True)
class _Run:
    """Values that every part of a run needs."""

    arguments: RunArguments
    console: Console
    overlay: OverlayOptions
    forwards: StepProgress
    meaning: OutputChoice


def run_command(arguments: RunArguments, console: Console) -> None:
    """Explain a camera, a stream, a video or pictures: into a window or into files.

    The order is that of patience: what can be refused at once is refused before anything slow is
    loaded, and no output is created before the network stands.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; files are finalised.
    """
    from live_gradcam.timing import StepProgress

    meaning, files = split_meaning(arguments.outputs)
    arguments = replace(arguments, outputs=files)
    run = _Run(arguments, console, _check_arguments(arguments), StepProgress(), meaning)
    if arguments.in_window:
        from live_gradcam.show.window import probe_display

        probe_display()
    if arguments.method != DEFAULT_METHOD:  # which exists; the table of all loads torch
        from live_gradcam.explain.methods import require_method

        require_method(arguments.method)
    _import_torch_early()
    if arguments.kiosk:
        _run_kiosk(run)
        return
    with (
        _open_source(arguments, console) as source,
        contextlib.ExitStack() as stack,
    ):
        _refuse_endless(source.info, arguments)
        explainer = stack.enter_context(_open_explainer(run))
        sinks = [stack.enter_context(sink) for sink in _open_sinks(arguments, source.info)]
        with lifecycle.cooperative() as stop:
            explain = _run_live if arguments.in_window or _is_live(source) else _run_offline
            try:
                summary = explain(run, source, explainer, sinks, stop)
            except SinkError as error:
                if arguments.outputs == ("-",) and isinstance(error.__cause__, BrokenPipeError):
                    return  # whoever read our records has enough of them
                raise
            print_summary(console, summary)


def _check_arguments(arguments: RunArguments) -> OverlayOptions:
    """Refuse what contradicts itself or names something unknown; returns how frames are drawn."""
    from live_gradcam.capture.open import source_files
    from live_gradcam.show.open import validate_outputs
    from live_gradcam.show.overlay import OverlayOptions

    if not arguments.outputs and not arguments.window:
        raise UsageError("nothing to do", "--no-window", "no output is given", "add -o OUTPUT")
    if arguments.kiosk and not arguments.in_window:
        raise UsageError("--kiosk needs the window", "", "", "Leave out -o and --no-window")
    validate_outputs(
        arguments.outputs, source_files(arguments.source), overwrite=arguments.overwrite
    )
    return OverlayOptions(colormap=arguments.colormap, opacity=arguments.opacity)


def _is_live(source: Source) -> bool:
    from live_gradcam.capture.source import LiveSource

    return isinstance(source, LiveSource)


def _run_live(
    run: _Run,
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    stop: lifecycle.StopToken,
) -> Summary:
    from live_gradcam.session import CameraRing, run_session

    arguments = run.arguments

    def open_camera(index: int) -> Source:
        return _open_source(replace(arguments, source=str(index)), run.console)

    is_camera = source.info.kind == "camera"
    return run_session(
        source,
        explainer,
        sinks,
        overlay=run.overlay,
        options=_run_options(arguments, explainer, source.info),
        window_title=f"live-gradcam - {source.info.name}" if arguments.in_window else None,
        smooth=arguments.smooth,
        next_source=CameraRing(arguments.source, open_camera) if is_camera else None,
        forwards=run.forwards,
        stop=stop,
        on_notice=run.console.note,
    )


def _run_offline(
    run: _Run,
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    stop: lifecycle.StopToken,
) -> Summary:
    from live_gradcam.painter import Painter
    from live_gradcam.pipeline import run_offline

    moving = source.info.kind != "pictures" and run.arguments.smooth
    with run.console.progress(source.info.name) as line:
        return run_offline(
            source,
            explainer,
            sinks,
            painter=Painter(run.overlay, moving=moving),
            options=_run_options(run.arguments, explainer, source.info),
            stop=stop,
            on_progress=lambda done: line.update(done.frames, done.total, done.per_second),
        )


def _run_kiosk(run: _Run) -> None:
    """Show the source full screen until somebody ends the program; open it again and again."""
    from live_gradcam.session import run_session

    with _open_explainer(run) as explainer, lifecycle.cooperative() as stop:
        summary = run_session(
            None,
            explainer,
            (),
            overlay=run.overlay,
            options=_run_options(run.arguments, explainer),
            window_title="live-gradcam",
            smooth=run.arguments.smooth,
            kiosk=True,
            reopen=lambda: _open_source(run.arguments, run.console),
            forwards=run.forwards,
            stop=stop,
            on_notice=run.console.note,
        )
        print_summary(run.console, summary)


def _open_source(arguments: RunArguments, console: Console) -> Source:
    from live_gradcam.capture.open import open_source

    return open_source(
        arguments.source,
        loop=arguments.loop,
        width=arguments.width,
        height=arguments.height,
        fps=arguments.fps,
        max_outage_seconds=arguments.max_outage_seconds,
        strict=arguments.strict,
        on_notice=console.note,
    )


def _import_torch_early() -> None:
    """Load torch and torchvision beside the opening of the source, which mostly waits."""

    def load() -> None:
        with contextlib.suppress(Exception):  # the import that needs it reports what is wrong
            from live_gradcam.explain.networks.lazy_torchvision import torchvision_models

            torchvision_models()

    threading.Thread(target=load, name="import-torch", daemon=True).start()


def _refuse_endless(info: SourceInfo, arguments: RunArguments) -> None:
    """Demand an end of a file that is written from an endless source."""
    endless = not info.live and info.frame_count is None and info.kind == "scene"
    if (endless or arguments.loop) and not arguments.in_window and arguments.max_frames is None:
        raise UsageError(
            "this run would never end",
            arguments.source,
            "the source has no end and there is no window to close",
            "add --max-frames N",
        )


def _open_explainer(run: _Run) -> Explainer:
    from live_gradcam.explain.explainer import Explainer

    arguments, console = run.arguments, run.console
    classifier = open_classifier(arguments.network, console, output=run.meaning)
    warn_of_forwards([arguments.method], classifier, console)

    def on_forwards(done: int, total: int) -> None:
        run.forwards.update(done, total)  # for the window
        console.show_forwards(done, total)  # for the terminal

    if arguments.class_name is not None:
        # Refuse an unknown name before a device is used.
        classifier.class_index(arguments.class_name)
    return Explainer(
        classifier,
        device=arguments.network.device,
        precision=arguments.network.precision,
        compile=arguments.compile,
        top_k=arguments.top_k,
        view=arguments.view,
        method=arguments.method,
        on_notice=console.note,
        on_forwards=on_forwards,
    )


def _run_options(
    arguments: RunArguments, explainer: Explainer, info: SourceInfo | None = None
) -> RunOptions:
    from live_gradcam.pipeline import RunOptions

    return RunOptions(
        classes=arguments.class_name,
        max_frames=arguments.max_frames,
        mirror=arguments.mirror,
        batch_size=explainer.preferred_batch_size,
        show_rate=info is None or info.kind != "pictures",
    )


def _open_sinks(arguments: RunArguments, info: SourceInfo) -> list[Sink]:
    from live_gradcam.show.open import open_sink

    sinks: list[Sink] = []
    try:
        for spec in arguments.outputs:
            sink = open_sink(
                spec, info, overwrite=arguments.overwrite, max_frames=arguments.max_frames
            )
            sinks.append(sink)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def print_summary(console: Console, summary: Summary) -> None:
    """Print frames, rate, stages and outputs of a run, in a few lines."""
    frames = "frame" if summary.frames == 1 else "frames"
    console.note(
        f"{summary.frames} {frames} in {summary.seconds:.1f} s, {summary.per_second:.1f} FPS"
        + (f", {summary.skipped} skipped" if summary.skipped else "")
        + (f", {summary.dropped} dropped" if summary.dropped else "")
    )
    if summary.stages:
        stages = ", ".join(
            f"{name} {times.p50_ms:.1f}/{times.p95_ms:.1f}"
            for name, times in summary.stages.items()
        )
        console.note(f"p50/p95 in ms: {stages}")
    if summary.latency is not None:
        console.note(
            f"capture to show: p50 {summary.latency.p50_ms:.0f} ms, "
            f"p95 {summary.latency.p95_ms:.0f} ms"
        )
    for note in summary.notes:
        console.note(f"note: {note}")
    for output in summary.outputs:
        console.note(f"wrote {output}")
