"""From a picture to the network's pixels, in numbers: what a script needs to make the same pixels.

The pixels are those of `live_gradcam.preprocessing.plan`: PIL's resize in two passes, columns
first, each rounded to whole grey levels, and the centre of the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from live_gradcam.choices import VIEWS
from live_gradcam.preprocessing.plan import GRID, LONGEST_RATIO, REACH
from live_gradcam.preprocessing.settings import Preprocessing

COEFFICIENT_BITS = 22
"""PIL's weights are whole numbers of this many bits behind the point: 32 less 8 for the grey level
and 2 for sums of several (Pillow, ``src/libImaging/Resample.c``)."""


def describe_preprocessing(preprocessing: Preprocessing, *, any_size: bool) -> Mapping[str, Any]:
    """Return the preprocessing as the page's script takes it.

    Args:
        preprocessing: The network's.
        any_size: The graph takes pictures of any size.

    Returns:
        ``height`` and ``width`` of the network's input; ``resize``, the length of the short side
        (``null`` where the whole picture is squeezed into ``resize_height`` and ``resize_width``);
        ``rounding`` of the long side: ``floor``, or ``half-even``, which all other roundings are,
        too; ``filter``, PIL's name, its ``support`` in pixels of the coarser grid, and
        ``coefficient_bits``; ``views`` that there are; ``grid`` and ``longest_ratio`` of the view
        ``full``; ``order`` of the channels in the graph's ``pixels``. The picture is upright, its
        colours are those that the file has, and what is transparent lies on white.
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
        "support": {**REACH, "box": 0.5, "nearest": 0.0}[preprocessing.interpolation],
        "coefficient_bits": COEFFICIENT_BITS,
        "antialias": True,
        "views": [view for view in VIEWS if any_size or view != "full"],
        "grid": GRID,
        "longest_ratio": LONGEST_RATIO,
        "order": "rgb",
    }
