"""One map at the size of the image, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import UsageError
from live_gradcam.images.geometry import scale_region
from live_gradcam.native import cv2
from live_gradcam.show.heat import normalise, own_scale
from live_gradcam.values import Explanation
from live_gradcam.wording import did_you_mean

_LARGEST = 32767  # pixels of a side that OpenCV resizes to


def of_class(explanation: Explanation, of: int | str | None) -> Explanation:
    """Return an explanation whose first map is that of a class.

    Args:
        explanation: Any.
        of: Index or label of one of the classes that have a map; ``None`` for the first one.

    Raises:
        UsageError: There is no map of such a class.
    """
    if of is None:
        return explanation
    labels = explanation.labels
    if isinstance(of, str):
        named = [
            index
            for index, label in zip(explanation.explained, labels, strict=False)
            if of.casefold() in (label.casefold(), *_synonyms(label))
        ]
        if len(named) == 1:
            return explanation.with_classes(named)
        hint = did_you_mean(of, labels)
    elif of in explanation.explained:
        return explanation.with_classes([int(of)])
    else:
        hint = ""
    pairs = zip(explanation.explained, labels or ("",) * len(explanation.explained), strict=False)
    there = ", ".join(f"{label} ({index})".strip() for index, label in list(pairs)[:5]) or "none"
    step = f"{hint}Name it when explaining: explain(image, classes={of!r})"
    raise UsageError("no map of this class", str(of), f"there are maps of {there}", step)


def heatmap(
    explanation: Explanation,
    size: tuple[int, int] | None = None,
    positive: bool = True,
    *,
    of: int | str | None = None,
) -> NDArray[np.float32]:
    """Return one map at the size of the image; see `live_gradcam.Explanation.heatmap`."""
    chosen = of_class(explanation, of)
    own = None if explanation.picture is None else explanation.picture.size
    width, height = _checked_size(size if size is not None else own)
    heat = np.zeros((height, width), np.float32)
    if not len(chosen.evidence):
        return heat
    region = chosen.region
    if own is not None and own != (width, height):
        region = scale_region(region, width / own[0], height / own[1])
    left, top = max(region.x, 0), max(region.y, 0)
    right, bottom = min(region.x + region.width, width), min(region.y + region.height, height)
    if left >= right or top >= bottom:
        return heat
    signed = not positive
    evidence = chosen.evidence[0]
    small = normalise(evidence, own_scale(evidence, signed=signed), signed=signed)
    large = _enlarged(small, region.width, region.height)
    np.clip(large, -1.0 if signed else 0.0, 1.0, out=large)
    part = large[top - region.y : bottom - region.y, left - region.x : right - region.x]
    heat[top:bottom, left:right] = part
    return heat


def _enlarged(small: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    rows, columns = small.shape
    grows = width >= columns and height >= rows
    how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    large = cv2.resize(np.ascontiguousarray(small), (width, height), interpolation=how)
    return np.array(large, np.float32)


def _checked_size(size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        cause = "the size of the picture is not known"
        raise UsageError("cannot make a heatmap", "", cause, "Give it: size=(width, height)")
    try:
        width, height = (int(each) for each in size)
        whole = (width, height) == tuple(size)
    except (TypeError, ValueError):
        whole = False
    if not whole or not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        cause = f"a size is two whole numbers from 1 to {_LARGEST}"
        raise UsageError("cannot make a heatmap", f"size={size!r}", cause, "Give (width, height)")
    return width, height


def _synonyms(label: str) -> list[str]:
    return [part.strip().casefold() for part in label.split(",")]
