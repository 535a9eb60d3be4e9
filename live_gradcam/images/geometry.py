"""Sizes of images: fitting one into another size, and what that does to regions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.values import Explanation, Frame, Image, Region


def resize(image: Image, width: int, height: int) -> Image:
    """An image in another size, its aspect ratio disregarded.

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
    scale = min(width / own_width, height / own_height)
    inner_width = max(1, min(width, round(own_width * scale)))
    inner_height = max(1, min(height, round(own_height * scale)))
    result = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    result[top : top + inner_height, left : left + inner_width] = resize(
        image, inner_width, inner_height
    )
    return result


def scale_region(region: Region, across: float, down: float) -> Region:
    """A region in an image that was scaled by these factors; at least one pixel each way.

    Edges are rounded, so that regions that touched still touch.
    """
    left, right = round(region.x * across), round((region.x + region.width) * across)
    top, bottom = round(region.y * down), round((region.y + region.height) * down)
    return Region(left, top, max(1, right - left), max(1, bottom - top))


def scale_explanation(explanation: Explanation, across: float, down: float) -> Explanation:
    """The explanation of an image that was scaled by these factors."""
    return replace(explanation, region=scale_region(explanation.region, across, down))


def mirror_frame(frame: Frame) -> Frame:
    """Return the frame flipped left to right, in memory of its own."""
    return replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
