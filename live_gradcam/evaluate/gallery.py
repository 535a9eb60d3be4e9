"""The images of a report: for each class those that look worst and best, with their heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from live_gradcam.errors import SourceError
from live_gradcam.evaluate.dataset import Dataset, Sample
from live_gradcam.evaluate.image_evaluator import explain_sample, open_pool
from live_gradcam.evaluate.options import EvaluationOptions
from live_gradcam.evaluate.summary import credibility
from live_gradcam.evaluate.values import EvaluationResult, ImageResult, MethodResult
from live_gradcam.explain.classifier import Classifier
from live_gradcam.images.geometry import scale_explanation
from live_gradcam.native import cv2
from live_gradcam.reports.page import data_uri
from live_gradcam.show.overlay import OverlayOptions, draw
from live_gradcam.values import Explanation, Image
from live_gradcam.wording import change_in_strength, percent, strength

PER_SIDE = 2
"""Number of the worst and of the best images of each class that are shown."""

MOST_BYTES = 6 << 20
"""Size at which the images of a report end, whatever there is left to show."""

# Images are shown at their own size between these, scaled to them otherwise.
_LONGEST_SIDE, _SHORTEST_LONG_SIDE = 320, 224
_SURE = 0.5
_HEAT = OverlayOptions(opacity=0.55, show_labels=False, show_legend=False, show_hud=False)


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """One image of a report.

    Attributes:
        name: Name of the image.
        caption: What the network says and what was measured, as a line.
        good: ``True`` for one of the best of its class, ``False`` for one of the worst.
        heatmaps: JPEG as a data URI, by method.
    """

    name: str
    caption: str
    good: bool
    heatmaps: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StrikingImage:
    """One of the images at the head of a report, beside itself with its heat.

    Attributes:
        title: What is striking about it, in a few words.
        name: Name of the image.
        caption: As of `GalleryImage`.
        original: JPEG as a data URI.
        heatmap: The same with its heat.
    """

    title: str
    name: str
    caption: str
    original: str
    heatmap: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """The images of a report.

    Attributes:
        by_class: Images by class index; those of unknown content under ``None``.
        left_out: Number of classes without images here, as the report would become too large.
        striking: At most three images for its head.
    """

    by_class: Mapping[int | None, Sequence[GalleryImage]]
    left_out: int = 0
    striking: Sequence[StrikingImage] = ()


def select_extremes(
    images: Sequence[ImageResult], index: int | None, method: str
) -> list[tuple[ImageResult, bool]]:
    """Return the worst images of a class and the best, worst first; no image twice.

    Args:
        images: Results of all images.
        index: The class; ``None`` for images of unknown content.
        method: The method whose figures decide.

    Returns:
        Results, and ``True`` for each that is one of the best.
    """
    own = [
        image
        for image in images
        if (index in image.labels if index is not None else not image.labels)
        and index in (None, image.methods[method].class_index)
    ]
    # Blank maps, and those of which nothing was to be learned, are neither good nor bad.
    telling = [image for image in own if image.methods[method].telling] or own
    ranked = sorted(telling, key=lambda image: (_worst_first(image.methods[method]), image.name))
    worst = ranked[: min(PER_SIDE, (len(ranked) + 1) // 2)]
    best = ranked[max(len(worst), len(ranked) - PER_SIDE) :]
    return [(each, False) for each in worst] + [(each, True) for each in best]


def _worst_first(measured: MethodResult) -> tuple[float, ...]:
    """Return a key to sort by credibility; what the tests say nothing about lies in the middle."""
    return (*_credible(measured), measured.probability)


def _credible(measured: MethodResult) -> tuple[float, float, float]:
    own = measured.explained_object
    return credibility(own.inside if own else None, measured)


def select_striking(images: Sequence[ImageResult], method: str) -> list[tuple[str, ImageResult]]:
    """Return at most three images that show most, each with what is striking about it.

    The clearest one that is named right, one that is named wrong although the network is sure, or a
    typical one where none is, and the one whose explanation is least credible.

    Args:
        images: Results of all images.
        method: The method whose figures decide.
    """
    telling = [image for image in images if image.methods[method].telling] or list(images)
    ranked = sorted(telling, key=lambda image: (_credible(image.methods[method]), image.name))
    wrong = [image for image in images if image.top1 is False]
    right = [image for image in ranked if image.top1 is not False]
    chosen: list[tuple[str, ImageResult]] = []
    if right:
        chosen.append(("the clearest", right[-1]))
    if wrong:
        surest = max(wrong, key=lambda image: (image.predictions[0].probability, image.name))
        chosen.append(("wrong, though sure of it" if _is_sure(surest) else "wrong", surest))
    elif len(right) > 2:
        chosen.append(("a typical one", right[len(right) // 2]))
    taken = [image for _, image in chosen]
    weakest = next((image for image in ranked if image not in taken), None)
    if weakest is not None:
        chosen.append(("the weakest", weakest))
    return chosen


def _is_sure(image: ImageResult) -> bool:
    return image.predictions[0].probability >= _SURE


def make_gallery(
    result: EvaluationResult,
    classifier: Classifier,
    dataset: Dataset,
    options: EvaluationOptions,
    *,
    most_bytes: int = MOST_BYTES,
) -> Gallery:
    """Draw the images of a report: the classes in their order, until it is large enough.

    Args:
        result: Everything that was found.
        classifier: The classifier that was evaluated.
        dataset: The images that were measured.
        options: Methods, view, device and precision.
        most_bytes: Size of all images together at which no more class is drawn.
    """
    groups: list[int | None] = [each.class_index for each in result.summary.classes]
    if any(not image.labels for image in result.images):
        groups.append(None)
    by_class: dict[int | None, list[GalleryImage]] = {}
    used = 0
    shares = classifier.output.has_probabilities
    with open_pool(classifier, options) as pool:
        explainer = pool.get(pool.key(method=options.methods[0]))
        striking = []
        for title, image in select_striking(result.images, options.methods[0]):
            try:
                sample = dataset.load(dataset.items[image.index])
            except SourceError:
                continue  # it was there when it was measured
            explanation = explain_sample(explainer, sample, options.view)
            pair = [render_plain(sample), render_heatmap(sample, explanation)]
            caption = _caption(image, options.methods[0], shares=shares)
            striking.append(StrikingImage(title, image.name, caption, *map(data_uri, pair)))
        for group in groups:
            if used >= most_bytes:
                break
            by_class[group] = []
            for image, good in select_extremes(result.images, group, options.methods[0]):
                try:
                    sample = dataset.load(dataset.items[image.index])
                except SourceError:
                    continue  # it was there when it was measured
                heatmaps = {}
                for method in options.methods:
                    explainer = pool.get(pool.key(method=method))
                    explanation = explain_sample(explainer, sample, options.view)
                    heatmaps[method] = data_uri(render_heatmap(sample, explanation))
                    used += len(heatmaps[method])
                caption = _caption(image, options.methods[0], shares=shares)
                by_class[group].append(GalleryImage(image.name, caption, good, heatmaps))
    return Gallery(by_class, len(groups) - len(by_class), striking)


def render_plain(sample: Sample) -> Image:
    """Return a small image without its heat, of the size of `render_heatmap`'s."""
    height, width = sample.image.shape[:2]
    longest = max(height, width)
    scale = min(max(longest, _SHORTEST_LONG_SIDE), _LONGEST_SIDE) / longest
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(sample.image, size, interpolation=way), np.uint8)


def render_heatmap(sample: Sample, explanation: Explanation) -> Image:
    """Return a small image with its heat, and the outline of the object where it is known.

    Args:
        sample: The image and the truth about it.
        explanation: Its explanation; the first map is drawn.

    Returns:
        ``uint8 (h, w, 3)`` BGR, with the longest side in 224..320 pixels.
    """
    small = render_plain(sample)
    size = small.shape[1], small.shape[0]
    scale = max(size) / max(sample.image.shape[:2])
    explanation = scale_explanation(explanation, scale, scale)
    rendered = draw(small, explanation, options=_HEAT)
    mask = sample.class_masks().get(explanation.explained[0])
    if mask is not None:
        outline = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        pieces, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(rendered, pieces, -1, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.drawContours(rendered, pieces, -1, (255, 255, 255), 1, cv2.LINE_AA)
    return rendered


def _caption(image: ImageResult, method: str, *, shares: bool) -> str:
    best = image.predictions[0]
    measured = image.methods[method]
    parts = [f"says {best.label}, {strength(best.probability, is_share=shares)}"]
    if measured.class_index != best.class_index:
        parts.append(f"heat of the true class, {strength(measured.probability, is_share=shares)}")
    own = measured.explained_object
    if measured.blank:
        parts.append("no evidence")
    elif own is not None and own.inside is not None:
        # A sum of parts can exceed the whole by its last digit.
        parts.append(f"{percent(min(own.inside, 1.0))} on the object")
    if measured.removal_drop is not None and measured.control_drop is not None:
        parts.append(_removal(measured, shares=shares))
    return "; ".join(parts)


def _removal(measured: MethodResult, *, shares: bool) -> str:
    """Say the removal test's figures: the fall, and the mean and range of those elsewhere."""

    def change(drop: float | None) -> str:
        before = measured.probability
        return change_in_strength(before, before - (drop or 0.0), is_share=shares)

    unit = " points" if shares else ""
    said = f"{change(measured.removal_drop)}{unit} without the hottest fifth"
    ends = [
        change(each) for each in (measured.control_most, measured.control_least) if each is not None
    ]
    between = f" ({ends[0]} to {ends[1]})" if len(set(ends)) == 2 else ""
    return f"{said}, {change(measured.control_drop)} without one elsewhere{between}"
