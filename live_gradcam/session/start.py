"""A session begins: what the caller asks for becomes its setting and its first state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from live_gradcam.budget import limit_drawing
from live_gradcam.capture.source import Source
from live_gradcam.explain.explainer import Explainer
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions, Summary
from live_gradcam.session.background import BackgroundTasks, NextSource
from live_gradcam.session.loop import Session, Setting
from live_gradcam.session.state import SessionState
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.timing import StepProgress


def run_session(
    source: Source | None,
    explainer: Explainer,
    sinks: Sequence[Sink],
    *,
    overlay: OverlayOptions,
    options: RunOptions,
    window_title: str | None,
    smooth: bool = True,
    kiosk: bool = False,
    reopen: Callable[[], Source] | None = None,
    next_source: NextSource | None = None,
    folder: Path | None = None,
    forwards: StepProgress | None = None,
    stop: StopToken | None = None,
    on_notice: Callable[[str], None] | None = None,
    on_state: Callable[[SessionState], None] | None = None,
) -> Summary:
    """Explain the newest frame again and again until somebody ends it.

    The caller's thread, which must be the main thread where there is a window, owns the window and
    never waits for the network. Live sources give their newest frame; files are played in order and
    at their own pace.

    Args:
        source: Where frames come from; stays the caller's. ``None`` only together with ``reopen``.
        explainer: Explains the frames; stays the caller's.
        sinks: Outputs beside the window; closed, and thereby finalised, in every case.
        overlay: How pictures are drawn at first.
        options: Explained class, mirror, limit of frames.
        window_title: Title of the window; ``None`` for no window.
        smooth: Keep labels, maps and the colour scale steady in time.
        kiosk: Full screen, and no key ends the session. What fails is said on the screen and tried
            again.
        reopen: Opens the source; where it is given, a source that ends or fails is opened again.
        next_source: Opens the next camera.
        folder: Where snapshots and recordings go; the current folder if ``None``.
        forwards: What the explainer tells how far a slow method is; the window shows it.
        stop: Ends the session from outside.
        on_notice: Told, in one sentence, what the user should know.
        on_state: Told every new state that a key has made.

    Returns:
        What was done.

    Raises:
        SourceError: The source gave up.
        SinkError: An output failed; the other outputs are finalised.
        DeviceError: The window cannot be opened.
    """
    if source is None and reopen is None:
        raise ValueError("a session needs a source, or a way to open one")
    limit_drawing()
    still = source is not None and source.info.kind == "pictures"
    setting = Setting(
        source=source,
        explainer=explainer,
        options=options,
        smooth=smooth and not still,
        kiosk=kiosk,
        reopen=reopen,
        may_switch=next_source is not None,
        # Outputs are for whoever did not wait.
        forwards=forwards if forwards is not None and window_title is not None else StepProgress(),
        stop=stop or StopToken(),
        on_notice=on_notice or _ignore,
    )
    state = SessionState(
        overlay=overlay,
        layer=explainer.classifier.layer,
        method=explainer.method,
        view=explainer.view,
        mirror=options.mirror,
        held=_held_class(explainer, options),
        fullscreen=kiosk,
    )
    backstage = BackgroundTasks(folder or Path.cwd(), next_source, setting.on_notice)
    session = Session(setting, state, backstage, on_state or _ignore)
    return session.run(sinks, window_title)


def _held_class(explainer: Explainer, options: RunOptions) -> int | None:
    """The one class that the options name, if they name one."""
    classes = options.classes
    if classes is None or classes in ("top", "all"):
        return None
    if not isinstance(classes, (int, str)):
        if len(classes) != 1:
            return None
        (classes,) = classes
    return explainer.classifier.class_index(classes)


def _ignore(_value: object) -> None:
    """Nobody wants to be told."""
