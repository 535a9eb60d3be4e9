"""What a network's output means, and a network that puts out nothing but logits.

- `operations`: operations at a network's end, however they are spelled
- `ending`: the squashing that a network ends in, found in a run or a graph, and cut off
- `selection`: the logits among several outputs
- `meaning`: what the numbers mean, proven or said
- `adapt`: the network with all of that done
- `labels`: names of what it puts out
"""

from live_gradcam.explain.outputs.adapt import Adapted, OutputWish, adapt, pick_logits
from live_gradcam.explain.outputs.labels import label_notes_of, name_outputs
from live_gradcam.explain.outputs.meaning import check_output

__all__ = [
    "Adapted",
    "OutputWish",
    "adapt",
    "check_output",
    "label_notes_of",
    "name_outputs",
    "pick_logits",
]
