"""How much of what matters a rectangle would cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.values import Region

Rank: TypeAlias = Literal[0, 1, 2]
"""Beside every picture, on a part that the network did not see, or on what it saw."""

# The object is where the evidence is above this share of its maximum.
_OBJECT = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What lies under the panels: one picture and its evidence.

    Attributes:
        place: The picture, in pixels of the canvas.
        seen: The part of it that the network saw, in pixels of the canvas.
        weights: ``float32 (h, w)`` over ``seen``, not negative; their sum is 1, or 0 where there is
            no evidence.
    """

    place: Region
    seen: Region
    weights: NDArray[np.float32]

    @classmethod
    def of(
        cls, place: Region, seen: Region, evidence: NDArray[np.float32] | None, *, signed: bool
    ) -> Ground:
        """Weigh the evidence ``float32 (h, w)``, in any unit; only what is strong counts."""
        if evidence is None or not evidence.size:
            return cls(place, seen, np.zeros((1, 1), np.float32))
        finite = np.nan_to_num(evidence, nan=0.0, posinf=0.0, neginf=0.0)
        strength = np.abs(finite) if signed else np.maximum(finite, 0.0)
        strong = np.maximum(strength - _OBJECT * strength.max(), 0.0)
        total = float(strong.sum())
        return cls(place, seen, (strong / total if total > 0 else strong).astype(np.float32))

    def covered(self, rectangle: Region) -> float:
        """Return the share of the evidence, 0..1, that lies under a rectangle of the canvas."""
        rows, columns = self.weights.shape
        down = _overlap(rectangle.y, rectangle.height, self.seen.y, self.seen.height, rows)
        across = _overlap(rectangle.x, rectangle.width, self.seen.x, self.seen.width, columns)
        return float(down @ self.weights @ across)


def rank(rectangle: Region, grounds: Sequence[Ground]) -> Rank:
    """Return how much a rectangle disturbs, whatever the evidence."""
    if any(overlaps(rectangle, ground.seen) for ground in grounds):
        return 2
    return 1 if any(overlaps(rectangle, ground.place) for ground in grounds) else 0


def covered(rectangle: Region, grounds: Sequence[Ground]) -> float:
    """Return the largest share of a picture's evidence that a rectangle covers, 0..1."""
    return max((ground.covered(rectangle) for ground in grounds), default=0.0)


def overlaps(first: Region, second: Region, gap: int = 0) -> bool:
    """Return ``True`` if two rectangles share a pixel, or come nearer than ``gap``."""
    return (
        first.x < second.x + second.width + gap
        and second.x < first.x + first.width + gap
        and first.y < second.y + second.height + gap
        and second.y < first.y + first.height + gap
    )


def _overlap(start: int, length: int, origin: int, extent: int, cells: int) -> NDArray[np.float64]:
    """Return which part of each of ``cells`` equal cells an interval covers, 0..1."""
    edges = np.arange(cells + 1) * (extent / cells)
    low, high = start - origin, start + length - origin
    shares = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    return np.asarray(np.maximum(shares, 0.0) / (extent / cells), np.float64)
