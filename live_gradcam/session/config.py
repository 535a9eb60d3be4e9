"""The configuration of a session: one frozen value, and the state that it begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from live_gradcam.capture.source import Source
from live_gradcam.lifecycle import StopToken
from live_gradcam.pipeline import RunOptions
from live_gradcam.protocol import ExplainerKey, LiveExplainer
from live_gradcam.session.background import NextSource
from live_gradcam.session.kiosk import Exhibit
from live_gradcam.session.state import ExplainSettings, SessionState, TeachingChoices
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.show.window import Window
from live_gradcam.timing import StepProgress


def ignore(_value: object) -> None:
    """Do nothing: the listener where the caller gave none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingOptions:
    """How a session begins to teach.

    Attributes:
        labels: Classes that there are at first.
        open: The row of classes is there at once.
        resume: Go on with the newest journal of the folder.
    """

    labels: tuple[str, ...] = ()
    open: bool = False
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Everything that stays the same for a session; `run_session` describes each field.

    Raises:
        ValueError: There is neither a source nor a way to open one.
    """

    source: Source | None
    explainer: LiveExplainer
    sinks: Sequence[Sink]
    overlay: OverlayOptions
    options: RunOptions
    window_title: str | None
    window: Window | None = None
    smooth: bool = True
    kiosk: bool = False
    exhibit: Exhibit = field(default_factory=Exhibit)
    reopen: Callable[[], Source] | None = None
    next_source: NextSource | None = None
    folder: Path | None = None
    slideshow_seconds: float | None = None
    forwards: StepProgress | None = None
    teaching: TeachingOptions = TeachingOptions()
    stop: StopToken = field(default_factory=StopToken)
    on_notice: Callable[[str], None] = ignore
    on_state: Callable[[SessionState], None] = ignore

    def __post_init__(self) -> None:
        if self.source is None and self.reopen is None:
            raise ValueError("a session needs a source, or a way to open one")

    @property
    def smoothed(self) -> bool:
        """True if frames follow each other in time and are to be steady in it."""
        still = self.source is not None and self.source.info.kind == "pictures"
        return self.smooth and not still

    @property
    def shown_forwards(self) -> tuple[int, int] | None:
        """Progress of a slow method for the window; outputs are for whoever did not wait."""
        if self.forwards is None or self.window_title is None:
            return None
        return self.forwards.steps

    def first_state(self) -> SessionState:
        """Return the state before the first key."""
        explainer = self.explainer
        return SessionState(
            settings=ExplainSettings(
                key=ExplainerKey(explainer.classifier.layer, explainer.method),
                view=explainer.view,
                mirror=self.options.mirror,
                rois=self.options.rois,
                held=_held_class(explainer, self.options),
            ),
            overlay=replace(self.overlay, hud_layout="stage") if self.kiosk else self.overlay,
            teaching=TeachingChoices(open=self.teaching.open),
            fullscreen=self.kiosk,
        )


def _held_class(explainer: LiveExplainer, options: RunOptions) -> int | None:
    """The one class that the options name, if they name one."""
    classes = options.classes
    if classes is None or classes in ("top", "all"):
        return None
    if not isinstance(classes, (int, str)):
        if len(classes) != 1:
            return None
        (classes,) = classes
    return explainer.classifier.class_index(classes)
