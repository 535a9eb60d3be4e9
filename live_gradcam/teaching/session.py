"""Teaching while the network runs: examples arrive, and a thread beside fits head after head."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from live_gradcam.closeable import Closeable
from live_gradcam.teaching.examples import Examples
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.fitter import Fitter
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.lesson_state import LessonState
from live_gradcam.teaching.lesson_values import TakenBack, Taught


class TeachingSession(Closeable):
    """Takes examples from the thread that explains, and fits heads in another. A context manager.

    The newest head is in `taught`; whoever shows frames puts it on between two of them::

        with TeachingSession(extractor, journal=Path("mugs.journal")) as session:
            session.begin("mug")
            for frame in frames:
                session.add(extractor.extract([frame])[0])
            session.end()

    It is one `LessonState` with one `Fitter`, which many lessons can share.

    Args:
        extractor: Runs the trunk; stays its owner's.
        labels: Classes to begin with.
        journal: File in which every example is kept at once; ``None`` for none.
        resume: Go on with what the journal holds.

    Attributes:
        state: The lesson itself.

    Raises:
        SourceError: There is no journal to go on with, or it is damaged.
        UsageError: There is a journal already, it is of another network, or another process is at
            it; or the name of a class cannot be one.
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
        self._journal = None if journal is None else open_journal(journal, extractor, resume=resume)
        try:
            self.state = LessonState(labels=labels, journal=self._journal)
            self._fitter = Fitter(extractor)
        except BaseException:
            if self._journal is not None:
                self._journal.close()
            raise
        self._fitter.submit(self.state)

    @property
    def examples(self) -> Examples:
        """All bursts that have ended."""
        return self.state.examples

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order."""
        return self.state.labels

    @property
    def taught(self) -> Taught:
        """The newest head, and what it has learned; never waits."""
        return self.state.taught

    @property
    def trouble(self) -> str:
        """Why nothing more is kept in the journal, as a sentence; empty while it is."""
        return self.state.trouble

    def count(self, label: str) -> int:
        """Return the number of examples of a class, with those of the burst that is being shown."""
        return self.state.count(label)

    def add_class(self, label: str) -> str:
        """Add a class that has no examples yet; see `LessonState.add_class`."""
        return self.state.add_class(label)

    def begin(self, label: str) -> None:
        """Begin a burst; one that is being shown ends. See `LessonState.begin`."""
        self.state.begin(label)
        self._fitter.submit(self.state)

    def add(self, frame: FrameFeatures) -> bool:
        """Add a frame to the burst that is being shown; see `LessonState.add`."""
        taken = self.state.add(frame)
        self._fitter.submit(self.state)
        return taken

    def end(self) -> None:
        """End the burst that is being shown, if there is one; the next head knows it."""
        self.state.end()
        self._fitter.submit(self.state)

    def undo(self, label: str | None = None) -> TakenBack | None:
        """Take back the burst that is being shown, or else the last one, of a class or of all."""
        taken_back = self.state.undo(label)
        self._fitter.submit(self.state)
        return taken_back

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the newest head knows every burst that has ended, and what it has learned.

        Args:
            seconds: At most; ``None`` for as long as it takes.

        Returns:
            ``False`` if the time was too short.
        """
        return self._fitter.wait(self.state, seconds)

    def close(self) -> None:
        """End the burst that is being shown, and the thread. Idempotent; the journal stays."""
        try:
            self.state.end()
        finally:
            self._fitter.close()
            if self._journal is not None:
                self._journal.close()


def open_journal(path: Path, extractor: FeatureExtractor, *, resume: bool = False) -> Journal:
    """Open the journal of a lesson on an extractor's features, see `Journal`.

    The hash of its trunk is computed first, which may take a second.
    """
    return Journal(
        path,
        network=extractor.classifier.name,
        trunk=extractor.trunk_hash,
        settings=extractor.settings,
        resume=resume,
    )
