"""The Teach tab's work: visitors teach heads of their own on the page's one network.

A lesson is one visitor's: reachable only through its own unguessable name, kept in memory alone,
and gone when the visitor leaves or its time is over. Lessons share the trunk's forwards and the
thread that fits, and nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import anyio.to_thread
from safetensors.torch import save

from live_gradcam.closeable import Closeable
from live_gradcam.errors import LiveGradcamError, ModelError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.pooled import layout_of
from live_gradcam.explain.taught import contents_of
from live_gradcam.teaching import (
    ANYTHING_ELSE,
    BACKGROUND_BURSTS,
    BACKGROUND_SECONDS,
    FeatureExtractor,
    Fitter,
    FrameFeatures,
    LessonState,
)
from live_gradcam.teaching.heads import HeadOnMaps
from live_gradcam.web.engine import Busy, SharedEngine
from live_gradcam.web.images import TOP
from live_gradcam.web.limits import Limits

_WHAT = "cannot teach"


@dataclass(slots=True, eq=False)
class VisitorLesson:
    """What one visitor teaches.

    Attributes:
        name: Unguessable; the lesson is addressed by it.
        state: Classes and their examples.
        opened_seconds: Time at which it began, monotonic.
        used_seconds: Time at which it was last asked for, monotonic.
        own: The network's own classes are explained, though others were taught.
        looked: What is none of the classes was looked at, or something else came first.
        burst: Number of the visitor's newest burst; -1 for none.
        ended: Number of the newest burst that has ended; its last frames may still be on their way.
    """

    name: str
    state: LessonState
    opened_seconds: float
    used_seconds: float
    own: bool = False
    looked: bool = False
    burst: int = -1
    ended: int = -1
    _told: tuple[object, ...] = ()
    _revision: int = 0
    _submitted: int = 0
    _head: HeadOnMaps | None = None

    def head(self, extractor: FeatureExtractor) -> HeadOnMaps | None:
        """The newest head; ``None`` while there is none, or the network's own is explained."""
        classifier = self.state.taught.classifier
        if classifier is None or self.own:
            return None
        if self._head is None or self._head.classifier is not classifier:
            self._head = HeadOnMaps(classifier, extractor.count, TOP)
        return self._head

    def revised(self) -> int:
        """Number of changes so far of what there is to tell, beside counts and the line."""
        state = self.state
        now = (state.version, state.labels, state.taught, state.showing, self.own)
        if now != self._told:
            self._told, self._revision = now, self._revision + 1
        return self._revision

    def has_changed(self) -> bool:
        """True, once, if there is something new to learn."""
        newest = self.state.version
        changed, self._submitted = newest != self._submitted, newest
        return changed


class TeachingService(Closeable):
    """Lessons of all visitors, bounded in number, size and time. Used from the event loop only.

    Args:
        engine: Shared by all visitors.
        limits: Bounds of the page.
        make_extractor: Makes what runs the trunk; called once, in the engine's thread.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        engine: SharedEngine,
        limits: Limits,
        make_extractor: Callable[[], FeatureExtractor],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refusal = _refusal(engine.pool.classifier)
        self.engine = engine
        self._limits = limits
        self._make_extractor = make_extractor
        self._clock = clock
        self._lessons: dict[str, VisitorLesson] = {}
        self._made: Future[FeatureExtractor] | None = None
        self._fitter: Fitter | None = None
        self._own: HeadOnMaps | None = None

    def __len__(self) -> int:
        return len(self._lessons)

    async def start(self, labels: Sequence[str] = ()) -> VisitorLesson:
        """Begin a lesson.

        Args:
            labels: Classes to begin with, without examples.

        Raises:
            UsageError: A name of a class cannot be one, or there are too many.
            Busy: As many visitors teach as can.
            ModelError: This network cannot be taught.
        """
        if self.refusal:
            raise ModelError(_WHAT, "", self.refusal)
        most = self._limits.lessons
        now = self._clock()
        self._forget(now)
        if len(self._lessons) >= most:
            others = "somebody teaches" if most == 1 else f"{most} others teach"
            raise Busy(_WHAT, cause=f"{others} it at the moment", next_step="Try again in a minute")
        state = LessonState(most_examples=self._limits.lesson_examples, clock=self._clock)
        lesson = VisitorLesson(secrets.token_urlsafe(24), state, now, now)
        for each in labels:
            self.add_class(lesson, each)
        self._lessons[lesson.name] = lesson  # its place is taken while the network is prepared
        try:
            await self.extractor()
        except BaseException:
            self.stop(lesson.name)
            raise
        self._forget_later(lesson)
        return lesson

    def find(self, name: str) -> VisitorLesson | None:
        """The lesson of this name; ``None`` if there is none, or its time is over."""
        now = self._clock()
        self._forget(now)
        lesson = self._lessons.get(name)
        if lesson is not None:
            lesson.used_seconds = now
        return lesson

    def stop(self, name: str) -> None:
        """Forget a lesson with all that was shown in it."""
        lesson = self._lessons.pop(name, None)
        if lesson is not None and self._fitter is not None:
            self._fitter.forget(lesson.state)

    def add_class(self, lesson: VisitorLesson, label: str) -> None:
        """Add a class that has no examples yet.

        Raises:
            UsageError: It cannot be a name, it is there already, or there is no room.
        """
        state = lesson.state
        if label.strip() in state.labels:
            raise UsageError(_WHAT, label.strip(), "there is a class of this name already")
        others = [each for each in state.labels if each != ANYTHING_ELSE]
        most = self._limits.lesson_classes
        is_other = label.strip() != ANYTHING_ELSE
        if len(state.labels) > most or (is_other and len(others) >= most):
            cause = f"{most} classes are all there is room for"
            raise UsageError(_WHAT, "", cause, f'Beside them there is "{ANYTHING_ELSE}"')
        state.add_class(label)

    def end(self, lesson: VisitorLesson, burst: int) -> None:
        """End a burst: frames of it that are still on their way are not taught."""
        lesson.ended = max(lesson.ended, burst)
        if lesson.burst <= lesson.ended:
            lesson.state.end()
        self.learn(lesson)

    def learn(self, lesson: VisitorLesson, *, begun: bool = False) -> None:
        """Have a new head fitted, if there is something new.

        Args:
            lesson: The visitor's.
            begun: A burst has begun: heads are fitted of it while it is shown.
        """
        if (lesson.has_changed() or begun) and self._fitter is not None:
            self._fitter.submit(lesson.state)

    def take(
        self, lesson: VisitorLesson, frame: FrameFeatures, label: str | None, burst: int
    ) -> None:
        """Teach a frame, if it is one of a burst.

        Args:
            lesson: The visitor's.
            frame: What the trunk makes of it.
            label: Name of the class that is being shown; ``None`` for none.
            burst: Its number; later ones are higher.
        """
        state, begun = lesson.state, False
        if label is None:
            # The first that it sees is none of the classes.
            if not lesson.looked and ANYTHING_ELSE in state.labels:
                seconds, bursts = BACKGROUND_SECONDS, BACKGROUND_BURSTS
                state.begin(ANYTHING_ELSE, seconds=seconds, bursts=bursts)
                begun = True
            lesson.looked = True
            if lesson.burst <= lesson.ended and state.showing is not None:
                state.add(frame)
        elif burst > lesson.ended and label in state.labels:
            lesson.looked = True
            if burst > lesson.burst:
                state.begin(label)
                lesson.burst, begun = burst, True
            if burst == lesson.burst:
                state.add(frame)
        self.learn(lesson, begun=begun)

    async def extractor(self) -> FeatureExtractor:
        """What runs the trunk, made when it is first asked for.

        Raises:
            LiveGradcamError: It cannot be made.
        """
        if self._made is None:
            self._made = self.engine.run(self._make_extractor)
        try:
            made = await asyncio.shield(asyncio.wrap_future(self._made))
        except LiveGradcamError:
            self._made = None
            raise
        if self._fitter is None:
            self._fitter = Fitter(made)
            if not made.why_not_own:
                self._own = HeadOnMaps(made.classifier, made.count, TOP)
        return made

    def head(self, lesson: VisitorLesson, extractor: FeatureExtractor) -> HeadOnMaps | None:
        """The head that explains a lesson's frames; ``None`` where that needs a forward more."""
        return lesson.head(extractor) or self._own

    async def file(self, lesson: VisitorLesson, *, whole: bool) -> bytes:
        """The newest head as a file that `live_gradcam.load_classifier` takes as weights.

        Args:
            lesson: The visitor's.
            whole: With the network itself.

        Raises:
            UsageError: Nothing is taught yet.
            ModelError: The network cannot be built again by its name, so that a whole file would be
                of no use.
        """
        classifier = lesson.state.taught.classifier
        if classifier is None:
            raise UsageError("cannot save", "", "nothing is taught yet", "Show two classes first")

        def contents() -> bytes:
            tensors, facts = contents_of(classifier, whole=whole)
            return save(tensors, facts.as_metadata())

        if whole:  # it builds the network once more, which runs it
            return await asyncio.wrap_future(self.engine.run(contents))
        return await anyio.to_thread.run_sync(contents)

    def close(self) -> None:
        """Forget all lessons and end the thread that fits. Idempotent."""
        self._lessons.clear()
        if self._fitter is not None:
            self._fitter.close()
        made, self._made = self._made, None
        if made is not None and not made.cancel() and made.exception() is None:
            made.result().close()

    def _forget(self, now: float) -> None:
        limits = self._limits
        for each in list(self._lessons.values()):
            if (
                now - each.opened_seconds > limits.lesson_seconds
                or now - each.used_seconds > limits.lesson_idle_seconds
            ):
                self.stop(each.name)

    def _forget_later(self, lesson: VisitorLesson) -> None:
        """Look now and then whether a lesson is over: what it was taught must not stay behind."""

        def look() -> None:
            self._forget(self._clock())
            if lesson.name in self._lessons:
                self._forget_later(lesson)

        asyncio.get_running_loop().call_later(self._limits.lesson_idle_seconds / 2, look)


def _refusal(classifier: Classifier) -> str:
    """Why a network cannot be taught; empty if it can."""
    try:
        layout_of(classifier)
    except ModelError as error:
        return error.cause
    return ""
