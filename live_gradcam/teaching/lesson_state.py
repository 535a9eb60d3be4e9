"""What is being taught: classes, and bursts of examples as they arrive. No thread, no waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from live_gradcam.class_names import check_label as checked_name
from live_gradcam.errors import UsageError
from live_gradcam.teaching.examples import Burst, Examples, KeptFrame, Moving, thumbnail_of
from live_gradcam.teaching.features import FrameFeatures
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.lesson_values import OpenBurst, Snapshot, TakenBack, Taught
from live_gradcam.values import Image

BACKGROUND_SECONDS = 3.0
"""How long a session looks at what is none of its classes, before anything is shown to it."""

BACKGROUND_BURSTS = 2
"""Bursts that this makes, so that one of them can be held out."""

# Frames of a burst in which what moves is looked for: as many as memory for them, and no fewer.
_KEPT_BYTES, _FEWEST_KEPT, _MOST_KEPT = 8 << 20, 12, 24
# Bursts that wait to be looked at; of older ones it stays unknown what moves.
_MOST_UNSEEN = 4


def _room_for(frame: FrameFeatures) -> int:
    """Return how many frames of its size are kept of a burst."""
    each = frame.pixels.nbytes + frame.maps.nbytes // 2
    return min(max(_KEPT_BYTES // each, _FEWEST_KEPT), _MOST_KEPT)


class LessonState:
    """Classes and their bursts of examples. Safe to use from many threads; no call waits long.

    A `Fitter` makes heads of it, and puts them into `taught`::

        state = LessonState(labels=["mug"])
        state.begin("mug")
        for frame in frames:
            state.add(frame)
        state.end()
        fitter.submit(state)

    Args:
        labels: Classes to begin with, without examples.
        journal: Keeps every example at once; stays its owner's. The lesson goes on from what it
            holds.
        most_examples: Frames that there is room for; ``None`` for any number.
        clock: Returns seconds.

    Raises:
        UsageError: A name of a class cannot be one, see `check_label`.
    """

    def __init__(
        self,
        *,
        labels: Iterable[str] = (),
        journal: Journal | None = None,
        most_examples: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.RLock()
        self._journal = journal
        self._examples = Examples() if journal is None else journal.examples
        self._most = most_examples
        self._clock = clock
        self._names = {each.name for each in self._examples.bursts}
        self._number = len(self._examples.bursts)
        self._open: OpenBurst | None = None
        self._unseen: list[tuple[str, Sequence[KeptFrame]]] = []
        self._version = len(self._examples.bursts)
        self._taught = Taught()
        for each in labels:
            self.add_class(each)

    @property
    def version(self) -> int:
        """Number of changes so far of what is to be learned."""
        return self._version

    @property
    def examples(self) -> Examples:
        """All bursts that have ended."""
        return self._examples

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return self._examples.labels

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of examples of each class, with those of the burst that is being shown."""
        return {each: self.count(each) for each in self.labels}

    @property
    def showing(self) -> str | None:
        """Name of the class of which a burst is being shown; ``None`` if none is."""
        with self._lock:
            self._pass_time()
            return None if self._open is None else self._open.label

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the burst that is being shown ends by itself; ``None`` if it does not."""
        with self._lock:
            ends = None if self._open is None else self._open.ends
            return None if ends is None else max(0.0, ends - self._clock())

    @property
    def is_full(self) -> bool:
        """True if there is no room for more examples."""
        return self._most is not None and self._count_all() >= self._most

    @property
    def trouble(self) -> str:
        """Why nothing more is kept in the journal, as a sentence; empty while it is."""
        return "" if self._journal is None else self._journal.trouble

    @property
    def taught(self) -> Taught:
        """The newest head; never waits."""
        return self._taught

    def count(self, label: str) -> int:
        """Return the number of examples of a class, with those of the burst that is being shown."""
        with self._lock:
            being_shown = self._open
            shown = len(being_shown.pooled) if being_shown and being_shown.label == label else 0
            return self._examples.count(label) + shown

    def thumbnails(self, label: str) -> tuple[Image, ...]:
        """Return a small picture of each burst of a class, the newest last; see `Burst`."""
        with self._lock:
            own = (each for each in self._examples.bursts if each.label == label)
            found = [each.thumbnail for each in own if each.thumbnail is not None]
            if self._open is not None and self._open.label == label and self._open.kept:
                found.append(thumbnail_of(self._open.kept[-1].pixels))
            return tuple(found)

    def add_class(self, label: str) -> str:
        """Add a class that has no examples yet, if it is not among them, and return its name.

        Args:
            label: Its name; what is blank at its ends is left out.

        Raises:
            UsageError: It cannot be a name, see `check_label`.
        """
        label = check_label(label)
        with self._lock:
            if label not in self._examples.labels:
                self._examples = self._examples.with_class(label)
                self._note(lambda journal: journal.add_class(label))
        return label

    def rename_class(self, label: str, name: str) -> str:
        """Give a class another name, and return it.

        Raises:
            UsageError: There is no such class, or another one has this name, or it cannot be one.
        """
        name = check_label(name)
        with self._lock:
            self._require(label)
            if name == label:
                return name
            if name in self.labels:
                step = "Choose another name"
                raise UsageError("cannot rename a class", label, f"{name} is there already", step)
            self.end()
            self._examples = self._examples.renamed(label, name)
            self._note(lambda journal: journal.rename_class(label, name))
            self._version += 1
        return name

    def remove_class(self, label: str) -> TakenBack:
        """Take back a class and all of its examples.

        Raises:
            UsageError: There is no such class.
        """
        with self._lock:
            self._require(label)
            self.end()
            count = self._examples.count(label)
            self._examples = self._examples.without_class(label)
            self._note(lambda journal: journal.remove_class(label))
            self._version += 1
        return TakenBack(label, count)

    def begin(self, label: str, *, seconds: float | None = None, bursts: int = 1) -> None:
        """Begin a burst of a class; one that is being shown ends.

        What a session sees before anything is shown to it is what none of its classes is::

            state.begin(ANYTHING_ELSE, seconds=BACKGROUND_SECONDS, bursts=BACKGROUND_BURSTS)

        Args:
            label: Name of the class, which need not be there yet.
            seconds: When it ends by itself; ``None`` for not before something else ends it.
            bursts: Number of bursts of equal length that these seconds are cut into.

        Raises:
            UsageError: It cannot be a name, see `check_label`.
        """
        label = check_label(label)
        with self._lock:
            self.end()
            self.add_class(label)
            begins = self._clock()
            ends = None if seconds is None else begins + seconds
            cuts = [begins + (seconds or 0.0) * each / bursts for each in range(1, bursts)]
            self._open = OpenBurst(label, self._fresh_name(), ends, cuts)

    def add(self, frame: FrameFeatures) -> bool:
        """Add a frame to the burst that is being shown, and return whether it was taken.

        It is not where no burst is being shown, where there is no room, or where its features are
        no finite numbers.
        """
        with self._lock:
            self._pass_time()
            now = self._open
            if now is None or self.is_full or not np.isfinite(frame.pooled).all():
                return False
            now.add(frame, _room_for(frame))
            self._note(lambda journal: journal.add_frame(now.label, frame.pooled))
            return True

    def end(self) -> bool:
        """End the burst that is being shown, and return whether it was one with frames."""
        with self._lock:
            ended, self._open = self._open, None
            if ended is None or not ended.pooled:
                return False
            burst = ended.burst()
            self._examples = self._examples.with_burst(burst)
            self._unseen = [*self._unseen, (ended.name, ended.kept)][-_MOST_UNSEEN:]
            self._note(lambda journal: journal.end_burst(burst.name, thumbnail=burst.thumbnail))
            self._version += 1
            return True

    def undo(self, label: str | None = None) -> TakenBack | None:
        """Take back the burst that is being shown, or else the last one; classes stay.

        Args:
            label: Take back the last one of this class only.

        Returns:
            What was taken back; ``None`` if there was nothing.
        """
        with self._lock:
            now = self._open
            if now is not None and not now.pooled and label in (None, now.label):
                self._open = None
                return TakenBack(now.label, 0)
            self.end()
            own = [each for each in self._examples.bursts if label in (None, each.label)]
            if not own:
                return None
            last = own[-1]
            self._examples = self._examples.without_last(label)
            self._unseen = [each for each in self._unseen if each[0] != last.name]
            self._note(lambda journal: journal.undo(label))
            self._version += 1
            return TakenBack(last.label, len(last))

    # For whoever fits heads

    @property
    def progress(self) -> tuple[int, int]:
        """The version, and the number of frames of the burst that is being shown."""
        with self._lock:
            self._pass_time()
            return self._version, 0 if self._open is None else len(self._open.pooled)

    @property
    def has_unseen(self) -> bool:
        """True if there is a burst in which nobody has looked for what moves."""
        return bool(self._unseen)

    def snapshot(self) -> Snapshot:
        """Return what there is at the moment."""
        with self._lock:
            self._pass_time()
            now, examples = self._open, self._examples
            if now is None or not now.pooled:
                return Snapshot(self._version, examples, 0)
            shown = Burst(now.label, np.stack(now.pooled), now.name)
            return Snapshot(self._version, examples.with_burst(shown), len(shown))

    def next_unseen(self) -> tuple[str, Sequence[KeptFrame]] | None:
        """Return a burst in which nobody has looked for what moves: its name and some frames."""
        with self._lock:
            return self._unseen[0] if self._unseen else None

    def put_moving(self, name: str, moving: Moving | None) -> None:
        """Note what moves in the burst of a name, as `find_moving` returns it.

        Nothing is noted if the burst was taken back meanwhile.
        """
        with self._lock:
            if moving is not None:
                self._examples = self._examples.with_moving(name, moving)
            self._unseen = [each for each in self._unseen if each[0] != name]
        if moving is None:
            return
        # Megabytes, of which nobody has to wait for the writing.
        self._note(lambda journal: journal.add_moving(name, moving))

    def publish(self, taught: Taught) -> None:
        """Put a head into `taught`."""
        self._taught = taught

    def sync(self) -> None:
        """Wait until all that the journal was given is on the disk."""
        if self._journal is not None:
            self._journal.sync()

    def _note(self, write: Callable[[Journal], None]) -> None:
        if self._journal is not None:
            write(self._journal)

    def _require(self, label: str) -> None:
        if label not in self.labels:
            step = f"There are {', '.join(self.labels)}" if self.labels else "There are none yet"
            raise UsageError("unknown class", label, "", step)

    def _count_all(self) -> int:
        shown = 0 if self._open is None else len(self._open.pooled)
        return sum(map(len, self._examples.bursts)) + shown

    def _fresh_name(self) -> str:
        self._number += 1
        while (name := f"burst {self._number}") in self._names:
            self._number += 1
        self._names.add(name)
        return name

    def _pass_time(self) -> None:
        """End a burst whose time is over, or go on with the next one."""
        now = self._open
        if now is None or now.ends is None:
            return
        time_now = self._clock()
        if time_now >= now.ends:
            self.end()
        elif now.cuts and time_now >= now.cuts[0]:
            self.end()
            later = [each for each in now.cuts if each > time_now]
            self._open = OpenBurst(now.label, self._fresh_name(), now.ends, later)


def check_label(label: str) -> str:
    """Return the name of a class as it is kept, see `live_gradcam.class_names.check_label`.

    Raises:
        UsageError: It cannot be a name.
    """
    return checked_name(label, "cannot add a class")
