"""From a picture to the network's pixels, in numbers: what a script needs to make the same pixels.

The pixels are those of `live_gradcam.preprocessing.plan`: PIL's resize in two passes, columns
first, each rounded to whole grey levels, and the centre of the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from live_gradcam.choices import VIEWS
from live_gradcam.preprocessing.plan import GRID, LONGEST_RATIO
from live_gradcam.preprocessing.settings import Preprocessing


def describe_preprocessing(preprocessing: Preprocessing, *, any_size: bool) -> Mapping[str, Any]:
    """Return the preprocessing as the page's script takes it.

    Args:
        preprocessing: The network's.
        any_size: The graph takes pictures of any size.

    Returns:
        ``height`` and ``width`` of the network's input; ``resize``, the length of the short side
        (``null`` where the whole picture is squeezed into ``resize_height`` and ``resize_width``);
        ``rounding`` of the long side: ``floor``, or ``half-even``, which all other roundings are,
        too; ``filter``, PIL's name; ``views`` that there are; ``grid`` and ``longest_ratio`` of
        the view ``full``. The picture is upright, its colours are those that the file has, and what
        is transparent lies on white.
    """
    height, width = preprocessing.input_size
    size = preprocessing.resize_size
    squeezed = not isinstance(size, int)
    return {
        "height": height,
        "width": width,
        "resize": None if squeezed else size,
        "resize_height": size[0] if not isinstance(size, int) else None,
        "resize_width": size[1] if not isinstance(size, int) else None,
        "rounding": "floor" if height == width else "half-even",
        "filter": preprocessing.interpolation,
        "views": [view for view in VIEWS if any_size or view != "full"],
        "grid": GRID,
        "longest_ratio": LONGEST_RATIO,
    }
