"""Generated scenes with ground truth: the demo, the tests, and the bundled network's training data.

`render_scene` makes one still picture, `SceneSource` a moving scene. Both are functions of their
seed alone: the same seed gives the same pixels, in any order, in any thread. With every picture
come the class and the mask of each object. An object's mask is its silhouette, the area a person
would trace around it: a ring's mask includes its hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import acos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from live_gradcam.capture.scene_backgrounds import (
    add_noise,
    apply_light,
    light_field,
    photograph,
    random_background,
)
from live_gradcam.capture.scene_shapes import (
    FULL_TURN,
    SCENE_CLASSES,
    build_glyph,
    pick,
    uniform,
)
from live_gradcam.capture.scene_sprites import (
    Pose,
    Sprite,
    blend,
    choose_colours,
    draw_sprite,
    place,
    random_card,
    random_finish,
)
from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError
from live_gradcam.native import cv2
from live_gradcam.values import Frame, Image, Region, SourceInfo

__all__ = ["SCENE_CLASSES", "Scene", "SceneObject", "SceneSource", "render_scene"]

MAX_OBJECTS = 3
MIN_VISIBLE = 0.6
"""No object shows less than this share of its area; the rest may be hidden or out of the frame."""

ACT_SECONDS = 5.0
"""How long the moving scene keeps its objects and its background."""

_LARGEST_SIDE = 8192
_SMALLEST_SIDE = 32
# Diameter of an object as a share of the frame's shorter side, by the number of objects.
_DIAMETERS = {1: (0.26, 0.78), 2: (0.26, 0.52), 3: (0.24, 0.42)}
_DEMO_DIAMETERS = {1: (0.42, 0.6), 2: (0.34, 0.46), 3: (0.3, 0.38)}
_STILLS, _ACTS = 1, 2  # keeps the two kinds of scene apart when they share a seed


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
class Scene:
    """A picture and the truth about it.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR.
        objects: From back to front, all of different classes.
    """

    image: Image
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Actor:
    """An object in place."""

    class_index: int
    sprite: Sprite
    pose: Pose


def render_scene(
    seed: int,
    *,
    width: int = 256,
    height: int = 256,
    objects: int | None = None,
    zoom: float = 1.0,
    hide: Sequence[int] = (),
) -> Scene:
    """One still scene.

    Objects stay inside the frame's central square, which is what a centre crop shows.

    Args:
        seed: Any non-negative integer; decides everything.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        objects: How many objects, 1 to 3; ``None`` leaves it to the seed.
        zoom: Factor on the objects' size.
        hide: Positions (back to front) of objects that are left out of the picture and of
            `Scene.objects`, while everything else stays as it is, their paper and shadow included.

    Raises:
        UsageError: A size, the number of objects or the zoom is out of range.
    """
    _check_size(width, height)
    if objects is not None and not 1 <= objects <= MAX_OBJECTS:
        raise UsageError(
            "cannot make a scene", f"objects={objects}", f"1 to {MAX_OBJECTS} are possible"
        )
    if not 0.2 <= zoom <= 4.0:
        raise UsageError("cannot make a scene", f"zoom={zoom}", "0.2 to 4 are possible")
    for attempt in range(1000):
        rng = _generator(seed, _STILLS, attempt)
        count = 1 + pick(rng, MAX_OBJECTS)
        scene = _still(rng, width, height, objects or count, zoom, hide)
        if scene is not None:
            return scene
    raise AssertionError("objects cannot be placed")  # pragma: no cover


def _check_size(width: int, height: int) -> None:
    if not all(_SMALLEST_SIDE <= side <= _LARGEST_SIDE for side in (width, height)):
        raise UsageError(
            "cannot make a scene",
            f"{width}x{height}",
            f"each side must have {_SMALLEST_SIDE} to {_LARGEST_SIDE} pixels",
        )


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))


def _still(
    rng: np.random.Generator,
    width: int,
    height: int,
    count: int,
    zoom: float,
    hide: Sequence[int],
) -> Scene | None:
    """A scene, or ``None`` where an object would be hidden too much."""
    low, high = _DIAMETERS[count]
    side = min(width, height)
    radii = [min(0.5 * zoom * uniform(rng, low, high), 0.48) * side for _ in range(count)]
    centres = _scatter(rng, radii, width, height)
    if centres is None:
        return None
    picture = random_background(rng, width, height)
    actors = []
    for position, class_index in enumerate(_different_classes(rng, count)):
        pose = Pose(
            *centres[position],
            radii[position],
            roll=0.0,
            pitch=rng.normal(0.0, 0.28),
            yaw=rng.normal(0.0, 0.28),
            stretch=uniform(rng, 0.8, 1.25) if rng.random() < 0.3 else 1.0,
        )
        sprite, roll = _make_sprite(rng, class_index, pose, picture, ink=position not in hide)
        pose = Pose(pose.x, pose.y, pose.radius, roll, pose.pitch, pose.yaw, pose.stretch)
        actors.append(_Actor(class_index, sprite, pose))
    for actor in actors:
        placed = place(actor.sprite, actor.pose, width, height)
        if placed is not None:
            blend(picture, actor.sprite, placed)
    masks, shares = _visible(actors, width, height)
    if min(shares) < MIN_VISIBLE:
        return None
    shown = [position for position in range(count) if position not in hide]
    return Scene(
        photograph(rng, picture),
        tuple(_object(actors[i].class_index, masks[i]) for i in shown),
    )


def _different_classes(rng: np.random.Generator, count: int) -> list[int]:
    left = list(range(len(SCENE_CLASSES)))
    return [left.pop(pick(rng, len(left))) for _ in range(count)]


def _scatter(
    rng: np.random.Generator, radii: Sequence[float], width: int, height: int
) -> list[tuple[float, float]] | None:
    """Centres in the central square, near the edge at most by a little, overlapping a little."""
    side = min(width, height)
    for _ in range(30):
        centres = []
        for radius in radii:
            room = max(0.0, 0.5 * side - 0.9 * radius)
            centres.append(
                (0.5 * width + uniform(rng, -room, room), 0.5 * height + uniform(rng, -room, room))
            )
        pairs = combinations(range(len(radii)), 2)
        if all(
            _hidden_share(centres[i], radii[i], centres[j], radii[j]) < 0.25 for i, j in pairs
        ):
            return centres
    return None


def _hidden_share(
    first: tuple[float, float], r: float, second: tuple[float, float], s: float
) -> float:
    """Overlap of two discs as a share of the smaller one."""
    distance = sqrt((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2)
    if distance >= r + s:
        return 0.0
    if distance <= abs(r - s):
        return 1.0
    a = acos((distance**2 + r**2 - s**2) / (2.0 * distance * r))
    b = acos((distance**2 + s**2 - r**2) / (2.0 * distance * s))
    overlap = r**2 * (a - 0.5 * sin(2.0 * a)) + s**2 * (b - 0.5 * sin(2.0 * b))
    return float(overlap / (pi * min(r, s) ** 2))


def _make_sprite(
    rng: np.random.Generator, class_index: int, pose: Pose, ground: Image, *, ink: bool = True
) -> tuple[Sprite, float]:
    """An object that stands out from ``ground`` at its place, and the roll to show it with.

    A drawing on a sheet may be turned on it in any way, while the sheet is held about upright.
    """
    upright = rng.random() < 0.5
    turn = rng.normal(0.0, 0.25) if upright else FULL_TURN * rng.random()
    carded = rng.random() < 0.3
    card = random_card(rng) if carded else None
    x, y, reach = int(pose.x), int(pose.y), int(pose.radius)
    patch = ground[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    behind = card.colour if card else cv2.mean(patch)[:3]
    drawn = rng.random() < (0.75 if carded else 0.45) and min(behind) > 165.0
    glyph = build_glyph(rng, class_index, drawn=drawn, turn=turn if carded else 0.0)
    main, second = choose_colours(rng, glyph, behind, drawn=drawn)
    sprite = draw_sprite(
        glyph, random_finish(rng, main, second), card, radius=pose.radius, ink=ink
    )
    return sprite, (rng.normal(0.0, 0.15) if carded else turn)


def _visible(
    actors: Sequence[_Actor], width: int, height: int
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """Mask of each object without what later ones hide, and the share of it that is visible."""
    hidden = np.zeros((height, width), dtype=bool)
    masks: list[NDArray[np.bool_]] = []
    shares: list[float] = []
    for actor in reversed(actors):
        mask = np.zeros((height, width), dtype=bool)
        placed = place(actor.sprite, actor.pose, width, height)
        if placed is not None:
            box = (slice(placed.top, placed.bottom), slice(placed.left, placed.right))
            both = placed.cut(actor.sprite.masks) > 127
            mask[box] = both[..., 0] & ~hidden[box]
            hidden[box] |= both[..., 1]
        masks.append(mask)
        shares.append(float(mask.sum()) / max(1.0, _whole_area(actor)))
    return masks[::-1], shares[::-1]


def _whole_area(actor: _Actor) -> float:
    """The object's area in frame pixels if nothing hid it, from its area in the sprite."""
    covered = float(cv2.sumElems(actor.sprite.masks)[0]) / 255.0
    step = 2.0 * actor.sprite.extent / actor.sprite.picture.shape[0]
    # At the object's centre the perspective map scales areas by the determinant of its Jacobian.
    h = actor.pose.homography() / actor.pose.homography()[2, 2]
    jacobian = h[:2, :2] - np.outer(h[:2, 2], h[2, :2])
    return covered * step**2 * abs(float(np.linalg.det(jacobian)))


def _object(class_index: int, mask: NDArray[np.bool_]) -> SceneObject:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = Region(
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0]) + 1,
        int(rows[-1] - rows[0]) + 1,
    )
    return SceneObject(class_index, SCENE_CLASSES[class_index], mask, box)


@dataclass(frozen=True, slots=True)
class _Motion:
    """How one object moves: every quantity swings about a middle; `spin` turns it besides."""

    middle: NDArray[np.float64]  # x, y, radius (pixels), roll, pitch, yaw (radians)
    swing: NDArray[np.float64]
    rate: NDArray[np.float64]  # radians per second
    phase: NDArray[np.float64]
    spin: float

    def pose(self, seconds: float) -> Pose:
        x, y, radius, roll, pitch, yaw = self.middle + self.swing * np.sin(
            self.rate * seconds + self.phase
        )
        return Pose(x, y, radius, roll + self.spin * seconds, pitch, yaw)


@dataclass(frozen=True, slots=True, eq=False)
class _Act:
    """What stays the same for a few seconds: objects, background, light."""

    background: Image
    light: Image
    noise: int
    classes: tuple[int, ...]
    sprites: tuple[Sprite, ...]
    motions: tuple[_Motion, ...]
    drift: tuple[float, float, float]  # brightness: swing, rate, phase

    def actors(self, seconds: float) -> list[_Actor]:
        shown = zip(self.classes, self.sprites, self.motions, strict=True)
        return [_Actor(c, sprite, motion.pose(seconds)) for c, sprite, motion in shown]


class SceneSource(Source):
    """A moving scene: one to three objects over a background, replaced every few seconds.

    Objects stay inside the frame's central square, so that every view of the network sees them.

    Args:
        seed: Decides everything.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        fps: Frames per second of the scene's own clock.
        max_frames: Where to end; ``None`` goes on for ever.

    Raises:
        UsageError: A size, the rate or the number of frames is out of range.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        max_frames: int | None = None,
    ) -> None:
        _check_size(width, height)
        if not 0.1 <= fps <= 1000.0:
            raise UsageError("cannot make a scene", f"fps={fps}", "0.1 to 1000 are possible")
        if max_frames is not None and max_frames < 0:
            raise UsageError(
                "cannot make a scene", f"max_frames={max_frames}", "it must not be negative"
            )
        self._seed = seed
        self._frames_per_act = max(1, round(ACT_SECONDS * fps))
        self._next = 0
        self._closed = False
        self._current: tuple[int, _Act] | None = None
        self._info = SourceInfo(
            name="scene",
            kind="scene",
            live=False,
            width=width,
            height=height,
            fps=fps,
            frame_count=max_frames,
            duration_seconds=None if max_frames is None else max_frames / fps,
        )

    @property
    def info(self) -> SourceInfo:
        """Size and rate; the number of frames where it is limited."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is left."""
        fps = self._info.fps or 1.0
        while not self._closed and self._next != self._info.frame_count:
            index = self._next
            self._next += 1
            yield Frame(self._render(index), index, index / fps, "scene")

    def close(self) -> None:
        """End the iteration and drop the pictures that are kept. Idempotent."""
        self._closed = True
        self._current = None

    def truth(self, index: int) -> tuple[SceneObject, ...]:
        """The objects of a frame, from back to front; costs nothing until it is asked for.

        Args:
            index: `Frame.index` of a frame of this source, delivered or not.
        """
        act, seconds = self._at(index)
        actors = act.actors(seconds)
        masks, _ = _visible(actors, self._info.width, self._info.height)
        return tuple(
            _object(actor.class_index, mask) for actor, mask in zip(actors, masks, strict=True)
        )

    def _at(self, index: int) -> tuple[_Act, float]:
        number, offset = divmod(index, self._frames_per_act)
        # Read once: another thread may ask for another act meanwhile.
        current = self._current
        if current is None or current[0] != number:
            current = (number, self._stage(number))
            if not self._closed:
                self._current = current
        return current[1], offset / (self._info.fps or 1.0)

    def _render(self, index: int) -> Image:
        act, seconds = self._at(index)
        width, height = self._info.width, self._info.height
        picture = act.background.copy()
        for actor in act.actors(seconds):
            placed = place(actor.sprite, actor.pose, width, height)
            if placed is not None:
                blend(picture, actor.sprite, placed)
        swing, rate, phase = act.drift
        picture = apply_light(picture, act.light, 1.0 + swing * sin(rate * seconds + phase))
        add_noise(_generator(self._seed, _ACTS, index), picture, act.noise)
        return picture

    def _stage(self, number: int) -> _Act:
        width, height = self._info.width, self._info.height
        for attempt in range(1000):
            rng = _generator(self._seed, _ACTS, number, attempt)
            # An act with one object opens the show; afterwards any number may come.
            count = 1 if number == 0 else 1 + pick(rng, MAX_OBJECTS)
            motions = _choreograph(rng, count, width, height)
            if motions is None:
                continue
            background = random_background(rng, width, height)
            classes = tuple(_different_classes(rng, count))
            sprites = tuple(
                _make_sprite(rng, c, motion.pose(0.0), background)[0]
                for c, motion in zip(classes, motions, strict=True)
            )
            act = _Act(
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
) -> tuple[_Motion, ...] | None:
    """Motions whose objects hide each other but little; ``None`` where this try found none."""
    side = float(min(width, height))
    low, high = _DEMO_DIAMETERS[count]
    motions = []
    for _ in range(count):
        radius = 0.5 * side * uniform(rng, low, high)
        room = 0.5 * side - 1.1 * radius
        sway = uniform(rng, 0.3, 0.9) * room
        free = room - sway
        middle = [0.5 * width + uniform(rng, -free, free), 0.5 * height + uniform(rng, -free, free)]
        spin = 0.0 if rng.random() < 0.4 else rng.normal(0.0, 0.5)
        motions.append(
            _Motion(
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
            share = _hidden_share((one.x, one.y), one.radius, (other.x, other.y), other.radius)
            if share > 0.25:
                return None
    return tuple(motions)


def _well_visible(act: _Act, width: int, height: int) -> bool:
    """Whether every object stays visible throughout, with its own form and the paper of others."""
    return all(
        min(_visible(act.actors(float(seconds)), width, height)[1]) >= MIN_VISIBLE + 0.05
        for seconds in np.linspace(0.0, ACT_SECONDS, 11)
    )
