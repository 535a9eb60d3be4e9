"""`run_evaluation`: measure a data set with one classifier; an interruption loses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from live_gradcam.capture.class_folders import printable
from live_gradcam.errors import SourceError
from live_gradcam.evaluate.annotations import ImageAnnotation
from live_gradcam.evaluate.dataset import Dataset, DatasetItem, Sample, open_dataset
from live_gradcam.evaluate.gallery import make_gallery
from live_gradcam.evaluate.image_evaluator import ImageEvaluator, open_pool
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.outputs import check_outputs, format_csv, format_json, write_text
from live_gradcam.evaluate.partial_results import PartialResults
from live_gradcam.evaluate.report import render_report
from live_gradcam.evaluate.sanity_check import run_sanity_check
from live_gradcam.evaluate.summary import sanity_findings, summarise
from live_gradcam.evaluate.values import (
    EvaluationResult,
    ImageResult,
    Provenance,
    SanityStage,
    SkippedEntry,
    UnreadableImage,
)
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import MultiLayerHead
from live_gradcam.faithfulness.scoring import Scorer
from live_gradcam.os_errors import cannot_write

Stage: TypeAlias = Literal["images", "sanity"]
"""The images are measured first, then the network is randomised part by part."""

OnProgress: TypeAlias = Callable[[Stage, int, int], None]
"""Called with the stage, the number that is done of it, and the number of all."""

_FILES = ("results.json", "images.csv", "report.html")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A finished evaluation.

    Attributes:
        result: Everything that was found.
        classifier: The classifier that was evaluated.
        dataset: The images that were measured.
        options: The options.
    """

    result: EvaluationResult
    classifier: Classifier = field(repr=False)
    dataset: Dataset = field(repr=False)
    options: EvaluationOptions

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was found, ready for JSON; the form of ``-o results.json``."""
        return self.result.to_dict()

    def save(self, folder: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write ``results.json``, ``images.csv`` and ``report.html`` into a folder.

        Args:
            folder: The folder; it is created where it does not exist.
            overwrite: ``True`` to replace files that exist.

        Returns:
            The files.

        Raises:
            UsageError: A file exists.
            SinkError: A file cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise cannot_write("cannot write results", folder, exc) from exc
        paths = tuple(folder / name for name in _FILES)
        check_outputs(paths, overwrite=overwrite)
        for path in paths:
            self.write_file(path)
        return paths

    def write_file(self, path: Path) -> None:
        """Write one file, replacing it if it exists; its ending decides the form.

        Args:
            path: ``.json`` has everything, ``.csv`` a row for each image and method; anything else
                is a report in HTML, which draws the worst and best images of each class.

        Raises:
            SinkError: It cannot be written.
        """
        suffix = path.suffix.lower()
        if suffix == ".json":
            text = format_json(self.result)
        elif suffix == ".csv":
            text = format_csv(self.result)
        else:
            gallery = make_gallery(self.result, self.classifier, self.dataset, self.options)
            text = render_report(self.result, gallery)
        write_text(path, text)


def run_evaluation(
    classifier: Classifier,
    dataset: Dataset | str | Path,
    options: EvaluationOptions | None = None,
    *,
    resume: Path | None = None,
    on_progress: OnProgress | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Evaluation:
    """Measure how well a classifier's explanations fit a data set.

    Args:
        classifier: The classifier, which is not modified.
        dataset: The images, as `live_gradcam.open_dataset` finds them, or a source for it.
        options: Methods, measures, device and precision.
        resume: File of partial results: what it holds is not measured again, what is measured is
            added to it. It is created where it does not exist, and stays.
        on_progress: Called after each image, and after each stage of the sanity check.
        on_notice: Called with a sentence for each thing that was understood rather than plain.

    Returns:
        Everything that was found.

    Raises:
        UsageError: There is no such method, or the partial results are of something else.
        SourceError: Not one image can be read.
        DeviceError: The device cannot be used.
        SinkError: The partial results cannot be written.
    """
    options = options or EvaluationOptions()
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset, classifier.labels, seed=options.seed)
    report_progress = on_progress or (lambda stage, done, total: None)
    with open_pool(classifier, options, on_notice) as pool:
        explainers = {method: pool.get(pool.key(method=method)) for method in options.methods}
        predictor = pool.get(pool.key(method="gradcam"))
        runtime = predictor.runtime
        described = f"{runtime.device} {runtime.precision}"
        if options.engine not in ("auto", "torch"):
            described += f" {options.engine}"
        provenance = describe_provenance(classifier, described, dataset.items, options)
        with PartialResults(resume, provenance) as partial:
            if partial and on_notice is not None:
                on_notice(f"going on after {len(partial)} results in {resume}")
            evaluator = ImageEvaluator(explainers, predictor, Scorer(classifier, runtime), options)
            images, unreadable = _evaluate_images(dataset, evaluator, partial, report_progress)
            stages: tuple[SanityStage, ...] = ()
            if options.sanity:
                stages = run_sanity_check(
                    pool,
                    _sanity_samples(dataset, images, options.sanity_images),
                    options,
                    partial,
                    on_notice=on_notice,
                    on_stage=lambda done, total: report_progress("sanity", done, total),
                )
    skipped = (*dataset.skipped, *unreadable)
    result = EvaluationResult(
        source=printable(dataset.name),
        provenance=provenance,
        notes=_notes(dataset, images, skipped),
        skipped=skipped,
        summary=summarise(
            images,
            [printable(each) for each in classifier.labels],
            options.methods,
            has_probabilities=classifier.output.has_probabilities,
        ),
        sanity=stages,
        sanity_findings=sanity_findings(stages, options.methods),
        images=images,
    )
    return Evaluation(result, classifier, dataset, options)


def _evaluate_images(
    dataset: Dataset, evaluator: ImageEvaluator, partial: PartialResults, on_progress: OnProgress
) -> tuple[tuple[ImageResult, ...], tuple[SkippedEntry, ...]]:
    """Return the results of the images that can be read, and the others."""
    images, unreadable = [], []
    for index, item in enumerate(dataset.items):
        if index not in partial.images:
            try:
                sample = dataset.load(item)
            except SourceError as exc:
                partial.add_image(index, UnreadableImage(exc.cause or exc.what))
            else:
                partial.add_image(index, evaluator.evaluate(sample, item.name, index))
        found = partial.images[index]
        if isinstance(found, ImageResult):
            images.append(found)
        else:
            unreadable.append(SkippedEntry(item.name, found.unreadable))
        on_progress("images", index + 1, len(dataset.items))
    if not images:
        name, reason = unreadable[0]
        cause = f"none of the {len(dataset.items)} pictures can be read, such as {name}: {reason}"
        raise SourceError("cannot evaluate", "", cause)
    return tuple(images), tuple(unreadable)


def _sanity_samples(dataset: Dataset, images: Sequence[ImageResult], count: int) -> list[Sample]:
    """Return some of the images that can be read, spread over the whole."""
    count = min(count, len(images))
    chosen = (images[place * len(images) // count] for place in range(count))
    return [dataset.load(dataset.items[each.index]) for each in chosen]


def _notes(
    dataset: Dataset, images: Sequence[ImageResult], skipped: Sequence[SkippedEntry]
) -> tuple[str, ...]:
    notes = list(dataset.notes)
    if skipped:
        name, reason = skipped[0]
        notes.append(f"{len(skipped)} left out, such as {name}: {reason}")
    notes += [f"{each.name}: {each.note}" for each in images if each.note][:5]
    return tuple(notes)


def describe_provenance(
    classifier: Classifier, runtime: str, items: Sequence[DatasetItem], options: EvaluationOptions
) -> Provenance:
    """Return all that the results depend on.

    Args:
        classifier: The classifier.
        runtime: Device and precision.
        items: The images.
        options: The options.
    """
    digest = hashlib.sha256()
    for part in (classifier.trunk, classifier.head):
        for name, numbers in part.state_dict().items():
            digest.update(f"{name} {tuple(numbers.shape)}".encode())
            digest.update(numbers.detach().cpu().contiguous().flatten().view(-1).numpy().tobytes())
    labels = hashlib.sha256("\n".join(classifier.labels).encode("utf-8", "backslashreplace"))
    head = classifier.head
    return Provenance(
        model=classifier.name,
        layer=classifier.layer,
        fuse=head.fuse if isinstance(head, MultiLayerHead) else None,
        weights=digest.hexdigest()[:16],
        labels=labels.hexdigest()[:16],
        output=classifier.output,
        runtime=runtime,
        images=len(items),
        data=items_digest(items),
        options=options,
    )


def items_digest(items: Sequence[DatasetItem]) -> str:
    """Return a digest of the images and the truth about them, by file names and sizes."""
    digest = hashlib.sha256()
    for item in items:
        size = None
        if item.path is not None:
            try:
                size = item.path.stat().st_size
            except OSError:
                size = -1
        annotation = _annotation_text(item.annotation)
        parts = f"{item.name!r}, {item.scene!r}, {item.labels!r}, {item.classes!r}"
        text = f"({parts}, {annotation}, {size!r})"
        digest.update(text.encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:16]


def _annotation_text(annotation: ImageAnnotation | None) -> str:
    """Return the text that digests of `FORMAT` 1 are made from."""
    if annotation is None:
        return "None"
    objects = []
    for each in annotation.objects:
        mask = each.mask
        runs = mask and f"RunMask(size={mask.size!r}, counts={mask.counts!r})"
        objects.append(
            f"Shape(name={each.name!r}, box={each.box!r}, polygons={each.polygons!r}, runs={runs})"
        )
    shapes = f"({', '.join(objects)}{',' if len(objects) == 1 else ''})"
    return f"Annotated(shapes={shapes}, size={annotation.size!r})"
