"""What a window shows while there is nothing to explain yet: words, and a sign that it lives."""

from __future__ import annotations

import numpy as np

from live_gradcam.show.layout.space import Space
from live_gradcam.show.panel import ACCENT, WHITE, line_height, rounded
from live_gradcam.show.text import fit_text, paste, text_strip, wrap_text
from live_gradcam.values import Image

BACKDROP = 18
"""Grey level of a screen without a picture."""

_TYPE_SHARE = 1.15
_MOST_LINES = 3
_BAR_EM = 14.0
_SEGMENT = 0.3


def draw_loading(size: tuple[int, int], text: str, phase: float) -> Image:
    """Draw words in the middle of a dark screen, and below them a bar with a part that moves.

    Args:
        size: Width and height in pixels; a minimised window may have none, and gets one.
        text: What is waited for, e.g. ``loading the network``; broken into lines where it is long.
        phase: Position of the moving part; it comes back to the same place with every whole number,
            so that the seconds since the beginning can be given as they are.

    Returns:
        ``uint8 (H, W, 3)`` BGR.
    """
    width, height = (max(1, side) for side in size)
    image = np.full((height, width, 3), BACKDROP, np.uint8)
    em = Space.of(width, height).type(_TYPE_SHARE)
    room = max(1, width - 2 * em)
    lines = wrap_text(text, em, room)
    lines = (*lines[: _MOST_LINES - 1], " ".join(lines[_MOST_LINES - 1 :]))
    words = [fit for line in lines if (fit := fit_text(line, em, room)).strip()]
    bar = max(3, round(0.2 * em))
    gap = em if words else 0
    top = max(0, (height - len(words) * line_height(em) - gap - bar) // 2)
    for line in words:
        strip = text_strip(line, em, WHITE)
        paste(image, strip, (width - strip.width) // 2, top)
        top += line_height(em)
    length = min(room, round(_BAR_EM * em))
    left, top = (width - length) // 2, top + gap
    paste(image, rounded(length, bar, bar // 2, WHITE, 0.18), left, top)
    # From just outside the left end to just outside the right one.
    segment = max(bar, round(_SEGMENT * length))
    place = round((phase % 1.0) * (length + segment)) - segment
    track = image[top : top + bar, left : left + length]
    paste(track, rounded(segment, bar, bar // 2, ACCENT), place, 0)
    return image
