"""Where everything stands: pure functions of sizes and of the evidence; nothing is drawn here.

The same functions serve the window, films, snapshots, reports and the page.

============  ====================================================================================
`space`       the type and margins that suit a canvas, for each of the three layouts
`pictures`    the places of one, two or more pictures on a canvas, and what lies under a point
`coverage`    how much of the evidence a rectangle covers
`seats`       which corner a panel takes, and when it moves to another one
`arrange`     panels on a canvas: none over another, the least important ones are dropped
`extended`    a larger canvas for a picture that is too small to be written on
============  ====================================================================================
"""

from __future__ import annotations

from live_gradcam.show.layout.arrange import Anchor, Arrangement, Piece, Placed, arrange
from live_gradcam.show.layout.coverage import Ground
from live_gradcam.show.layout.extended import needs_extension
from live_gradcam.show.layout.pictures import (
    Picture,
    clip_region,
    clip_region_in,
    place_pictures,
    working_size,
)
from live_gradcam.show.layout.seats import Seat
from live_gradcam.show.layout.space import Space

__all__ = [
    "Anchor",
    "Arrangement",
    "Ground",
    "Picture",
    "Piece",
    "Placed",
    "Seat",
    "Space",
    "arrange",
    "clip_region",
    "clip_region_in",
    "needs_extension",
    "place_pictures",
    "working_size",
]
