"""The desk where classes are taught during a session: examples in, heads out, nothing lost."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from live_gradcam.choices import DEFAULT_VIEW, View
from live_gradcam.closeable import Closeable
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.session.config import TeachingOptions
from live_gradcam.session.request import ExplainedFrame, Learner
from live_gradcam.session.state import MOST_CLASSES, SessionState
from live_gradcam.session.taught_pools import TaughtPools
from live_gradcam.session.teaching_files import open_journal, save_lesson
from live_gradcam.session.teaching_words import SENTENCE_SECONDS, TEACHING, learned_sentences
from live_gradcam.show.options import TeachingCell, TeachingRow
from live_gradcam.teaching.examples import ANYTHING_ELSE
from live_gradcam.teaching.fitter import Fitter
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.learned import Learned
from live_gradcam.teaching.lesson_state import BACKGROUND_BURSTS, BACKGROUND_SECONDS, LessonState

_logger = logging.getLogger(__name__)

_MOST_EXAMPLES = 3000
_THUMBNAILS = 3
_FINISH_SECONDS = 10.0


class TeachingDesk(Closeable):
    """Follows the keys of teaching, takes examples, and puts on the heads that are fitted to them.

    Belongs to the window's thread, and never lets it wait but in `close`.

    Args:
        pools: Make the features, and take the heads; stay their owner's.
        options: Classes to begin with, and whether to go on with an earlier session.
        folder: Where the journal and the taught classifier go.
        moving: Frames follow each other by themselves: the first ones show what is no class.
        on_notice: Told what was saved, and where.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        pools: TaughtPools,
        options: TeachingOptions,
        *,
        folder: Path,
        moving: bool,
        on_notice: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pools = pools
        self._options = options
        self._folder = folder
        self._moving = moving
        self._on_notice = on_notice
        self._clock = clock
        self._journal: Journal | None = None
        self._lesson: LessonState | None = None
        self._fitter: Fitter | None = None
        self._closed = False
        self._head = 0
        self._put_on: Classifier | None = None
        self._names = list(options.labels)  # of classes that the lesson does not know yet
        self._added = self._undos = 0
        self._followed: tuple[int | None, int] = (None, 0)
        self._burst = 0
        self._seen: tuple[int, int] | None = None
        self._submitted = -1
        self._drawn: object = None
        self._views: Counter[View] = Counter()
        self._began_background = False
        self._troubles: set[str] = set()
        self._told: Learned | None = None
        self._told_since = 0.0
        pools.prepare()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of the row, in order, without anything else."""
        known = self._lesson.labels if self._lesson is not None else ()
        names = dict.fromkeys((*known, *self._names))
        return tuple(each for each in names if each != ANYTHING_ELSE)[:MOST_CLASSES]

    @property
    def taken_names(self) -> tuple[str, ...]:
        """Names that no new class can have."""
        return (*self.classes, ANYTHING_ELSE)

    @property
    def head(self) -> int:
        """Number of the newest head, see `ExplainerKey`; 0 while nothing is taught."""
        return self._head

    @property
    def learner(self) -> Learner | None:
        """Keeps the features of frames; ``None`` while no examples are shown."""
        showing = self._lesson is not None and self._lesson.showing is not None
        return self._pools.learner if showing else None

    @property
    def burst(self) -> int:
        """Number of the burst that is being shown; 0 while none is."""
        return self._burst if self.learner is not None else 0

    def follow(self, state: SessionState) -> str:
        """Do what keys have asked for since the last call, and return what to say about it."""
        teaching = state.teaching
        self._names += teaching.added[self._added :]
        self._added = len(teaching.added)
        lesson = self._lesson
        if lesson is None:
            self._undos = teaching.undos
            return ""
        for each in self._names:
            lesson.add_class(each)
        self._names.clear()
        words = ""
        for _ in range(teaching.undos - self._undos):
            back = lesson.undo()
            words = TEACHING["nothing back"]
            if back is not None and back.examples:
                words = TEACHING["taken back"].format(count=back.examples, label=back.label)
        self._undos = teaching.undos
        self._follow_key(lesson, state)
        return words

    def _follow_key(self, lesson: LessonState, state: SessionState) -> None:
        """Begin and end bursts as keys go down and up."""
        teaching = state.teaching
        now = (teaching.held, teaching.presses)
        if now != self._followed:
            self._followed = now
            if teaching.held is None:
                lesson.end()
            elif teaching.held <= len(self.classes):
                self._burst += 1
                held = teaching.held
                lesson.begin(self.classes[held - 1] if held else ANYTHING_ELSE)
        elif not teaching.open and lesson.showing is not None:
            lesson.end()
        if teaching.open and not self._began_background:
            self._began_background = True
            if self._moving and not lesson.examples.bursts and lesson.showing is None:
                self._burst += 1
                lesson.begin(ANYTHING_ELSE, seconds=BACKGROUND_SECONDS, bursts=BACKGROUND_BURSTS)

    def take(self, explained: ExplainedFrame) -> None:
        """Take a frame as an example, if it was explained while its class was shown."""
        lesson, fitter = self._lesson, self._fitter
        if lesson is None or fitter is None or explained.features is None:
            return
        # A frame that was explained before another key went down is no example of its class.
        seen = (explained.request.burst, explained.frame.index)
        if seen[0] != self._burst or (seen == self._seen and not explained.is_new):
            return
        self._seen = seen
        self._views[explained.request.settings.view] += 1
        if lesson.add(explained.features):
            fitter.submit(lesson)

    def poll(self, state: SessionState) -> bool:
        """Pick up what was made beside; ``True`` if there is something new to be seen.

        Raises:
            LiveGradcamError: The journal cannot be gone on with, or not be begun.
        """
        if self._lesson is None:
            self._begin_lesson()
        lesson, fitter = self._lesson, self._fitter
        self._say(self._trouble())
        if lesson is None or fitter is None:
            return self._changed((self._pools.trouble, self._pools.extractor is None))
        self.follow(state)
        showing = lesson.showing  # which ends what has lasted long enough
        if lesson.version != self._submitted:
            self._submitted = lesson.version
            fitter.submit(lesson)
        taught = lesson.taught
        if taught.classifier is not self._put_on and self._pools.is_fast:
            self._put_on = taught.classifier
            self._head = 0 if taught.classifier is None else self._pools.put_on(taught.classifier)
        if taught.learned is not self._told:  # the worst is said first
            self._told, self._told_since = taught.learned, self._clock()
        seconds, turn = lesson.seconds_left, self._turn()
        left = None if seconds is None else math.ceil(seconds)
        return self._changed((self._head, showing, lesson.version, taught, left, turn))

    def _trouble(self) -> str:
        """Return why something is not taught, learned or kept, as a sentence; empty if all is."""
        lesson = self._lesson
        if lesson is None:
            return self._pools.trouble
        return self._pools.trouble or lesson.trouble or lesson.taught.trouble

    def _say(self, trouble: str) -> None:
        """Say what is wrong on the terminal, too, where all of it can be read; once."""
        if trouble and trouble not in self._troubles:
            self._troubles.add(trouble)
            self._on_notice(trouble)

    def _changed(self, what: object) -> bool:
        changed, self._drawn = what != self._drawn, what
        return changed

    def _begin_lesson(self) -> None:
        extractor = self._pools.extractor
        if extractor is None:
            return
        options = self._options
        self._journal = open_journal(
            self._folder, extractor, resume=options.resume, on_notice=self._on_notice
        )
        self._lesson = LessonState(
            journal=self._journal, most_examples=_MOST_EXAMPLES, clock=self._clock
        )
        self._fitter = Fitter(extractor)

    # What is seen

    def row(self, state: SessionState) -> TeachingRow | None:
        """Return the row of classes as it is drawn; ``None`` while it is closed."""
        teaching, lesson = state.teaching, self._lesson
        if not teaching.open:
            return None
        showing = lesson.showing if lesson is not None else None
        cells = []
        for number, label in enumerate((ANYTHING_ELSE, *self.classes)):
            pictures = lesson.thumbnails(label) if lesson is not None else ()
            cells.append(
                TeachingCell(
                    str(number),
                    label,
                    count=lesson.count(label) if lesson is not None else 0,
                    thumbnails=pictures[: -_THUMBNAILS - 1 : -1],
                    held=label == showing,
                )
            )
        asks = teaching.naming is not None
        prompt = f"name of class {len(self.classes) + 1}" if asks else ""
        return TeachingRow(tuple(cells), self._line(), prompt, teaching.naming or "")

    def _line(self) -> str:
        lesson = self._lesson
        trouble = self._trouble()
        if lesson is None or trouble:
            return trouble or TEACHING["preparing"]
        taught = lesson.taught
        seconds = lesson.seconds_left
        if seconds is not None:
            return TEACHING["nothing"].format(seconds=max(1, math.ceil(seconds)))
        if lesson.is_full:
            return TEACHING["full"].format(count=_MOST_EXAMPLES)
        shown = [label for label, count in lesson.counts.items() if count]
        if not any(label != ANYTHING_ELSE for label in shown):
            return TEACHING["first"]
        if len(shown) < 2:
            return TEACHING["second"]
        if self._put_on is None and taught.classifier is not None:
            return TEACHING["preparing"]
        sentences = learned_sentences(taught.learned) if taught.learned is not None else ()
        if not taught.is_learned or taught.version != lesson.version or not sentences:
            return TEACHING["learning"]
        return sentences[self._turn() % len(sentences)]

    def _turn(self) -> int:
        """Return the number of the sentence that is said."""
        return int((self._clock() - self._told_since) / SENTENCE_SECONDS)

    # The end

    def close(self, *, hurried: bool = False) -> None:
        """End the lesson and save what was taught. Idempotent; never raises.

        Args:
            hurried: A signal leaves little time: what is not learned yet stays in the journal.
        """
        if self._closed:
            return
        self._closed = True
        lesson, fitter, journal = self._lesson, self._fitter, self._journal
        if lesson is None or fitter is None or journal is None:
            return
        try:
            lesson.end()
            fitter.submit(lesson)
            fitter.wait(lesson, 0.0 if hurried else _FINISH_SECONDS)
        finally:
            fitter.close()
        try:
            view = max(self._views, key=self._views.__getitem__, default=DEFAULT_VIEW)
            save_lesson(lesson, journal, self._folder, view=view, on_notice=self._on_notice)
        except (LiveGradcamError, OSError) as error:
            _logger.warning("what was taught is not saved", exc_info=error)
            self._on_notice(f"{error}; {journal.path} has all that was taught")
            journal.close()
