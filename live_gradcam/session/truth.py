"""The truth meter of a session: the removal test of what is shown, and what is said about it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from live_gradcam.faithfulness.removal import (
    RemovalPlan,
    hottest_area,
    plan_removal,
    rank_correlation,
)
from live_gradcam.images.parts import cut_part
from live_gradcam.session.request import ExplainedFrame, ExplainRequest, TruthReading
from live_gradcam.show.overlay import MarkedArea
from live_gradcam.values import Explanation

TRUTH_EVERY_FRAMES = 20
"""Number of frames of which the truth meter tests one."""

_AT_ONCE = 2


@dataclass(slots=True)
class _Running:
    """A removal test of one frame, of which some images have been explained."""

    last: ExplainedFrame
    question: Hashable
    plan: RemovalPlan | None
    answers: list[Explanation] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.plan is None or len(self.answers) >= len(self.plan.masks)


class TruthTester:
    """Tests the shown explanation every few frames, and at once when the question changes.

    A test explains several images; only a few of them between two frames, so that no frame waits
    for all of them.
    """

    def __init__(self) -> None:
        self._untested = TRUTH_EVERY_FRAMES
        self._tested: tuple[int, Hashable] | None = None
        self._running: _Running | None = None

    def count_frame(self) -> None:
        """Count a new frame."""
        self._untested += 1

    def test(self, last: ExplainedFrame | None, request: ExplainRequest) -> TruthReading | None:
        """Go on with a test, or begin one where it is due.

        Args:
            last: The frame that was explained last.
            request: What is asked for.

        Returns:
            The result of a test that has come to its end.
        """
        if last is None or not request.settings.measured:
            self._tested = self._running = None
            return None
        if request.question != last.request.question:
            return None  # the frame has not been explained as it is asked for now
        settings = request.settings
        question = (settings.context, settings.mode, settings.target, _picture(last))
        running = self._running
        if running is not None and running.question != question:
            running = self._tested = None
        if running is None:
            running = self._begin(last, request, question)
        if running is None:
            return None
        if running.plan is not None:
            start = len(running.answers)
            running.answers += (request.predictor or request.explainer).explain_batch(
                running.plan.images(start, start + _AT_ONCE),
                classes=running.plan.class_index,
                view=request.settings.view,
            )
        self._running = None if running.done else running
        return _reading(running, request) if running.done else None

    def _begin(
        self, last: ExplainedFrame, request: ExplainRequest, question: Hashable
    ) -> _Running | None:
        explained = last.selected.explained
        subject = (explained[0] if explained else -1, (request.settings.context, _picture(last)))
        if subject == self._tested and self._untested < TRUTH_EVERY_FRAMES:
            return None
        self._tested, self._untested = subject, 0
        return _Running(last, question, plan_removal(last.frame.image, last.selected))


def _picture(explained: ExplainedFrame) -> int | None:
    """The number of a picture that stands still; ``None`` for frames that follow each other."""
    return explained.frame.index if explained.frame.place is not None else None


def _reading(running: _Running, request: ExplainRequest) -> TruthReading:
    last, plan = running.last, running.plan
    return TruthReading(
        last.frame.index,
        last.selected.explained[:1],
        plan.result(running.answers) if plan is not None else None,
        _correlate(last, request),
        plan.masks[0] if plan is not None else None,
        last.request.settings.context,
    )


def _correlate(last: ExplainedFrame, request: ExplainRequest) -> float | None:
    settings, selected = request.settings, last.selected
    if not settings.key.randomized or not selected.explained or settings.mode == "contrast":
        return None
    image = cut_part(last.frame.image, selected.roi)
    (trained,) = request.trained.explain_batch(
        [image], classes=selected.explained[0], view=settings.view
    )
    return rank_correlation(trained.evidence[0], selected.evidence[0])


class TruthDisplay:
    """The last reading, and the area that it speaks of on the frame that is shown."""

    def __init__(self) -> None:
        self._reading: TruthReading | None = None
        self._marked: tuple[ExplainedFrame, TruthReading, MarkedArea] | None = None

    def take(self, reading: TruthReading) -> None:
        """Take a new reading."""
        self._reading = reading

    def forget(self) -> None:
        """Forget the reading, as the question is another one."""
        self._reading = None

    def reading_of(self, explained: ExplainedFrame | None) -> TruthReading | None:
        """Return the reading, if it is about the map and the picture that are shown."""
        reading = self._reading
        if reading is None or explained is None:
            return None
        if _picture(explained) not in (None, reading.frame_index):
            return None
        if reading.context != explained.request.settings.context:
            return None
        return reading if reading.subject == explained.selected.explained[:1] else None

    def marked_on(self, explained: ExplainedFrame | None) -> MarkedArea | None:
        """Return the area to mark: what the test hid, where that lies on the frame that is shown.

        The area of a frame that was not tested itself is that of its own map: it would be hidden.
        """
        reading = self.reading_of(explained)
        if explained is None or reading is None or reading.marked is None:
            return None
        if self._marked is not None and self._marked[:2] == (explained, reading):
            return self._marked[2]
        mask = reading.marked
        if reading.frame_index != explained.frame.index:
            evidence = explained.smoothed.evidence[0]
            if not (evidence > 0).any():
                return None
            mask = hottest_area(evidence)
        self._marked = (explained, reading, MarkedArea(mask))
        return self._marked[2]
