"""``live-gradcam evaluate``: a verdict on whether a classifier looks at the right thing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live_gradcam import lifecycle
from live_gradcam.choices import (
    DEFAULT_CURVE_STEPS,
    DEFAULT_ENGINE,
    DEFAULT_METHOD,
    DEFAULT_SCENES,
    DEFAULT_SEED,
    DEFAULT_VIEW,
    MeasuringPreset,
)
from live_gradcam.cli.console import Console, ProgressLine
from live_gradcam.cli.known_names import measure_names, method_names
from live_gradcam.cli.network import (
    EngineOption,
    NetworkOptions,
    ViewOption,
    open_classifier,
    require_network,
    split_meaning,
    warn_of_forwards,
)
from live_gradcam.cli.options import Overwrite, matching, option
from live_gradcam.cli.preset_option import EVALUATE_PRESET
from live_gradcam.errors import SourceError, UsageError

if TYPE_CHECKING:
    from live_gradcam.evaluate.dataset import Dataset
    from live_gradcam.evaluate.evaluation import Evaluation
    from live_gradcam.evaluate.options import EvaluationOptions
    from live_gradcam.evaluate.values import EvaluationResult, SkippedEntry
    from live_gradcam.explain.classifier import Classifier

# Lines of a terminal that the rest of the output takes.
_OTHER_LINES = 26
_FEWEST_CLASSES = 10
_MOST_FINDINGS = 10
# Names of what is counted.
_UNITS = {"images": "pictures", "sanity": "scrambled parts"}

_measured = partial(option, panel="What is measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateArguments:
    """Everything that can be typed after ``live-gradcam evaluate``."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder with a folder for each class, with a labels.csv, or with pictures only; "
            "or 'scenes' or 'scenes:SEED' for generated pictures with masks.",
            show_default=False,
        ),
    ]
    outputs: Annotated[
        tuple[Path, ...],
        option(
            "Where results go; may be repeated: .html a report, .json everything, .csv a row "
            "for each picture and method. The words softmax, sigmoid, probabilities and raw say "
            "what the network's output means.",
            *("--output", "-o"),
            metavar="OUTPUT",
        ),
    ] = ()
    preset: Annotated[MeasuringPreset | None, EVALUATE_PRESET] = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    methods: Annotated[
        tuple[str, ...],
        _measured(
            "What makes the maps; may be repeated, to compare. See 'live-gradcam models "
            "--methods'.",
            "--method",
            metavar="NAME",
            show_default=DEFAULT_METHOD,
            autocompletion=matching(method_names),
        ),
    ] = (DEFAULT_METHOD,)
    measures: Annotated[
        tuple[str, ...],
        _measured(
            "accuracy, removal, curves (deletion and insertion), drop (average drop and "
            "increase), pointing (and evidence on the object), completeness.",
            metavar="NAME,...",
            show_default="all",
            autocompletion=matching(measure_names),
        ),
    ] = ()
    engine: EngineOption = DEFAULT_ENGINE
    view: ViewOption = DEFAULT_VIEW
    boxes: Annotated[
        Path | None,
        _measured(
            "Where the objects are: COCO JSON, or a folder of PascalVOC XML.", metavar="FILE|FOLDER"
        ),
    ] = None
    scenes: Annotated[int, _measured("How many scenes to generate.", min=1)] = DEFAULT_SCENES
    seed: Annotated[int, _measured("Decides everything that is random.", min=0)] = DEFAULT_SEED
    steps: Annotated[int, _measured("Steps of deletion and insertion.", min=1, max=1000)] = (
        DEFAULT_CURVE_STEPS
    )
    max_pictures: Annotated[
        int | None,
        _measured(
            "Measure at most so many pictures, spread over the classes.", min=1, show_default="all"
        ),
    ] = None
    sanity: Annotated[
        bool, _measured("Scramble the weights part by part: the maps have to change.")
    ] = True
    strict: Annotated[bool, option("An entry of the data set that cannot be used is an error.")] = (
        False
    )
    resume: Annotated[
        Path | None,
        option(
            "Keep partial results here, and go on from them.",
            metavar="FILE",
            show_default="beside the first output, until that is written",
        ),
    ] = None
    overwrite: Overwrite = False


def evaluate_command(arguments: EvaluateArguments, console: Console) -> None:
    """Is it looking at the right thing? Measure a data set, class by class, and write a report.

    What can be refused at once is refused before anything slow is loaded.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; what is done is kept where there is a file for it.
    """
    require_network(arguments.network)
    from live_gradcam.evaluate.dataset import open_dataset, require_source
    from live_gradcam.evaluate.options import EvaluationOptions, parse_measures
    from live_gradcam.evaluate.outputs import check_outputs

    meaning, files = split_meaning(arguments.outputs)
    arguments = replace(arguments, outputs=files)
    if console.quiet and not arguments.outputs:
        raise UsageError("nothing to do", "--quiet", "no output is given", "Add -o OUTPUT")
    measures = parse_measures(arguments.measures)
    network = arguments.network
    read = [each for each in (network.weights, network.labels, arguments.boxes) if each is not None]
    unfinished = _unfinished_path(arguments)
    kept = [unfinished] if unfinished is not None else []
    inputs = [*read, Path(arguments.source), *kept]
    check_outputs(arguments.outputs, inputs, overwrite=arguments.overwrite)
    require_source(arguments.source)
    boxes = None
    if arguments.boxes is not None:
        from live_gradcam.evaluate.annotations import read_annotations

        boxes = read_annotations(arguments.boxes)

    from live_gradcam.explain.methods import require_method

    options = EvaluationOptions(
        methods=arguments.methods,
        measures=measures,
        view=arguments.view,
        steps=arguments.steps,
        seed=arguments.seed,
        sanity=arguments.sanity,
        device=network.device,
        precision=network.precision,
        engine=arguments.engine,
    )
    for name in options.methods:
        require_method(name)
    classifier = open_classifier(network, console, output=meaning)
    warn_of_forwards(options.methods, classifier, console)
    source, scenes, seed = arguments.source, arguments.scenes, arguments.seed
    dataset = open_dataset(source, classifier.labels, boxes=boxes, scenes=scenes, seed=seed)
    if arguments.strict:
        _refuse_skipped(dataset.skipped, source)
    dataset = dataset.subset(arguments.max_pictures, seed)
    given = network.weights or Path(network.model)
    if given.is_file():
        from live_gradcam.evaluate.taught_pictures import notes_on_taught

        dataset = replace(dataset, notes=(*notes_on_taught(given, dataset), *dataset.notes))
    evaluation = _measure(classifier, dataset, options, unfinished, console)
    _show(evaluation.result, console)
    for path in arguments.outputs:
        evaluation.write_file(path)
        console.note(f"wrote {path}")
    if arguments.resume is None and unfinished is not None:
        unfinished.unlink(missing_ok=True)
    if arguments.strict:
        _refuse_skipped(evaluation.result.skipped, source)


def _refuse_skipped(skipped: Sequence[SkippedEntry], source: str) -> None:
    if not skipped:
        return
    name, reason = skipped[0]
    cause = f"{len(skipped)} entries cannot be used, such as {name}: {reason}"
    step = "Mend or remove them, or leave out --strict"
    raise SourceError("the data set is not whole", source, cause, step)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """One progress line after another, each for what is being counted."""
    lines: dict[str, ProgressLine] = {}
    with ExitStack() as stack:

        def update(stage: str, done: int, total: int) -> None:
            if stage not in lines:
                stack.close()
                line = console.progress("evaluating", unit=_UNITS[stage])
                lines[stage] = stack.enter_context(line)
            lines[stage].update(done, total, None)

        yield update


def _unfinished_path(arguments: EvaluateArguments) -> Path | None:
    """Return the file of partial results: the named one, or one beside the first output."""
    if arguments.resume is not None or not arguments.outputs:
        return arguments.resume
    first = arguments.outputs[0]
    return first.with_name(f"{first.name}.partial")


def _measure(
    classifier: Classifier,
    dataset: Dataset,
    options: EvaluationOptions,
    unfinished: Path | None,
    console: Console,
) -> Evaluation:
    from live_gradcam.evaluate.evaluation import run_evaluation

    with _progress(console) as show:
        try:
            return run_evaluation(
                classifier,
                dataset,
                options,
                resume=unfinished,
                on_progress=show,
                on_notice=console.note,
            )
        except lifecycle.Interrupted:
            if unfinished is not None and unfinished.exists():
                console.note(f"the same command goes on from {unfinished}")
            raise


def _show(result: EvaluationResult, console: Console) -> None:
    """Print the tables on stdout; the notes and what looks suspicious on stderr."""
    from live_gradcam.evaluate.answer import answer, judgement
    from live_gradcam.evaluate.tables import classes_table, totals_table

    for note in result.notes:
        console.note(f"note: {note}")
    if console.quiet:
        return
    summary = result.summary
    size = shutil.get_terminal_size((100, 60))
    height = max(_FEWEST_CLASSES, size.lines - _OTHER_LINES)
    classes = classes_table(summary, width=size.columns, height=height)
    if classes is not None:
        console.table(*classes)
        left = len(summary.classes) - len(classes[1])
        console.out(f"... and {left} more classes\n" if left > 0 else "")
    console.table(*totals_table(result))
    console.out(f"\n{judgement(result)} {answer(summary)}".rstrip())
    for sentence in (*summary.limits, *summary.totals.findings):
        console.note(sentence)
    suspicious = [each for each in summary.classes if each.findings]
    for each in suspicious[:_MOST_FINDINGS]:
        for sentence in each.findings:
            console.note(f"{each.label}: {sentence}")
    if len(suspicious) > _MOST_FINDINGS:
        console.note(f"... and {len(suspicious) - _MOST_FINDINGS} more classes look suspicious")
    for sentence in result.sanity_findings:
        console.note(sentence)
