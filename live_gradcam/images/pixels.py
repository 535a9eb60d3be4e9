"""Pixels of images, whatever they come from: their limit, orientation and transparency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.values import Image

MAX_PIXELS = 40_000_000
"""Images and film frames with more pixels are refused before they are decoded."""

_GROUND = 255

_TURNS: dict[int, Callable[[Any], Any]] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: lambda image: cv2.transpose(image),
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def turn(image: Image, orientation: int) -> Image:
    """Make an image upright.

    Args:
        image: ``uint8 (H, W, 3)``.
        orientation: 1 to 8 as in EXIF 2.3, tag 274; anything else leaves the image as it is.
    """
    function = _TURNS.get(orientation)
    turned: Image = function(image) if function else image
    return turned


def over_white(colour_and_alpha: Image) -> Image:
    """Lay an image with straight alpha on a white ground.

    Args:
        colour_and_alpha: ``uint8 (H, W, 4)``, alpha last.

    Returns:
        ``uint8 (H, W, 3)``, colours in the same order.
    """
    alpha = colour_and_alpha[..., 3:].astype(np.uint16)
    colour = colour_and_alpha[..., :3].astype(np.uint16)
    return ((colour * alpha + _GROUND * (255 - alpha) + 127) // 255).astype(np.uint8)
