"""Votes of one spot of the image: the classes it speaks for and against, in logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import GREY, Line, Panel, text_panel
from live_gradcam.show.panels import logits, shown_label
from live_gradcam.values import Explanation, Region

_WIDTH_SHARE = 0.45
_FOR = (90, 190, 255)
_AGAINST = (255, 200, 110)
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Vote:
    """Contribution of a spot to one class.

    Attributes:
        class_index: The class.
        label: Its name.
        logits: The contribution to its score; negative where the spot speaks against it.
    """

    class_index: int
    label: str
    logits: float


@dataclass(frozen=True, slots=True)
class Spot:
    """One cell of the evidence and its votes.

    Attributes:
        row: Of the evidence.
        column: Of the evidence.
        cell: The part of the frame that the cell stands for, in frame pixels.
        votes_for: Classes that it speaks for, strongest first.
        votes_against: Classes that it speaks against, strongest first.
        asked: Number of classes that were asked; the others have no maps.
        measure: Unit of the votes, or the name of a method whose numbers have none.
    """

    row: int
    column: int
    cell: Region
    votes_for: tuple[Vote, ...]
    votes_against: tuple[Vote, ...]
    asked: int
    measure: str = "logits"


def spot_at(explanation: Explanation, x: int, y: int, *, most: int = 3) -> Spot | None:
    """Collect the votes of the spot at pixel (x, y) of the frame.

    Args:
        explanation: All of its maps are asked; ask for all classes to hear all of them.
        x: Column in the frame.
        y: Row in the frame.
        most: Number of votes of each kind that are listed.

    Returns:
        ``None`` where the network saw nothing.
    """
    region = explanation.region
    _, rows, columns = explanation.evidence.shape
    column = (x - region.x) * columns // region.width
    row = (y - region.y) * rows // region.height
    if not (0 <= row < rows and 0 <= column < columns) or not explanation.explained:
        return None
    values = explanation.evidence[:, row, column]
    order = np.argsort(-values, kind="stable")
    votes = [
        Vote(explanation.explained[i], shown_label(explanation, i), float(values[i]))
        for i in (*order[:most], *order[::-1][:most])
    ]
    count = min(most, len(order))
    left, right = (region.x + c * region.width // columns for c in (column, column + 1))
    top, bottom = (region.y + r * region.height // rows for r in (row, row + 1))
    return Spot(
        row,
        column,
        Region(left, top, max(1, right - left), max(1, bottom - top)),
        tuple(vote for vote in votes[:count] if vote.logits > 0),
        tuple(vote for vote in votes[count:] if vote.logits < 0),
        len(order),
        explanation.unit if explanation.unit in ("logits", "share") else explanation.method,
    )


@dataclass(frozen=True, slots=True)
class Pointing:
    """A spot that the mouse points to, on a canvas.

    Attributes:
        spot: Its votes.
        x: Where the mouse points to, in pixels of the canvas.
        y: Where the mouse points to, in pixels of the canvas.
        outlines: The cell in each of the pictures, in pixels of the canvas.
    """

    spot: Spot
    x: int
    y: int
    outlines: tuple[Region, ...] = ()


def votes_panel(spot: Spot, space: Space) -> Panel | None:
    """Lay out the votes of a spot."""
    lines = [Line(f"this spot says, in {spot.measure}", 0.8, GREY)]
    lines += [Line(f"+{logits(vote.logits)}  {vote.label}", 0.9, _FOR) for vote in spot.votes_for]
    lines += [
        Line(f"{_MINUS}{logits(-vote.logits)}  {vote.label}", 0.9, _AGAINST)
        for vote in spot.votes_against
    ]
    if len(lines) == 1:
        lines.append(Line("nothing", 0.9))
    return text_panel(
        lines, space, max_width=max(12 * space.size, round(_WIDTH_SHARE * space.width))
    )
