"""Values and doubles that the tests of a session share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from live_gradcam.capture.source import Source
from live_gradcam.errors import SourceError
from live_gradcam.explain.explainer import Explainer
from live_gradcam.protocol import ExplainerKey
from live_gradcam.session.feed import Clock, Feed
from live_gradcam.session.request import ExplainedFrame, ExplainRequest
from live_gradcam.session.state import ExplainSettings, SessionState
from live_gradcam.show.overlay import OverlayOptions
from live_gradcam.show.sink import Sink
from live_gradcam.values import Explanation, Frame, Image, Prediction, Region, SourceInfo

KEY = ExplainerKey("layer4", "gradcam")
PATIENCE_SECONDS = 60.0
"""Seconds until something counts as never happening; on a busy machine much takes long."""

START = SessionState(settings=ExplainSettings(key=KEY), overlay=OverlayOptions())


def with_settings(state: SessionState, **changes: Any) -> SessionState:
    """A state with other settings; ``layer``, ``method`` and ``randomized`` change their key."""
    key = {name: changes.pop(name) for name in KEY._fields if name in changes}
    changes["key"] = state.settings.key._replace(**key)
    return replace(state, settings=replace(state.settings, **changes))


def make_request(
    explainer: Explainer, *, pointing: bool = False, **settings: Any
) -> ExplainRequest:
    """A request for an explainer's own layer and method, with some settings."""
    key = ExplainerKey(explainer.classifier.layer, explainer.method)
    state = with_settings(replace(START, settings=ExplainSettings(key=key)), **settings)
    return ExplainRequest(
        settings=state.settings, explainer=explainer, trained=explainer, pointing=pointing
    )


class MemorySink(Sink):
    """Keeps what it is given, and says when that is enough."""

    def __init__(self, count: int = 10) -> None:
        self.frames: list[Frame] = []
        self.explanations: list[Explanation] = []
        self.closed = False
        self.enough = threading.Event()
        self._count = count

    def write(
        self,
        frame: Frame,
        rendered: Image | None,
        explanation: Explanation,
        *,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.frames.append(frame)
        self.explanations.append(explanation)
        if len(self.frames) >= self._count:
            self.enough.set()

    def close(self) -> None:
        self.closed = True

    @property
    def description(self) -> str:
        return f"{len(self.frames)} frames"


class FailingSource(Source):
    """Gives some frames, then fails; one of them could not be decoded."""

    def __init__(self, image: Image, frames: int) -> None:
        self._image = image
        self._frames = frames
        self.closed = False
        self.on_close: Callable[[], None] = lambda: None

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("broken.mp4", "video", live=False, width=320, height=240, fps=1000.0)

    @property
    def skipped(self) -> int:
        return 1

    @property
    def notes(self) -> tuple[str, ...]:
        return ("broken.mp4: 1 damaged frame left out",)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._frames):
            yield Frame(self._image, index, index / 1000)
        raise SourceError("cannot read video", "broken.mp4", "it is broken")

    def close(self) -> None:
        self.closed = True
        self.on_close()


class SlowToOpen:
    """A source that opens when it may, and says when it is closed."""

    def __init__(self) -> None:
        self.may_open = threading.Event()
        self.closed = threading.Event()

    def open(self) -> Source:
        assert self.may_open.wait(PATIENCE_SECONDS)
        source = FailingSource(np.zeros((24, 32, 3), np.uint8), 1)
        source.on_close = self.closed.set
        return source


def make_explained(explainer: Explainer, width: int, height: int) -> ExplainedFrame:
    """A frame of a size, explained: a different number in each cell of two maps."""
    side = min(width, height)
    explanation = Explanation(
        (Prediction(0, "mug", 2.0, 0.7), Prediction(1, "teapot", 1.0, 0.2)),
        (0, 1),
        np.arange(98, dtype=np.float32).reshape(2, 7, 7) - 40,
        Region((width - side) // 2, (height - side) // 2, side, side),
        labels=("mug", "teapot"),
    )
    frame = Frame(np.full((height, width, 3), 120, np.uint8), 0, 0.0)
    request = make_request(explainer)
    return ExplainedFrame(frame, explanation, explanation, explanation, request, is_new=True)


class FakeTime:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock = Clock(lambda: self.seconds, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def take(feed: Feed, frames: int, on_round: Callable[[], object] = lambda: None) -> list[Frame]:
    """The next frames; fewer where they do not come."""
    found: list[Frame] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < frames and time.monotonic() < deadline:
        frame = feed.next(0.02)
        found += [frame] if frame is not None else []
        on_round()
    return found
