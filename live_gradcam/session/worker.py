"""The thread that explains: takes the newest frame when there is room for it, and tells the rest.

The window's thread never waits for the network. An explained frame waits for the window at most
once: no frame is taken from the source before the last one has been taken over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from live_gradcam.choices import View
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.methods.table import METHODS
from live_gradcam.explain.protocol import ClassChoice
from live_gradcam.faithfulness.removal import Removal, rank_correlation, removal_test
from live_gradcam.images.geometry import mirror_frame
from live_gradcam.session.feeds import Feed
from live_gradcam.session.smoothing import SteadyLabels, SteadyMaps
from live_gradcam.session.state import MOSAIC_TILES, Mode
from live_gradcam.values import Explanation, Frame, Prediction
from live_gradcam.workers import Channel, ChannelAborted, ChannelClosed, WorkerGroup

TRUTH_EVERY_FRAMES = 10
"""The truth meter tests one frame of so many."""

_WAIT_SECONDS = 0.02
_MAPS_OF_MODE: dict[Mode, int] = {"single": 1, "contrast": 2, "mosaic": MOSAIC_TILES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be explained, and how; replaced by the window's thread.

    Attributes:
        explainer: Explains.
        layer: What it explains at.
        method: What makes its maps.
        scrambled: Its weights are random.
        trained: The explainer with the trained weights.
        view: What the network is shown.
        mirror: Flip frames first.
        mode: What the maps are of.
        target: Class to explain; ``None`` for the top one.
        pointing: Somebody wants to know what a spot says about all classes.
        frozen: Take no new frame.
        steps: Take one all the same when this has grown.
        advances: Take the next picture when this has grown.
        truth: Test every few frames.
    """

    explainer: Explainer
    trained: Explainer
    layer: str
    method: str = "gradcam"
    scrambled: bool = False
    view: View = "crop"
    mirror: bool = False
    mode: Mode = "single"
    target: int | None = None
    pointing: bool = False
    frozen: bool = False
    steps: int = 0
    advances: int = 0
    truth: bool = False

    @property
    def context(self) -> Hashable:
        """Maps of one class are only comparable within this."""
        contrast = self.mode == "contrast"
        return (self.layer, self.method, self.scrambled, self.view, self.mirror, contrast)

    @property
    def question(self) -> Hashable:
        """Two orders with the same question get the same answer for the same frame."""
        return (self.context, self.mode, self.target, self.pointing)


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedFrame:
    """An explained frame.

    Attributes:
        frame: As it was explained: mirrored, where that was asked for.
        raw: What the network said, with every map that was made.
        told: The maps that were asked for, the first one explained; unsmoothed.
        shown: The same, steady in time.
        order: What was asked for.
        is_new: The frame was not explained before.
    """

    frame: Frame
    raw: Explanation
    told: Explanation
    shown: Explanation
    order: Order
    is_new: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What the truth meter found on one frame.

    Attributes:
        frame_index: The frame.
        subject: The explained class; empty where there was none.
        removal: The removal test; ``None`` where there was no evidence to test.
        correlation: Rank correlation of the map with that of the trained network, while the
            weights are scrambled.
    """

    frame_index: int
    subject: tuple[int, ...]
    removal: Removal | None
    correlation: float | None = None


Item: TypeAlias = "ExplainedFrame | Reading"


class ExplainWorker:
    """Explains frames of a feed in a thread of its own, the way the current order says.

    Args:
        feed: Where frames come from; can be replaced.
        order: What to do at first; can be replaced.
        smooth: Keep labels and maps steady in time.
        between: Called between two frames.
        seed: For the places of the truth meter's controls.
    """

    def __init__(
        self,
        feed: Feed,
        order: Order,
        *,
        smooth: bool,
        between: Callable[[], None],
        seed: int = 0,
    ) -> None:
        self.feed = feed
        self.order = order
        self._between = between
        self._smooth = smooth
        self._labels = SteadyLabels()
        self._maps = SteadyMaps()
        self._generator = np.random.default_rng(seed)
        self._items: Channel[Item] = Channel(4)
        self._room = threading.Semaphore(1)
        self._stopping = threading.Event()
        self._workers = WorkerGroup("session", self._wake)
        self._known: tuple[int, ...] = ()
        self._raw: Frame | None = None
        self._answered: Hashable = None
        self._taken = (0, 0)
        self._untested = TRUTH_EVERY_FRAMES
        self._last: ExplainedFrame | None = None
        self._tested: tuple[int, Hashable] | None = None
        self._scrambled = False
        self._finished = threading.Event()
        self._workers.start("explain", self._run)

    @property
    def finished(self) -> bool:
        """Whether nothing will come any more unless the order changes."""
        return self._finished.is_set()

    def take(self, timeout_seconds: float) -> Item | None:
        """The next item, ``None`` if there is none within the time.

        Raises:
            Exception: What went wrong in the thread.
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
        """End the thread; whether it has ended in time. A network that hangs is left behind."""
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
            order = self.order
            frame = self._next_frame(order)
            is_new = frame is not None
            if frame is not None:
                self._raw = frame
            elif self._raw is None or self._answered == order.question:
                self._between_frames(order)
                continue
            assert self._raw is not None, "there is a frame, new or old"
            finding = self._explain(self._raw, order, is_new=is_new)
            self._answered = order.question
            self._last = finding
            self._untested += is_new
            has_room = False
            self._items.put(finding)
            self._between_frames(order)

    def _between_frames(self, order: Order) -> None:
        """What delays no picture: the frame before has been handed over."""
        if self._last is not None:
            self._between()
            self._test_if_due(order)

    def _next_frame(self, order: Order) -> Frame | None:
        feed = self.feed
        wanted = (order.steps, order.advances)
        one = wanted != self._taken
        if feed.by_hand and self._raw is not None and not one:
            self._stopping.wait(_WAIT_SECONDS)
            return None
        if order.frozen and not one and self._raw is not None:
            self._stopping.wait(_WAIT_SECONDS)
            return None
        frame = feed.next(_WAIT_SECONDS)
        if frame is not None:
            self._taken = wanted
        elif feed.ended:
            self._finished.set()
            self._stopping.wait(_WAIT_SECONDS)
        return frame

    def _explain(self, raw_frame: Frame, order: Order, *, is_new: bool) -> ExplainedFrame:
        frame = mirror_frame(raw_frame) if order.mirror else raw_frame
        if order.scrambled != self._scrambled:
            self._labels.reset()
            self._scrambled = order.scrambled
        classes = wanted_classes(order, self._labels.top, self._known)
        (raw,) = order.explainer.explain_batch([frame.image], classes=classes, view=order.view)
        predictions = raw.predictions
        if self._smooth:
            predictions = self._labels.update(raw.predictions)
        self._known = tuple(each.class_index for each in predictions)
        told = tell(raw, order, predictions)
        shown = replace(told, predictions=predictions)
        if self._smooth:
            maps = self._maps.update(told.explained, told.evidence, order.context)
            shown = replace(shown, evidence=maps)
        return ExplainedFrame(frame, raw, told, shown, order, is_new)

    def _test_if_due(self, order: Order) -> None:
        """Run the truth meter on the last frame, every few frames and when the question changes."""
        last = self._last
        if last is None or not order.truth:
            self._tested = None
            return
        subject = (last.told.explained[0] if last.told.explained else -1, order.context)
        changed = subject != self._tested
        if not changed and self._untested < TRUTH_EVERY_FRAMES:
            return
        if order.question != last.order.question:
            return
        self._tested, self._untested = subject, 0
        removal = removal_test(
            order.explainer,
            last.frame.image,
            last.told,
            view=order.view,
            generator=self._generator,
        )
        correlation = self._correlate(last, order)
        self._items.put(Reading(last.frame.index, last.told.explained[:1], removal, correlation))

    def _correlate(self, last: ExplainedFrame, order: Order) -> float | None:
        if not order.scrambled or not last.told.explained or order.mode == "contrast":
            return None
        (trained,) = order.trained.explain_batch(
            [last.frame.image], classes=last.told.explained[0], view=order.view
        )
        return rank_correlation(trained.evidence[0], last.told.evidence[0])


def wanted_classes(order: Order, leader: int | None, known: tuple[int, ...]) -> ClassChoice:
    """Which maps to ask for: enough to answer the order, and no more where maps are dear.

    Args:
        order: What is asked for.
        leader: The class that counts as the top one; ``None`` leaves it to the frame.
        known: The classes of the frame before, best first; empty before the first frame.
    """
    explainer = order.explainer
    cheap = explainer.closed_form
    if order.pointing and cheap:
        return "all"
    count = _MAPS_OF_MODE[order.mode]
    first = order.target if order.target is not None else leader
    if first is None:
        return None if count == 1 else "top"
    if order.target is None and cheap and explainer.top_k > 1:
        return "top"
    others = [index for index in known if index != first]
    return [first, *others][:count]


def tell(raw: Explanation, order: Order, predictions: tuple[Prediction, ...]) -> Explanation:
    """The maps that an order asks for, from those that were made.

    Args:
        raw: What the network said.
        order: What is asked for.
        predictions: The labels in the order in which they are shown.
    """
    place = {index: position for position, index in enumerate(raw.explained)}
    wished = [order.target] if order.target is not None else []
    wished += [each.class_index for each in predictions if each.class_index != order.target]
    chosen = [index for index in wished if index in place] or list(raw.explained)
    chosen = chosen[: _MAPS_OF_MODE[order.mode]]
    evidence = raw.evidence[[place[index] for index in chosen]]
    labels = tuple(raw.labels[place[index]] for index in chosen)
    residual = raw.completeness_residual if chosen[:1] == list(raw.explained[:1]) else None
    if order.mode == "contrast" and not (METHODS[raw.method].contrasts and raw.unit == "logits"):
        # The key offers no contrast there; an order from before the method changed asks for one.
        chosen, evidence, labels = chosen[:1], evidence[:1], labels[:1]
    elif order.mode == "contrast" and len(chosen) == 2:
        # Linear in the gradient: the map of y_a - y_b is the difference of the maps.
        evidence = evidence[:1] - evidence[1:]
        labels = (f"{labels[0]} rather than {labels[1]}",)
        chosen, residual = chosen[:1], None
    return replace(
        raw,
        explained=tuple(chosen),
        evidence=evidence,
        labels=labels,
        completeness_residual=residual,
    )
