"""The steps of a run, each for what was typed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from live_gradcam import lifecycle
from live_gradcam.choices import OutputChoice
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import open_classifier, warn_of_forwards
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.summary import print_summary
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.capture.source import Source
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.pipeline import RunOptions, Summary
    from live_gradcam.show.overlay import OverlayOptions
    from live_gradcam.show.sink import Sink
    from live_gradcam.timing import StepProgress
    from live_gradcam.values import SourceInfo


@dataclass(frozen=True, slots=True)
class Run:
    """Values that every part of a run needs."""

    arguments: RunArguments
    console: Console
    overlay: OverlayOptions
    forwards: StepProgress
    meaning: OutputChoice


def is_live(source: Source) -> bool:
    """Return whether a source gives the newest frame only."""
    from live_gradcam.capture.source import LiveSource

    return isinstance(source, LiveSource)


def run_live(
    run: Run,
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    stop: lifecycle.StopToken,
) -> Summary:
    """Explain the newest frame again and again, in a window or into files."""
    from live_gradcam.session import CameraRing, run_session

    arguments = run.arguments

    def open_camera(index: int) -> Source:
        return open_source_of(replace(arguments, sources=(str(index),)), run.console)

    is_camera = source.info.kind == "camera"
    return run_session(
        source,
        explainer,
        sinks,
        overlay=run.overlay,
        options=run_options(arguments, explainer, source.info),
        window_title=f"live-gradcam - {source.info.name}" if arguments.in_window else None,
        smooth=arguments.smooth,
        next_source=CameraRing(arguments.source, open_camera) if is_camera else None,
        slideshow_seconds=arguments.slideshow,
        forwards=run.forwards,
        stop=stop,
        on_notice=run.console.note,
    )


def run_offline_steps(
    run: Run,
    source: Source,
    explainer: Explainer,
    sinks: Sequence[Sink],
    stop: lifecycle.StopToken,
) -> Summary:
    """Explain every frame of a source, with a progress line."""
    from live_gradcam.painter import Painter
    from live_gradcam.pipeline import run_offline

    moving = source.info.kind != "pictures" and run.arguments.smooth
    with run.console.progress(source.info.name) as line:
        return run_offline(
            source,
            explainer,
            sinks,
            painter=Painter(run.overlay, moving=moving),
            options=run_options(run.arguments, explainer, source.info),
            stop=stop,
            on_progress=lambda done: line.update(done.frames, done.total, done.per_second),
        )


def run_kiosk(run: Run) -> None:
    """Show the source full screen until somebody ends the program; open it again and again."""
    from live_gradcam.session import run_session

    with open_explainer(run) as explainer, lifecycle.cooperative() as stop:
        summary = run_session(
            None,
            explainer,
            (),
            overlay=run.overlay,
            options=run_options(run.arguments, explainer),
            window_title="live-gradcam",
            smooth=run.arguments.smooth,
            kiosk=True,
            reopen=lambda: open_source_of(run.arguments, run.console),
            slideshow_seconds=run.arguments.slideshow,
            forwards=run.forwards,
            stop=stop,
            on_notice=run.console.note,
        )
        print_summary(run.console, summary, verbose=run.arguments.verbose)


def open_source_of(arguments: RunArguments, console: Console) -> Source:
    """Open the source that was typed; several are pictures for the window."""
    from live_gradcam.capture.open import open_source
    from live_gradcam.capture.several import open_pictures

    if len(arguments.sources) > 1:
        return open_pictures(
            arguments.sources,
            loop=arguments.loop,
            strict=arguments.strict,
            on_notice=console.note,
        )
    return open_source(
        arguments.source,
        loop=arguments.loop,
        width=arguments.width,
        height=arguments.height,
        fps=arguments.pictures_per_second,
        max_outage_seconds=arguments.max_outage_seconds,
        strict=arguments.strict,
        stream=arguments.stream,
        keep_timestamps=arguments.keep_timestamps,
        on_notice=console.note,
    )


def import_torch_early() -> None:
    """Load torch and torchvision beside the opening of the source, which mostly waits."""

    def load() -> None:
        with contextlib.suppress(Exception):  # the import that needs it reports what is wrong
            from live_gradcam.explain.networks.lazy_torchvision import torchvision_models

            torchvision_models()

    threading.Thread(target=load, name="import-torch", daemon=True).start()


def refuse_endless(info: SourceInfo, arguments: RunArguments) -> None:
    """Demand an end of a file that is written from an endless source."""
    endless = not info.live and info.frame_count is None and info.kind == "scene"
    if (endless or arguments.loop) and not arguments.in_window and arguments.max_frames is None:
        raise UsageError(
            "this run would never end",
            arguments.source,
            "the source has no end and there is no window to close",
            "add --max-frames N",
        )


def require_pictures(sources: Sequence[str]) -> None:
    """Refuse what certainly has no pictures to turn, where the window is to turn them.

    Raises:
        UsageError: A source is a film, a camera or a stream.
    """
    from live_gradcam.capture.several import has_pictures

    for source in sources:
        if has_pictures(source):
            continue
        if len(sources) > 1:
            step = "Give it alone, or add -o OUTPUT"
            what = f"it is one of {len(sources)} sources and no picture"
            raise UsageError("the window shows one film, or pictures", source, what, step)
        step = "Leave --slideshow out"
        raise UsageError("--slideshow is for pictures", source, "it plays by itself", step)


def open_explainer(run: Run) -> Explainer:
    """Open the network that was typed, and what explains with it."""
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
        engine=arguments.engine,
        top_k=arguments.top_k,
        view=arguments.view,
        method=arguments.method,
        on_notice=console.note,
        on_forwards=on_forwards,
    )


def run_options(
    arguments: RunArguments, explainer: Explainer, info: SourceInfo | None = None
) -> RunOptions:
    """Return the options of a run over one source."""
    from live_gradcam.pipeline import RunOptions

    return RunOptions(
        classes=arguments.class_name,
        max_frames=arguments.max_frames,
        mirror=arguments.mirror,
        batch_size=explainer.preferred_batch_size,
        show_rate=arguments.shows_rate and (info is None or info.kind != "pictures"),
        truth=arguments.truth,
    )


def open_sinks(arguments: RunArguments, info: SourceInfo) -> list[Sink]:
    """Open every output, or none."""
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
