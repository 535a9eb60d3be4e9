"""The measures of a canvas: how large its type is, and how far everything keeps from the edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from live_gradcam.choices import DEFAULT_HUD_LAYOUT, HudLayout

SMALLEST_TYPE = 9
"""Size in pixels below which type cannot be read."""

# A person in front of the screen: type grows with the canvas, but slower than it.
_NEAR_PIXELS = 8.0
_NEAR_SHARE = 0.0215
# An audience: every letter's type has this share of the height. 1/28 would be enough for the type;
# with this even capitals, which are 0.7 as high, reach it.
_FAR_SHARE = 1 / 19.5
_ASPECT = 0.75  # a canvas that is narrower than this counts as if it were less high
_STRIP = 0.6  # and a flat one as if it were higher


@dataclass(frozen=True, slots=True)
class Space:
    """Measures of a canvas that panels are laid out for.

    Attributes:
        width: Of the canvas, in pixels.
        height: Of the canvas, in pixels.
        size: Of the usual type, in pixels.
        margin: Distance to the edge and between panels, in pixels.
        least: Size of the smallest type, in pixels.
    """

    width: int
    height: int
    size: int
    margin: int
    least: int = SMALLEST_TYPE

    @classmethod
    def of(cls, width: int, height: int, layout: HudLayout = DEFAULT_HUD_LAYOUT) -> Space:
        """Measure a canvas for one of the three layouts."""
        if layout == "stage":
            size = max(SMALLEST_TYPE, math.ceil(_FAR_SHARE * height))
            return cls(width, height, size, max(2, round(0.5 * size)), size)
        side = max(min(height, _ASPECT * width), _STRIP * math.sqrt(height * width))
        size = max(SMALLEST_TYPE, round(_NEAR_PIXELS + _NEAR_SHARE * side))
        return cls(width, height, size, max(2, round(0.6 * size)))

    def on(self, width: int, height: int) -> Space:
        """Return the same measures for a canvas of another size."""
        return replace(self, width=width, height=height)

    @property
    def room(self) -> int:
        """Width between the margins."""
        return self.width - 2 * self.margin

    def type(self, share: float) -> int:
        """Return the size of type that has a share of the usual one's, but can be read."""
        return max(self.least, round(self.size * share))
