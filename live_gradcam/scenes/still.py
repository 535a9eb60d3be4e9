"""Still scenes: one image, and the class and mask of each object in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from live_gradcam.errors import UsageError
from live_gradcam.scenes.backgrounds import photograph, random_background
from live_gradcam.scenes.placement import (
    MAX_OBJECTS,
    MIN_VISIBLE,
    PlacedSprite,
    SceneObject,
    as_object,
    check_size,
    different_classes,
    generator,
    make_sprite,
    scatter,
    visible,
)
from live_gradcam.scenes.sprites import Pose, blend, place
from live_gradcam.scenes.strokes import pick, uniform
from live_gradcam.values import Image

_STILLS = 1  # keeps stills and shots apart when they share a seed
# Diameter of an object as a share of the frame's shorter side, by the number of objects.
_DIAMETERS = {1: (0.26, 0.78), 2: (0.26, 0.52), 3: (0.24, 0.42)}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered scene and its ground truth.

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
    """Render one still scene.

    Objects stay inside the frame's central square, which is what a centre crop shows.

    Args:
        seed: Any non-negative integer; decides everything.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        objects: Number of objects, 1 to 3; ``None`` leaves it to the seed.
        zoom: Factor on the objects' size.
        hide: Positions (back to front) of objects that are left out of the image and of
            `Scene.objects`, while everything else stays as it is, their paper and shadow included.

    Raises:
        UsageError: A size, the number of objects or the zoom is out of range.
    """
    check_size(width, height)
    if objects is not None and not 1 <= objects <= MAX_OBJECTS:
        cause = f"1 to {MAX_OBJECTS} are possible"
        raise UsageError("cannot make a scene", f"objects={objects}", cause)
    if not 0.2 <= zoom <= 4.0:
        raise UsageError("cannot make a scene", f"zoom={zoom}", "0.2 to 4 are possible")
    count = objects
    for attempt in range(1000):
        rng = generator(seed, _STILLS, attempt)
        chosen = 1 + pick(rng, MAX_OBJECTS)
        # The first attempt decides: otherwise few objects, which fit sooner, would come more often.
        count = count or chosen
        scene = _still(rng, width, height, count, zoom, hide)
        if scene is not None:
            return scene
    raise AssertionError("objects cannot be placed")  # pragma: no cover


def _still(
    rng: np.random.Generator, width: int, height: int, count: int, zoom: float, hide: Sequence[int]
) -> Scene | None:
    """Return a scene, or ``None`` where an object would be hidden too much."""
    low, high = _DIAMETERS[count]
    side = min(width, height)
    radii = [min(0.5 * zoom * uniform(rng, low, high), 0.48) * side for _ in range(count)]
    centres = scatter(rng, radii, width, height)
    if centres is None:
        return None
    image = random_background(rng, width, height)
    placed_sprites = []
    for position, class_index in enumerate(different_classes(rng, count)):
        pose = Pose(
            *centres[position],
            radii[position],
            roll=0.0,
            pitch=_tilt(rng),
            yaw=_tilt(rng),
            stretch=uniform(rng, 0.8, 1.25) if rng.random() < 0.3 else 1.0,
        )
        sprite, roll = make_sprite(rng, class_index, pose, image, ink=position not in hide)
        placed_sprites.append(PlacedSprite(class_index, sprite, replace(pose, roll=roll)))
    for each in placed_sprites:
        placed = place(each.sprite, each.pose, width, height)
        if placed is not None:
            blend(image, each.sprite, placed)
    masks, shares = visible(placed_sprites, width, height)
    if min(shares) < MIN_VISIBLE:
        return None
    shown = [position for position in range(count) if position not in hide]
    objects = tuple(as_object(placed_sprites[i].class_index, masks[i]) for i in shown)
    return Scene(photograph(rng, image), objects)


def _tilt(rng: np.random.Generator) -> float:
    return max(-0.6, min(0.6, rng.normal(0.0, 0.28)))
