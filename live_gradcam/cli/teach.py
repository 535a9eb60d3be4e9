"""``live-gradcam teach``: teach a network new classes from a folder of folders."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam import lifecycle
from live_gradcam.choices import DEFAULT_VIEW
from live_gradcam.cli.console import Console
from live_gradcam.cli.network import NetworkOptions, ViewOption, open_classifier, require_network
from live_gradcam.cli.options import Overwrite, option
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.teaching.examples import Examples
    from live_gradcam.teaching.features import FeatureExtractor
    from live_gradcam.teaching.folders import ClassFolder
    from live_gradcam.teaching.journal import Journal
    from live_gradcam.teaching.learned import Learned
    from live_gradcam.teaching.lesson import Lesson

_MOST_ROWS, _MOST_CONFUSED, _MOST_PICTURES = 30, 5, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachArguments:
    """Everything that can be typed after ``live-gradcam teach``."""

    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A folder with a folder for each class, of pictures or films. One called "
            "'anything else' is for what is none of them, such as the empty table.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path,
        option(
            "The taught classifier: a .safetensors file for --weights.",
            *("--output", "-o"),
            metavar="FILE",
        ),
    ] = Path("taught.safetensors")
    network: NetworkOptions = field(default_factory=NetworkOptions)
    view: ViewOption = DEFAULT_VIEW
    report: Annotated[
        Path | None,
        option(
            "Write what was learned here, too: a page with figures, confusions and pictures.",
            metavar="FILE.html",
            show_default="none",
        ),
    ] = None
    head_only: Annotated[
        bool, option("Leave out the trunk: the file goes with what it was taught on.")
    ] = False
    resume: Annotated[
        bool,
        option(
            "Go on where the same command was ended, or end at once if there is nothing to go on "
            "from; without it the command begins anew if need be."
        ),
    ] = False
    overwrite: Overwrite = False


def teach_command(arguments: TeachArguments, console: Console) -> None:
    """Teach a network new classes from folders of pictures or films, and say what it goes by.

    Raises:
        SourceError: There are no such folders, fewer than two classes have pictures, or there is
            nothing to go on from.
        UsageError: A file exists, or has another ending, or a folder's name cannot be a class's.
        SinkError: The file cannot be written.
        ModelError: The network cannot be taught, or not be built again by its name.
        Interrupted: A signal came; what is done is kept.
    """
    require_network(arguments.network)
    from live_gradcam.teaching.folders import find_files, folders_of_classes
    from live_gradcam.teaching.saving import check_path, save_taught

    check_path(arguments.output, overwrite=arguments.overwrite)
    _check_report(arguments)
    folders_of_classes(arguments.folder)

    from live_gradcam.explain.taught import contents_of
    from live_gradcam.teaching.features import FeatureExtractor
    from live_gradcam.teaching.journal import Journal
    from live_gradcam.teaching.lesson import placeholder

    classifier = open_classifier(arguments.network, console)
    network = arguments.network
    with FeatureExtractor(
        classifier,
        device=network.device,
        precision="fp32" if network.precision == "auto" else network.precision,
        view=arguments.view,
        on_notice=console.note,
    ) as extractor:
        classes = find_files(arguments.folder, console.note)
        # What could not be saved is said before anybody waits for it.
        contents_of(placeholder(classifier, extractor.count), whole=not arguments.head_only)
        path = arguments.output.with_name(f"{arguments.output.name}.partial")
        resume = arguments.resume or path.exists()
        with Journal(
            path,
            network=classifier.name,
            trunk=extractor.trunk_hash,
            settings=extractor.settings,
            resume=resume,
        ) as journal:
            try:
                examples = _collect(classes, extractor, journal, console)
                lesson = _learn(examples, console)
                taught = lesson.put_on(classifier)
                save_taught(
                    taught,
                    arguments.output,
                    head_only=arguments.head_only,
                    overwrite=arguments.overwrite,
                    view=arguments.view,
                    learned=lesson.learned,
                    examples=(path for each in classes for path in each.files),
                )
            except BaseException:
                if journal.path.exists():
                    console.note(f"the same command goes on from {journal.path}")
                raise
            journal.remove()
        _show(lesson.learned, console)
        console.note(f"wrote {arguments.output}")
        if arguments.report is not None:
            _write_report(arguments.report, lesson.learned, taught, extractor, classes, arguments)
            console.note(f"wrote {arguments.report}")
    if not console.quiet:
        shown = f"--weights {shlex.quote(str(arguments.output))}"
        console.note(f"see it: live-gradcam run 0 {shown}")
        console.note(f"measure it on other pictures: live-gradcam evaluate FOLDER {shown}")


def _check_report(arguments: TeachArguments) -> None:
    if arguments.report is not None:
        from live_gradcam.evaluate.outputs import check_outputs

        if arguments.report.suffix.lower() not in (".html", ".htm"):
            cause = "its ending is not known"
            raise UsageError("unknown report", str(arguments.report), cause, "Use .html")
        check_outputs([arguments.report], overwrite=arguments.overwrite)


def _collect(
    classes: Sequence[ClassFolder], extractor: FeatureExtractor, journal: Journal, console: Console
) -> Examples:
    from live_gradcam.teaching.folders import collect

    with console.progress("looking", unit="files") as line:
        return collect(
            classes,
            extractor,
            known=journal.examples,
            on_burst=journal.add_burst,
            on_progress=lambda done, total: line.update(done, total, None),
            on_notice=console.note,
        )


def _learn(examples: Examples, console: Console) -> Lesson:
    from live_gradcam.teaching.fit import Stopped
    from live_gradcam.teaching.lesson import learn

    # A fit is native code in a thread of its own: it ends when it asks, and not before.
    with (
        lifecycle.cooperative() as token,
        console.progress("fitting", unit="folds") as line,
        contextlib.suppress(Stopped),
    ):
        return learn(
            examples,
            stop=lambda: token.requested,
            on_progress=lambda done, total: line.update(done, total, None),
        )
    raise lifecycle.Interrupted(token.exit_code)


def _write_report(
    path: Path,
    learned: Learned,
    taught: Classifier,
    extractor: FeatureExtractor,
    classes: Sequence[ClassFolder],
    arguments: TeachArguments,
) -> None:
    from live_gradcam.evaluate.lesson_report import render_lesson
    from live_gradcam.evaluate.outputs import write_text
    from live_gradcam.teaching.covers import picture_of

    by_label = {each.label: each for each in classes}
    worst = sorted(learned.classes, key=lambda each: (not each.by_background, each.label))
    pictures = [
        found
        for each in worst[:_MOST_PICTURES]
        if (found := picture_of(by_label[each.label], taught, extractor)) is not None
    ]
    network = f"{taught.name}, layer {taught.layer}"
    page = render_lesson(learned, pictures, network=network, folder=str(arguments.folder))
    write_text(path, page)


def _show(learned: Learned, console: Console) -> None:
    """Print what was learned on stdout, and what people should know of it on stderr."""
    from live_gradcam.teaching.examples import ANYTHING_ELSE
    from live_gradcam.wording import percent

    def share(value: float | None) -> str:
        return "" if value is None else percent(value)

    if not console.quiet:
        rows = [
            (
                each.label,
                str(each.examples),
                str(each.bursts),
                share(each.accuracy),
                share(each.moving_share),
            )
            for each in learned.classes
        ]
        heads = ("class", "examples", "bursts", "right when held out", "evidence on what moves")
        console.table(heads, rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            console.out(f"... and {len(rows) - _MOST_ROWS} more classes")
        if learned.accuracy is not None:
            console.out(f"\n{learned.headline}")
        for sentence in learned.confusions(_MOST_CONFUSED):
            console.out(sentence)
    for sentence in learned.sentences:
        console.note(sentence)
    if ANYTHING_ELSE not in (each.label for each in learned.classes):
        console.note(
            f'there is no class "{ANYTHING_ELSE}": whatever it is shown, an empty table as well, '
            "will be one of these"
        )
