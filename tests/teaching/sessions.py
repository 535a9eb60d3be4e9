"""Generated sessions before a still camera: an object moves before a wall, burst after burst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from live_gradcam.scenes.backgrounds import add_noise, random_background
from live_gradcam.scenes.motion import Motion
from live_gradcam.scenes.placement import generator, make_sprite
from live_gradcam.scenes.sprites import blend, place
from live_gradcam.values import Image

SIZE = 224


@dataclass(frozen=True)
class Shown:
    """One burst of a session: frames, the object's masks, and the wall without it."""

    frames: list[Image]
    masks: list[np.ndarray]
    wall: Image


def wall(seed: int) -> Image:
    """A wall, the same for the same seed."""
    return random_background(generator(seed, 101), SIZE, SIZE)


def show(shape: int, behind: Image, seed: int, count: int = 16) -> Shown:
    """Show an object of a class of the scenes before a wall, moving."""
    rng = generator(seed, 102, shape)
    radius = SIZE * rng.uniform(0.17, 0.24)
    motion = Motion(
        middle=np.array([SIZE / 2, SIZE / 2, radius, rng.normal(0, 0.2), 0.0, 0.0]),
        swing=np.array([SIZE * 0.2, SIZE * 0.16, radius * 0.1, 0.25, 0.2, 0.2]),
        rate=1.5 + 2 * rng.random(6),
        phase=6.28 * rng.random(6),
        spin=0.0,
    )
    sprite, _ = make_sprite(rng, shape, motion.pose(0.0), behind, paper=0.0)
    frames, masks = [], []
    for index in range(count):
        image = behind.copy()
        placed = place(sprite, motion.pose(index / 8), SIZE, SIZE)
        if placed is not None:
            blend(image, sprite, placed)
        masks.append(np.abs(image.astype(int) - behind).max(2) > 12)
        add_noise(generator(seed, 103, shape, index), image, 2)
        frames.append(image)
    return Shown(frames, masks, behind)


def session(
    seed: int, walls: str, shapes: Sequence[int], bursts: int = 2, frames: int = 16
) -> list[tuple[int, Shown]]:
    """Show several objects, one after the other.

    Args:
        seed: Decides everything.
        walls: ``one`` wall behind all of them, ``own`` for a wall of each object's own, ``new``
            for another wall in every burst.
        shapes: Classes of the scenes, one for each class that is taught.
        bursts: For each object.
        frames: In each burst.
    """
    shown = []
    for index, shape in enumerate(shapes):
        for burst in range(bursts):
            number = {"one": 0, "own": 1 + index, "new": 100 + 10 * index + burst}[walls]
            behind = wall(1000 * seed + number)
            shown.append((index, show(shape, behind, 97 * seed + 7 * index + burst, frames)))
    return shown
