"""From a network to its trunk and its head, cut at the explained layer.

- `cut`: the traced network split in two graphs, ``head(trunk(x)) == network(x)``
- `layouts`: maps, channels-last maps or tokens, told by their shape, and the head that fits them
"""

from live_gradcam.explain.cutting.cut import Cut, channels_first, cut_graph, cut_network
from live_gradcam.explain.cutting.layouts import check_layout, fit_parts, probe, probe_pixels

__all__ = [
    "Cut",
    "channels_first",
    "check_layout",
    "cut_graph",
    "cut_network",
    "fit_parts",
    "probe",
    "probe_pixels",
]
