"""The way into a session for callers: one function, whose arguments become one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from live_gradcam.budget import limit_drawing
from live_gradcam.capture.source import Source
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions, Summary
from live_gradcam.protocol import LiveExplainer
from live_gradcam.session.background import NextSource
from live_gradcam.session.config import SessionConfig, TeachingOptions, ignore
from live_gradcam.session.kiosk import Exhibit
from live_gradcam.session.loop import Session
from live_gradcam.session.state import SessionState
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import Window
from live_gradcam.timing import StepProgress


def run_session(
    source: Source | None,
    explainer: LiveExplainer,
    sinks: Sequence[Sink],
    *,
    overlay: OverlayOptions,
    options: RunOptions,
    window_title: str | None,
    window: Window | None = None,
    smooth: bool = True,
    kiosk: bool = False,
    exhibit: Exhibit | None = None,
    reopen: Callable[[], Source] | None = None,
    next_source: NextSource | None = None,
    folder: Path | None = None,
    slideshow_seconds: float | None = None,
    forwards: StepProgress | None = None,
    teaching: TeachingOptions | None = None,
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
        overlay: The way frames are rendered at first.
        options: Explained class, mirror, limit of frames.
        window_title: Title of the window; ``None`` for no window.
        window: One that is open already; closed at the end in every case.
        smooth: Keep labels, maps and the colour scale steady in time.
        kiosk: Full screen, and no key ends the session. What fails is tried again; whoever comes
            finds it as at the beginning.
        exhibit: What the visitors of a kiosk are told and shown.
        reopen: Opens the source; where it is given, a source that ends or fails is opened again.
        next_source: Opens the next camera.
        folder: Where snapshots, recordings and taught classifiers go; the current folder if
            ``None``.
        slideshow_seconds: Time that each image is shown before the next one; ``None`` waits for a
            key.
        forwards: Progress of a slow method, updated by the explainer; the window shows it.
        teaching: The row of classes that are taught is open at the beginning, or has classes; a key
            opens it in any case, but for visitors of a kiosk.
        stop: Ends the session from outside.
        on_notice: Called, with one sentence, about what the user should know.
        on_state: Called with every new state that a key has made.

    Returns:
        A summary of what was done.

    Raises:
        SourceError: The source gave up.
        SinkError: An output failed; the other outputs are finalised.
        DeviceError: The window cannot be opened.
    """
    limit_drawing()
    config = SessionConfig(
        source=source,
        explainer=explainer,
        sinks=sinks,
        overlay=overlay,
        options=options,
        window_title=window_title,
        window=window,
        smooth=smooth,
        kiosk=kiosk,
        exhibit=exhibit or Exhibit(),
        reopen=reopen,
        next_source=next_source,
        folder=folder,
        slideshow_seconds=slideshow_seconds,
        forwards=forwards,
        teaching=teaching or TeachingOptions(),
        stop=stop or StopToken(),
        on_notice=on_notice or ignore,
        on_state=on_state or ignore,
    )
    return Session(config).run()
