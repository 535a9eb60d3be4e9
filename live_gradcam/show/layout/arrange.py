"""Panels on a canvas: none over another, none over the edge, the least important ones dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from live_gradcam.show.layout.coverage import Ground, covered, overlaps, rank
from live_gradcam.show.layout.seats import Seat, choose
from live_gradcam.values import Region

Anchor: TypeAlias = Literal[
    "top-left", "top-right", "bottom-left", "bottom-right", "top", "bottom", "centre"
]
"""A corner, the middle of an edge, or the middle of the canvas."""


class Sized(Protocol):
    """Something laid out, that knows how large it is."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels."""
        ...


_P = TypeVar("_P", bound=Sized)


@dataclass(frozen=True, slots=True)
class Piece(Generic[_P]):
    """Something that wants a place.

    Attributes:
        name: What it is.
        versions: Its panels with all that it has to say, the preferred one last: an earlier one is
            taken only where it stands beside what the network saw and the later ones do not.
        anchors: Where it may stand, the usual place first.
        reduced: Panels that say less, for want of room, the preferred one first.
        most: Largest share of the canvas, 0..1, that it may take where it stands on the picture.
        beside: A place next to which it is to stand, before any anchor.
    """

    name: str
    versions: Iterable[_P | None]
    anchors: Sequence[Anchor]
    reduced: Iterable[_P | None] = ()
    most: float = 1.0
    beside: Region | None = None


@dataclass(frozen=True, slots=True)
class Placed(Generic[_P]):
    """A panel that has found its place.

    Attributes:
        name: Of the piece.
        place: In pixels of the canvas.
        panel: The version that fits.
    """

    name: str
    place: Region
    panel: _P


@dataclass(frozen=True, slots=True)
class Arrangement(Generic[_P]):
    """What stands where.

    Attributes:
        placed: In the order of their importance.
        dropped: Names of the pieces that found no place.
        seats: Corners that pieces took because of the evidence, for the next frame.
    """

    placed: tuple[Placed[_P], ...] = ()
    dropped: tuple[str, ...] = ()
    seats: Mapping[str, Seat] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    anchor: str
    place: Region
    rank: int


def arrange(
    pieces: Iterable[Piece[_P]],
    canvas: tuple[int, int],
    margin: int,
    grounds: Sequence[Ground] = (),
    *,
    taken: Sequence[Region] = (),
    seats: Mapping[str, Seat] | None = None,
) -> Arrangement[_P]:
    """Find a place for each piece, the most important first.

    Beside the pictures is better than on a part of them that the network did not see, and that is
    better than on what it saw; there the evidence decides, see `live_gradcam.show.layout.seats`.

    Args:
        pieces: Most important first; one that finds no place is dropped.
        canvas: Width and height in pixels.
        margin: Distance to the edge in pixels; between panels there is half of it.
        grounds: The pictures.
        taken: Places where nothing may stand.
        seats: The seats of the frame before.
    """
    seats = seats or {}
    gap = max(1, margin // 2)
    placed: list[Placed[_P]] = []
    dropped: list[str] = []
    kept: dict[str, Seat] = {}
    for piece in pieces:
        occupied = [*taken, *(each.place for each in placed)]

        def candidates(
            panel: _P, piece: Piece[_P] = piece, occupied: Sequence[Region] = occupied
        ) -> list[_Candidate]:
            found = []
            known = set()
            for anchor, place in _places(piece, panel, canvas, margin, gap, occupied):
                if anchor in known or any(overlaps(place, other, gap) for other in occupied):
                    continue
                known.add(anchor)
                found.append(_Candidate(anchor, place, rank(place, grounds)))
            area = panel.width * panel.height / (canvas[0] * canvas[1])
            return [each for each in found if each.rank < 2 or area <= piece.most]

        choice = _best_version(piece, candidates)
        if choice is None:
            dropped.append(piece.name)
            continue
        panel, options = choice
        lowest = min(option.rank for option in options)
        options = [option for option in options if option.rank == lowest]
        if lowest < 2 or piece.beside is not None:
            chosen = options[0]
        else:
            shares = {option.anchor: covered(option.place, grounds) for option in options}
            seat = choose(shares, seats.get(piece.name))
            kept[piece.name] = seat
            chosen = next(option for option in options if option.anchor == seat.anchor)
        placed.append(Placed(piece.name, chosen.place, panel))
    return Arrangement(tuple(placed), tuple(dropped), kept)


def _best_version(
    piece: Piece[_P], find: Callable[[_P], list[_Candidate]]
) -> tuple[_P, list[_Candidate]] | None:
    """Return the version to take, and where it may stand."""
    fallback: tuple[_P, list[_Candidate]] | None = None
    aside: tuple[_P, list[_Candidate]] | None = None
    for panel in piece.versions:
        options = find(panel) if panel is not None else []
        if panel is None or not options:
            continue
        lowest = min(option.rank for option in options)
        if lowest == 0:
            return panel, options
        if lowest == 1 and aside is None:
            aside = (panel, options)
        fallback = (panel, options)
    if aside is not None or fallback is not None:
        return aside or fallback
    for panel in piece.reduced:
        options = find(panel) if panel is not None else []
        if panel is not None and options:
            return panel, options
    return None


def _places(
    piece: Piece[_P],
    panel: _P,
    canvas: tuple[int, int],
    margin: int,
    gap: int,
    occupied: Sequence[Region],
) -> Iterator[tuple[str, Region]]:
    """List where a panel could stand, best first for each anchor; always inside the canvas."""
    width, height = canvas

    def inside(x: int, y: int) -> bool:
        return x >= 0 and y >= 0 and x + panel.width <= width and y + panel.height <= height

    if piece.beside is not None:
        for x, y in _next_to(piece.beside, panel, canvas, gap):
            if inside(x, y):
                yield f"beside {x} {y}", Region(x, y, panel.width, panel.height)
    for anchor in piece.anchors:
        for x, y in _at(anchor, panel, canvas, margin, gap, occupied):
            if inside(x, y):
                yield anchor, Region(x, y, panel.width, panel.height)


def _at(
    anchor: Anchor,
    panel: Sized,
    canvas: tuple[int, int],
    margin: int,
    gap: int,
    occupied: Sequence[Region],
) -> list[tuple[int, int]]:
    width, height = canvas
    middle = (width - panel.width) // 2
    if anchor == "centre":
        return [(middle, (height - panel.height) // 2)]
    if anchor.endswith("left"):
        x = margin
    elif anchor.endswith("right"):
        x = width - margin - panel.width
    else:
        x = middle
    top = anchor.startswith("top")
    ys = [margin if top else height - margin - panel.height]
    # Next to what stands there already, stacked away from the edge; the nearest to it first.
    ys += [
        other.y + other.height + gap if top else other.y - gap - panel.height for other in occupied
    ]
    return [(x, y) for y in sorted(ys, reverse=not top)]


def _next_to(
    place: Region, panel: Sized, canvas: tuple[int, int], gap: int
) -> Iterator[tuple[int, int]]:
    """List places around a rectangle, those towards the middle of the canvas first."""
    width, height = canvas
    right, left = place.x + place.width + gap, place.x - gap - panel.width
    below, above = place.y + place.height + gap, place.y - gap - panel.height
    xs = (right, left) if 2 * place.x + place.width < width else (left, right)
    ys = (below, above) if 2 * place.y + place.height < height else (above, below)
    beside_y = min(max(place.y, 0), max(0, height - panel.height))
    beside_x = min(max(place.x, 0), max(0, width - panel.width))
    yield from ((x, y) for x in xs for y in (*ys, beside_y))
    yield from ((beside_x, y) for y in ys)
