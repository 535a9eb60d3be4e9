"""Teaching while the network runs: examples arrive, and a thread beside fits head after head."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live_gradcam.closeable import Closeable
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.teaching.examples import Burst, Examples, find_moving
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.fit import DEFAULT_STRENGTH, warm_up
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.learned import Learned
from live_gradcam.teaching.lesson import learn, put_on, refit

# Frames of a burst in which what moves is looked for.
_MOST_KEPT = 48


@dataclass(slots=True, eq=False)
class _OpenBurst:
    """A burst that is being shown; of a long one every second, fourth, ... frame is kept whole."""

    label: str
    name: str
    pooled: list[NDArray[np.float32]] = field(default_factory=list)
    kept: list[FrameFeatures] = field(default_factory=list)
    step: int = 1

    def add(self, frame: FrameFeatures) -> None:
        if len(self.pooled) % self.step == 0:
            self.kept.append(frame)
        self.pooled.append(frame.pooled.copy())
        if len(self.kept) > 2 * _MOST_KEPT:
            self.kept, self.step = self.kept[::2], 2 * self.step


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """The state of a session that a fit was made from, and the fit.

    Attributes:
        classifier: With the newest head; ``None`` while fewer than two classes have examples.
        learned: What the newest head has learned, as soon as it is known; of an older one before.
    """

    classifier: Classifier | None = None
    learned: Learned | None = None


class TeachingSession(Closeable):
    """Takes examples from the thread that explains, and fits heads in another. A context manager.

    The newest head is in `taught`; whoever shows frames puts it on between two of them::

        with TeachingSession(extractor, journal=Path("mugs.journal")) as session:
            session.begin("mug")
            for frame in frames:
                session.add(extractor.extract([frame])[0])
            session.end()

    Args:
        extractor: Runs the trunk; stays its owner's.
        labels: Classes to begin with.
        journal: File in which every example is kept at once; ``None`` for none.
        resume: Go on with what the journal holds.

    Raises:
        SourceError: There is no journal to go on with, or it is one of another network.
        SinkError: The journal cannot be written.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        *,
        labels: Iterable[str] = (),
        journal: Path | None = None,
        resume: bool = False,
    ) -> None:
        self._extractor = extractor
        self._changed = threading.Condition()
        self._journal: Journal | None = None
        examples = Examples()
        if journal is not None:
            name, trunk = extractor.classifier.name, extractor.trunk_hash
            self._journal = Journal(journal, network=name, trunk=trunk, resume=resume)
            examples = self._journal.examples
        self._examples = examples
        self._bursts = len(examples.bursts)
        self._names = {each.name for each in examples.bursts}
        self._open: _OpenBurst | None = None
        self._unseen: list[tuple[str, Sequence[FrameFeatures]]] = []
        self._version, self._fitted = 0, -1
        self._taught = Taught()
        self._error: BaseException | None = None
        self._closed = False
        self._strength = DEFAULT_STRENGTH
        for each in labels:
            self.add_class(each)
        self._thread = threading.Thread(target=self._work, name="teaching", daemon=True)
        self._thread.start()

    @property
    def examples(self) -> Examples:
        """All bursts that have ended."""
        return self._examples

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return self._examples.labels

    @property
    def taught(self) -> Taught:
        """The newest head, and what it has learned; never waits.

        Raises:
            LiveGradcamError: Fitting failed.
        """
        if self._error is not None:
            raise self._error
        return self._taught

    def count(self, label: str) -> int:
        """Return the number of examples of a class, with those of the burst that is being shown."""
        being_shown = self._open
        shown = len(being_shown.pooled) if being_shown and being_shown.label == label else 0
        return self._examples.count(label) + shown

    def add_class(self, label: str) -> None:
        """Add a class that has no examples yet.

        Raises:
            UsageError: The name is empty.
        """
        if not label.strip():
            raise UsageError("cannot add a class", "", "its name is empty", "Type a name")
        with self._changed:
            if label not in self._examples.labels:
                self._examples = self._examples.with_class(label)
                self._note(lambda journal: journal.add_class(label))

    def begin(self, label: str) -> None:
        """Begin a burst; one that is being shown ends."""
        self.end()
        self.add_class(label)
        with self._changed:
            self._bursts += 1
            while (name := f"burst {self._bursts}") in self._names:
                self._bursts += 1
            self._names.add(name)
            self._open = _OpenBurst(label, name)

    def add(self, frame: FrameFeatures) -> None:
        """Add a frame to the burst that is being shown; of no class if there is none."""
        with self._changed:
            if self._open is not None:
                self._open.add(frame)
                label = self._open.label
                self._note(lambda journal: journal.add_frame(label, frame.pooled))

    def end(self) -> None:
        """End the burst that is being shown, if there is one; the next head knows it."""
        with self._changed:
            ended, self._open = self._open, None
            if ended is None or not ended.pooled:
                return
            burst = Burst(ended.label, np.stack(ended.pooled), ended.name)
            self._examples = self._examples.with_burst(burst)
            self._unseen.append((ended.name, ended.kept))
            self._note(lambda journal: journal.end_burst(ended.name))
            self._change()

    def undo(self, label: str | None = None) -> None:
        """Take back the last burst, of a class or of all; classes stay."""
        self.end()
        with self._changed:
            self._examples = self._examples.without_last(label)
            self._note(lambda journal: journal.undo(label))
            self._change()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the newest head knows every burst that has ended, and what it has learned.

        Args:
            seconds: At most; ``None`` for as long as it takes.

        Returns:
            ``False`` if the time was too short.

        Raises:
            LiveGradcamError: Fitting failed.
        """
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._fitted == self._version or self._error is not None, seconds
            )
        if self._error is not None:
            raise self._error
        return done

    def close(self) -> None:
        """End the burst that is being shown, and the thread. Idempotent; the journal stays."""
        self.end()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        if self._journal is not None:
            self._journal.close()

    def _note(self, write: Callable[[Journal], None]) -> None:
        if self._journal is not None:
            write(self._journal)

    def _change(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _work(self) -> None:
        try:
            warm_up()
            while self._next():
                pass
        except BaseException as exc:  # said to whoever asks for the head
            with self._changed:
                self._error = exc
                self._changed.notify_all()

    def _next(self) -> bool:
        """Fit once, when something has changed; ``False`` if the session is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fitted != self._version)
            if self._closed:
                return False
            version, examples = self._version, self._examples
        base = self._extractor.classifier
        if len(examples.taught().labels) < 2:
            self._publish(version, Taught())
            return True
        known = self._taught
        head = refit(examples, self._strength)
        fresh = put_on(base, head, examples.taught().labels)
        self._publish(-1, replace(known, classifier=fresh))
        self._see()
        with self._changed:
            if self._version != version:  # there is more already: what was learned can wait
                return True
            examples = self._examples
        lesson = learn(examples)
        self._strength = lesson.head.strength
        self._publish(version, Taught(lesson.put_on(base), lesson.learned))
        return True

    def _publish(self, version: int, taught: Taught) -> None:
        with self._changed:
            self._taught = taught
            if version >= 0:
                self._fitted = version
            self._changed.notify_all()

    def _see(self) -> None:
        """Find what moves in the bursts that have ended."""
        while True:
            with self._changed:
                if not self._unseen:
                    return
                name, frames = self._unseen.pop(0)
            moving = find_moving(frames, self._extractor)
            if moving is None:
                continue
            with self._changed:
                self._examples = self._examples.with_moving(name, moving)
                if self._journal is not None:
                    self._journal.add_moving(name, moving)
