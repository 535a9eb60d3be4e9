"""Drawings of everyday things that ImageNet has a class for: examples without a licence to mind.

Each is a function that renders ``uint8 (SIDE, SIDE, 3)`` BGR, the same pixels every time.
Whether a network knows what is drawn is for the network to say, see `live_gradcam.web.examples`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from live_gradcam.native import cv2
from live_gradcam.values import Image

SIDE = 480
"""Width and height of a drawing, in pixels."""

_LINE = cv2.LINE_AA
_Floats = NDArray[np.float64]


def strawberry() -> Image:
    """A strawberry on white."""
    image = _ground(235, 238, 240)
    outline = []
    for angle in np.linspace(0.0, 2 * pi, 100):
        across = 150 * cos(angle) * (1 - 0.22 * max(0.0, sin(angle)))
        outline.append((240 + across, 265 + 175 * sin(angle)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 255, _LINE)
    shade = _lit(190, 180, 380, 1.15)
    red = np.stack([35 * shade, 25 * shade, 215 * shade], -1)
    part = mask[..., None] / 255.0
    image = _bytes(image * (1 - part) + red * part)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    for row in range(11):
        for column in range(10):
            x, y = 100 + column * 31 + row % 2 * 15, 115 + row * 31
            if depth[y, x] > 8:
                cv2.ellipse(image, (x, y + 1), (5, 8), 0, 0, 360, (15, 10, 120), -1, _LINE)
                cv2.ellipse(image, (x, y), (3, 6), 0, 0, 360, (90, 190, 235), -1, _LINE)
    for number in range(9):
        angle = pi + number * pi / 8
        leaf = [(240.0, 95.0)]
        for turn, far, high, lower in ((-0.18, 95, 55, 0), (0.0, 120, 62, 23), (0.18, 95, 55, 0)):
            leaf.append((240 + far * cos(angle + turn), 105 + high * sin(angle + turn / 2) + lower))
        cv2.fillPoly(image, [np.array(leaf, np.int32)], (40, 130 + number % 3 * 8, 50), _LINE)
    cv2.line(image, (240, 95), (255, 45), (50, 140, 60), 9, _LINE)
    return _photographed(image)


def soccer_ball() -> Image:
    """A football on grass: a truncated icosahedron, lit from above."""
    image = _grass()
    where, points = _sphere(240, 235, 170)
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [
            np.roll((0.0, a, b * golden), shift)
            for shift in range(3)
            for a in (1, -1)
            for b in (1, -1)
        ]
    )
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    across = np.array([[cos(0.35), 0, sin(0.35)], [0, 1, 0], [-sin(0.35), 0, cos(0.35)]])
    down = np.array([[1, 0, 0], [0, cos(0.5), -sin(0.5)], [0, sin(0.5), cos(0.5)]])
    corners = corners @ (across @ down).T
    faces = [
        corners[[a, b, c]].sum(0)
        for a, b, c in combinations(range(12), 3)
        if min(corners[a] @ corners[b], corners[b] @ corners[c], corners[a] @ corners[c]) > 0.4
    ]
    hexagons = np.array(faces) / np.linalg.norm(faces, axis=1, keepdims=True)
    pentagon = (points @ corners.T).max(-1) > 0.915
    nearest = np.sort(points @ hexagons.T, -1)[..., ::-1]
    seam = (nearest[..., 0] - nearest[..., 1] < 0.012) & ~pentagon
    grey = np.where(pentagon, 30.0, np.where(seam, 120.0, 240.0))
    ball = np.stack([grey * _sunlit(points)] * 3, -1)
    image[where] = _bytes(ball)[where]
    return _photographed(image, blur=0.9)


def traffic_light() -> Image:
    """A traffic light that shows red, before the sky."""
    rows = np.mgrid[0:SIDE, 0:SIDE][0][..., None] / SIDE
    image = _bytes(_ground(235, 205, 160) * (0.75 + 0.25 * rows))
    cv2.rectangle(image, (228, 400), (252, SIDE), (60, 60, 60), -1)
    cv2.rectangle(image, (160, 30), (320, 410), (28, 32, 30), -1)
    cv2.rectangle(image, (160, 30), (320, 410), (60, 66, 64), 5)
    for y, colour in ((100, (40, 40, 255)), (220, (20, 60, 70)), (340, (20, 60, 25))):
        cv2.circle(image, (240, y), 50, (12, 14, 14), -1, _LINE)
        cv2.circle(image, (240, y), 44, colour, -1, _LINE)
        cv2.ellipse(image, (240, y), (54, 54), 0, 190, 350, (10, 10, 10), 9, _LINE)
    cv2.circle(image, (228, 88), 16, (150, 150, 255), -1, _LINE)
    glow = cv2.GaussianBlur(image, (0, 0), 14)
    return _photographed(_bytes(image * 0.8 + glow * 0.25))


def street_sign() -> Image:
    """A street's name on a post."""
    image = _ground(235, 205, 160)
    cv2.rectangle(image, (232, 220), (248, SIDE), (120, 120, 120), -1)
    cv2.rectangle(image, (40, 110), (440, 220), (70, 110, 30), -1)
    cv2.rectangle(image, (48, 118), (432, 212), (245, 245, 245), 3)
    cv2.putText(
        image, "MAIN ST", (85, 190), cv2.FONT_HERSHEY_DUPLEX, 2.1, (250, 250, 250), 5, _LINE
    )
    return _photographed(_in_the_light(image), blur=0.8)


def golf_ball() -> Image:
    """A golf ball on grass."""
    image = _grass()
    where, points = _sphere(240, 240, 160)
    step = 0.2
    turn = np.arctan2(points[..., 0], points[..., 2] + 1e-6) / step
    rise = np.arcsin(np.clip(points[..., 1], -1, 1)) / step
    turn = (turn + np.floor(rise) % 2 / 2) % 1 - 0.5
    dimple = np.exp(-(turn**2 + (rise % 1 - 0.5) ** 2) / 0.05)
    shade = _sunlit(points) * (1 - 0.28 * dimple)
    image[where] = _bytes(np.stack([240 * shade, 245 * shade, 248 * shade], -1))[where]
    return _photographed(image, blur=0.9)


def digital_clock() -> Image:
    """A clock of luminous figures."""
    image = _ground(90, 95, 100)
    cv2.rectangle(image, (40, 150), (440, 340), (30, 30, 32), -1)
    cv2.rectangle(image, (58, 168), (422, 322), (8, 8, 10), -1)
    strokes = {
        "a": (0, 0, 50, 0), "b": (56, 6, 56, 50), "c": (56, 62, 56, 106), "d": (0, 112, 50, 112),
        "e": (-6, 62, -6, 106), "f": (-6, 6, -6, 50), "g": (0, 56, 50, 56),
    }  # fmt: skip
    for x, lit in ((82, "bc"), (158, "abged"), (268, "fgbc"), (348, "abcdefg")):
        for name in lit:
            x0, y0, x1, y1 = strokes[name]
            cv2.line(image, (x + x0, 190 + y0), (x + x1, 190 + y1), (60, 60, 255), 13, _LINE)
    for y in (225, 270):
        cv2.circle(image, (240, y), 9, (60, 60, 255), -1, _LINE)
    glow = cv2.GaussianBlur(image, (0, 0), 9)
    return _photographed(_bytes(image + 0.5 * glow), blur=0.8)


DRAWINGS: tuple[tuple[str, Callable[[], Image]], ...] = (
    ("digital clock", digital_clock),
    ("strawberry", strawberry),
    ("soccer ball", soccer_ball),
    ("traffic light", traffic_light),
    ("street sign", street_sign),
    ("golf ball", golf_ball),
)
"""ImageNet's name of each drawing, and what renders it; the best ones first."""


def _ground(blue: int, green: int, red: int) -> Image:
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    image[:] = (blue, green, red)
    return image


def _grass() -> Image:
    noise = np.random.default_rng(0).normal(0.0, 20.0, (SIDE, SIDE, 3))
    return np.asarray(cv2.GaussianBlur(_bytes(_ground(52, 125, 55) + noise), (3, 9), 0), np.uint8)


def _sphere(x: int, y: int, radius: int) -> tuple[NDArray[np.bool_], _Floats]:
    """Where a ball is seen, and the points of its surface on a unit sphere."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    right, down = (columns - x) / radius, (rows - y) / radius
    towards = np.sqrt(np.clip(1.0 - right**2 - down**2, 0.0, None))
    return right**2 + down**2 < 1.0, np.stack([right, down, towards], -1)


def _sunlit(points: _Floats) -> _Floats:
    light = 0.48 + 0.58 * (points @ np.array([-0.3, -0.42, 0.8]))
    return np.asarray(np.clip(light, 0.2, 1.04))


def _lit(x: int, y: int, reach: float, most: float) -> _Floats:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.asarray(np.clip(most - np.hypot(columns - x, rows - y) / reach, 0.4, 1.1))


def _in_the_light(image: Image) -> Image:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return _bytes(image * (1.08 - 0.3 * (0.6 * columns + 0.8 * rows))[..., None])


def _photographed(image: Image, *, blur: float = 1.0) -> Image:
    """With the softness and the noise of a photograph: networks know nothing else."""
    soft = cv2.GaussianBlur(image, (0, 0), blur)
    return _bytes(soft + np.random.default_rng(0).normal(0.0, 4.0, soft.shape))


def _bytes(values: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(values, 0.0, 255.0), np.uint8)
