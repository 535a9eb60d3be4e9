"""Backgrounds of the generated scenes, and what lies over all: clutter, light, lens and noise.

Nothing here may look like one of the classes: clutter leaves the frame, is open, or has no form,
and its letters exclude those that are drawn like a class (O, X, V, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.scenes.sprites import as_image, random_colour
from live_gradcam.scenes.strokes import FULL_TURN, pick, uniform
from live_gradcam.values import Image

_LETTERS = "BEFGHJKMNPRSUWYabdefghjkmnpqrsuy23456789"
_NOISE_LEVELS = (2.0, 4.0, 6.0, 9.0, 13.0)
_NOISE_SIZE = 512


def random_background(rng: np.random.Generator, width: int, height: int) -> Image:
    """Make a surface, often with clutter on it, ``uint8 (height, width, 3)`` BGR."""
    chance = rng.random()
    kind = next(kind for limit, kind in _KINDS if chance < limit)
    background = kind(rng, width, height)
    if kind is not _paper and rng.random() < 0.75:
        for _ in range(1 + pick(rng, 5)):
            _CLUTTER[pick(rng, len(_CLUTTER))](rng, background)
        if rng.random() < 0.5:
            # Things behind the object are often out of focus.
            size = 1 + 2 * (1 + pick(rng, max(1, min(width, height) // 60)))
            background = as_image(cv2.blur(background, (size, size)))
    return background


def _field(rng: np.random.Generator, width: int, height: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise in 0..1, about ``cells`` blotches across."""
    return _scaled(rng.random((cells, cells), dtype=np.float32), width, height)


def _scaled(
    grid: NDArray[np.float32], width: int, height: int, method: int = cv2.INTER_LINEAR
) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(grid, (width, height), interpolation=method), dtype=np.float32)


def _mix(amount: NDArray[np.float32], rng: np.random.Generator, spread: float) -> Image:
    """Colours between two that lie ``spread`` (0..1) apart, by ``amount`` in 0..1."""
    first = np.array(random_colour(rng), dtype=np.float32)
    second = np.array(random_colour(rng), dtype=np.float32)
    second = first + (second - first) * np.float32(spread)
    span = second - first
    planes = [
        cv2.convertScaleAbs(amount, alpha=float(span[i]), beta=float(first[i])) for i in range(3)
    ]
    return as_image(cv2.merge(planes))


def _gradient(rng: np.random.Generator, width: int, height: int) -> Image:
    grid = rng.random((2, 2), dtype=np.float32)
    return _mix(_scaled(grid, width, height), rng, uniform(rng, 0.2, 1.0))


def _blotches(rng: np.random.Generator, width: int, height: int) -> Image:
    """Colours without edges, like a room far out of focus."""
    cells = 3 + pick(rng, 8)
    noise = rng.random((cells, cells, 3), dtype=np.float32)
    tone, strength = 255.0 * rng.random(3), uniform(rng, 60.0, 240.0)
    grid = np.clip((noise - 0.5) * strength + tone, 0.0, 255.0).astype(np.uint8)
    return as_image(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def _cloth(rng: np.random.Generator, width: int, height: int) -> Image:
    """Fractal noise: stone, cloth, wallpaper."""
    cells = 3 + pick(rng, 5)
    amount = np.zeros((height, width), np.float32)
    weight, total = 1.0, 0.0
    fall = uniform(rng, 0.5, 0.95)
    while cells < min(width, height) // 2:
        amount += np.float32(weight) * _field(rng, width, height, cells)
        total += weight
        weight *= fall
        cells *= 2 + pick(rng, 2)
    return _mix(amount / np.float32(total), rng, uniform(rng, 0.3, 1.0))


def _grain(rng: np.random.Generator, width: int, height: int) -> Image:
    """Wood, boards, blinds: noise that is long in one direction."""
    long, short = 2 + pick(rng, 3), 12 + pick(rng, 60)
    rows, columns = (short, long) if rng.random() < 0.5 else (long, short)
    grid = rng.random((rows, columns), dtype=np.float32)
    method = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return _mix(_scaled(grid, width, height, method), rng, uniform(rng, 0.2, 1))


def _room(rng: np.random.Generator, width: int, height: int) -> Image:
    """Half planes over one another: wall, table, shelf, window frame, out of focus or not."""
    background = _blotches(rng, width, height)
    for _ in range(2 + pick(rng, 4)):
        _half_plane(rng, background)
    if rng.random() < 0.6:
        size = 1 + 2 * (1 + pick(rng, max(1, min(width, height) // 40)))
        background = as_image(cv2.blur(background, (size, size)))
    return background


def _paper(rng: np.random.Generator, width: int, height: int) -> Image:
    """A sheet or a whiteboard that fills the frame, unevenly lit."""
    tone = uniform(rng, 170.0, 250.0)
    grid = rng.normal(tone, 9.0, (2 + pick(rng, 2), 2 + pick(rng, 2), 1)) + rng.normal(0.0, 4.0, 3)
    sheet = as_image(np.clip(grid, 0.0, 255.0).astype(np.uint8))
    sheet = as_image(cv2.resize(sheet, (width, height), interpolation=cv2.INTER_LINEAR))
    if rng.random() < 0.25:
        spacing = min(width, height) / uniform(rng, 9.0, 22.0)
        colour = tuple(float(c) for c in rng.normal(tone - 45.0, 8.0, 3))
        squared = rng.random() < 0.5
        for at in np.arange(spacing * rng.random(), max(width, height), spacing):
            cv2.line(sheet, (0, int(at)), (width, int(at)), colour, 1)
            if squared:
                cv2.line(sheet, (int(at), 0), (int(at), height), colour, 1)
    return sheet


_KINDS: tuple[tuple[float, Callable[[np.random.Generator, int, int], Image]], ...] = (
    (0.12, _gradient),
    (0.30, _blotches),
    (0.48, _cloth),
    (0.60, _grain),
    (0.80, _room),
    (1.00, _paper),
)


def _half_plane(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    x, y, angle = width * rng.random(), height * rng.random(), pi * rng.random()
    if rng.random() < 0.6:
        angle = 0.5 * pi * pick(rng, 4) + rng.normal(0.0, 0.06)
    along, across = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
    far = 2.0 * (width + height)
    centre = np.array([x, y])
    corners = [centre - far * along, centre + far * along]
    corners += [corners[1] + far * across, corners[0] + far * across]
    cv2.fillPoly(image, [np.asarray(corners, dtype=np.int32)], random_colour(rng), cv2.LINE_AA)


def _bar(rng: np.random.Generator, image: Image) -> None:
    """A band across the whole frame: an edge of a table, a cable, a frame of a door."""
    height, width = image.shape[:2]
    short = min(width, height)
    angle = FULL_TURN * rng.random()
    x, y = width * rng.random(), height * rng.random()
    dx, dy = 2.0 * width * cos(angle), 2.0 * height * sin(angle)
    thickness = max(1, int(short * uniform(rng, 0.005, 0.1) ** 1.2))
    cv2.line(
        image, (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy)), random_colour(rng),
        thickness, cv2.LINE_AA,
    )  # fmt: skip


def _scribble(rng: np.random.Generator, image: Image) -> None:
    """An open, gently bent stroke that resembles no class."""
    height, width = image.shape[:2]
    t = np.linspace(0.0, 1.0, 16)[:, None]
    ends = rng.random((4, 2)) * [width, height]
    path = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
    thickness = max(1, int(min(width, height) * uniform(rng, 0.004, 0.025)))
    cv2.polylines(
        image, [np.asarray(path, dtype=np.int32)], False, random_colour(rng), thickness,
        cv2.LINE_AA,
    )  # fmt: skip


def _blob(rng: np.random.Generator, image: Image) -> None:
    """A lump without a form, often reaching out of the frame: a head, an arm, a plant."""
    height, width = image.shape[:2]
    angle = np.arange(24) * (FULL_TURN / 24)
    waves = np.cos(angle[:, None] * np.arange(1, 5) + FULL_TURN * rng.random(4))
    radius = 1.0 + waves @ ([0.05, 0.15, 0.06, 0.0] + rng.random(4) * [0.3, 0.25, 0.16, 0.12])
    size = min(width, height) * uniform(rng, 0.08, 0.35)
    stretch = uniform(rng, 1.4, 2.4) ** (1 if rng.random() < 0.5 else -1)
    outline = np.stack([radius * np.cos(angle) * stretch, radius * np.sin(angle)], axis=1) * size
    outline += rng.random(2) * [1.2 * width, 1.2 * height] - [0.1 * width, 0.1 * height]
    colour = random_colour(rng)
    if rng.random() < 0.35:
        skin = uniform(rng, 70.0, 235.0)
        colour = (0.66 * skin, 0.78 * skin, skin)
    cv2.fillPoly(image, [np.asarray(outline, dtype=np.int32)], colour, cv2.LINE_AA)


def _text(rng: np.random.Generator, image: Image) -> None:
    """A few letters that are not drawn like any class."""
    height, width = image.shape[:2]
    letters = "".join(_LETTERS[pick(rng, len(_LETTERS))] for _ in range(4 + pick(rng, 8)))
    scale = min(width, height) * uniform(rng, 0.0012, 0.004)
    origin = (int(width * uniform(rng, -0.2, 0.8)), int(height * rng.random()))
    cv2.putText(
        image, letters, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, random_colour(rng),
        max(1, round(2.2 * scale)), cv2.LINE_AA,
    )  # fmt: skip


def _speckle(rng: np.random.Generator, image: Image) -> None:
    """Many short strokes: leaves, crumbs, a carpet."""
    height, width = image.shape[:2]
    count, size = 10 + pick(rng, 30), min(width, height) * uniform(rng, 0.01, 0.05)
    starts = rng.random((count, 1, 2)) * [width, height]
    ends = starts + rng.normal(0.0, size, (count, 1, 2))
    segments = np.concatenate([starts, ends], axis=1).astype(np.int32)
    thickness = max(1, int(0.25 * size))
    cv2.polylines(image, list(segments), False, random_colour(rng), thickness, cv2.LINE_AA)


_CLUTTER = (_half_plane, _bar, _bar, _scribble, _scribble, _blob, _blob, _text, _speckle)


@lru_cache(maxsize=len(_NOISE_LEVELS))
def _noise_tile(level: int) -> NDArray[np.int8]:
    rng = np.random.Generator(np.random.PCG64(level))
    noise = rng.normal(0.0, _NOISE_LEVELS[level], (_NOISE_SIZE, _NOISE_SIZE, 3))
    return np.clip(np.rint(noise), -127, 127).astype(np.int8)


def add_noise(rng: np.random.Generator, image: Image, level: int) -> None:
    """Add sensor noise of ``level`` 0..4 to ``image``, in place."""
    tile = _noise_tile(level)
    height, width = image.shape[:2]
    for top in range(0, height, _NOISE_SIZE):
        for left in range(0, width, _NOISE_SIZE):
            part = image[top : top + _NOISE_SIZE, left : left + _NOISE_SIZE]
            rows, columns = part.shape[:2]
            y = pick(rng, _NOISE_SIZE - rows + 1)
            x = pick(rng, _NOISE_SIZE - columns + 1)
            part[:] = cv2.add(part, tile[y : y + rows, x : x + columns], dtype=cv2.CV_8U)


def light_field(rng: np.random.Generator, width: int, height: int) -> Image:
    """Make uneven light with a vignette, ``uint8 (height, width, 3)``; 200 leaves a pixel as is."""
    grid = 200.0 + uniform(rng, 5.0, 45.0) * rng.standard_normal((3, 3, 1))
    grid = grid + rng.normal(0.0, 8.0, 3)
    if rng.random() < 0.5:
        dark = uniform(rng, 0.0, 60.0)
        grid[::2, ::2] -= dark
        grid[1, 1] += 0.2 * dark
    grid = np.clip(grid, 90.0, 255.0).astype(np.uint8)
    return as_image(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def apply_light(image: Image, light: Image, gain: float = 1.0) -> Image:
    """Put ``image`` under ``light`` of the given strength."""
    return as_image(cv2.multiply(image, light, scale=gain / 200.0))


def photograph(rng: np.random.Generator, image: Image) -> Image:
    """Take an image as a cheap camera would: light, contrast, blur, noise, compression."""
    height, width = image.shape[:2]
    if rng.random() < 0.7:
        image = apply_light(image, light_field(rng, width, height), uniform(rng, 0.75, 1.15))
    if rng.random() < 0.4:
        # Less contrast about a random grey: haze, glare, a dim room.
        alpha = uniform(rng, 0.6, 1.0)
        beta = (1.0 - alpha) * uniform(rng, 20.0, 220.0)
        image = as_image(cv2.convertScaleAbs(image, alpha=alpha, beta=beta))
    unit = min(width, height) / 224.0
    chance = rng.random()
    if chance < 0.25:
        image = as_image(cv2.GaussianBlur(image, (0, 0), unit * uniform(rng, 0.4, 1.8)))
    elif chance < 0.32:
        image = _motion_blur(rng, image, unit * uniform(rng, 2.0, 7.0))
    if rng.random() < 0.6:
        image = image.copy()
        add_noise(rng, image, pick(rng, len(_NOISE_LEVELS)))
    if rng.random() < 0.15:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 25 + pick(rng, 60)])
        image = as_image(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image


def _motion_blur(rng: np.random.Generator, image: Image, length: float) -> Image:
    size = 2 * max(1, round(0.5 * length)) + 1
    kernel = np.zeros((size, size), np.float32)
    angle, middle = pi * rng.random(), size // 2
    for step in np.linspace(-middle, middle, 4 * size):
        kernel[round(middle + step * sin(angle)), round(middle + step * cos(angle))] = 1.0
    return as_image(cv2.filter2D(image, -1, kernel / kernel.sum()))
