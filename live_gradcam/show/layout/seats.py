"""The corner that a panel takes, and the patience with which it leaves for another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEAVE = 0.12
"""Share of the evidence that a panel may cover where it stands."""

PATIENCE = 8
"""Number of frames for which another corner must be better before a panel moves there."""

_RETURN = 0.02  # the usual corner must be this free before a panel goes back to it
_RETURN_PATIENCE = 4 * PATIENCE
_BETTER = 0.6  # another corner must be so much better


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a panel stood in the frame before.

    Attributes:
        anchor: Its corner.
        waited: Number of frames for which it would rather have stood in another one.
    """

    anchor: str
    waited: int = 0


def choose(shares: Mapping[str, float], seat: Seat | None) -> Seat:
    """Choose a corner.

    Without a frame before, the usual corner if it covers little, else the best one. After that a
    panel moves only if another corner has been clearly better for some frames.

    Args:
        shares: Share of the evidence that each corner covers, 0..1; the usual corner first.
        seat: Where the panel stood in the frame before.
    """
    usual = next(iter(shares))
    best = min(shares, key=lambda anchor: round(shares[anchor], 2))  # the first of equal ones
    if seat is None or seat.anchor not in shares:
        return Seat(usual if shares[usual] <= LEAVE else best)
    current = shares[seat.anchor]
    if current > LEAVE and shares[best] < _BETTER * current:
        wanted, patience = best, PATIENCE
    elif seat.anchor != usual and shares[usual] <= _RETURN:
        wanted, patience = usual, _RETURN_PATIENCE
    else:
        return Seat(seat.anchor)
    waited = seat.waited + 1
    return Seat(wanted) if waited >= patience else Seat(seat.anchor, waited)
