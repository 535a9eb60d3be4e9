"""An explanation as people want it: heatmap, picture, window, notebook, file, dictionary.

===========  ====================================================================
`heatmap`    one map at the size of the image
`drawing`    overlays: on a given picture, on the one that was explained
`display`    a window, the cell of a notebook, axes of Matplotlib
`files`      what is saved and loaded
`records`    dictionaries and JSON
`describe`   one line, and a small table in HTML
===========  ====================================================================

`live_gradcam.presentable` calls what is named here.
"""

from __future__ import annotations

from live_gradcam.present.describe import describe, repr_html, repr_png
from live_gradcam.present.display import plot, show
from live_gradcam.present.drawing import draw, overlay
from live_gradcam.present.files import load, save
from live_gradcam.present.heatmap import heatmap
from live_gradcam.present.records import from_dict, from_json, to_dict, to_json

__all__ = [
    "describe",
    "draw",
    "from_dict",
    "from_json",
    "heatmap",
    "load",
    "overlay",
    "plot",
    "repr_html",
    "repr_png",
    "save",
    "show",
    "to_dict",
    "to_json",
]
