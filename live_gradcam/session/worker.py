"""The thread that explains: takes the newest frame when there is room for its explanation.

The window's thread never waits for the network. An explained frame waits for the window at most
once: no frame is taken from the source before the last explained one has been taken over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from live_gradcam.images.geometry import mirror_frame
from live_gradcam.images.parts import cut_part, explain_parts, outside_note, put_back
from live_gradcam.session.feed import Feed
from live_gradcam.session.request import (
    ExplainedFrame,
    ExplainRequest,
    OtherExplained,
    TruthReading,
    select_maps,
    wanted_classes,
)
from live_gradcam.session.smoothing import SteadyLabels, SteadyMaps
from live_gradcam.session.truth import TruthTester
from live_gradcam.values import Explanation, Frame
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup

_WAIT_SECONDS = 0.02

Item: TypeAlias = "ExplainedFrame | TruthReading"


@dataclass(slots=True)
class _Steady:
    """What keeps one part of the frames steady in time."""

    labels: SteadyLabels = field(default_factory=SteadyLabels)
    maps: SteadyMaps = field(default_factory=SteadyMaps)


class ExplainWorker:
    """Explains frames of a feed in a thread of its own, as the current request says.

    The thread runs from `start` to `stop`.

    Args:
        feed: Where frames come from; can be replaced.
        request: What to explain at first; can be replaced.
        smooth: Keep labels and maps steady in time.
        between: Called between two frames.
    """

    def __init__(
        self,
        feed: Feed,
        request: ExplainRequest,
        *,
        smooth: bool,
        between: Callable[[], None],
    ) -> None:
        self.feed = feed
        self.request = request
        self._between = between
        self._smooth = smooth
        self._steady = [_Steady()]
        self._items: Channel[Item] = Channel(4)
        self._room = threading.Semaphore(1)
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._workers = WorkerGroup("session", self._wake)
        self._known: tuple[int, ...] = ()
        self._source_frame: Frame | None = None
        self._last: ExplainedFrame | None = None
        self._answered: Hashable = None
        self._obeyed = (0, 0)
        self._tester = TruthTester()
        self._asked: tuple[bool, Sequence[str]] | None = None
        self._parts: Hashable = ()

    @property
    def finished(self) -> bool:
        """True if nothing will come any more unless the request changes."""
        return self._finished.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._workers.start("explain", self._run)

    def next_item(self, timeout_seconds: float) -> Item | None:
        """Return the next item, ``None`` if there is none within the time.

        Raises:
            Exception: The exception that ended the thread.
        """
        try:
            item = self._items.get(timeout_seconds)
        except TimeoutError:
            return None
        except (ChannelClosed, ChannelAborted):
            self._workers.reraise()
            return None
        if isinstance(item, ExplainedFrame):
            self._room.release()
        return item

    def stop(self, timeout_seconds: float) -> bool:
        """End the thread. A network that hangs is left behind.

        Returns:
            ``True`` if the thread has ended in time.
        """
        self._stopping.set()
        self._workers.abort()
        return self._workers.join(timeout_seconds)

    def _wake(self) -> None:
        self._stopping.set()
        self._items.abort()

    def _run(self) -> None:
        has_room = False
        while not self._stopping.is_set():
            has_room = has_room or self._room.acquire(timeout=_WAIT_SECONDS)
            if not has_room:
                continue
            request = self.request
            frame = self._next_frame(request)
            is_new = frame is not None
            if frame is not None:
                self._source_frame = frame
            elif self._source_frame is None or self._answered == request.question:
                self._do_between_frames(request)
                continue
            assert self._source_frame is not None, "there is a frame, new or old"
            explained = self._explain(self._source_frame, request, is_new=is_new)
            self._answered = request.question
            self._last = explained
            if is_new:
                self._tester.count_frame()
            has_room = False
            self._items.put(explained)
            self._do_between_frames(request)

    def _do_between_frames(self, request: ExplainRequest) -> None:
        """Do what delays no frame: the one before has been handed over."""
        if self._last is not None:
            self._between()
            reading = self._tester.test(self._last, request)
            if reading is not None:
                self._items.put(reading)

    def _next_frame(self, request: ExplainRequest) -> Frame | None:
        feed, settings = self.feed, request.settings
        counts = (settings.steps, settings.advances)
        kept = settings.frozen and counts == self._obeyed and not feed.by_hand
        if kept and self._source_frame is not None:
            self._stopping.wait(_WAIT_SECONDS)
            return None
        frame = feed.next(_WAIT_SECONDS)
        if frame is not None:
            self._obeyed = counts
        elif feed.ended:
            self._finished.set()
            self._stopping.wait(_WAIT_SECONDS)
        return frame

    def _explain(self, frame: Frame, request: ExplainRequest, *, is_new: bool) -> ExplainedFrame:
        settings = request.settings
        if settings.mirror:
            frame = mirror_frame(frame)
        self._attend_to(request)
        height, width = frame.image.shape[:2]
        found = (roi.find(width, height) for roi in settings.rois)
        parts = [part for part in found if part is not None]
        # Of several parts, each has its own top class.
        alone = frame.place is None and len(parts) < 2
        leader = self._steady[0].labels.top if alone else None
        classes = wanted_classes(request, leader, self._known)
        features, answers = None, []
        if request.learner is not None:  # what is shown is the first part
            stands = not is_new or frame.place is not None
            part = parts.pop(0) if parts else None
            raw, features = request.learner.explain(
                request.explainer,
                cut_part(frame.image, part),
                classes=classes,
                view=settings.view,
                always=stands,
            )
            answers.append(put_back(raw, part))
        if parts or not answers:
            (rest,) = explain_parts(
                request.explainer, [frame.image], [parts], classes=classes, view=settings.view
            )
            answers += rest
        self._steady += [_Steady() for _ in answers[len(self._steady) :]]
        first, *others = (
            self._make_steady(steady, raw, frame, request)
            for steady, raw in zip(self._steady, answers, strict=False)
        )
        self._known = tuple(each.class_index for each in first.smoothed.predictions)
        return ExplainedFrame(
            frame,
            answers[0],
            first.selected,
            first.smoothed,
            request,
            is_new,
            features,
            tuple(others),
            outside_note(settings.rois, width, height),
        )

    def _make_steady(
        self, steady: _Steady, raw: Explanation, frame: Frame, request: ExplainRequest
    ) -> OtherExplained:
        """Select the maps that are asked for, and make them and the labels steady in time."""
        settings, predictions = request.settings, raw.predictions
        smooth = self._smooth and frame.place is None  # pictures do not follow each other in time
        if smooth:
            held = settings.held is not None
            predictions = steady.labels.update(raw.predictions, raw.output, held=held)
        contrasts = request.explainer.contrasts
        selected = select_maps(raw, settings, predictions, contrasts=contrasts)
        smoothed = replace(selected, predictions=predictions)
        if smooth:
            maps = steady.maps.update(selected.explained, selected.evidence, settings.context)
            smoothed = replace(smoothed, evidence=maps)
        return OtherExplained(selected, smoothed)

    def _attend_to(self, request: ExplainRequest) -> None:
        """Forget what was known of the labels where other weights, classes or parts are asked."""
        randomized, labels = request.settings.key.randomized, request.explainer.classifier.labels
        if self._asked is not None and self._asked[1] != labels:
            # The same index is another class now, if it is one at all.
            self._known = ()
            for steady in self._steady:
                steady.maps.reset()
        if self._asked != (randomized, labels) or self._parts != request.settings.rois:
            for steady in self._steady:
                steady.labels.reset()
        self._asked, self._parts = (randomized, labels), request.settings.rois
