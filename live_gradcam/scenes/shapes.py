"""The classes of the generated scenes as geometry, in units of the object's radius.

Every builder returns a `Glyph`: strokes and fills in painting order, and the silhouette that a
person would trace around the object. Builders vary what may vary within a class (proportions,
style, wobble of the hand) and nothing that would turn one class into another: a circle is always
filled, a ring is always hollow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import cos, pi, sin

import numpy as np

from live_gradcam.scenes.strokes import (
    FULL_TURN,
    STYLES,
    Glyph,
    Hand,
    Primitive,
    Style,
    arc,
    circle,
    pick,
    uniform,
)


def _disc(hand: Hand) -> Glyph:
    # An outlined disc would be a ring, so a circle is filled, and has no border of its own.
    hand = replace(hand, style="hatched" if hand.style == "hatched" else "solid")
    return hand.area(circle(), dense=True)


def _ring(hand: Hand) -> Glyph:
    thin = hand.style in ("outline", "hatched")
    width = hand.width if thin else uniform(hand.rng, 0.16, 0.4)
    outline = hand.path(circle(radius=1.0 - 0.5 * width), dense=True)
    return Glyph((Primitive(outline, "main", width),), (outline,), clear=True)


def _triangle(hand: Hand) -> Glyph:
    angle = np.arange(3) * (FULL_TURN / 3) - 0.5 * pi + hand.rng.normal(0.0, 0.1, 3)
    return hand.area(np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _square(hand: Hand) -> Glyph:
    side = 0.84
    corners = np.array([[-side, -side], [side, -side], [side, side], [-side, side]])
    return hand.area(corners + hand.rng.normal(0.0, 0.025, (4, 2)))


def _star(hand: Hand) -> Glyph:
    inner = uniform(hand.rng, 0.36, 0.5)
    angle = np.arange(10) * (pi / 5) - 0.5 * pi
    radius = np.where(np.arange(10) % 2 == 0, 1.0, inner)
    return hand.area(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))


def _heart(hand: Hand) -> Glyph:
    t = np.arange(48) * (FULL_TURN / 48)
    x = 16.0 * np.sin(t) ** 3
    y = -(13.0 * np.cos(t) - 5.0 * np.cos(2 * t) - 2.0 * np.cos(3 * t) - np.cos(4 * t))
    stretch = uniform(hand.rng, 0.9, 1.1)
    return hand.area(np.stack([x * stretch, y - 2.0], axis=1) / 16.5, dense=True)


def _arrow(hand: Hand) -> Glyph:
    shaft, head = uniform(hand.rng, 0.14, 0.26), uniform(hand.rng, 0.5, 0.72)
    neck = uniform(hand.rng, 0.05, 0.35)
    corners = np.array(
        [[-1, -shaft], [neck, -shaft], [neck, -head], [1, 0], [neck, head], [neck, shaft],
         [-1, shaft]]
    )  # fmt: skip
    if hand.style in ("solid", "bordered") or hand.rng.random() < 0.4:
        return hand.area(corners)
    width = max(hand.width, 0.1)
    stroke = hand.path(np.array([[-1.0, 0.0], [0.95, 0.0]]), closed=False)
    barbs = np.array([[neck, -head], [0.97, 0.0], [neck, head]])
    tip = hand.path(barbs, closed=False)
    return Glyph(
        (Primitive(stroke, "main", width, False), Primitive(tip, "main", width, False)),
        (corners,),
        clear=True,
    )


def _cross(hand: Hand) -> Glyph:
    a = uniform(hand.rng, 0.17, 0.32)
    corners = np.array(
        [[-a, -1], [a, -1], [a, -a], [1, -a], [1, a], [a, a], [a, 1], [-a, 1], [-a, a], [-1, a],
         [-1, -a], [-a, -a]]
    )  # fmt: skip
    if hand.style in ("solid", "bordered") or hand.rng.random() < 0.35:
        return hand.area(corners)
    width = max(hand.width, 0.11)
    lines = [np.array([[-1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, -1.0], [0.0, 1.0]])]
    return Glyph(
        tuple(Primitive(hand.path(p, closed=False), "main", width, False) for p in lines),
        (corners,),
        clear=True,
    )


def _crescent(hand: Hand) -> Glyph:
    # The outer arc spans more than half a circle; a flatter arc of its own closes it inside.
    opening = uniform(hand.rng, 0.7, 1.05)
    depth = uniform(hand.rng, 0.15, 0.4)
    outer = arc(opening, FULL_TURN - opening)
    tip_x, tip_y = cos(opening), sin(opening)
    # Circle through both tips that passes x = -depth: its centre lies on the axis.
    centre = (tip_x**2 + tip_y**2 - depth**2) / (2.0 * (tip_x + depth))
    radius = centre + depth
    half = float(np.arctan2(tip_y, tip_x - centre))
    inner = arc(FULL_TURN - half, half, radius, centre)
    return hand.area(np.vstack([outer, inner[1:-1]]), dense=True)


def _spiral(hand: Hand) -> Glyph:
    turns = uniform(hand.rng, 2.1, 3.4)
    width = uniform(hand.rng, 0.25, 0.5) / turns
    angle = np.linspace(0.6, turns * FULL_TURN, int(turns * 30))
    if hand.rng.random() < 0.5:
        angle = angle[::-1] * -1.0
    radius = np.abs(angle) / (turns * FULL_TURN)
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    path = hand.path(path, dense=True, closed=False)
    return Glyph((Primitive(path, "main", width, False),), (circle(radius=0.9),), clear=True)


def _smiley(hand: Hand) -> Glyph:
    rng = hand.rng
    # Scribbles over the whole face would hide it.
    hand = replace(hand, style="outline") if hand.style == "hatched" else hand
    face = hand.path(circle(), dense=True)
    primitives = hand.body(face)
    apart, height = uniform(rng, 0.28, 0.42), uniform(rng, -0.4, -0.2)
    size, tall = uniform(rng, 0.1, 0.17), uniform(rng, 1.0, 1.7)
    for side in (-1.0, 1.0):
        eye = circle(16, size) * [1.0, tall] + [side * apart, height]
        primitives.append(Primitive(eye, hand.detail))
    half = uniform(rng, 0.85, 1.2)
    smile = arc(0.5 * pi - half, 0.5 * pi + half, uniform(rng, 0.5, 0.66), y=0.02)
    width = uniform(rng, 0.09, 0.16)
    if rng.random() < 0.25:
        primitives.append(Primitive(smile, hand.detail))
    primitives.append(
        Primitive(hand.path(smile, dense=True, closed=False), hand.detail, width, False)
    )
    return hand.glyph(primitives, face)


def _checkerboard(hand: Hand) -> Glyph:
    cells = 3 + pick(hand.rng, 4)
    side, step = 0.85, 1.7 / cells
    board = np.array([[-side, -side], [side, -side], [side, side], [-side, side]])
    filled = hand.style in ("solid", "bordered")
    primitives = [Primitive(board, "second")] if filled else []
    unit = np.array([[0.0, 0.0], [step, 0.0], [step, step], [0.0, step]])
    for row in range(cells):
        for column in range(row % 2, cells, 2):
            corner = np.array([column * step - side, row * step - side])
            cell = unit + corner
            if not filled:
                cell = cell + hand.rng.normal(0.0, 0.5 * hand.wobble, (4, 2))
            primitives.append(Primitive(cell, "main"))
    if not filled or hand.rng.random() < 0.4:
        primitives.append(Primitive(board, "main", uniform(hand.rng, 0.04, 0.08)))
    return Glyph(tuple(primitives), (board,))


def _flower(hand: Hand) -> Glyph:
    petals = 5 + pick(hand.rng, 3)
    angle = np.arange(petals * 12) * (FULL_TURN / (petals * 12))
    depth = uniform(hand.rng, 0.42, 0.55)
    radius = 1.0 - depth + depth * np.sqrt(np.abs(np.cos(0.5 * petals * angle)))
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    outline = hand.path(outline, dense=True)
    middle = circle(20, uniform(hand.rng, 0.2, 0.3))
    return hand.glyph([*hand.body(outline), hand.part(middle)], outline)


def _lightning(hand: Hand) -> Glyph:
    corners = np.array(
        [[0.15, -1.0], [-0.55, 0.12], [-0.08, 0.12], [-0.3, 1.0], [0.55, -0.25], [0.06, -0.25],
         [0.6, -1.0]]
    )  # fmt: skip
    return hand.area(corners * [uniform(hand.rng, 0.95, 1.25), 1.0])


def _house(hand: Hand) -> Glyph:
    # Scribbles would hide the door.
    hand = replace(hand, style="outline") if hand.style == "hatched" else hand
    rng = hand.rng
    half, eaves = uniform(rng, 0.6, 0.72), uniform(rng, -0.25, -0.05)
    wide = half + uniform(rng, 0.05, 0.2)
    walls = np.array([[-half, eaves], [half, eaves], [half, 0.85], [-half, 0.85]])
    roof = np.array([[-wide, eaves], [0.0, -1.0], [wide, eaves]])
    door_left, door_top = uniform(rng, -0.4, 0.1), uniform(rng, 0.2, 0.4)
    door_right = door_left + uniform(rng, 0.24, 0.34)
    door = np.array(
        [[door_left, 0.85], [door_left, door_top], [door_right, door_top], [door_right, 0.85]]
    )
    walls, roof = hand.path(walls), hand.path(roof)
    return hand.glyph([*hand.body(walls), hand.part(roof), hand.part(door)], walls, roof)


def _fish(hand: Hand) -> Glyph:
    rng = hand.rng
    tall = uniform(rng, 0.4, 0.52)
    # Two arcs that meet at the nose and cross before the tail: a fish in one line.
    t = np.linspace(0.0, FULL_TURN, 41)[:-1]
    body = np.stack([0.66 * np.cos(t) + 0.32, tall * np.sin(t)], axis=1)
    spread = uniform(rng, 0.4, 0.52)
    tail = np.array([[-0.2, 0.0], [-0.95, -spread], [-0.78, 0.0], [-0.95, spread]])
    body, tail = hand.path(body, dense=True), hand.path(tail)
    primitives = [*hand.body(tail), *hand.body(body)]
    if hand.style != "hatched":
        eye = circle(14, uniform(rng, 0.08, 0.12), uniform(rng, 0.52, 0.66), -0.14)
        primitives.append(Primitive(eye, hand.detail))
    return hand.glyph(primitives, body, tail)


_BUILDERS: dict[str, Callable[[Hand], Glyph]] = {
    "circle": _disc,
    "triangle": _triangle,
    "square": _square,
    "star": _star,
    "heart": _heart,
    "arrow": _arrow,
    "cross": _cross,
    "ring": _ring,
    "crescent": _crescent,
    "spiral": _spiral,
    "smiley": _smiley,
    "checkerboard": _checkerboard,
    "flower": _flower,
    "lightning": _lightning,
    "house": _house,
    "fish": _fish,
}

SCENE_CLASSES: tuple[str, ...] = tuple(_BUILDERS)
"""Label of every class; its position is the class index."""


def build_glyph(rng: np.random.Generator, class_index: int, *, drawn: bool, turn: float) -> Glyph:
    """Build an object of a class, turned by ``turn`` radians.

    Args:
        rng: Where chance comes from.
        class_index: Index in `SCENE_CLASSES`.
        drawn: ``True`` for marker on paper: outlines and scribbles of a shaky hand.
        turn: Rotation within the object's own plane.
    """
    if drawn:
        style: Style = "outline" if rng.random() < 0.6 else STYLES[pick(rng, 4)]
        width, wobble = uniform(rng, 0.06, 0.15), uniform(rng, 0.005, 0.035)
    else:
        style = STYLES[pick(rng, 3) if rng.random() < 0.9 else 3]
        width = uniform(rng, 0.09, 0.2)
        wobble = uniform(rng, 0.005, 0.03) if rng.random() < 0.35 else 0.0
    glyph = _BUILDERS[SCENE_CLASSES[class_index]](Hand(rng, style, width, wobble))
    axes = np.array([[cos(turn), sin(turn)], [-sin(turn), cos(turn)]])
    return Glyph(
        tuple(replace(p, points=p.points @ axes) for p in glyph.primitives),
        tuple(p @ axes for p in glyph.silhouette),
        glyph.clear,
    )
