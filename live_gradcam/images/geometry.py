"""Geometry of images: resizing, letterboxing and mirroring, and the regions that result."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.values import Explanation, Frame, Image, Region


def resize(image: Image, width: int, height: int) -> Image:
    """Resize an image, disregarding its aspect ratio.

    Args:
        image: ``uint8 (H, W, 3)``.
        width: Of the result, in pixels.
        height: Of the result, in pixels.

    Returns:
        ``uint8 (height, width, 3)``; the image itself where it has that size already.
    """
    if (image.shape[1], image.shape[0]) == (width, height):
        return image
    shrinks = width < image.shape[1] or height < image.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def square_width(width: int, pixel_aspect: Fraction) -> int:
    """Return the width that an image of oblong pixels has in square ones, its height kept.

    Args:
        width: In pixels as they are stored.
        pixel_aspect: Width of a stored pixel by its height.

    Returns:
        The nearest even number; the width itself for square pixels, and where it differs by less
        than a pixel.
    """
    exact = width * pixel_aspect
    if abs(exact - width) < 1:
        return width
    return max(2, 2 * round(exact / 2))


def letterbox_region(own_size: tuple[int, int], size: tuple[int, int]) -> Region:
    """Return the place of an image that is letterboxed into a size.

    Args:
        own_size: Width and height of the image, in pixels.
        size: Width and height of the result, in pixels.
    """
    scale = min(size[0] / own_size[0], size[1] / own_size[1])
    width = max(1, min(size[0], round(own_size[0] * scale)))
    height = max(1, min(size[1], round(own_size[1] * scale)))
    return Region((size[0] - width) // 2, (size[1] - height) // 2, width, height)


def letterbox(image: Image, width: int, height: int) -> Image:
    """Fit an image into a size without distorting it, with black bars around it.

    Args:
        image: ``uint8 (H, W, 3)``.
        width: Of the result, in pixels.
        height: Of the result, in pixels.

    Returns:
        ``uint8 (height, width, 3)``; the image itself where it has that size already.
    """
    own_height, own_width = image.shape[:2]
    if (own_width, own_height) == (width, height):
        return image
    place = letterbox_region((own_width, own_height), (width, height))
    result = np.zeros((height, width, 3), np.uint8)
    inside = resize(image, place.width, place.height)
    result[place.y : place.y + place.height, place.x : place.x + place.width] = inside
    return result


def scale_region(region: Region, across: float, down: float) -> Region:
    """Scale a region by factors, to at least one pixel each way.

    Edges are rounded, so that regions that touched still touch.
    """
    left, right = round(region.x * across), round((region.x + region.width) * across)
    top, bottom = round(region.y * down), round((region.y + region.height) * down)
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def scale_explanation(explanation: Explanation, across: float, down: float) -> Explanation:
    """Scale the regions of an explanation, as its image was scaled.

    The result remembers no picture: the one that was explained has another size.
    """
    region = scale_region(explanation.region, across, down)
    roi = explanation.roi and scale_region(explanation.roi, across, down)
    return replace(explanation, region=region, roi=roi, picture=None)


def mirror_frame(frame: Frame) -> Frame:
    """Return the frame flipped left to right, in memory of its own."""
    return replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
