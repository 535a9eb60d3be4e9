"""What a run opens before its first frame: the source and the network, beside each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from live_gradcam.air.address import is_on_air
from live_gradcam.choices import DEFAULT_METHOD, DEFAULT_MODEL
from live_gradcam.cli.console import Console
from live_gradcam.cli.graph_network import open_exported
from live_gradcam.cli.kept_graph import open_kept
from live_gradcam.cli.network import open_classifier, warn_of_forwards
from live_gradcam.cli.run_arguments import RunArguments
from live_gradcam.cli.run_int8 import open_int8
from live_gradcam.cli.run_values import Run
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.capture.source import Source
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.graph.explainer import GraphExplainer
    from live_gradcam.show.window import Window
    from live_gradcam.values import SourceInfo

T = TypeVar("T")

_FIRST_SIZE = (1280, 720)  # of the window, before the source's is known


@dataclass(frozen=True, slots=True)
class Opened:
    """Source and network of a run, both open."""

    source: Source
    explainer: Explainer | GraphExplainer

    def close(self) -> None:
        """Close both."""
        self.source.close()
        self.explainer.close()


def say_what_is_loaded(arguments: RunArguments, console: Console) -> None:
    """Say at once what takes its time; not where another program reads the records."""
    if "-" not in arguments.outputs or console.is_terminal:
        console.note(f"loading {network_name(arguments)} ...")


def network_name(arguments: RunArguments) -> str:
    """Return the name of what was typed as the network, without its folders."""
    model, weights = arguments.network.model, arguments.network.weights
    if weights is not None and weights.suffix == ".safetensors" and model == DEFAULT_MODEL:
        return weights.name  # which may say by itself what network it is for
    return model if model.startswith(("hf:", "timm:")) else Path(model).name or model


def refuse_missing(source: str) -> None:
    """Refuse a source that would be a file, and is not there.

    Raises:
        SourceError: There is no such file.
    """
    text = source.strip()
    if text.isdecimal() or text == "scene" or Path(text).exists():
        return  # without loading what opens all kinds of sources
    from live_gradcam.capture.open import require_source

    require_source(source)


def open_window(arguments: RunArguments) -> Window:
    """Open the window, before there is anything to show.

    Raises:
        DeviceError: There is no display.
    """
    from live_gradcam.show.loading import draw_loading
    from live_gradcam.show.window import Window

    width, height = _FIRST_SIZE
    draw_loading(_FIRST_SIZE, "loading", 0.0)  # type is loaded before the window waits for it
    return Window("live-gradcam", width=width, height=height, fullscreen=arguments.kiosk)


def load_all(run: Run, window: Window | None) -> Opened | None:
    """Open source and network.

    Args:
        run: What was typed.
        window: Lives meanwhile, and says what is being loaded.

    Returns:
        ``None`` if the person has closed the window meanwhile.

    Raises:
        LiveGradcamError: One of them cannot be opened, or the run would never end.
    """
    if window is None:
        return _open_both(run)
    from live_gradcam.session.loading import load_in_window

    return load_in_window(
        window,
        lambda: _open_both(run),
        text=f"loading the network {network_name(run.arguments)} ...",
        abandon=Opened.close,
    )


def load_network(run: Run, window: Window) -> Explainer | GraphExplainer | None:
    """Open the network alone, for a source that may come and go; see `load_all`."""
    from live_gradcam.session.loading import load_in_window
    from live_gradcam.wording import MOMENT

    return load_in_window(
        window,
        lambda: open_explainer(run),
        text=MOMENT,  # for visitors, who have no use for its name
        may_quit=False,
        abandon=lambda explainer: explainer.close(),
    )


@contextlib.contextmanager
def opening_network(run: Run) -> Iterator[Future[Explainer | GraphExplainer]]:
    """Open the network in a thread of its own, beside what is done inside.

    Where that fails, nobody waits for the network, and it is closed as soon as it is open.
    """
    from live_gradcam.workers import release_when_done, run_in_thread

    network: Future[Explainer | GraphExplainer] = run_in_thread(
        "open-network", lambda: open_explainer(run)
    )
    try:
        yield network
    except BaseException:
        release_when_done(network, lambda explainer: explainer.close())
        raise


def _open_both(run: Run) -> Opened:
    """Open the source, which mostly waits, and the network beside it."""
    from live_gradcam.workers import wait_for

    with opening_network(run) as network, contextlib.ExitStack() as stack:
        source = open_source_of(run.arguments, run.console)
        if run.arguments.in_window:
            from live_gradcam.session.pipe_feed import watch_pipe

            source = watch_pipe(source)
        stack.enter_context(source)
        refuse_endless(source.info, run.arguments)
        refuse_outside(source.info, run.arguments)
        explainer = wait_for(network)
        stack.pop_all()  # both are the caller's from now on
        return Opened(source, explainer)


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
        input_format=arguments.input_format,
        pixel_format=arguments.pixel_format,
        on_notice=console.note,
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


def check_parts(arguments: RunArguments) -> None:
    """Refuse parts that are none, and those that a kiosk would not know what to do with.

    Raises:
        UsageError: What was typed cannot be explained.
    """
    if arguments.rois and arguments.kiosk:
        cause = "a kiosk explains its demonstration, too, where the part means nothing"
        raise UsageError("--roi and --kiosk exclude each other", "", cause)


def refuse_outside(info: SourceInfo, arguments: RunArguments) -> None:
    """Refuse parts that lie outside of the frames, where all of these have one size.

    Raises:
        UsageError: One lies outside.
    """
    if info.kind != "pictures" and min(info.width, info.height) > 0:
        for roi in arguments.rois:
            roi.on(info.width, info.height)


def refuse_endless(info: SourceInfo, arguments: RunArguments) -> None:
    """Demand an end of a file that is written from an endless source."""
    endless = not info.live and info.frame_count is None and info.kind == "scene"
    on_air = bool(arguments.outputs) and all(map(is_on_air, arguments.outputs))
    watched = arguments.in_window or on_air
    if (endless or arguments.loop) and not watched and arguments.max_frames is None:
        raise UsageError(
            "this run would never end",
            arguments.source,
            "the source has no end and there is no window to close",
            "add --max-frames N",
        )


def open_explainer(run: Run) -> Explainer | GraphExplainer:
    """Open the network that was typed, and what explains with it; an exported one without torch."""
    arguments, console = run.arguments, run.console
    if run.exported is not None:
        return open_exported(
            arguments.network,
            run.exported,
            console,
            method=arguments.method,
            output=run.meaning,
            class_name=arguments.class_name,
            engine=arguments.engine,
            top_k=arguments.top_k,
            view=arguments.view,
        )
    kept = open_kept(run, lambda: _load_explainer(run))
    return _load_explainer(run) if kept is None else kept


def _load_explainer(run: Run) -> Explainer | GraphExplainer:
    """Load the network itself, and what explains with it."""
    arguments, console = run.arguments, run.console
    from live_gradcam.explain.explainer import Explainer
    from live_gradcam.explain.methods import require_method

    if arguments.method != DEFAULT_METHOD:  # which exists
        require_method(arguments.method)
    classifier = open_classifier(arguments.network, console, output=run.meaning)
    warn_of_forwards([arguments.method], classifier, console)

    def on_forwards(done: int, total: int) -> None:
        run.forwards.update(done, total)  # for the window
        console.show_forwards(done, total)  # for the terminal

    if arguments.class_name is not None:
        # Refuse an unknown name before a device is used.
        classifier.class_index(arguments.class_name)
    if arguments.network.precision == "int8":
        return open_int8(run, classifier)
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
