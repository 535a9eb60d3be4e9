"""The moving scene, act by act: which objects, over which background, and how they move."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from live_gradcam.scenes.backgrounds import light_field, random_background
from live_gradcam.scenes.placement import (
    MAX_OBJECTS,
    MIN_VISIBLE,
    Actor,
    different_classes,
    generator,
    hidden_share,
    make_sprite,
    scatter,
    visible,
)
from live_gradcam.scenes.sprites import Pose, Sprite
from live_gradcam.scenes.strokes import FULL_TURN, pick, uniform
from live_gradcam.values import Image

ACT_SECONDS = 5.0
"""How long the moving scene keeps its objects and its background."""

ACTS = 2  # keeps acts and stills apart when they share a seed
# Diameter of an object as a share of the frame's shorter side, by the number of objects.
_DIAMETERS = {1: (0.42, 0.6), 2: (0.34, 0.46), 3: (0.3, 0.38)}


@dataclass(frozen=True, slots=True)
class Motion:
    """How one object moves: every quantity swings about a middle; `spin` turns it besides."""

    middle: NDArray[np.float64]  # x, y, radius (pixels), roll, pitch, yaw (radians)
    swing: NDArray[np.float64]
    rate: NDArray[np.float64]  # radians per second
    phase: NDArray[np.float64]
    spin: float

    def pose(self, seconds: float) -> Pose:
        """Where the object is, ``seconds`` after the act began."""
        x, y, radius, roll, pitch, yaw = self.middle + self.swing * np.sin(
            self.rate * seconds + self.phase
        )
        return Pose(x, y, radius, roll + self.spin * seconds, pitch, yaw)


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """What stays the same for a few seconds: objects, background, light."""

    background: Image
    light: Image
    noise: int
    classes: tuple[int, ...]
    sprites: tuple[Sprite, ...]
    motions: tuple[Motion, ...]
    drift: tuple[float, float, float]  # brightness: swing, rate, phase

    def actors(self, seconds: float) -> list[Actor]:
        """Every object in place, ``seconds`` after the act began; from back to front."""
        shown = zip(self.classes, self.sprites, self.motions, strict=True)
        return [Actor(c, sprite, motion.pose(seconds)) for c, sprite, motion in shown]


def stage_act(seed: int, number: int, width: int, height: int) -> Act:
    """The act with the given number, in a frame of the given size."""
    # An act with one object opens the show; afterwards one, two and three take turns.
    count = 1 if number == 0 else 1 + (number + seed) % MAX_OBJECTS
    for attempt in range(1000):
        rng = generator(seed, ACTS, number, attempt)
        motions = _choreograph(rng, count, width, height)
        if motions is None:
            continue
        background = random_background(rng, width, height)
        classes = tuple(different_classes(rng, count))
        sprites = tuple(
            # Sheets that pass over each other would hide too much.
            make_sprite(rng, c, motion.pose(0.0), background, paper=0.4 if count == 1 else 0.0)[0]
            for c, motion in zip(classes, motions, strict=True)
        )
        act = Act(
            background=background,
            light=light_field(rng, width, height),
            noise=pick(rng, 3),
            classes=classes,
            sprites=sprites,
            motions=motions,
            drift=(uniform(rng, 0.02, 0.12), uniform(rng, 0.5, 2.0), FULL_TURN * rng.random()),
        )
        if _well_visible(act, width, height):
            return act
    raise AssertionError("an act cannot be staged")  # pragma: no cover


def _choreograph(
    rng: np.random.Generator, count: int, width: int, height: int
) -> tuple[Motion, ...] | None:
    """Motions whose objects hide each other but little; ``None`` where this try found none."""
    side = float(min(width, height))
    low, high = _DIAMETERS[count]
    radii = [0.5 * side * uniform(rng, low, high) for _ in range(count)]
    homes = scatter(rng, radii, width, height)
    if homes is None:
        return None
    motions = []
    for radius, home in zip(radii, homes, strict=True):
        # The home moves inwards until the whole swing stays in the central square.
        room = 0.5 * side - 1.1 * radius
        sway = uniform(rng, 0.25, 0.7) * room
        free = room - sway
        middle = [
            0.5 * size + max(-free, min(free, at - 0.5 * size))
            for at, size in zip(home, (width, height), strict=True)
        ]
        spin = 0.0 if rng.random() < 0.4 else rng.normal(0.0, 0.5)
        motions.append(
            Motion(
                middle=np.array([*middle, radius, rng.normal(0.0, 0.3), *rng.normal(0.0, 0.1, 2)]),
                swing=np.array([sway, sway, 0.1 * radius, 0.2, 0.3, 0.3]),
                rate=0.5 + 0.9 * rng.random(6),
                phase=FULL_TURN * rng.random(6),
                spin=spin,
            )
        )
    for seconds in np.linspace(0.0, ACT_SECONDS, 12):
        poses = [motion.pose(float(seconds)) for motion in motions]
        for one, other in combinations(poses, 2):
            share = hidden_share((one.x, one.y), one.radius, (other.x, other.y), other.radius)
            if share > 0.3:
                return None
    return tuple(motions)


def _well_visible(act: Act, width: int, height: int) -> bool:
    """Whether every object stays visible throughout, with its own form and the paper of others."""
    return all(
        min(visible(act.actors(float(seconds)), width, height)[1]) >= MIN_VISIBLE + 0.05
        for seconds in np.linspace(0.0, ACT_SECONDS, 11)
    )
