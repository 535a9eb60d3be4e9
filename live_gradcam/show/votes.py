"""Votes of one spot of the image: what it says about the shown class, and about the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import GREY, Line, Panel, text_panel
from live_gradcam.show.panels import logits, shown_label
from live_gradcam.show.text import wrap_text
from live_gradcam.show.words import POINTS, evidence_unit
from live_gradcam.values import Explanation, Region

MOST_VOTES = 3
"""Number of votes for, and of votes against, that are listed beside that of the shown class."""

_WIDTH_SHARE = 0.45
_FOR = (90, 190, 255)
_AGAINST = (255, 200, 110)
_COLOURS = {1: _FOR, 0: GREY, -1: _AGAINST}
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

    @property
    def sign(self) -> int:
        """1 for the class, -1 against it, 0 for neither."""
        return (self.logits > 0) - (self.logits < 0)

    @property
    def words(self) -> str:
        """The vote as people read it, e.g. ``+0.82  mug``."""
        return f"{('', '+', _MINUS)[self.sign]}{logits(abs(self.logits))}  {self.label}"


@dataclass(frozen=True, slots=True)
class Spot:
    """One cell of the evidence and its votes.

    Attributes:
        row: Of the evidence.
        column: Of the evidence.
        cell: The part of the frame that the cell stands for, in frame pixels.
        shown: Its vote on the class whose map is shown.
        votes_for: Other classes that it speaks for, strongest first.
        votes_against: Other classes that it speaks against, strongest first.
        unit: Of the votes, for people; empty where their numbers have none.
    """

    row: int
    column: int
    cell: Region
    shown: Vote
    votes_for: tuple[Vote, ...]
    votes_against: tuple[Vote, ...]
    unit: str = POINTS

    @property
    def lines(self) -> tuple[tuple[str, int], ...]:
        """The votes in words, the shown class's first, each with its sign: 1 for, -1 against.

        A line with the sign 0 is a heading.
        """
        said = f"what this spot says, in {self.unit}" if self.unit else "what this spot says"
        votes = (self.shown, *self.votes_for, *self.votes_against)
        return ((said, 0), *((vote.words, vote.sign) for vote in votes))


def spot_at(
    explanation: Explanation, x: int, y: int, *, shown: int | None = None, most: int = MOST_VOTES
) -> Spot | None:
    """Collect the votes of the spot at pixel (x, y) of the frame.

    Args:
        explanation: All of its maps are asked; ask for all classes to hear all of them.
        x: Column in the frame.
        y: Row in the frame.
        shown: The class whose map is shown, whose vote comes first; ``None`` for the first one.
        most: Number of votes of each kind that are listed beside it.

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
    first = explanation.explained.index(shown) if shown in explanation.explained else 0
    ranked = np.argsort(-values, kind="stable")
    others = ranked[ranked != first]

    def vote(position: int) -> Vote:
        label = shown_label(explanation, position)
        return Vote(explanation.explained[position], label, float(values[position]))

    left, right = (region.x + c * region.width // columns for c in (column, column + 1))
    top, bottom = (region.y + r * region.height // rows for r in (row, row + 1))
    return Spot(
        row,
        column,
        Region(left, top, max(1, right - left), max(1, bottom - top)),
        vote(first),
        tuple(vote(each) for each in others[:most] if values[each] > 0),
        tuple(vote(each) for each in others[::-1][:most] if values[each] < 0),
        evidence_unit(explanation),
    )


def votes_panel(spot: Spot, space: Space) -> Panel | None:
    """Lay out the votes of a spot."""
    most = min(space.room, max(13 * space.size, round(_WIDTH_SHARE * space.width)))
    lines = []
    for words, sign in spot.lines:
        share = 0.9 if sign else 0.8
        wrapped = (words,) if sign else wrap_text(words, space.type(share), most - space.size)
        lines += [Line(line, share, _COLOURS[sign]) for line in wrapped]
    return text_panel(lines, space, max_width=most)
