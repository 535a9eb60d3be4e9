"""``live-gradcam evaluate``: is a classifier looking at the right thing?"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from live_gradcam import lifecycle
from live_gradcam.cli.console import Console, ProgressLine
from live_gradcam.cli.network import open_classifier, warn_of_forwards
from live_gradcam.cli.options import NetworkOptions
from live_gradcam.errors import UsageError
from live_gradcam.values import View

if TYPE_CHECKING:
    from live_gradcam.evaluate.dataset import Dataset, Item
    from live_gradcam.evaluate.run import Evaluation, Machine
    from live_gradcam.evaluate.settings import Settings
    from live_gradcam.evaluate.state import State
    from live_gradcam.explain.classifier import Classifier

# Lines of a terminal that the rest of the output takes.
_OTHER_LINES = 26
_FEWEST_CLASSES = 10
_MOST_FINDINGS = 10


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
    from live_gradcam.evaluate.dataset import choose, open_dataset, require_source
    from live_gradcam.evaluate.outputs import check_outputs
    from live_gradcam.evaluate.settings import Settings, parse_measures

    if console.quiet and not request.outputs:
        raise UsageError("nothing to do", "--quiet", "no output is given", "Add -o OUTPUT")
    measures = parse_measures(request.measures)
    network = request.network
    read = [each for each in (network.weights, network.labels, request.boxes) if each is not None]
    state_path = _state_path(request)
    check_outputs(
        request.outputs,
        [*read, Path(request.source), *([state_path] if state_path else [])],
        overwrite=request.overwrite,
    )
    require_source(request.source)
    boxes = None
    if request.boxes is not None:
        from live_gradcam.evaluate.annotations import read_annotations

        boxes = read_annotations(request.boxes)

    from live_gradcam.evaluate.run import Machine, lookup_of
    from live_gradcam.explain.methods import require_method

    settings = Settings(
        methods=request.methods,
        measures=measures,
        view=request.view,
        steps=request.steps,
        seed=request.seed,
        sanity=request.sanity,
    )
    for name in settings.methods:
        require_method(name)
    classifier = open_classifier(network, console)
    warn_of_forwards(settings.methods, classifier, console)
    data = open_dataset(
        request.source,
        lookup_of(classifier),
        boxes=boxes,
        scenes=request.scenes,
        seed=request.seed,
    )
    items = choose(data.items, request.max_pictures, request.seed)
    machine = Machine(network.device, network.precision, console.note)
    evaluation, state = _measure(classifier, data, items, settings, machine, state_path, console)
    with state:
        _show(evaluation.result, console)
        _write(request, evaluation, classifier, settings, machine, console)
        if request.resume is None:
            state.remove()


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


def _state_path(request: EvaluateRequest) -> Path | None:
    """Where partial results stand: the named file, or one beside the first output."""
    if request.resume is not None or not request.outputs:
        return request.resume
    first = request.outputs[0]
    return first.with_name(f"{first.name}.partial")


def _measure(
    classifier: Classifier,
    data: Dataset,
    items: list[Item],
    settings: Settings,
    machine: Machine,
    state_path: Path | None,
    console: Console,
) -> tuple[Evaluation, State]:
    from live_gradcam.evaluate.run import evaluate
    from live_gradcam.evaluate.state import State

    def open_state(about: dict[str, Any]) -> State:
        state = State(state_path, about)
        if state.done:
            console.note(f"going on after {len(state.done)} results in {state_path}")
        return state

    with _Progress(console) as progress:
        try:
            return evaluate(
                classifier,
                data,
                items,
                settings,
                machine,
                open_state,
                on_picture=lambda done: progress.update("pictures", done, len(items)),
                on_stage=lambda done, of: progress.update("scrambled parts", done, of),
            )
        except lifecycle.Interrupted:
            if state_path is not None and state_path.exists():
                console.note(f"the same command goes on from {state_path}")
            raise


def _show(result: dict[str, Any], console: Console) -> None:
    """The tables on stdout; the notes and what looks suspicious on stderr."""
    from live_gradcam.evaluate.table import classes_table, totals_table

    for note in result["notes"]:
        console.note(f"note: {note}")
    if console.quiet:
        return
    size = shutil.get_terminal_size((100, 60))
    height = max(_FEWEST_CLASSES, size.lines - _OTHER_LINES)
    classes = classes_table(result, width=size.columns, height=height)
    if classes is not None:
        console.table(*classes)
        left = len(result["classes"]) - len(classes[1])
        console.out(f"... and {left} more classes\n" if left > 0 else "")
    console.table(*totals_table(result))
    for sentence in (*result["limits"], *result["totals"]["findings"]):
        console.note(sentence)
    suspicious = [row for row in result["classes"] if row["findings"]]
    for row in suspicious[:_MOST_FINDINGS]:
        for sentence in row["findings"]:
            console.note(f"{row['label']}: {sentence}")
    if len(suspicious) > _MOST_FINDINGS:
        console.note(f"... and {len(suspicious) - _MOST_FINDINGS} more classes look suspicious")
    for sentence in result["sanity_findings"]:
        console.note(sentence)


def _write(
    request: EvaluateRequest,
    evaluation: Evaluation,
    classifier: Classifier,
    settings: Settings,
    machine: Machine,
    console: Console,
) -> None:
    from live_gradcam.evaluate.outputs import as_csv, as_json, write_text

    for path in request.outputs:
        suffix = path.suffix.lower()
        if suffix == ".json":
            text = as_json(evaluation.result)
        elif suffix == ".csv":
            text = as_csv(evaluation.result)
        else:
            from live_gradcam.evaluate.gallery import make_gallery
            from live_gradcam.evaluate.report import as_html
            from live_gradcam.evaluate.run import lookup_of

            gallery = make_gallery(
                evaluation.result,
                evaluation.items,
                classifier,
                settings,
                machine,
                lookup_of(classifier),
            )
            text = as_html(evaluation.result, gallery)
        write_text(path, text)
        console.note(f"wrote {path}")
