"""Removal test of an explanation: the class's probability without what the map calls important.

The hottest share of the seen area is blurred and, as controls, several areas of the same size and
shape elsewhere, which lie at random. If the map tells the truth, the probability falls with the
first and hardly with the others. All results come from the network itself; nothing is derived from
the map. The same image, explanation and seed give the same areas, whoever asks.

`live_gradcam.faithfulness.verdicts` says the result in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_gradcam.choices import DEFAULT_SEED, View
from live_gradcam.images.parts import cut_part, take_out
from live_gradcam.native import cv2
from live_gradcam.protocol import BatchExplainer
from live_gradcam.values import Explanation, Image, Region

HOT_SHARE = 0.2
"""Share of the seen area that the removal test takes away."""

CONTROLS = 7
"""Number of areas elsewhere that the hottest one is compared with."""

BLUR_SHARE = 1 / 12
"""Radius of the blur as a share of the seen region: it must hide the object, not soften it."""

BLUR_SIDE = 64
"""Side in pixels of the image that the blur is computed on, where it costs next to nothing."""

MASK_SIDE = 128
"""Side of an area's mask: fine enough for the area to be exact, and its outline to be the heat's"""

OVERLAP = 0.1
"""Share of its area that a control may have in common with the hottest one ..."""

LUCKIEST = 0.1
"""... and more only where none shares less than the luckiest of so many."""

STEPS = 16
"""Controls are shifted in so many steps a side, so that no two are nearly the same."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Result of one removal test.

    Attributes:
        class_index: The class that was tested.
        label: Its name.
        before: Its probability on the untouched image; its number, here and below, where the
            output is plain numbers.
        without_hot: The same with the hottest area blurred.
        without_controls: The same with each of the control areas blurred; at least one.
        share: Blurred share of the seen area.
        completeness_residual: ``|sum(map) + bias - logit|`` for closed-form heads, else ``None``.
        of_probability: ``False`` where the output is plain numbers.
        named: The network names the class on the untouched image: it is the best one, or, where
            several classes may be true, it counts as true.
        named_without_hot: It still does so with the hottest area blurred.
        named_without_controls: With how many of the control areas blurred it still does so.
        exclusive: One class is true; ``False`` where each is true or not.
    """

    class_index: int
    label: str
    before: float
    without_hot: float
    without_controls: tuple[float, ...]
    share: float = HOT_SHARE
    completeness_residual: float | None = None
    of_probability: bool = True
    named: bool = True
    named_without_hot: bool = True
    named_without_controls: int = 0
    exclusive: bool = True

    @property
    def drop(self) -> float:
        """Fall of the probability, or of the number, without the hottest area."""
        return self.before - self.without_hot

    @property
    def control_drops(self) -> tuple[float, ...]:
        """Fall without each of the control areas."""
        return tuple(self.before - each for each in self.without_controls)

    @property
    def control_drop(self) -> float:
        """Mean fall without a control area."""
        return fmean(self.control_drops)

    @property
    def control_range(self) -> tuple[float, float]:
        """Least and greatest fall without a control area."""
        return min(self.control_drops), max(self.control_drops)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Removal:
        """Make it of what `as_record` returned; whether one class is true is not part of that."""
        return cls(
            record["class_index"],
            record["label"],
            record["before"],
            record["without_hot"],
            tuple(record["without_controls"]),
            record["share"],
            record["completeness_residual"],
            record["measure"] == "probability",
            record["named"],
            record["named_without_hot"],
            record["named_without_controls"],
        )

    def as_record(self) -> dict[str, Any]:
        """Return all values by name, ready for JSON."""
        return {
            "class_index": self.class_index,
            "label": self.label,
            "measure": "probability" if self.of_probability else "score",
            "before": self.before,
            "without_hot": self.without_hot,
            "without_controls": list(self.without_controls),
            "drop": self.drop,
            "control_drop": self.control_drop,
            "control_range": list(self.control_range),
            "named": self.named,
            "named_without_hot": self.named_without_hot,
            "named_without_controls": self.named_without_controls,
            "share": self.share,
            "completeness_residual": self.completeness_residual,
        }


@dataclass(frozen=True, slots=True, eq=False)
class RemovalPlan:
    """A removal test that is about to be made: what to hide, and from what.

    Attributes:
        image: ``uint8 (H, W, 3)`` BGR, the image, or the part of it, that was explained; not
            modified.
        explanation: Its explanation, the first map of which is tested.
        masks: ``bool (h, w)`` over the explanation's region: the hottest area, then the controls.
        share: Share of the region that each of them covers.
    """

    image: Image
    explanation: Explanation
    masks: tuple[NDArray[np.bool_], ...]
    share: float = HOT_SHARE

    @property
    def class_index(self) -> int:
        """The class that is tested."""
        return self.explanation.explained[0]

    def images(self, start: int = 0, stop: int | None = None) -> list[Image]:
        """Make the images that the network is to be asked about, one for each mask.

        Args:
            start: The first mask.
            stop: The mask behind the last one; ``None`` for all.
        """
        return blur_regions(self.image, self.explanation.region, self.masks[start:stop])

    def result(self, explanations: Sequence[Explanation]) -> Removal | None:
        """Make the result of the answers to all of the images, in their order.

        Returns:
            ``None`` where an answer does not hold the class.
        """
        tested, said = self.class_index, self.explanation
        before = strength_of(said, tested)
        found = [strength_of(each, tested) for each in explanations]
        strengths = [each for each in found if each is not None]
        if before is None or len(strengths) != len(self.masks):
            return None
        named = [is_named(each, tested) for each in explanations]
        return Removal(
            tested,
            next(p.label for p in said.predictions if p.class_index == tested),
            before,
            strengths[0],
            tuple(strengths[1:]),
            self.share,
            said.completeness_residual,
            said.output.has_probabilities,
            is_named(said, tested),
            named[0],
            sum(named[1:]),
            said.output.name != "sigmoid",
        )


def hottest_mask(evidence: NDArray[np.float32], share: float = HOT_SHARE) -> NDArray[np.bool_]:
    """Select the pixels with the largest evidence: exactly ``share`` of them, to the rounding.

    Args:
        evidence: ``float32 (h, w)`` in any unit.
        share: Above 0 and below 1. Of equal pixels the earlier ones are taken.

    Returns:
        ``bool (h, w)``.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must be above 0 and below 1, not {share}")
    count = max(1, round(share * evidence.size))
    order = np.argsort(-evidence, axis=None, kind="stable")
    mask = np.zeros(evidence.size, np.bool_)
    mask[order[:count]] = True
    return mask.reshape(evidence.shape)


def hottest_area(evidence: NDArray[np.float32], share: float = HOT_SHARE) -> NDArray[np.bool_]:
    """Select the hottest area of a map: what the removal test hides.

    Args:
        evidence: ``float32 (h, w)`` in any unit, enlarged smoothly, as the colours are.
        share: As of `hottest_mask`.

    Returns:
        ``bool (128, 128)`` over the map's region.
    """
    fine = cv2.resize(evidence, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_CUBIC)
    return hottest_mask(np.asarray(fine, np.float32), share)


def control_areas(
    mask: NDArray[np.bool_], *, count: int = CONTROLS, seed: int = DEFAULT_SEED
) -> tuple[NDArray[np.bool_], ...]:
    """Shift an area elsewhere, wrapped around the edges: same size, same shape, at random.

    The places are drawn from those that share hardly anything with the area itself.

    Args:
        mask: ``bool (h, w)``, neither empty nor full.
        count: Number of controls; fewer where there are not as many places.
        seed: Of the places; the same mask and seed give the same ones.
    """
    height, width = mask.shape
    spectrum = np.fft.rfft2(mask.astype(np.float64))
    overlaps = np.rint(np.fft.irfft2(np.abs(spectrum) ** 2, mask.shape))
    shifts = control_shifts(height, width, seed=seed)
    if not shifts:
        return (mask.copy(),)
    found = np.array([overlaps[shift] for shift in shifts])
    allowed = max(OVERLAP * float(mask.sum()), float(np.quantile(found, LUCKIEST)))
    chosen = [shift for shift, share in zip(shifts, found, strict=True) if share <= allowed]
    return tuple(np.roll(mask, shift, (0, 1)) for shift in chosen[:count])


def control_shifts(
    height: int, width: int, *, seed: int = DEFAULT_SEED
) -> tuple[tuple[int, int], ...]:
    """Return the shifts of a mask, down and to the right, in the order in which they are tried.

    Args:
        height: Of the mask.
        width: Of the mask.
        seed: Of the order.
    """
    rows = range(0, height, max(1, height // STEPS))
    columns = range(0, width, max(1, width // STEPS))
    shifts = [(row, column) for row in rows for column in columns][1:]
    order = np.random.default_rng(seed).permutation(len(shifts))
    return tuple(shifts[place] for place in order)


def blur_regions(image: Image, region: Region, masks: Sequence[NDArray[np.bool_]]) -> list[Image]:
    """Return copies of an image, each with a part of the region blurred beyond recognition.

    Args:
        image: ``uint8 (H, W, 3)`` BGR; not modified.
        region: Part of the image that the masks cover.
        masks: ``bool (h, w)`` each, of any size; scaled to the region.
    """
    height, width = image.shape[:2]
    left, top = max(region.x, 0), max(region.y, 0)
    right, bottom = min(region.x + region.width, width), min(region.y + region.height, height)
    seen = image[top:bottom, left:right]
    rows, columns = seen.shape[:2]
    small = cv2.resize(seen, (BLUR_SIDE, BLUR_SIDE), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), BLUR_SHARE * BLUR_SIDE)
    hidden = cv2.resize(soft, (columns, rows), interpolation=cv2.INTER_LINEAR)
    down, along = top - region.y, left - region.x
    size = (region.width, region.height)
    copies = []
    for mask in masks:
        copy: Image = np.array(image, order="C")
        whole = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        where = np.ascontiguousarray(whole[down : down + rows, along : along + columns])
        cv2.copyTo(hidden, where, copy[top:bottom, left:right])
        copies.append(copy)
    return copies


def plan_removal(
    image: Image,
    explanation: Explanation,
    *,
    share: float = HOT_SHARE,
    controls: int = CONTROLS,
    seed: int = DEFAULT_SEED,
) -> RemovalPlan | None:
    """Choose the areas that a removal test hides.

    Args:
        image: ``uint8 (H, W, 3)`` BGR, the image that was explained.
        explanation: Its first map is tested. The class must be among its predictions.
        share: Share of the seen area that is blurred.
        controls: Number of areas elsewhere.
        seed: Of their places.

    Returns:
        The plan, or ``None`` where there is nothing to test: no positive evidence, or no
        probability of the explained class.
    """
    if not explanation.explained or not (explanation.evidence[0] > 0).any():
        return None
    if strength_of(explanation, explanation.explained[0]) is None:
        return None
    hot = hottest_area(explanation.evidence[0], share)
    masks = (hot, *control_areas(hot, count=controls, seed=seed))
    # Where a part was explained, the network is asked about that part, too.
    part = cut_part(image, explanation.roi)
    return RemovalPlan(part, take_out(explanation), masks, share)


def removal_test(
    explainer: BatchExplainer,
    image: Image,
    explanation: Explanation,
    *,
    view: View | None = None,
    share: float = HOT_SHARE,
    controls: int = CONTROLS,
    seed: int = DEFAULT_SEED,
    at_once: int | None = None,
) -> Removal | None:
    """Blur the hottest area and the control areas, and explain all these images in one batch.

    Args:
        explainer: The one that made the explanation, or one of the same network.
        image: ``uint8 (H, W, 3)`` BGR, the image that was explained; not modified.
        explanation: Its first map is tested. The class must be among its predictions.
        view: The view that was explained.
        share: Share of the seen area that is blurred.
        controls: Number of areas elsewhere.
        seed: Of their places.
        at_once: Largest number of images in a batch, where others wait for their turn; ``None``
            for all.

    Returns:
        The result, or ``None`` where there is nothing to test, see `plan_removal`.
    """
    plan = plan_removal(image, explanation, share=share, controls=controls, seed=seed)
    if plan is None:
        return None
    answers: list[Explanation] = []
    while len(answers) < len(plan.masks):
        start = len(answers)
        images = plan.images(start, start + at_once if at_once else None)
        answers += explainer.explain_batch(images, classes=plan.class_index, view=view)
    return plan.result(answers)


def is_named(explanation: Explanation, class_index: int) -> bool:
    """``True`` if the network says that the class is there: the best one, or one that is true."""
    output = explanation.output
    if output.name == "sigmoid":
        found = strength_of(explanation, class_index)
        return found is not None and found > output.threshold
    return bool(explanation.predictions) and explanation.predictions[0].class_index == class_index


def strength_of(explanation: Explanation, class_index: int) -> float | None:
    """Return a class's probability or number; ``None`` where the explanation does not hold it."""
    return next((p.strength for p in explanation.predictions if p.class_index == class_index), None)


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Compute Spearman's rank correlation of two maps of one shape: -1..1; 0 if one is constant.

    A sanity check: with other weights, the explanation must be another one
    (Adebayo et al., arXiv 1810.03292).
    """
    if first.shape != second.shape:
        raise ValueError(f"maps must have one shape, not {first.shape} and {second.shape}")
    ranks = [_ranks(np.asarray(each, np.float64).ravel()) for each in (first, second)]
    a, b = (each - each.mean() for each in ranks)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 0; equal values share the mean of theirs."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = last - (counts + 1) / 2.0
    return means[position]
