"""What an evidence map says in a few figures: how much speaks for the class, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_gradcam.faithfulness.measures import in_view, share_inside
from live_gradcam.values import Region

BORDER = 0.1
"""Share of the frame's width and height that counts as border on each side."""

_SIDE = 224
"""Side in pixels that maps and masks of objects are compared at, unless the map is finer."""


@dataclass(frozen=True, slots=True)
class EvidenceFigures:
    """Figures of one map; ``None`` where there is no positive evidence.

    Attributes:
        positive_share: Evidence for the class by all evidence, 0..1; ``None`` of a map of zeros.
        concentration: Gini index of the positive evidence over the map's cells, 0 where all have
            as much, towards 1 where one has all (Chalasani et al., arXiv 1810.06583).
        center_x: Centre of mass of the positive evidence, 0..1 of the frame's width.
        center_y: The same down, 0..1 of the frame's height.
        border_share: Share of the positive evidence in the outer tenth of the frame, 0..1.
    """

    positive_share: float | None
    concentration: float | None = None
    center_x: float | None = None
    center_y: float | None = None
    border_share: float | None = None


def evidence_figures(
    evidence: NDArray[np.float32], region: Region, width: int, height: int
) -> EvidenceFigures:
    """Compute the figures of a map.

    Args:
        evidence: ``float32 (h, w)``, signed; each cell stands for its box of the region.
        region: Part of the frame that the map covers; it may reach beyond the frame.
        width: Of the frame in pixels.
        height: Of the frame in pixels.
    """
    positive = np.maximum(evidence, 0.0, dtype=np.float64)
    total = float(positive.sum())
    absolute = float(np.abs(evidence, dtype=np.float64).sum())
    share = total / absolute if absolute > 0 else None
    if not total > 0:
        return EvidenceFigures(share)
    across, down = positive.sum(0) / total, positive.sum(1) / total
    columns = _edges(evidence.shape[1], region.x, region.width, width)
    rows = _edges(evidence.shape[0], region.y, region.height, height)
    # A cell's share in the middle is that of its width by that of its height.
    middle = _inner(rows) @ positive @ _inner(columns) / total
    return EvidenceFigures(
        share,
        _gini(positive, total),
        _clipped(float(across @ (columns[1:] + columns[:-1])) / 2),
        _clipped(float(down @ (rows[1:] + rows[:-1])) / 2),
        _clipped(1.0 - float(middle)),
    )


def share_on_objects(
    evidence: NDArray[np.float32], objects: NDArray[np.bool_], region: Region
) -> float | None:
    """Compute the share of the positive evidence on objects, or at most one cell beside them.

    It is the measure of ``live-gradcam evaluate``, see `live_gradcam.faithfulness.measures`.

    Args:
        evidence: ``float32 (h, w)``.
        objects: ``bool (H, W)`` over the frame.
        region: Part of the frame that the map covers.

    Returns:
        0..1; ``None`` where there is no positive evidence, or no object in view.
    """
    rows, columns = evidence.shape
    mask = in_view(objects, region, max(_SIDE, rows), max(_SIDE, columns))
    return share_inside(evidence, mask) if mask.any() else None


def _edges(cells: int, start: int, length: int, whole: int) -> NDArray[np.float64]:
    """Return where cells begin and end, as shares of the frame."""
    return (start + np.arange(cells + 1) * (length / cells)) / whole


def _inner(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each cell that does not lie on the border."""
    inside = np.clip(edges, BORDER, 1.0 - BORDER)
    return np.diff(inside) / np.diff(edges)


def _gini(values: NDArray[np.float64], total: float) -> float:
    ordered = np.sort(values, axis=None)
    count = ordered.size
    ranks = np.arange(1, count + 1)
    return _clipped(float((2 * ranks - count - 1) @ ordered) / (count * total))


def _clipped(share: float) -> float:
    return min(max(share, 0.0), 1.0)
