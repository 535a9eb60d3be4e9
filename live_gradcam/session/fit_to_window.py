"""The size in which an explained frame is drawn for the window.

Type that is drawn on a frame of 160x120 hides it, and type on a frame of 4K blurs, and takes its
time, where the window has a tenth of its pixels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from live_gradcam.native import cv2
from live_gradcam.session.worker import ExplainedFrame
from live_gradcam.values import Explanation, Region

SMALLEST_SIDE = 360
"""The shorter side, in pixels, below which there is no room for type."""


def stage_size(frame: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
    """The size to draw in: the frame's own, unless type needs more or the window shows less.

    Args:
        frame: Width and height of the frame.
        window: Width and height of the window's inside.
    """
    width, height = frame
    if min(window) <= 0:
        return frame
    fit = min(window[0] / width, window[1] / height)
    needed = SMALLEST_SIDE / min(width, height)
    zoom = min(max(fit, needed), max(1.0, needed))
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def on_stage(finding: ExplainedFrame, size: tuple[int, int]) -> ExplainedFrame:
    """The same finding on a frame of another size; the very same one where it has that size."""
    image = finding.frame.image
    width, height = image.shape[1], image.shape[0]
    if (width, height) == size:
        return finding
    way = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
    zoom = (size[0] / width, size[1] / height)
    return replace(
        finding,
        frame=replace(finding.frame, image=resized),
        raw=_zoomed(finding.raw, *zoom),
        told=_zoomed(finding.told, *zoom),
        shown=_zoomed(finding.shown, *zoom),
    )


def _zoomed(explanation: Explanation, across: float, down: float) -> Explanation:
    region = explanation.region
    left, right = round(region.x * across), round((region.x + region.width) * across)
    top, bottom = round(region.y * down), round((region.y + region.height) * down)
    place = Region(left, top, max(1, right - left), max(1, bottom - top))
    return replace(explanation, region=place)
