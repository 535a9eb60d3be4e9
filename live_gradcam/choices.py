"""Choices that the command line, the keys and the page offer, as types and in their order.

Imports nothing heavy, so that every front door can make its controls from them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

View: TypeAlias = Literal["crop", "stretch", "full"]
"""Image the network sees: torchvision's centre crop, the squeezed frame, or the whole frame."""

VIEWS: tuple[View, ...] = get_args(View)
"""The views, in the order in which a key walks through them."""

Layout: TypeAlias = Literal["heatmap", "side-by-side", "plain"]
"""Heat on the image, the untouched image beside it, or no heat at all."""

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""The layouts, in the order in which a key walks through them."""

ColormapName: TypeAlias = Literal[
    "turbo", "viridis", "magma", "inferno", "plasma", "cividis", "jet", "hot"
]
"""Name of a colour map; `live_gradcam.show.heat` says which colours it has."""

COLORMAP_NAMES: tuple[ColormapName, ...] = get_args(ColormapName)
"""The colour maps, in the order in which a key walks through them."""
