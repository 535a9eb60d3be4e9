"""A thread that makes heads of lessons, while their examples arrive."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from live_gradcam.closeable import Closeable
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.omp import in_short_lived_thread, keep_to_one_thread
from live_gradcam.teaching.examples import Moving, find_moving
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.fit import DEFAULT_STRENGTH, ROUGH, Stopped, warm_up
from live_gradcam.teaching.lesson import Lesson, learn, put_on, refit
from live_gradcam.teaching.lesson_state import LessonState
from live_gradcam.teaching.lesson_values import Taught

_logger = logging.getLogger(__name__)

# Seconds at least from one head to the next while a burst is being shown, and how much longer than
# a fit takes: most of the time is the network's.
_PAUSE, _REST = 0.5, 2.0
_SYNC_SECONDS = 1.0
# What finds out what moves, and what was learned, steps back and rests as long as it has worked:
# the network comes first.
_NICENESS = 10
_WORK_SECONDS = 0.03

_Step = Literal["head", "look", "learn"]
_ORDER: tuple[_Step, ...] = ("head", "look", "learn")


class Fitter(Closeable):
    """Fits heads of one network's lessons in a thread of its own. A context manager.

    Of the lessons that have changed it takes the one that changed last. It makes a head of all
    examples at once; then it finds out what moves in new bursts, and what the head has learned,
    which takes longer, and which it gives up where bursts have come or gone meanwhile.

    Args:
        extractor: Its trunk made the examples' features; stays its owner's.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self._changed = threading.Condition()
        self._lessons: list[_Fitting] = []
        self._waiting = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="teaching", daemon=True)
        self._thread.start()

    def submit(self, state: LessonState) -> None:
        """Say that a lesson has changed: its next head is fitted soon. Never waits.

        Args:
            state: Until it is forgotten, what is found is put into its `taught`.
        """
        with self._changed:
            known = self._find(state)
            if known is not None:
                self._lessons.remove(known)
            self._lessons.append(known or _Fitting(state))
            self._changed.notify_all()

    def forget(self, state: LessonState) -> None:
        """Say that nobody needs a lesson's heads any more."""
        with self._changed:
            known = self._find(state)
            if known is not None:
                self._lessons.remove(known)
            self._changed.notify_all()

    def wait(self, state: LessonState, seconds: float | None = None) -> bool:
        """Wait until all bursts of a lesson that have ended are in its `taught`.

        Args:
            state: Was submitted.
            seconds: At most; ``None`` for as long as it takes.

        Returns:
            ``False`` if the time was too short, or the fitter was closed before.
        """

        def is_done() -> bool:
            known = self._find(state)
            return known is None or known.is_done

        with self._changed:
            self._waiting += 1
            self._changed.notify_all()  # nobody rests while somebody waits
            try:
                self._changed.wait_for(lambda: self._closed or is_done(), seconds)
            finally:
                self._waiting -= 1
            return is_done()

    def close(self) -> None:
        """Give up what is being fitted, and end the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _find(self, state: LessonState) -> _Fitting | None:
        return next((each for each in self._lessons if each.state is state), None)

    def _work(self) -> None:
        warm_up()
        while True:
            with self._changed:
                self._changed.notify_all()  # whoever waits for what was done
                while not self._closed and (chosen := self._choose()) is None:
                    showing = any(each.state.progress[1] for each in self._lessons)
                    self._changed.wait(_PAUSE if showing else None)
                if self._closed or chosen is None:
                    return
            fitting, step = chosen
            pace = _Pace(self._rest)
            fitting.take(step, self._extractor, pace, lambda: self._closed)
            if step == "look":
                pace()

    def _rest(self, seconds: float) -> None:
        """Leave the processors to the network, unless somebody waits or there is a new burst."""

        def is_needed() -> bool:
            return (
                self._closed
                or self._waiting > 0
                or any(each.due() == "head" for each in self._lessons)
            )

        with self._changed:
            self._changed.wait_for(is_needed, seconds)

    def _choose(self) -> tuple[_Fitting, _Step] | None:
        due = [(each, each.due()) for each in reversed(self._lessons)]
        for step in _ORDER:
            for fitting, wanted in due:
                if wanted == step:
                    return fitting, step
        return None


class _Pace:
    """Called again and again by what works; rests as long as was worked since.

    Args:
        rest: Rests for a number of seconds.
    """

    def __init__(self, rest: Callable[[float], None]) -> None:
        self._rest = rest
        self._began = time.monotonic()

    def __call__(self) -> None:
        worked = time.monotonic() - self._began
        if worked >= _WORK_SECONDS:
            self._rest(worked)
            self._began = time.monotonic()


class _Fitting:
    """The work on one lesson.

    Args:
        state: The lesson.
    """

    def __init__(self, state: LessonState) -> None:
        self.state = state
        self._strength, self._temperature = DEFAULT_STRENGTH, 1.0
        # Versions that a head, and what was learned, were tried of, and frames that it knows of a
        # burst that is being shown.
        self._fitted, self._learned, self._known = -1, -1, 0
        self._next_at = self._sync_at = 0.0

    @property
    def is_done(self) -> bool:
        """True if the newest head knows every burst that has ended, and what it has learned."""
        version = self.state.version
        return self._fitted == self._learned == version and not self.state.has_unseen

    def due(self) -> _Step | None:
        """Return what is to be done next."""
        version, showing = self.state.progress
        if version != self._fitted:
            return "head"
        if showing > self._known and time.monotonic() >= self._next_at:
            return "head"
        if self.state.has_unseen:
            return "look"
        return "learn" if version != self._learned else None

    def take(
        self,
        step: _Step,
        extractor: FeatureExtractor,
        pace: Callable[[], None],
        is_closed: Callable[[], bool],
    ) -> None:
        """Do what is to be done next. What fails is said in the lesson's `taught`."""
        version, showing = self.state.progress
        try:
            if step == "head":
                self._fit(extractor)
            elif step == "look":
                self._look(extractor)
            else:

                def stop() -> bool:
                    pace()
                    return is_closed() or self.state.version != version

                self._learn(extractor, version, stop)
        except Stopped:
            pass
        except Exception as exc:  # the old head stays, and the next burst is another matter
            _logger.debug("a head could not be made", exc_info=exc)
            said = exc if isinstance(exc, LiveGradcamError) else type(exc).__name__
            trouble = f"what was shown last is not learned: {said}"
            self.state.publish(replace(self.state.taught, trouble=trouble))
            self._fitted = self._learned = version
            self._known = showing
            if step == "look" and (unseen := self.state.next_unseen()) is not None:
                self.state.put_moving(unseen[0], None)
        if time.monotonic() >= self._sync_at:
            self.state.sync()
            self._sync_at = time.monotonic() + _SYNC_SECONDS

    def _fit(self, extractor: FeatureExtractor) -> None:
        """Fit a head of all examples, with the strength that was found best last."""
        began = time.monotonic()
        version, examples, showing = self.state.snapshot()
        taught, before = examples.taught(), self.state.taught
        if len(taught.labels) < 2:
            self.state.publish(Taught(version))
            self._learned = version
        else:
            start = _start(before, taught.labels)
            head = refit(taught, self._strength, start, exactness=ROUGH)
            head = head.calibrated(self._temperature)
            classifier = put_on(extractor.classifier, head, taught.labels)
            fresh = replace(before, version=version, classifier=classifier, head=head, trouble="")
            self.state.publish(fresh)
        self._fitted, self._known = version, showing
        took = time.monotonic() - began
        self._next_at = time.monotonic() + max(_PAUSE, _REST * took)

    def _look(self, extractor: FeatureExtractor) -> None:
        """Find what moves in a burst that has ended."""
        unseen = self.state.next_unseen()
        if unseen is not None:
            name, frames = unseen

            def work() -> Moving | None:
                _step_back()
                keep_to_one_thread()
                return find_moving(frames, extractor)

            moving = in_short_lived_thread(work)
            self.state.put_moving(name, moving)

    def _learn(self, extractor: FeatureExtractor, version: int, stop: Callable[[], bool]) -> None:
        """Choose the strength, and find out what was learned."""

        def work() -> Lesson:
            _step_back()
            return learn(self.state.examples, stop=stop)

        lesson = in_short_lived_thread(work)
        self._strength, self._temperature = lesson.head.strength, lesson.head.temperature
        classifier = lesson.put_on(extractor.classifier)
        self.state.publish(Taught(version, classifier, lesson.head, lesson.learned, version))
        self._learned = version


def _step_back() -> None:
    """Leave the processors to other threads, for as long as the calling thread lives."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _start(before: Taught, labels: Sequence[str]) -> NDArray[np.float64] | None:
    """Return what to begin a fit of some classes with: what is known of each."""
    if before.head is None or before.classifier is None:
        return None
    known = dict(zip(before.classifier.labels, before.head.start, strict=True))
    nothing = np.zeros(before.head.start.shape[1])
    return np.stack([known.get(each, nothing) for each in labels])
