"""Results of an evaluation: frozen values, and their form in JSON.

A measure that was not asked for, or that says nothing about an image, is ``None``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from typing_extensions import Self, override

from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.values import SOFTMAX, OutputKind

KIND = "live-gradcam evaluation"

FORMAT = 2
"""Counts up when results of the same options would have another form or other values."""


NO_DIFFERENCE = 0.02
"""Differences of probabilities below this are none."""


class SkippedEntry(NamedTuple):
    """An image, folder or row that cannot be used.

    Attributes:
        name: Its name in the data set.
        reason: The reason, in a few words.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """The probability that the network gives a class; its number where those are plain numbers.

    Attributes:
        class_index: Index in the network's output.
        label: Name of the class, printable.
        probability: In 0..1, or the number, see `live_gradcam.OutputKind`.
    """

    class_index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """Fit of the map of a class to the objects of that class on one image.

    Attributes:
        class_index: The class.
        hit: ``True`` if the hottest point hits an object.
        chance: Share of random points that would, in 0..1.
        inside: Share of the positive evidence on the objects; ``None`` where there is no evidence.
        area: Share of the input that counts as on the objects.
    """

    class_index: int
    hit: bool
    chance: float
    inside: float | None
    area: float


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's explanation of one image, measured.

    Attributes:
        class_index: The explained class.
        probability: Its probability, in 0..1; here and below, its number where the output is plain
            numbers.
        blank: ``True`` if the map has no positive evidence.
        removal_drop: Fall of the probability without the hottest fifth of the image.
        control_drop: Fall of the probability without a fifth elsewhere, the mean of several places.
        control_least: The least of these falls.
        control_most: The greatest of them.
        verdict: Meaning of the removal test, see `live_gradcam.faithfulness.verdicts`.
        average_drop: Share of the probability that is lost when only hot pixels are left; ``None``
            of plain numbers, which have no shares.
        increase: ``True`` if the probability rises when only hot pixels are left.
        deletion: Area under the deletion curve, in 0..1 for a probability.
        insertion: Area under the insertion curve, in 0..1 for a probability.
        objects: Annotated classes of the image; ``None`` where pointing was not measured.
        completeness_residual: Distance between the map's sum plus bias and the score, in logits.
    """

    class_index: int
    probability: float
    blank: bool
    removal_drop: float | None = None
    control_drop: float | None = None
    control_least: float | None = None
    control_most: float | None = None
    verdict: str | None = None
    average_drop: float | None = None
    increase: bool | None = None
    deletion: float | None = None
    insertion: float | None = None
    objects: tuple[ObjectResult, ...] | None = None
    completeness_residual: float | None = None

    @property
    def saturated(self) -> bool:
        """``True`` if the network is so sure that it does not matter what is hidden."""
        falls = (self.removal_drop, self.control_drop, self.control_least, self.control_most)
        known = [abs(each) for each in falls if each is not None]
        sure = self.probability >= 1.0 - NO_DIFFERENCE
        return sure and bool(known) and max(known) < NO_DIFFERENCE

    @property
    def telling(self) -> bool:
        """``True`` if the tests say something: there is evidence, and something to lose."""
        return not (self.blank or self.saturated or self.verdict == "untestable")

    @property
    def explained_object(self) -> ObjectResult | None:
        """The result for objects of the explained class, where the image has any."""
        own = (each for each in self.objects or () if each.class_index == self.class_index)
        return next(own, None)

    def to_dict(self, measures: Collection[str]) -> dict[str, Any]:
        """Return the result ready for JSON, without the measures that were not asked for."""
        record = {key: value for key, value in asdict(self).items() if value is not None}
        if self.objects is not None:
            record["objects"] = list(record["objects"])
        if "completeness" in measures:  # there even where a method has none
            record["completeness_residual"] = self.completeness_residual
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the result that `to_dict` wrote."""
        if "objects" not in record:
            return cls(**record)
        return cls(**{**record, "objects": tuple(ObjectResult(**o) for o in record["objects"])})


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One image, measured with every method.

    Attributes:
        index: Position in the data set.
        name: Its name in the data set, printable.
        labels: True classes, the first the one it stands under; empty where unknown.
        predictions: The network's best classes, best first.
        top1: ``True`` if a true class is the first prediction; ``None`` where unknown.
        top3: ``True`` if a true class is among the predictions; ``None`` where unknown.
        methods: Results by method.
        note: A remark on the image; empty where there is none.
    """

    index: int
    name: str
    labels: tuple[int, ...]
    predictions: tuple[ClassProbability, ...]
    top1: bool | None
    top3: bool | None
    methods: Mapping[str, MethodResult]
    note: str = ""

    def to_dict(self, measures: Collection[str]) -> dict[str, Any]:
        """Return the result ready for JSON, without the measures that were not asked for."""
        return {
            "picture": self.index,
            "name": self.name,
            "labels": list(self.labels),
            "predictions": [asdict(each) for each in self.predictions],
            "top1": self.top1,
            "top3": self.top3,
            **({"note": self.note} if self.note else {}),
            "methods": {name: each.to_dict(measures) for name, each in self.methods.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the result that `to_dict` wrote.

        Raises:
            KeyError: A part is missing.
            TypeError: A part is of another kind.
        """
        return cls(
            record["picture"],
            record["name"],
            tuple(record["labels"]),
            tuple(ClassProbability(**each) for each in record["predictions"]),
            record["top1"],
            record["top3"],
            {name: MethodResult.from_dict(each) for name, each in record["methods"].items()},
            record.get("note", ""),
        )


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """An image that cannot be read.

    Attributes:
        unreadable: The reason, in a few words.
    """

    unreadable: str


@dataclass(frozen=True, slots=True)
class SanityStage:
    """One stage of the sanity check.

    Attributes:
        stage: Name of the part of the network that was randomised last.
        correlation: Mean rank correlation with the original maps, by method.
    """

    stage: str
    correlation: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MethodSummary:
    """Means of a method's results over images and objects; ``None`` where nothing is known.

    Attributes are means of the attributes of `ObjectResult` and `MethodResult` that have the same
    name, and these:

    Attributes:
        pointing: Share of the objects that the hottest point hits.
        blank: Number of maps without positive evidence.
        objects: Number of objects.
        objects_without_evidence: Number of objects whose class has no positive evidence.
        tested: Number of images with a removal test.
        saturated: Number of these whose network is so sure that nothing changes it.
        telling: Number of images whose tests say something.
        decided: Number of images whose hottest fifth decides, or counts most; ``None`` where that
            is not known.
    """

    inside: float | None
    area: float | None
    pointing: float | None
    chance: float | None
    removal_drop: float | None
    control_drop: float | None
    deletion: float | None
    insertion: float | None
    average_drop: float | None
    increase: float | None
    completeness_residual: float | None
    blank: int
    objects: int
    objects_without_evidence: int
    tested: int
    saturated: int = 0
    telling: int = 0
    decided: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """Figures of several images.

    Attributes:
        images: Number of images.
        known: Number of images whose truth is known.
        top1: Share whose true class is the first prediction; ``None`` where no truth is known.
        top3: Share whose true class is among the first three; ``None`` where no truth is known.
        methods: Figures by method.
        findings: Suspicious things, as sentences.
        has_probabilities: ``False`` where the network's output is plain numbers.
    """

    images: int
    known: int
    top1: float | None
    top3: float | None
    methods: Mapping[str, MethodSummary]
    findings: tuple[str, ...] = ()
    has_probabilities: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        return {
            "pictures": self.images,
            "labelled": self.known,
            "top1": self.top1,
            "top3": self.top3,
            "methods": {method: asdict(each) for method, each in self.methods.items()},
            "findings": list(self.findings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary(GroupSummary):
    """Figures of one class's images.

    Attributes:
        class_index: Index in the network's output.
        label: Name of the class, printable.
    """

    class_index: int
    label: str

    @override
    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        figures = GroupSummary.to_dict(self)
        return {"class_index": self.class_index, "label": self.label, **figures}


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of the whole and of each class.

    Attributes:
        totals: The whole; pointing is the mean of the classes.
        classes: Classes, worst first.
        limits: What could not be judged, as sentences.
    """

    totals: GroupSummary
    classes: tuple[ClassSummary, ...]
    limits: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures ready for JSON."""
        return {
            "totals": self.totals.to_dict(),
            "classes": [each.to_dict() for each in self.classes],
            "limits": list(self.limits),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """All that results depend on: the network, the machine, the images and the options.

    Attributes:
        model: Name of the classifier.
        layer: Explained layer.
        fuse: Way to fuse the maps of several layers; ``None`` for one layer.
        weights: Digest of the weights.
        labels: Digest of the labels.
        output: Meaning of the network's output.
        runtime: Device and precision.
        images: Number of images.
        data: Digest of the images' names, sizes and truth.
        options: The options.
    """

    model: str
    layer: str
    fuse: str | None
    weights: str
    labels: str
    runtime: str
    images: int
    data: str
    options: EvaluationOptions
    output: OutputKind = SOFTMAX

    def to_dict(self) -> dict[str, Any]:
        """Return all of it ready for JSON; results of equal provenance are equal."""
        return {
            "format": FORMAT,
            "model": self.model,
            "layer": self.layer,
            **({"fuse": self.fuse} if self.fuse is not None else {}),
            "weights": self.weights,
            "labels": self.labels,
            **_output_settings(self.output),
            "runtime": self.runtime,
            "pictures": self.images,
            "data": self.data,
            **self.options.to_dict(),
        }


def _output_settings(output: OutputKind) -> dict[str, Any]:
    """Return what there is to say about another output than the usual one."""
    if output == SOFTMAX:
        return {}
    with_threshold = output.name in ("binary", "sigmoid")
    return {"output": str(output), **({"threshold": output.threshold} if with_threshold else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """Everything that an evaluation found.

    Attributes:
        source: Name of the data set, printable.
        provenance: All that the results depend on.
        notes: Remarks on the data set, as sentences.
        skipped: Entries of the data set that could not be used.
        summary: Figures and findings.
        sanity: Stages of the sanity check, from the head to the first layer.
        sanity_findings: Suspicious things about the methods, as sentences.
        images: Results of the images that could be read.
    """

    source: str
    provenance: Provenance
    notes: tuple[str, ...]
    skipped: tuple[SkippedEntry, ...]
    summary: Summary
    sanity: tuple[SanityStage, ...]
    sanity_findings: tuple[str, ...]
    images: tuple[ImageResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        measures = self.provenance.options.measures
        return {
            "kind": KIND,
            "source": self.source,
            "settings": self.provenance.to_dict(),
            "notes": list(self.notes),
            "skipped": [each._asdict() for each in self.skipped],
            **self.summary.to_dict(),
            "sanity": [asdict(each) for each in self.sanity],
            "sanity_findings": list(self.sanity_findings),
            "pictures": [each.to_dict(measures) for each in self.images],
        }
