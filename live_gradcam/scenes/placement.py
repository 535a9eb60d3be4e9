"""Placement of objects: positions, looks, and what is visible of each.

An object's mask is its silhouette, the area a person would trace around it: a ring's mask includes
its hole. Where something else hides a part of it, that part is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import acos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from live_gradcam.errors import UsageError
from live_gradcam.native import cv2
from live_gradcam.scenes.shapes import SCENE_CLASSES, build_glyph
from live_gradcam.scenes.sprites import (
    Pose,
    Sprite,
    choose_colours,
    draw_sprite,
    place,
    random_card,
    random_finish,
)
from live_gradcam.scenes.strokes import FULL_TURN, pick, uniform
from live_gradcam.values import Image, Region

MAX_OBJECTS = 3
_LARGEST_SIDE = 8192
_SMALLEST_SIDE = 32
MIN_VISIBLE = 0.7
"""No object shows less than this share of its area; the rest may be hidden or out of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneObject:
    """One object of a scene.

    Attributes:
        class_index: Index in `SCENE_CLASSES`.
        label: Its name.
        mask: ``bool (H, W)``: the silhouette, without what another object hides.
        box: Bounding box of the mask.
    """

    class_index: int
    label: str
    mask: NDArray[np.bool_]
    box: Region


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSprite:
    """A drawn object and its pose in the frame."""

    class_index: int
    sprite: Sprite
    pose: Pose


def check_size(width: int, height: int) -> None:
    """Check the size of a scene.

    Raises:
        UsageError: A side is too short or too long.
    """
    if not all(_SMALLEST_SIDE <= side <= _LARGEST_SIDE for side in (width, height)):
        cause = f"each side must have {_SMALLEST_SIDE} to {_LARGEST_SIDE} pixels"
        raise UsageError("cannot make a scene", f"{width}x{height}", cause)


def generator(*key: int) -> np.random.Generator:
    """Make a random generator that depends on ``key`` alone, the same on every machine."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))


def different_classes(rng: np.random.Generator, count: int) -> list[int]:
    """Choose ``count`` class indices, no two alike."""
    left = list(range(len(SCENE_CLASSES)))
    return [left.pop(pick(rng, len(left))) for _ in range(count)]


def scatter(
    rng: np.random.Generator, radii: Sequence[float], width: int, height: int
) -> list[tuple[float, float]] | None:
    """Choose centres in the central square that overlap a little at most, or ``None``."""
    side = min(width, height)
    for _ in range(30):
        centres = []
        for radius in radii:
            room = max(0.0, 0.5 * side - 0.9 * radius)
            centres.append(
                (0.5 * width + uniform(rng, -room, room), 0.5 * height + uniform(rng, -room, room))
            )
        pairs = combinations(range(len(radii)), 2)
        if all(hidden_share(centres[i], radii[i], centres[j], radii[j]) < 0.25 for i, j in pairs):
            return centres
    return None


def hidden_share(
    first: tuple[float, float], r: float, second: tuple[float, float], s: float
) -> float:
    """Return the overlap of two discs as a share of the smaller one."""
    distance = sqrt((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2)
    if distance >= r + s:
        return 0.0
    if distance <= abs(r - s):
        return 1.0
    a = acos((distance**2 + r**2 - s**2) / (2.0 * distance * r))
    b = acos((distance**2 + s**2 - r**2) / (2.0 * distance * s))
    overlap = r**2 * (a - 0.5 * sin(2.0 * a)) + s**2 * (b - 0.5 * sin(2.0 * b))
    return float(overlap / (pi * min(r, s) ** 2))


def make_sprite(
    rng: np.random.Generator,
    class_index: int,
    pose: Pose,
    ground: Image,
    *,
    paper: float = 0.3,
    ink: bool = True,
) -> tuple[Sprite, float]:
    """Draw an object that stands out from ``ground`` at its place.

    A drawing on a sheet may be turned on it in any way, while the sheet is held about upright.

    Returns:
        The object, and the roll in radians to show it with.
    """
    upright = rng.random() < 0.5
    turn = rng.normal(0.0, 0.25) if upright else FULL_TURN * rng.random()
    carded = rng.random() < paper
    card = random_card(rng) if carded else None
    x, y, reach = int(pose.x), int(pose.y), int(pose.radius)
    patch = ground[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    behind = card.colour if card else cv2.mean(patch)[:3]
    drawn = rng.random() < (0.75 if carded else 0.45) and min(behind) > 165.0
    glyph = build_glyph(rng, class_index, drawn=drawn, turn=turn if carded else 0.0)
    main, second = choose_colours(rng, glyph, behind, drawn=drawn)
    sprite = draw_sprite(glyph, random_finish(rng, main, second), card, radius=pose.radius, ink=ink)
    return sprite, (rng.normal(0.0, 0.15) if carded else turn)


def visible(
    sprites: Sequence[PlacedSprite], width: int, height: int
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """Return each object's mask without what later ones hide, and the share that is visible."""
    hidden = np.zeros((height, width), dtype=bool)
    masks: list[NDArray[np.bool_]] = []
    shares: list[float] = []
    for each in reversed(sprites):
        mask = np.zeros((height, width), dtype=bool)
        placed = place(each.sprite, each.pose, width, height)
        if placed is not None:
            box = (slice(placed.top, placed.bottom), slice(placed.left, placed.right))
            both = placed.cut(each.sprite.masks) > 127
            mask[box] = both[..., 0] & ~hidden[box]
            hidden[box] |= both[..., 1]
        masks.append(mask)
        shares.append(float(mask.sum()) / max(1.0, _whole_area(each)))
    return masks[::-1], shares[::-1]


def _whole_area(each: PlacedSprite) -> float:
    """Return the object's area in frame pixels if nothing hid it, from its area in the sprite."""
    covered = float(cv2.sumElems(each.sprite.masks)[0]) / 255.0
    step = 2.0 * each.sprite.extent / each.sprite.image.shape[0]
    # At the object's centre the perspective map scales areas by the determinant of its Jacobian.
    h = each.pose.homography() / each.pose.homography()[2, 2]
    jacobian = h[:2, :2] - np.outer(h[:2, 2], h[2, :2])
    area: float = covered * step**2 * abs(float(np.linalg.det(jacobian)))
    return area


def as_object(class_index: int, mask: NDArray[np.bool_]) -> SceneObject:
    """Return the ground truth of one object from its mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    box = Region(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
    return SceneObject(class_index, SCENE_CLASSES[class_index], mask, box)
