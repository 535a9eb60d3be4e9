"""The files of a session that teaches: its journal meanwhile, the taught classifier at its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from live_gradcam.choices import DEFAULT_VIEW, View
from live_gradcam.errors import LiveGradcamError, ModelError, SourceError
from live_gradcam.session.outputs import fresh_paths
from live_gradcam.teaching.features import FeatureExtractor
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.lesson_state import LessonState
from live_gradcam.teaching.saving import ENDING, save_taught

JOURNAL = ".journal"
"""Ending of journals."""

_RESUME = "there is no teaching session to go on with"


def find_journals(folder: Path) -> list[Path]:
    """Return the journals in a folder that sessions have left, the newest first.

    Raises:
        SourceError: The folder cannot be read.
    """
    try:
        found = [(each.stat().st_mtime, each) for each in folder.glob(f"live-gradcam-*{JOURNAL}")]
    except OSError as exc:
        raise SourceError(_RESUME, str(folder), exc.strerror or str(exc)) from exc
    return [path for _, path in sorted(found, reverse=True)]


def open_journal(
    folder: Path, extractor: FeatureExtractor, *, resume: bool, on_notice: Callable[[str], None]
) -> Journal:
    """Begin a journal, or go on with the newest one of the same network that nobody is at.

    Args:
        folder: Where journals are.
        extractor: Makes the features.
        resume: Go on with one.
        on_notice: Told which one, and what it holds.

    Raises:
        SourceError: There is none to go on with.
        UsageError: There is none of this network.
        SinkError: It cannot be written.
    """
    facts = {"network": extractor.classifier.name, "trunk": extractor.trunk_hash}
    if not resume:
        (path,) = fresh_paths(folder, (JOURNAL,))
        return Journal(path, **facts, settings=extractor.settings, resume=True)  # it is empty
    reason: LiveGradcamError | None = None
    for path in find_journals(folder):
        try:
            journal = Journal(path, **facts, settings=extractor.settings, resume=True)
        except LiveGradcamError as error:
            reason = reason or error
            continue
        counts = {label: journal.examples.count(label) for label in journal.examples.labels}
        held = ", ".join(f"{label} {count}" for label, count in counts.items())
        on_notice(f"going on with {path}: {held or 'no examples yet'}")
        return journal
    if reason is not None:
        raise reason
    raise SourceError(_RESUME, str(folder), "no journal is there", "Leave out --resume")


def save_lesson(
    lesson: LessonState,
    journal: Journal,
    folder: Path,
    *,
    view: View = DEFAULT_VIEW,
    on_notice: Callable[[str], None],
) -> None:
    """Save what was taught, and remove the journal if nothing is in it alone.

    Args:
        lesson: Has ended.
        journal: Of the lesson; closed afterwards.
        folder: Where the file goes.
        view: Part of the frames that most examples show.
        on_notice: Told the file's name, or how to go on.

    Raises:
        SinkError: The file cannot be written; the journal stays as it is.
    """
    taught = lesson.taught
    if not lesson.examples.bursts:
        journal.remove()
        return
    go_on = f"run --teach --resume goes on with {journal.path}"
    if taught.classifier is None:
        journal.close()
        on_notice(f"what you showed is no classifier yet; {go_on}")
        return
    (path,) = fresh_paths(folder, (ENDING,))
    how = ""
    try:
        save = partial(
            save_taught,
            taught.classifier,
            path,
            overwrite=True,
            view=view,
            learned=taught.learned if taught.is_learned else None,
        )
        try:
            save()
        except ModelError:  # the network is nobody's to build by its name
            save(head_only=True)
            how = f" (the head only: it goes with {taught.classifier.name})"
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    on_notice(f"what you taught is in {path}: run --weights {path}{how}")
    if taught.version == lesson.version:
        journal.remove()
    else:
        journal.close()
        on_notice(f"what you showed last is not in it; {go_on}")
