"""Generated scenes with ground truth: the demo, the tests, and the bundled network's training data.

`render_scene` makes one still picture, `SceneSource` a moving scene. Both are functions of their
seed alone: the same seed gives the same pixels, in any order, in any thread. With every picture
come the class and the mask of each object.

The parts: `scene_shapes` knows the classes as geometry, made of `scene_strokes`, `scene_sprites`
draws an object, `scene_backgrounds` what lies behind and over it, `scene_staging` puts objects in
place and knows what is seen of them, `scene_motion` moves them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sin

import numpy as np

from live_gradcam.capture.source import Source
from live_gradcam.errors import UsageError
from live_gradcam.scenes.backgrounds import (
    add_noise,
    apply_light,
    photograph,
    random_background,
)
from live_gradcam.scenes.motion import ACT_SECONDS, ACTS, Act, stage_act
from live_gradcam.scenes.placement import (
    MAX_OBJECTS,
    MIN_VISIBLE,
    Actor,
    SceneObject,
    as_object,
    different_classes,
    generator,
    make_sprite,
    scatter,
    visible,
)
from live_gradcam.scenes.shapes import SCENE_CLASSES
from live_gradcam.scenes.sprites import Pose, blend, place
from live_gradcam.scenes.strokes import pick, uniform
from live_gradcam.values import Frame, Image, SourceInfo

__all__ = ["MIN_VISIBLE", "SCENE_CLASSES", "Scene", "SceneObject", "SceneSource", "render_scene"]

_LARGEST_SIDE = 8192
_SMALLEST_SIDE = 32
_STILLS = 1  # keeps stills and acts apart when they share a seed
# Diameter of an object as a share of the frame's shorter side, by the number of objects.
_DIAMETERS = {1: (0.26, 0.78), 2: (0.26, 0.52), 3: (0.24, 0.42)}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and the truth about it.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR.
        objects: From back to front, all of different classes.
    """

    image: Image
    objects: tuple[SceneObject, ...]


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
    count = objects
    for attempt in range(1000):
        rng = generator(seed, _STILLS, attempt)
        drawn = 1 + pick(rng, MAX_OBJECTS)
        # The first attempt decides: otherwise few objects, which fit sooner, would come more often.
        count = count or drawn
        scene = _still(rng, width, height, count, zoom, hide)
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
    centres = scatter(rng, radii, width, height)
    if centres is None:
        return None
    picture = random_background(rng, width, height)
    actors = []
    for position, class_index in enumerate(different_classes(rng, count)):
        pose = Pose(
            *centres[position],
            radii[position],
            roll=0.0,
            pitch=_tilt(rng),
            yaw=_tilt(rng),
            stretch=uniform(rng, 0.8, 1.25) if rng.random() < 0.3 else 1.0,
        )
        sprite, roll = make_sprite(rng, class_index, pose, picture, ink=position not in hide)
        actors.append(Actor(class_index, sprite, replace(pose, roll=roll)))
    for actor in actors:
        placed = place(actor.sprite, actor.pose, width, height)
        if placed is not None:
            blend(picture, actor.sprite, placed)
    masks, shares = visible(actors, width, height)
    if min(shares) < MIN_VISIBLE:
        return None
    shown = [position for position in range(count) if position not in hide]
    return Scene(
        photograph(rng, picture),
        tuple(as_object(actors[i].class_index, masks[i]) for i in shown),
    )


def _tilt(rng: np.random.Generator) -> float:
    return max(-0.6, min(0.6, rng.normal(0.0, 0.28)))


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
        self._current: tuple[int, Act] | None = None
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
        masks, _ = visible(actors, self._info.width, self._info.height)
        return tuple(
            as_object(actor.class_index, mask) for actor, mask in zip(actors, masks, strict=True)
        )

    def _at(self, index: int) -> tuple[Act, float]:
        number, offset = divmod(index, self._frames_per_act)
        # Read once: another thread may ask for another act meanwhile.
        current = self._current
        if current is None or current[0] != number:
            current = (number, stage_act(self._seed, number, self._info.width, self._info.height))
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
        add_noise(generator(self._seed, ACTS, index), picture, act.noise)
        return picture
