"""``live-gradcam teach``: teach a network new classes from a folder of folders."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from live_gradcam.teaching.examples import Examples
    from live_gradcam.teaching.features import FeatureExtractor
    from live_gradcam.teaching.folders import ClassFolder
    from live_gradcam.teaching.journal import Journal
    from live_gradcam.teaching.learned import Learned

_MOST_ROWS = 30
_MOST_CONFUSED = 5


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
    head_only: Annotated[
        bool, option("Leave out the trunk: the file goes with the network of its name.")
    ] = False
    resume: Annotated[bool, option("Go on where the same command was ended.")] = False
    overwrite: Overwrite = False


def teach_command(arguments: TeachArguments, console: Console) -> None:
    """Teach a network new classes from folders of pictures or films, and say what it goes by.

    Raises:
        SourceError: There are no such folders, or fewer than two classes have pictures.
        UsageError: The file exists, or has another ending.
        SinkError: The file cannot be written.
        ModelError: The network cannot be taught, or not be built again by its name.
        Interrupted: A signal came; what is done is kept.
    """
    require_network(arguments.network)
    from live_gradcam.teaching.folders import class_folders, find_files
    from live_gradcam.teaching.saving import check_path, save_taught

    check_path(arguments.output, overwrite=arguments.overwrite)
    class_folders(arguments.folder)

    from live_gradcam.explain.taught import contents_of
    from live_gradcam.teaching.features import FeatureExtractor
    from live_gradcam.teaching.journal import Journal
    from live_gradcam.teaching.lesson import learn, placeholder

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
        resume = arguments.resume and path.exists()
        with Journal(
            path, network=classifier.name, trunk=extractor.trunk_hash, resume=resume
        ) as journal:
            examples = _collect(classes, extractor, journal, console)
            lesson = learn(examples)
            save_taught(
                lesson.put_on(classifier),
                arguments.output,
                head_only=arguments.head_only,
                overwrite=arguments.overwrite,
            )
            journal.remove()
    _show(lesson.learned, console)
    console.note(f"wrote {arguments.output}")
    if not console.quiet:
        shown = f"--weights {arguments.output}"
        console.note(f"see it: live-gradcam run 0 {shown}")
        console.note(f"measure it: live-gradcam evaluate FOLDER {shown} -o report.html")


def _collect(
    classes: Sequence[ClassFolder], extractor: FeatureExtractor, journal: Journal, console: Console
) -> Examples:
    from live_gradcam.teaching.folders import collect

    try:
        with console.progress("learning", unit="files") as line:
            return collect(
                classes,
                extractor,
                known=journal.examples,
                on_burst=journal.add_burst,
                on_progress=lambda done, total: line.update(done, total, None),
                on_notice=console.note,
            )
    except lifecycle.Interrupted:
        console.note(f"the same command with --resume goes on from {journal.path}")
        raise


def _show(learned: Learned, console: Console) -> None:
    """Print what was learned on stdout, and what people should know of it on stderr."""
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
            console.out(
                f"\nright about {percent(learned.accuracy)} of {learned.held_out} examples of "
                "bursts that were held out"
            )
        for truth, said, count in learned.confused()[:_MOST_CONFUSED]:
            times = "once" if count == 1 else f"{count} times"
            console.out(f"{truth} was taken for {said} {times}")
    for sentence in learned.sentences:
        console.note(sentence)
