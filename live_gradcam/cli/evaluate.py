"""``live-gradcam evaluate``: is a classifier looking at the right thing?"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from typing_extensions import Self

from live_gradcam import lifecycle
from live_gradcam.choices import View
from live_gradcam.cli.console import Console, ProgressLine
from live_gradcam.cli.network import open_classifier, warn_of_forwards
from live_gradcam.cli.options import NetworkOptions
from live_gradcam.errors import UsageError

if TYPE_CHECKING:
    from live_gradcam.evaluate.dataset import Dataset
    from live_gradcam.evaluate.evaluation import Evaluation
    from live_gradcam.evaluate.options import EvaluationOptions
    from live_gradcam.evaluate.values import EvaluationResult
    from live_gradcam.explain.classifier import Classifier

# Lines of a terminal that the rest of the output takes.
_OTHER_LINES = 26
_FEWEST_CLASSES = 10
_MOST_FINDINGS = 10
# Names of what is counted.
_UNITS = {"images": "pictures", "sanity": "scrambled parts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Everything the command line says; the options' help says what each one means."""

    source: str
    outputs: tuple[Path, ...] = ()
    network: NetworkOptions
    methods: tuple[str, ...] = ("gradcam",)
    measures: tuple[str, ...] = ()
    view: View = "crop"
    boxes: Path | None = None
    scenes: int = 64
    seed: int = 0
    steps: int = 20
    max_pictures: int | None = None
    sanity: bool = True
    resume: Path | None = None
    overwrite: bool = False


def execute(request: EvaluateRequest, console: Console) -> None:
    """Measure, show the tables, and write what was asked for.

    What can be refused at once is refused before anything slow is loaded.

    Raises:
        LiveGradcamError: See the exit codes in `live_gradcam.errors`.
        Interrupted: A signal came; what is done is kept where there is a file for it.
    """
    from live_gradcam.evaluate.dataset import open_dataset, require_source
    from live_gradcam.evaluate.options import EvaluationOptions, parse_measures
    from live_gradcam.evaluate.outputs import check_outputs

    if console.quiet and not request.outputs:
        raise UsageError("nothing to do", "--quiet", "no output is given", "Add -o OUTPUT")
    measures = parse_measures(request.measures)
    network = request.network
    read = [each for each in (network.weights, network.labels, request.boxes) if each is not None]
    partial = _partial_path(request)
    check_outputs(
        request.outputs,
        [*read, Path(request.source), *([partial] if partial else [])],
        overwrite=request.overwrite,
    )
    require_source(request.source)
    boxes = None
    if request.boxes is not None:
        from live_gradcam.evaluate.annotations import read_annotations

        boxes = read_annotations(request.boxes)

    from live_gradcam.explain.methods.table import require_method

    options = EvaluationOptions(
        methods=request.methods,
        measures=measures,
        view=request.view,
        steps=request.steps,
        seed=request.seed,
        sanity=request.sanity,
        device=network.device,
        precision=network.precision,
    )
    for name in options.methods:
        require_method(name)
    classifier = open_classifier(network, console)
    warn_of_forwards(options.methods, classifier, console)
    dataset = open_dataset(
        request.source, classifier.labels, boxes=boxes, scenes=request.scenes, seed=request.seed
    ).subset(request.max_pictures, request.seed)
    evaluation = _measure(classifier, dataset, options, partial, console)
    _show(evaluation.result, console)
    for path in request.outputs:
        evaluation.write_file(path)
        console.note(f"wrote {path}")
    if request.resume is None and partial is not None:
        partial.unlink(missing_ok=True)


class _Progress:
    """One progress line after another, each for what is being counted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._unit = ""
        self._line: ProgressLine | None = None

    def update(self, unit: str, done: int, total: int) -> None:
        """Show how far it is."""
        if unit != self._unit or self._line is None:
            self._stack.close()
            self._unit = unit
            line = self._console.progress("evaluating", unit=unit)
            self._line = self._stack.enter_context(line)
        self._line.update(done, total, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


def _partial_path(request: EvaluateRequest) -> Path | None:
    """Return the file of partial results: the named one, or one beside the first output."""
    if request.resume is not None or not request.outputs:
        return request.resume
    first = request.outputs[0]
    return first.with_name(f"{first.name}.partial")


def _measure(
    classifier: Classifier,
    dataset: Dataset,
    options: EvaluationOptions,
    partial: Path | None,
    console: Console,
) -> Evaluation:
    from live_gradcam.evaluate.evaluation import run_evaluation

    with _Progress(console) as progress:
        try:
            return run_evaluation(
                classifier,
                dataset,
                options,
                resume=partial,
                on_progress=lambda stage, done, of: progress.update(_UNITS[stage], done, of),
                on_notice=console.note,
            )
        except lifecycle.Interrupted:
            if partial is not None and partial.exists():
                console.note(f"the same command goes on from {partial}")
            raise


def _show(result: EvaluationResult, console: Console) -> None:
    """Print the tables on stdout; the notes and what looks suspicious on stderr."""
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
