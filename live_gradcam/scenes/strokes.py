"""Strokes and fills of the generated scenes, and the hand that draws them.

Everything is in units of the object's radius; `scene_shapes` builds the classes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
"""``float64 (n, 2)``: x to the right, y down, the object's radius is 1."""

Style: TypeAlias = Literal["solid", "bordered", "outline", "hatched"]
"""Filled; filled with an outline; outline alone; outline with scribbled filling."""

Slot: TypeAlias = Literal["main", "second"]
"""Which of an object's two colours a primitive takes."""

STYLES: tuple[Style, ...] = ("solid", "bordered", "outline", "hatched")
FULL_TURN = 2.0 * pi


@dataclass(frozen=True, slots=True)
class Primitive:
    """One fill or one stroke.

    Attributes:
        points: The path, in radii.
        slot: The colour.
        width: Stroke width in radii; ``0`` for a fill.
        closed: Whether a stroke returns to its start.
    """

    points: Points
    slot: Slot
    width: float = 0.0
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Glyph:
    """Geometry of one object, before colour, place and perspective.

    Attributes:
        primitives: In painting order.
        silhouette: Closed paths whose union, together with the painted pixels, is the object.
        clear: ``True`` where the background shows through most of the object.
    """

    primitives: tuple[Primitive, ...]
    silhouette: tuple[Points, ...]
    clear: bool = False


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number between ``low`` and ``high``; much faster than ``Generator.uniform``."""
    return low + (high - low) * rng.random()


def pick(rng: np.random.Generator, count: int) -> int:
    """Draw an index below ``count``; much faster than ``Generator.integers``."""
    return int(rng.random() * count)


@dataclass(frozen=True, slots=True)
class Hand:
    """Manner in which one object is drawn: style, stroke width, and shakiness."""

    rng: np.random.Generator
    style: Style
    width: float
    wobble: float

    def path(self, corners: Points, *, dense: bool = False, closed: bool = True) -> Points:
        """The path through ``corners`` as this hand draws it: straight only when it is steady."""
        if self.wobble == 0.0:
            return corners
        return shake(self.rng, corners if dense else _dense(corners, closed), self.wobble)

    def body(self, points: Points) -> list[Primitive]:
        """A closed area in this hand's style."""
        if self.style == "solid":
            return [Primitive(points, "main")]
        if self.style == "bordered":
            return [Primitive(points, "main"), Primitive(points, "second", self.width)]
        stroke = Primitive(points, "main", self.width)
        return [*_hatching(self.rng, points), stroke] if self.style == "hatched" else [stroke]

    def area(self, corners: Points, *, dense: bool = False) -> Glyph:
        """An object that is one closed area in this hand's style."""
        outline = self.path(corners, dense=dense)
        return self.glyph(self.body(outline), outline)

    @property
    def detail(self) -> Slot:
        """The colour of what is drawn upon the body."""
        return "second" if self.style in ("solid", "bordered") else "main"

    def part(self, points: Points) -> Primitive:
        """An area upon the body or beside it: filled where the body is, else an outline."""
        if self.style in ("solid", "bordered"):
            return Primitive(points, "second")
        return Primitive(points, "main", self.width)

    def glyph(self, primitives: list[Primitive], *silhouette: Points) -> Glyph:
        """The object; the background shows through an outline."""
        return Glyph(tuple(primitives), silhouette, self.style == "outline")


def _dense(corners: Points, closed: bool) -> Points:
    """About a dozen points on every edge, so that edges can bend."""
    following = np.roll(corners, -1, axis=0) if closed else corners[1:]
    start = corners if closed else corners[:-1]
    steps = np.linspace(0.0, 1.0, 10, endpoint=False)[None, :, None]
    path = (start[:, None] * (1.0 - steps) + following[:, None] * steps).reshape(-1, 2)
    return path if closed else np.vstack([path, corners[-1:]])


def shake(rng: np.random.Generator, points: Points, amount: float) -> Points:
    """Bend a path smoothly by about ``amount`` radii; a closed path stays closed."""
    angle = np.arange(len(points)) * (FULL_TURN / len(points))
    waves = np.sin(angle[:, None] * np.arange(2.0, 6.0) + rng.random(4) * FULL_TURN)
    bend: Points = points + amount * (waves @ rng.normal(0.0, 0.6, (4, 2)))
    return bend


def circle(count: int = 40, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Points:
    """A closed circle of ``count`` points around ``(x, y)``."""
    angle = np.arange(count) * (FULL_TURN / count)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def arc(start: float, stop: float, radius: float = 1.0, x: float = 0.0, y: float = 0.0) -> Points:
    """An open arc around ``(x, y)``, from one angle to another."""
    angle = np.linspace(start, stop, 24)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def _hatching(rng: np.random.Generator, outline: Points) -> list[Primitive]:
    """Dense parallel strokes inside ``outline`` (even-odd rule), as one scribbles an area full."""
    angle = rng.random() * pi
    axes = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    turned = outline @ axes
    x, y = turned[:, 0], turned[:, 1]
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    spacing = uniform(rng, 0.11, 0.17)
    width = uniform(rng, 0.55, 0.85) * spacing
    strokes = []
    for level in np.arange(float(y.min()) + 0.5 * spacing, float(y.max()), spacing):
        crosses = (y <= level) != (y_next <= level)
        where = x[crosses] + (level - y[crosses]) / (y_next[crosses] - y[crosses]) * (
            x_next[crosses] - x[crosses]
        )
        where.sort()
        for left, right in zip(where[::2], where[1::2], strict=False):
            ends = np.array([[left, level], [right, level]]) @ axes.T
            strokes.append(Primitive(ends, "main", width, closed=False))
    return strokes
