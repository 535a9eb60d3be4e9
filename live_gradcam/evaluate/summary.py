"""Figures of each class and of the whole, and findings as plain sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from live_gradcam.evaluate.values import (
    NO_DIFFERENCE,
    ClassSummary,
    GroupSummary,
    ImageResult,
    MethodResult,
    MethodSummary,
    SanityStage,
    Summary,
)
from live_gradcam.faithfulness.verdicts import SAME_MAP
from live_gradcam.wording import number, percent, points

FEWEST = 3
"""Number of images from which on a class is judged."""

_MOSTLY = 0.5
_PLAIN = (
    "The network's output is plain numbers: what is said of a probability is said of the number."
)
_DECIDING = ("decides", "counts")


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the tables.

    Attributes:
        key: Name in the results, and of the attribute of `GroupSummary` or `MethodSummary`.
        title: Heading.
        meaning: One sentence for the reader.
        better: Direction that is better: 1 up, -1 down, 0 neither.
    """

    key: str
    title: str
    meaning: str
    better: int = 1

    def value(self, figures: GroupSummary | MethodSummary | MethodResult) -> float | None:
        """Return the metric's value among the figures; ``None`` where it is not known."""
        value: float | None = getattr(figures, self.key)
        return value


GROUP_METRICS: tuple[Metric, ...] = (
    Metric("top1", "top-1", "the true class is the network's first choice"),
    Metric("top3", "top-3", "the true class is among its first three"),
)
"""Metrics of the network, whatever the method."""

OBJECT_METRICS: tuple[Metric, ...] = (
    Metric(
        "inside",
        "on object",
        "share of the positive evidence that lies on the object, or one cell of the map beside it",
    ),
    Metric("area", "(area)", "share of the picture that counts as on the object", 0),
    Metric(
        "pointing",
        "pointing",
        "the hottest point hits the object, 15 pixels beside it included (arXiv 1608.00507); "
        "in the totals, the mean of the classes",
    ),
    Metric("chance", "(chance)", "how often a random point would hit it", 0),
)
"""Metrics of a method that are means over objects."""

IMAGE_METRICS: tuple[Metric, ...] = (
    Metric(
        "removal_drop",
        "removal",
        "how far the probability falls when the hottest fifth of the picture is blurred",
    ),
    Metric(
        "control_drop",
        "elsewhere",
        "how far it falls when a fifth of the same shape elsewhere is blurred, the mean of several "
        "places",
        0,
    ),
    Metric(
        "deletion",
        "deletion",
        "area under the probability while the hottest pixels go first (RISE, arXiv 1806.07421)",
        -1,
    ),
    Metric(
        "insertion",
        "insertion",
        "area under the probability while the hottest pixels come back first, from a blurred "
        "picture (RISE)",
    ),
    Metric(
        "average_drop",
        "avg drop",
        "share of the probability that is lost when only what is hot is left "
        "(Grad-CAM++, arXiv 1710.11063)",
        -1,
    ),
    Metric(
        "increase",
        "increase",
        "share of the pictures whose probability rises when only what is hot is left",
    ),
    Metric(
        "completeness_residual",
        "residual",
        "how far the map's sum and the bias are from the score, in logits (closed-form heads)",
        -1,
    ),
)
"""Metrics of a method that are means over images."""

METHOD_METRICS = OBJECT_METRICS + IMAGE_METRICS


def summarise(
    images: Sequence[ImageResult],
    labels: Sequence[str],
    methods: Sequence[str],
    *,
    has_probabilities: bool = True,
) -> Summary:
    """Return totals, and each class with its findings, the worst first.

    Args:
        images: Results of the images.
        labels: Names of the classifier's classes, in order.
        methods: Names of the methods; the first decides the order of the classes.
        has_probabilities: ``False`` where the network's output is plain numbers.
    """
    present = sorted({index for image in images for index in image.labels})
    classes = [
        _class_summary(images, index, labels[index], methods, has_probabilities)
        for index in present
    ]
    some_located = any(each.methods[methods[0]].inside is not None for each in classes)
    classes.sort(key=lambda each: _worst_first(each, methods[0], some_located=some_located))
    figures = {method: _method_summary(images, None, method) for method in methods}
    for method in methods:
        # The pointing game is averaged over the classes, so that frequent ones do not decide.
        pointing = _mean(each.methods[method].pointing for each in classes)
        figures[method] = replace(figures[method], pointing=pointing)
    totals = GroupSummary(
        images=len(images),
        known=sum(each.top1 is not None for each in images),
        top1=_mean(each.top1 for each in images),
        top3=_mean(each.top3 for each in images),
        methods=figures,
        has_probabilities=has_probabilities,
    )
    totals = replace(totals, findings=_findings(totals))
    limits = _limits(figures[methods[0]], classes)
    return Summary(totals, tuple(classes), limits if has_probabilities else (_PLAIN, *limits))


def _limits(figures: MethodSummary, classes: Sequence[ClassSummary]) -> tuple[str, ...]:
    """Return what could not be judged, and why, as sentences."""
    few, blank = sum(each.images < FEWEST for each in classes), figures.objects_without_evidence
    limits = []
    if figures.saturated:
        sure = f"On {figures.saturated} of {figures.tested} pictures the network is so sure that"
        limits.append(
            f"{sure} hiding a fifth changes nothing anywhere: removal says nothing there."
        )
    if few:
        judged = f"{few} of {len(classes)} classes have fewer than {FEWEST} pictures"
        limits.append(f"{judged}: too few to be judged.")
    if blank:
        misses = "they are misses of the pointing game, and count nothing elsewhere"
        limits.append(f"{blank} of {figures.objects} objects have no evidence at all: {misses}.")
    if not figures.objects:
        unknown = "it was not measured whether the evidence lies on them (--boxes)"
        limits.append(f"Where the objects are is not known, so {unknown}.")
    return tuple(limits)


def _class_summary(
    images: Sequence[ImageResult],
    index: int,
    label: str,
    methods: Sequence[str],
    has_probabilities: bool,
) -> ClassSummary:
    own = [image for image in images if index in image.labels]
    summary = ClassSummary(
        class_index=index,
        label=label,
        images=len(own),
        known=sum(each.top1 is not None for each in own),
        top1=_mean(image.top1 for image in own),
        top3=_mean(image.top3 for image in own),
        methods={method: _method_summary(own, index, method) for method in methods},
        has_probabilities=has_probabilities,
    )
    return replace(summary, findings=_findings(summary))


def _method_summary(images: Sequence[ImageResult], index: int | None, method: str) -> MethodSummary:
    """Return means over images, and over objects: of one class, or of all if it is ``None``."""
    results = [image.methods[method] for image in images]
    objects = [
        each
        for result in results
        for each in result.objects or ()
        if index in (None, each.class_index)
    ]
    # The map of another class says nothing about this one.
    own = [result for result in results if index in (None, result.class_index)]
    verdicts = [result.verdict for result in own if result.verdict is not None]
    means = {metric.key: _mean(map(metric.value, own)) for metric in IMAGE_METRICS}
    return MethodSummary(
        inside=_mean(each.inside for each in objects),
        area=_mean(each.area for each in objects),
        pointing=_mean(each.hit for each in objects),
        chance=_mean(each.chance for each in objects),
        **means,
        blank=sum(result.blank for result in own),
        objects=len(objects),
        objects_without_evidence=sum(each.inside is None for each in objects),
        tested=sum(result.removal_drop is not None for result in own),
        saturated=sum(result.saturated for result in own),
        telling=sum(result.telling for result in own),
        decided=sum(verdict in _DECIDING for verdict in verdicts) if verdicts else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known else None


def credibility(
    inside: float | None, figures: MethodSummary | MethodResult
) -> tuple[float, float, float]:
    """Return how credible an explanation is, larger is better: a key to sort by.

    First the share on the object (to the percent), then the fall by removal beyond its control,
    then insertion less deletion; what is not known counts as nothing.

    Args:
        inside: Share of the evidence on the object.
        figures: Everything else.
    """
    return (
        round(inside or 0.0, 2),
        (figures.removal_drop or 0.0) - (figures.control_drop or 0.0),
        (figures.insertion or 0.0) - (figures.deletion or 0.0),
    )


def _worst_first(summary: ClassSummary, method: str, *, some_located: bool) -> tuple[float, ...]:
    """Return a key to sort by: what is suspicious, then what was judged, then what could not be."""
    figures = summary.methods[method]
    unknown = some_located and figures.inside is None
    not_judged = 0 if summary.findings else 2 * (not figures.telling) + unknown
    credible = credibility(figures.inside, figures)
    return (not_judged, -len(summary.findings), *credible, summary.top1 or 0.0)


_OUTSIDE = "evidence mostly outside of the object"
_Check = Callable[[GroupSummary, MethodSummary], str]


def _findings(summary: GroupSummary) -> tuple[str, ...]:
    """Return what looks suspicious, as plain sentences; nothing where nothing does.

    Where there are several methods, a sentence names those it is true of, with the figures of the
    first of them.
    """
    found = []
    checks: tuple[_Check, ...] = (_misplaced_evidence, _ineffective_removal)
    for check in checks:
        sentences = {name: check(summary, each) for name, each in summary.methods.items()}
        methods = [name for name, sentence in sentences.items() if sentence]
        if methods:
            sentence = sentences[methods[0]]
            names = f" ({', '.join(methods)})" if len(sentences) > 1 else ""
            if _OUTSIDE not in sentence.lower():
                found.append(f"{sentence}{names}.")
            elif len(methods) == len(sentences):
                found.append(f"{sentence}; the network looks at the background{names}.")
            else:  # one network cannot look at two places
                found.append(
                    f"{sentence}{names}; by the other maps it looks at the object, so the methods "
                    "differ here."
                )
    return tuple(found)


def _misplaced_evidence(summary: GroupSummary, figures: MethodSummary) -> str:
    """Return a sentence if evidence or maximum lie beside the object."""
    inside, pointing, chance = figures.inside, figures.pointing, figures.chance
    if figures.objects < FEWEST or inside is None or pointing is None or chance is None:
        return ""
    right = summary.top1 is not None and summary.top1 >= _MOSTLY
    named = f"named right in {percent(summary.top1 or 0.0)} of the pictures, but " if right else ""
    if inside < _MOSTLY:
        text = (
            f"{_OUTSIDE}: only {percent(inside)} of it lies on the "
            f"object or beside it, which covers {percent(figures.area or 0.0)} of the picture"
        )
        return _capitalised(f"{named}{text}")
    if pointing <= chance:
        return _capitalised(
            f"{named}the hottest point hits the object in {percent(pointing)} of the "
            f"pictures, a random point in {percent(chance)}"
        )
    return ""


def _ineffective_removal(summary: GroupSummary, figures: MethodSummary) -> str:
    """Return a sentence if removal does no more than its control."""
    drop, control = figures.removal_drop, figures.control_drop
    if figures.tested - figures.saturated < FEWEST or drop is None or control is None:
        return ""
    if drop - control >= (NO_DIFFERENCE if summary.has_probabilities else 0.0):
        return ""
    falls = (
        f"probability falls by {points(drop)} against {points(control)}"
        if summary.has_probabilities
        else f"number falls by {number(drop)} against {number(control)}"
    )
    return (
        f"Removing the hottest fifth does not matter more than removing a fifth elsewhere: the "
        f"{falls}"
    )


def sanity_findings(stages: Sequence[SanityStage], methods: Sequence[str]) -> tuple[str, ...]:
    """Return what is suspicious about the methods, as plain sentences."""
    last: Mapping[str, float] = stages[-1].correlation if stages else {}
    return tuple(
        f"{method} hardly changes when all weights are random (rank correlation "
        f"{last[method]:.2f}): it shows the picture, not what the network has learned."
        for method in methods
        if abs(last.get(method, 0.0)) > SAME_MAP
    )


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
