"""From a network to its trunk and its head, cut at the explained layer.

- `ways`: the ways to cut, tried in order
- `cut`: the traced network split in two graphs, ``head(trunk(x)) == network(x)``
- `exported`: the same with an exported graph
- `flow`, `sizes`: what flows in a graph, pixels or sizes only
- `layouts`: maps, channels-last maps or tokens, told by their shape, and the head that fits them
- `prove`: the parts against autograd through the whole network
"""

from live_gradcam.explain.cutting.cut import Cut, channels_first, cut_graph, cut_network
from live_gradcam.explain.cutting.layouts import check_layout, fit_parts, probe, probe_pixels
from live_gradcam.explain.cutting.ways import Divided, divide

__all__ = [
    "Cut",
    "Divided",
    "channels_first",
    "check_layout",
    "cut_graph",
    "cut_network",
    "divide",
    "fit_parts",
    "probe",
    "probe_pixels",
]
