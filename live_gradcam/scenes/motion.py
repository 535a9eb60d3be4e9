"""Moving scenes, shot by shot: the objects, their background, and how they move."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import sin

import numpy as np
from numpy.typing import NDArray

from live_gradcam.scenes.backgrounds import add_noise, apply_light, light_field, random_background
from live_gradcam.scenes.placement import (
    MAX_OBJECTS,
    MIN_VISIBLE,
    PlacedSprite,
    SceneObject,
    as_object,
    check_size,
    different_classes,
    generator,
    hidden_share,
    make_sprite,
    scatter,
    visible,
)
from live_gradcam.scenes.sprites import Pose, Sprite, blend, place
from live_gradcam.scenes.strokes import FULL_TURN, pick, uniform
from live_gradcam.values import Image

_SHOT_SECONDS = 5.0
_SHOTS = 2  # keeps shots and stills apart when they share a seed
# Diameter of an object as a share of the frame's shorter side, by the number of objects.
_DIAMETERS = {1: (0.42, 0.6), 2: (0.34, 0.46), 3: (0.3, 0.38)}


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion of one object: every quantity swings about a middle; `spin` turns it besides."""

    middle: NDArray[np.float64]  # x, y, radius (pixels), roll, pitch, yaw (radians)
    swing: NDArray[np.float64]
    rate: NDArray[np.float64]  # radians per second
    phase: NDArray[np.float64]
    spin: float

    def pose(self, seconds: float) -> Pose:
        """Return the pose ``seconds`` after the shot began."""
        x, y, radius, roll, pitch, yaw = self.middle + self.swing * np.sin(
            self.rate * seconds + self.phase
        )
        return Pose(x, y, radius, roll + self.spin * seconds, pitch, yaw)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A few seconds of a scene, in which these stay the same: objects, background, light."""

    background: Image
    light: Image
    noise: int
    classes: tuple[int, ...]
    sprites: tuple[Sprite, ...]
    motions: tuple[Motion, ...]
    drift: tuple[float, float, float]  # brightness: swing, rate, phase

    def sprites_at(self, seconds: float) -> list[PlacedSprite]:
        """Place every object as it is ``seconds`` after the shot began; from back to front."""
        shown = zip(self.classes, self.sprites, self.motions, strict=True)
        return [PlacedSprite(c, sprite, motion.pose(seconds)) for c, sprite, motion in shown]


class MovingScene:
    """One to three objects that move over a background, replaced every few seconds.

    A function of the seed alone: any frame can be rendered, in any order and in any thread.

    Args:
        seed: Any non-negative integer; decides everything.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        fps: Frames per second of the scene's own clock.

    Raises:
        UsageError: A size is out of range.
    """

    def __init__(self, seed: int, *, width: int, height: int, fps: float) -> None:
        check_size(width, height)
        self._seed = seed
        self._size = (width, height)
        self._fps = fps
        self._frames_per_shot = max(1, round(_SHOT_SECONDS * fps))
        self._cached: tuple[int, Shot] | None = None
        self._caching = True

    def render(self, index: int) -> Image:
        """Render a frame, ``uint8 (H, W, 3)`` BGR."""
        shot, seconds = self._shot_at(index)
        image = shot.background.copy()
        for each in shot.sprites_at(seconds):
            placed = place(each.sprite, each.pose, *self._size)
            if placed is not None:
                blend(image, each.sprite, placed)
        swing, rate, phase = shot.drift
        image = apply_light(image, shot.light, 1.0 + swing * sin(rate * seconds + phase))
        add_noise(generator(self._seed, _SHOTS, index), image, shot.noise)
        return image

    def objects(self, index: int) -> tuple[SceneObject, ...]:
        """Return the ground truth of a frame, from back to front."""
        shot, seconds = self._shot_at(index)
        sprites = shot.sprites_at(seconds)
        masks, _ = visible(sprites, *self._size)
        return tuple(
            as_object(each.class_index, mask) for each, mask in zip(sprites, masks, strict=True)
        )

    def release(self) -> None:
        """Drop the shot that is kept for the next frame, and keep none from now on."""
        self._caching = False
        self._cached = None

    def _shot_at(self, index: int) -> tuple[Shot, float]:
        number, offset = divmod(index, self._frames_per_shot)
        # Read once: another thread may ask for another shot meanwhile.
        cached = self._cached
        if cached is None or cached[0] != number:
            cached = (number, _make_shot(self._seed, number, *self._size))
            if self._caching:
                self._cached = cached
        return cached[1], offset / self._fps


def _make_shot(seed: int, number: int, width: int, height: int) -> Shot:
    """Make the shot of a number, in a frame of a size."""
    # A shot with one object comes first; afterwards one, two and three take turns.
    count = 1 if number == 0 else 1 + (number + seed) % MAX_OBJECTS
    for attempt in range(1000):
        rng = generator(seed, _SHOTS, number, attempt)
        motions = _choose_motions(rng, count, width, height)
        if motions is None:
            continue
        background = random_background(rng, width, height)
        classes = tuple(different_classes(rng, count))
        sprites = tuple(
            # Sheets that pass over each other would hide too much.
            make_sprite(rng, c, motion.pose(0.0), background, paper=0.4 if count == 1 else 0.0)[0]
            for c, motion in zip(classes, motions, strict=True)
        )
        shot = Shot(
            background=background,
            light=light_field(rng, width, height),
            noise=pick(rng, 3),
            classes=classes,
            sprites=sprites,
            motions=motions,
            drift=(uniform(rng, 0.02, 0.12), uniform(rng, 0.5, 2.0), FULL_TURN * rng.random()),
        )
        if _well_visible(shot, width, height):
            return shot
    raise AssertionError("a shot cannot be made")  # pragma: no cover


def _choose_motions(
    rng: np.random.Generator, count: int, width: int, height: int
) -> tuple[Motion, ...] | None:
    """Choose motions whose objects hide little of each other; ``None`` if this try found none."""
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
        motion = Motion(
            middle=np.array([*middle, radius, rng.normal(0.0, 0.3), *rng.normal(0.0, 0.1, 2)]),
            swing=np.array([sway, sway, 0.1 * radius, 0.2, 0.3, 0.3]),
            rate=0.5 + 0.9 * rng.random(6),
            phase=FULL_TURN * rng.random(6),
            spin=spin,
        )
        motions.append(motion)
    for seconds in np.linspace(0.0, _SHOT_SECONDS, 12):
        poses = [motion.pose(float(seconds)) for motion in motions]
        for one, other in combinations(poses, 2):
            share = hidden_share((one.x, one.y), one.radius, (other.x, other.y), other.radius)
            if share > 0.3:
                return None
    return tuple(motions)


def _well_visible(shot: Shot, width: int, height: int) -> bool:
    """Return whether every object stays visible throughout, behind the paper of others too."""
    return all(
        min(visible(shot.sprites_at(float(seconds)), width, height)[1]) >= MIN_VISIBLE + 0.05
        for seconds in np.linspace(0.0, _SHOT_SECONDS, 11)
    )
