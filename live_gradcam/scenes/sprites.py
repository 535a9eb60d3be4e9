"""Objects of the generated scenes as images: drawn once, then set into a frame in perspective.

A sprite is drawn anti-aliased at about the size it will have, with its sheet of paper and its soft
shadow where it has them. Setting it into a frame is one perspective warp and one blend over the
object's bounding box, which is what makes the moving scene fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, sin
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.scenes.strokes import Glyph, pick, uniform
from live_gradcam.values import Image

Colour: TypeAlias = tuple[float, float, float]
"""BGR in 0..255."""

Homography: TypeAlias = NDArray[np.float64]
"""``float64 (3, 3)``: object plane in radii to frame pixels."""

_SHIFT = 4
_ONE = float(1 << _SHIFT)


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """One object, drawn.

    Attributes:
        image: ``uint8 (S, S, 4)``: BGR times opacity, and opacity (shadow included).
        masks: ``uint8 (S, S, 2)``: coverage of the object itself, and of all that hides what lies
            behind it.
        extent: Half the sprite's side in radii.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    extent: float


@dataclass(frozen=True, slots=True)
class Card:
    """A sheet of paper behind an object.

    Attributes:
        colour: Colour of the paper.
        half_width: Half its width in radii of the object.
        half_height: Half its height in radii of the object.
        ruled: Whether it has lines.
    """

    colour: Colour
    half_width: float
    half_height: float
    ruled: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Look of an object's surface.

    Attributes:
        main: Its first colour.
        second: Its second colour.
        shading: Brightness at the corners of the sprite, 1 is neutral; ``None`` for flat colour.
        shadow: Opacity of the shadow, 0..1; ``0`` for none.
        shadow_offset: Where the shadow falls, in radii.
    """

    main: Colour
    second: Colour
    shading: NDArray[np.float32] | None
    shadow: float
    shadow_offset: tuple[float, float]


def as_image(image: object) -> Image:
    """Type what OpenCV returned: its stubs do not say that ``uint8`` stays ``uint8``."""
    return np.asarray(image, dtype=np.uint8)


def random_colour(rng: np.random.Generator) -> Colour:
    """Choose any colour, vivid ones more often than grey ones."""
    hue, saturation = 6.0 * rng.random(), rng.random() ** 0.6
    value = 1.0 - 0.9 * rng.random() ** 1.6
    return hsv_colour(hue, saturation, value)


def hsv_colour(hue: float, saturation: float, value: float) -> Colour:
    """Return the BGR colour of a hue in 0..6, a saturation and a value in 0..1."""
    channels = []
    for offset in (1.0, 3.0, 5.0):  # blue, green, red
        k = (offset + hue) % 6.0
        channels.append(255.0 * value * (1.0 - saturation * max(0.0, min(k, 4.0 - k, 1.0))))
    return channels[0], channels[1], channels[2]


def contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the difference of two colours, 0..255, weighted as the eye does."""
    blue, green, red = (first[i] - second[i] for i in range(3))
    return float((0.2 * blue * blue + 0.5 * green * green + 0.3 * red * red) ** 0.5)


def contrasting_colour(
    rng: np.random.Generator, against: Sequence[Sequence[float]], least: float
) -> Colour:
    """Choose a colour that differs by ``least`` from all ``against``, or the best of 16 tries."""
    best, best_contrast = (0.0, 0.0, 0.0), -1.0
    for _ in range(16):
        colour = random_colour(rng)
        worst = min(contrast(colour, other) for other in against)
        if worst > best_contrast:
            best, best_contrast = colour, worst
        if worst >= least:
            break
    return best


def random_card(rng: np.random.Generator) -> Card:
    """Choose a sheet of paper, nearly always nearly white."""
    tone = uniform(rng, 205.0, 255.0)
    tint = rng.normal(0.0, 4.0, 3)
    colour = (tone + tint[0], tone + tint[1], tone + tint[2])
    if rng.random() < 0.12:
        colour = hsv_colour(6.0 * rng.random(), uniform(rng, 0.1, 0.4), uniform(rng, 0.8, 1.0))
    wide, tall = uniform(rng, 1.15, 1.45), uniform(rng, 1.3, 1.95)
    if rng.random() < 0.5:
        wide, tall = tall, wide
    return Card(colour, wide, tall, rng.random() < 0.2)


def random_finish(rng: np.random.Generator, main: Colour, second: Colour) -> Finish:
    """Choose a surface, flat or shaded, with or without a shadow."""
    shading = None
    if rng.random() < 0.4:
        shading = uniform(rng, 0.1, 0.3) * (2.0 * rng.random((2, 2), dtype=np.float32) - 1.0) + 1.0
    shadow = uniform(rng, 0.25, 0.6) if rng.random() < 0.35 else 0.0
    return Finish(main, second, shading, shadow, (uniform(rng, -0.1, 0.1), uniform(rng, 0.0, 0.12)))


def draw_sprite(
    glyph: Glyph, finish: Finish, card: Card | None, *, radius: float, ink: bool = True
) -> Sprite:
    """Draw an object.

    Args:
        glyph: Its geometry.
        finish: Its surface.
        card: The paper behind it, or ``None``.
        radius: Resolution in pixels per radius.
        ink: ``False`` leaves out the object itself but keeps its paper and its shadow.
    """
    extent = 1.25 if card is None else max(card.half_width, card.half_height) + 0.2
    size = 2 * ceil(extent * radius)
    scale = size / (2.0 * extent)

    def path(points: NDArray[np.float64]) -> NDArray[np.int32]:
        # With sub-pixel shift the centre of the first pixel is 0, its corner -0.5.
        return np.asarray(((points + extent) * scale - 0.5) * _ONE, dtype=np.int32)

    first = glyph.primitives[-1 if glyph.clear else 0].slot
    base = card.colour if card else (finish.main if first == "main" else finish.second)
    image: Image = np.empty((size, size, 3), np.uint8)
    image[:] = np.clip(base, 0.0, 255.0)
    solid = np.zeros((size, size), np.uint8)
    if card:
        x, y = card.half_width, card.half_height
        sheet = path(np.array([[-x, -y], [x, -y], [x, y], [-x, y]]))
        cv2.fillPoly(solid, [sheet], 255, cv2.LINE_AA, _SHIFT)
        if card.ruled:
            _rule(image, card, scale)
    silhouette = np.zeros((size, size), np.uint8)
    for points in glyph.silhouette:
        # One call for all would fill by the even-odd rule and leave out what two parts share.
        cv2.fillPoly(silhouette, [path(points)], 255, cv2.LINE_AA, _SHIFT)
    shadow_of = solid
    for primitive in glyph.primitives:
        line = [path(primitive.points)]
        colour = finish.main if primitive.slot == "main" else finish.second
        targets: list[tuple[NDArray[np.uint8], float | Colour]] = [(silhouette, 255.0)]
        if ink:
            targets += [(image, colour), (solid, 255.0)]
        for canvas, value in targets:
            if primitive.width == 0.0:
                cv2.fillPoly(canvas, line, value, cv2.LINE_AA, _SHIFT)
            else:
                thickness = max(2, round(primitive.width * scale))
                cv2.polylines(canvas, line, primitive.closed, value, thickness, cv2.LINE_AA, _SHIFT)
    if finish.shading is not None:
        field = cv2.resize(finish.shading, (size, size), interpolation=cv2.INTER_LINEAR)
        image = as_image(cv2.multiply(image, cv2.merge([field, field, field]), dtype=cv2.CV_8U))
    opacity = solid
    if finish.shadow > 0.0:
        if not ink and card is None:
            shadow_of = silhouette
        opacity = _with_shadow(solid, shadow_of, finish, scale)
    image = as_image(cv2.multiply(image, cv2.merge([solid, solid, solid]), scale=1.0 / 255.0))
    return Sprite(
        as_image(cv2.merge([*cv2.split(image), opacity])),
        as_image(cv2.merge([silhouette, solid])),
        extent,
    )


def _rule(image: NDArray[np.uint8], card: Card, scale: float) -> None:
    size = image.shape[0]
    colour = tuple(0.82 * channel for channel in card.colour)
    for y in np.arange(0.0, size, 0.28 * scale):
        cv2.line(image, (0, int(y)), (size, int(y)), colour, 1, cv2.LINE_AA)


def _with_shadow(
    solid: NDArray[np.uint8], caster: NDArray[np.uint8], finish: Finish, scale: float
) -> NDArray[np.uint8]:
    """Opacity of the object over its own soft shadow."""
    size = caster.shape[0]
    small = max(8, size // 4)
    shadow = cv2.resize(caster, (small, small), interpolation=cv2.INTER_AREA)
    shadow = cv2.blur(shadow, (3, 3))
    shadow = cv2.blur(shadow, (3, 3))
    move = np.array(
        [[size / small, 0.0, finish.shadow_offset[0] * scale],
         [0.0, size / small, finish.shadow_offset[1] * scale]]
    )  # fmt: skip
    shadow = cv2.warpAffine(shadow, move, (size, size), flags=cv2.INTER_LINEAR)
    shadow = cv2.convertScaleAbs(shadow, alpha=finish.shadow)
    return as_image(cv2.max(solid, shadow))


@dataclass(frozen=True, slots=True)
class Pose:
    """Position and attitude of an object.

    Attributes:
        x: Centre in frame pixels.
        y: Centre in frame pixels.
        radius: Radius in frame pixels.
        roll: Rotation within the image, radians.
        pitch: Rotation about the image's horizontal axis, radians.
        yaw: Rotation about the image's vertical axis, radians.
        stretch: Width over height of the lens or the squeezed frame.
    """

    x: float
    y: float
    radius: float
    roll: float
    pitch: float
    yaw: float
    stretch: float = 1.0

    def homography(self) -> Homography:
        """Return the homography of the object's plane, seen by a camera four radii away."""
        distance = 4.0
        cr, sr, cp, sp = cos(self.roll), sin(self.roll), cos(self.pitch), sin(self.pitch)
        cy, sy = cos(self.yaw), sin(self.yaw)
        rolled = np.array([[cr, -sr], [sr, cr], [0.0, 0.0]])
        pitched = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
        yawed = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
        plane = yawed @ pitched @ rolled
        eye = np.column_stack([plane, [0.0, 0.0, distance]])
        wide = self.stretch**0.5
        camera = np.array(
            [[self.radius * distance * wide, 0.0, self.x],
             [0.0, self.radius * distance / wide, self.y],
             [0.0, 0.0, 1.0]]
        )  # fmt: skip
        seen: Homography = camera @ eye
        return seen


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A sprite's place in a frame: the bounding box and the warp into it."""

    left: int
    top: int
    right: int
    bottom: int
    warp: NDArray[np.float64]

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Warp an ``image`` of a sprite as it appears inside the bounding box."""
        size = (self.right - self.left, self.bottom - self.top)
        return as_image(cv2.warpPerspective(image, self.warp, size, flags=cv2.INTER_LINEAR))


def place(sprite: Sprite, pose: Pose, width: int, height: int) -> Placed | None:
    """Find the place of a sprite in a frame of a size; ``None`` outside of it."""
    homography, extent = pose.homography(), sprite.extent
    corners = homography @ np.array(
        [[-extent, extent, extent, -extent], [-extent, -extent, extent, extent], [1, 1, 1, 1]]
    )
    x, y = corners[0] / corners[2], corners[1] / corners[2]
    left, right = max(0, int(x.min()) - 1), min(width, int(x.max()) + 2)
    top, bottom = max(0, int(y.min()) - 1), min(height, int(y.max()) + 2)
    if left >= right or top >= bottom:
        return None
    step = 2.0 * extent / sprite.image.shape[0]
    # Pixel centres: sprite pixel i lies at (i + 0.5) steps from the edge, in both images.
    to_plane = np.array(
        [[step, 0.0, 0.5 * step - extent], [0.0, step, 0.5 * step - extent], [0.0, 0.0, 1.0]]
    )
    to_box = np.array([[1.0, 0.0, -0.5 - left], [0.0, 1.0, -0.5 - top], [0.0, 0.0, 1.0]])
    return Placed(left, top, right, bottom, to_box @ homography @ to_plane)


def blend(frame: Image, sprite: Sprite, placed: Placed) -> None:
    """Paint a sprite into ``frame``, in place."""
    blue, green, red, opacity = cv2.split(placed.cut(sprite.image))
    behind = cv2.bitwise_not(opacity)
    box = frame[placed.top : placed.bottom, placed.left : placed.right]
    under = cv2.multiply(box, cv2.merge([behind, behind, behind]), scale=1.0 / 255.0)
    box[:] = cv2.add(under, cv2.merge([blue, green, red]))


def choose_colours(
    rng: np.random.Generator, glyph: Glyph, ground: Sequence[float], *, drawn: bool
) -> tuple[Colour, Colour]:
    """Choose the two colours of an object that must be seen against ``ground``.

    Args:
        rng: Where chance comes from.
        glyph: The object; strokes alone need more contrast than areas.
        ground: Mean colour of what lies behind it.
        drawn: ``True`` for marker on paper: dark or vivid ink.
    """
    if drawn:
        ink = (
            tuple(np.full(3, uniform(rng, 10.0, 70.0)))
            if rng.random() < 0.5
            else hsv_colour(6.0 * rng.random(), uniform(rng, 0.7, 1.0), uniform(rng, 0.3, 0.75))
        )
        main: Colour = (ink[0], ink[1], ink[2])
    else:
        main = contrasting_colour(rng, [ground], 105.0 if glyph.clear else 70.0)
    if rng.random() < 0.35 and not drawn:
        tones = (uniform(rng, 0.0, 40.0), uniform(rng, 215.0, 255.0))
        tone = tones[pick(rng, 2)]
        if contrast((tone,) * 3, main) > 90.0:
            return main, (tone, tone, tone)
    return main, contrasting_colour(rng, [main], 90.0)
