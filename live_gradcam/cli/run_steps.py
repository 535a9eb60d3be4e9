"""The steps of a run, each for what was typed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from live_gradcam import lifecycle
from live_gradcam.cli.kept_graph import keeping_graph
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_opening import load_network, open_source_of, open_window
from live_gradcam.cli.run_teaching import teaching_options
from live_gradcam.cli.run_values import Run
from live_gradcam.cli.summary import print_summary
from live_gradcam.errors import SinkError

if TYPE_CHECKING:
    from live_gradcam.capture.source import Source
    from live_gradcam.pipeline import RunOptions, Summary
    from live_gradcam.protocol import LiveExplainer
    from live_gradcam.session.kiosk import Exhibit
    from live_gradcam.show.sink import Sink
    from live_gradcam.show.window import Window
    from live_gradcam.values import SourceInfo


def is_live(source: Source) -> bool:
    """Return whether a source gives the newest frame only."""
    from live_gradcam.capture.source import LiveSource

    return isinstance(source, LiveSource)


def run_live(
    run: Run,
    source: Source,
    explainer: LiveExplainer,
    sinks: Sequence[Sink],
    stop: lifecycle.StopToken,
    window: Window | None = None,
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
        window_title=f"live-gradcam - {source.info.name}" if window is not None else None,
        window=window,
        smooth=arguments.smooth,
        next_source=CameraRing(arguments.source, open_camera) if is_camera else None,
        slideshow_seconds=arguments.slideshow,
        forwards=run.forwards,
        teaching=teaching_options(arguments),
        stop=stop,
        on_notice=run.console.note,
    )


def run_offline_steps(
    run: Run,
    source: Source,
    explainer: LiveExplainer,
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
            painter=Painter(run.overlay, moving=moving, for_files=True),
            options=run_options(run.arguments, explainer, source.info),
            stop=stop,
            on_progress=lambda done: line.update(done.frames, done.total, done.per_second),
        )


def run_kiosk(run: Run) -> None:
    """Show the source full screen until somebody ends the program; open it again and again."""
    from live_gradcam.session import run_session

    with contextlib.ExitStack() as stack:
        window = stack.enter_context(open_window(run.arguments))
        explainer = load_network(run, window)
        if explainer is None:
            return
        stack.enter_context(explainer)
        stack.enter_context(keeping_graph(run, explainer))
        exhibit = make_exhibit(run, explainer)
        stop = stack.enter_context(lifecycle.cooperative())
        summary = run_session(
            None,
            explainer,
            (),
            overlay=run.overlay,
            options=run_options(run.arguments, explainer),
            window_title=exhibit.title or "live-gradcam",
            window=window,
            smooth=run.arguments.smooth,
            kiosk=True,
            exhibit=exhibit,
            reopen=lambda: open_source_of(run.arguments, run.console),
            slideshow_seconds=run.arguments.slideshow,
            forwards=run.forwards,
            stop=stop,
            on_notice=run.console.note,
        )
        print_summary(run.console, summary, verbose=run.arguments.verbose)


def make_exhibit(run: Run, explainer: LiveExplainer) -> Exhibit:
    """Return what the visitors of a kiosk are told and shown."""
    from live_gradcam.session.kiosk import DEFAULT_TITLE, Exhibit

    arguments = run.arguments
    return Exhibit(
        title=DEFAULT_TITLE if arguments.kiosk_title is None else arguments.kiosk_title,
        invitation=arguments.kiosk_invitation,
        demonstration=_demonstration(run, explainer),
        camera=arguments.source.strip().isdecimal(),
    )


def _demonstration(run: Run, explainer: LiveExplainer) -> Callable[[], Source] | None:
    """Return what opens the demonstration: what was typed, or drawings that the network knows.

    The scenes of the bundled network need no choosing.
    """
    from live_gradcam.capture.stills import StillsSource
    from live_gradcam.scenes import SCENE_CLASSES
    from live_gradcam.web.examples import find_examples

    path, labels = run.arguments.kiosk_demonstration, explainer.classifier.labels
    if path is not None:
        typed = replace(run.arguments, sources=(path,))
        return lambda: open_source_of(typed, run.console)
    if tuple(labels) == tuple(SCENE_CLASSES):
        return None
    images = [example.image for example in find_examples(explainer, labels)]
    return (lambda: StillsSource(images)) if images else None


def run_options(
    arguments: RunArguments, explainer: LiveExplainer, info: SourceInfo | None = None
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
        rois=arguments.rois,
    )


def open_sinks(run: Run, info: SourceInfo) -> list[Sink]:
    """Open every output, or none."""
    from live_gradcam.air.open import introduce, open_sink

    arguments = run.arguments
    sinks: list[Sink] = []
    try:
        for spec in arguments.outputs:
            sink = open_sink(
                spec,
                info,
                overwrite=arguments.overwrite,
                max_frames=arguments.max_frames,
                auth=arguments.credentials,
                origins=arguments.origins,
                format=arguments.format,
                on_notice=run.console.note,
            )
            sinks.append(sink)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    introduce(sinks)
    return sinks


def nobody_reads_on(run: Run, error: SinkError) -> bool:
    """Return whether a run ended because its only reader has had enough, which is no failure."""
    if run.arguments.outputs != ("-",) or not isinstance(error.__cause__, BrokenPipeError):
        return False
    if run.arguments.format not in (None, "jsonl"):
        run.console.note(f"{error.where}: {error.cause}")
    return True
