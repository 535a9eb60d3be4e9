"""The size in which an explained frame is rendered for the window.

Type that is drawn on a frame of 160x120 hides it, and type on a frame of 4K blurs, and takes its
time, where the window has a tenth of its pixels.
"""

from __future__ import annotations

from dataclasses import replace

from live_gradcam.images.geometry import resize, scale_explanation
from live_gradcam.session.request import ExplainedFrame

SMALLEST_SIDE = 360
"""The shorter side, in pixels, below which there is no room for type."""


def fitted_size(frame: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
    """Return the size to render in: the frame's own, unless type needs more or the window less.

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


def fit_frame(explained: ExplainedFrame, size: tuple[int, int]) -> ExplainedFrame:
    """Scale an explained frame to a size; the very same one where it has that size.

    Args:
        explained: The frame and its explanations.
        size: Width and height of the result, in pixels.
    """
    image = explained.frame.image
    height, width = image.shape[:2]
    if (width, height) == size:
        return explained
    zoom = (size[0] / width, size[1] / height)
    return replace(
        explained,
        frame=replace(explained.frame, image=resize(image, *size)),
        raw=scale_explanation(explained.raw, *zoom),
        selected=scale_explanation(explained.selected, *zoom),
        smoothed=scale_explanation(explained.smoothed, *zoom),
    )
