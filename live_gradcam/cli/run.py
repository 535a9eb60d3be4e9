"""``live-gradcam run``: one source, any number of outputs, or a window."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from live_gradcam import lifecycle
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import open_classifier, warn_of_forwards
from live_gradcam.cli.options import NetworkOptions
from live_gradcam.errors import SinkError, UsageError
from live_gradcam.timing import HowFar
from live_gradcam.values import SourceInfo, View

if TYPE_CHECKING:
    from live_gradcam.capture.source import Source
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.pipeline import RunOptions, Summary
    from live_gradcam.show.overlay import OverlayOptions
    from live_gradcam.show.sink import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Everything the command line says about a run; the options' help says what each one means."""

    source: str = "0"
    outputs: tuple[str, ...] = ()
    network: NetworkOptions
    method: str = "gradcam"
    compile: Literal["auto", "on", "off"] = "auto"
    class_name: str | None = None
    view: View = "crop"
    top_k: int = 3
    colormap: str = "turbo"
    opacity: float = 0.6
    mirror: bool = False
    smooth: bool = True
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    max_frames: int | None = None
    loop: bool = False
    max_outage_seconds: float | None = None
    strict: bool = False
    overwrite: bool = False
    window: bool = True
    kiosk: bool = False
    seed: int = 0


def execute(request: RunRequest, console: Console) -> None:
    """Do the run.

    The order is that of patience: what can be refused at once is refused before anything slow is
    loaded, and no output is created before the network stands.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; files are finalised.
    """
    from live_gradcam.capture.open import source_files
    from live_gradcam.show.open import validate_outputs
    from live_gradcam.show.overlay import OverlayOptions

    if not request.outputs and not request.window:
        raise UsageError("nothing to do", "--no-window", "no output is given", "add -o OUTPUT")
    if request.kiosk and not request.window:
        raise UsageError("--kiosk needs the window", "", "", "Leave out -o and --no-window")
    overlay = OverlayOptions(colormap=request.colormap, opacity=request.opacity)
    validate_outputs(request.outputs, source_files(request.source), overwrite=request.overwrite)
    if request.window:
        from live_gradcam.show.window import probe_display

        probe_display()
    if request.method != "gradcam":  # the default is known to exist; the table of all loads torch
        from live_gradcam.explain.methods import require_method

        require_method(request.method)
    _import_torch_early()
    if request.kiosk:
        _run_kiosk(request, console, overlay)
        return
    forwards = HowFar()
    with _open_source(request, console) as source:
        _refuse_endless(source.info, request)
        with _open_explainer(request, console, forwards) as explainer:
            moving = source.info.kind != "pictures"
            options = _run_options(request, explainer, show_rate=moving)
            with contextlib.ExitStack() as stack:
                sinks = [stack.enter_context(sink) for sink in _open_sinks(request, source.info)]
                with lifecycle.cooperative() as stop:
                    try:
                        summary = _run(
                            request,
                            console,
                            source,
                            explainer,
                            sinks,
                            overlay,
                            options,
                            forwards,
                            stop,
                        )
                    except SinkError as error:
                        if request.outputs == ("-",) and isinstance(
                            error.__cause__, BrokenPipeError
                        ):
                            return  # whoever read our records has enough of them
                        raise
                    print_summary(console, summary)


def _run(
    request: RunRequest,
    console: Console,
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    overlay: OverlayOptions,
    options: RunOptions,
    forwards: HowFar,
    stop: lifecycle.StopToken,
) -> Summary:
    from live_gradcam.capture.source import LiveSource

    if request.window or isinstance(source, LiveSource):
        from live_gradcam.session import CameraRing, run_session

        def open_camera(index: int) -> Source:
            return _open_source(replace(request, source=str(index)), console)

        is_camera = source.info.kind == "camera"
        return run_session(
            source,
            explainer,
            sinks,
            overlay=overlay,
            options=options,
            window_title=f"live-gradcam - {source.info.name}" if request.window else None,
            smooth=request.smooth,
            next_source=CameraRing(request.source, open_camera) if is_camera else None,
            forwards=forwards,
            stop=stop,
            on_notice=console.note,
        )
    from live_gradcam.painter import Painter
    from live_gradcam.pipeline import run_offline

    painter = Painter(overlay, moving=source.info.kind != "pictures" and request.smooth)
    with console.progress(source.info.name) as line:
        return run_offline(
            source,
            explainer,
            sinks,
            painter=painter,
            options=options,
            stop=stop,
            on_progress=lambda done: line.update(done.frames, done.total, done.per_second),
        )


def _run_kiosk(request: RunRequest, console: Console, overlay: OverlayOptions) -> None:
    """Show the source full screen until somebody ends the program; open it again and again."""
    from live_gradcam.session import run_session

    forwards = HowFar()
    with (
        _open_explainer(request, console, forwards) as explainer,
        lifecycle.cooperative() as stop,
    ):
        summary = run_session(
            None,
            explainer,
            (),
            overlay=overlay,
            options=_run_options(request, explainer),
            window_title="live-gradcam",
            smooth=request.smooth,
            kiosk=True,
            reopen=lambda: _open_source(request, console),
            forwards=forwards,
            stop=stop,
            on_notice=console.note,
        )
        print_summary(console, summary)


def _open_source(request: RunRequest, console: Console) -> Source:
    from live_gradcam.capture.open import open_source

    return open_source(
        request.source,
        loop=request.loop,
        width=request.width,
        height=request.height,
        fps=request.fps,
        max_outage_seconds=request.max_outage_seconds,
        strict=request.strict,
        seed=request.seed,
        on_notice=console.note,
    )


def _import_torch_early() -> None:
    """Load torch and torchvision beside the opening of the source, which mostly waits."""

    def load() -> None:
        with contextlib.suppress(Exception):  # the import that needs it reports what is wrong
            from live_gradcam.explain.networks.lazy_torchvision import torchvision_models

            torchvision_models()

    threading.Thread(target=load, name="import-torch", daemon=True).start()


def _refuse_endless(info: SourceInfo, request: RunRequest) -> None:
    """A file that is written from an endless source needs an end."""
    endless = not info.live and info.frame_count is None and info.kind == "scene"
    if (endless or request.loop) and not request.window and request.max_frames is None:
        raise UsageError(
            "this run would never end",
            request.source,
            "the source has no end and there is no window to close",
            "add --max-frames N",
        )


def _open_explainer(request: RunRequest, console: Console, forwards: HowFar) -> Explainer:
    from live_gradcam.explain.explainer import Explainer

    classifier = open_classifier(request.network, console)
    warn_of_forwards([request.method], classifier, console)

    def on_forwards(done: int, total: int) -> None:
        forwards.tell(done, total)  # for the window
        console.within(done, total)  # for the terminal

    if request.class_name is not None:
        classifier.class_index(request.class_name)  # refuse an unknown name before a device is used
    return Explainer(
        classifier,
        device=request.network.device,
        precision=request.network.precision,
        compile=request.compile,
        top_k=request.top_k,
        view=request.view,
        method=request.method,
        on_notice=console.note,
        on_forwards=on_forwards,
    )


def _run_options(
    request: RunRequest, explainer: Explainer, *, show_rate: bool = True
) -> RunOptions:
    from live_gradcam.pipeline import RunOptions

    return RunOptions(
        classes=request.class_name,
        max_frames=request.max_frames,
        mirror=request.mirror,
        batch_size=explainer.preferred_batch_size,
        show_rate=show_rate,
    )


def _open_sinks(request: RunRequest, info: SourceInfo) -> list[Sink]:
    from live_gradcam.show.open import open_sink

    sinks: list[Sink] = []
    try:
        for spec in request.outputs:
            sink = open_sink(spec, info, overwrite=request.overwrite, max_frames=request.max_frames)
            sinks.append(sink)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def print_summary(console: Console, summary: Summary) -> None:
    """Frames, rate, stages, outputs: what was done, in a few lines."""
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
