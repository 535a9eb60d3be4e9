"""Explanations as files that run anywhere: made, run, compared with the network, then kept.

- `export`: the one way from a classifier to a file
- `formats`: the kinds of files, by their ending
- `description`: what a file says about itself
- `pictures`: what it is checked and calibrated on
- `fidelity`: how far it is from the network, and how far it may be
- `quantise`: weights and activations in 8 bits

Below, `live_gradcam.explain.export` makes the graph, and `live_gradcam.graph` runs it.
"""

from live_gradcam.exports.export import Exported, export
from live_gradcam.exports.fidelity import Fidelity

__all__ = ["Exported", "Fidelity", "export"]
