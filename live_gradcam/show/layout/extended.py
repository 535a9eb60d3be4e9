"""A larger canvas for a picture that is too small to be written on."""

from __future__ import annotations

from live_gradcam.values import Region

_MOST = 0.3


def needs_extension(frame: tuple[int, int], block: tuple[int, int]) -> bool:
    """Return ``True`` if what is to be written would cover too much of a picture.

    Args:
        frame: Width and height of the picture, in pixels.
        block: Width and height of what is to be written.
    """
    width, height = frame
    return block[0] * block[1] > _MOST * width * height or block[0] > width or block[1] > height


def extend(
    frame: tuple[int, int], block: tuple[int, int], margin: int, *, below_only: bool = False
) -> tuple[tuple[int, int], Region]:
    """Add room to a picture, to the right of it or below it, whichever makes the better shape.

    Args:
        frame: Width and height of the picture, in pixels.
        block: Width and height of what is to be written, in pixels.
        margin: Distance to every edge and to the picture, in pixels.
        below_only: What is to be written stands in the middle.

    Returns:
        Width and height of the canvas, which are even, as films want them, and the picture's place
        on it.
    """
    width, height = frame
    wide, high = block[0] + 2 * margin, block[1] + 2 * margin
    beside = (width + wide, max(height, high))
    below = (max(width, wide), height + high)
    if not below_only and _oblong(beside) <= _oblong(below):
        canvas = _even(beside)
        return canvas, Region(0, (canvas[1] - height) // 2, width, height)
    canvas = _even(below)
    return canvas, Region((canvas[0] - width) // 2, 0, width, height)


def _oblong(size: tuple[int, int]) -> float:
    return max(size) / min(size)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] + size[0] % 2, size[1] + size[1] % 2
