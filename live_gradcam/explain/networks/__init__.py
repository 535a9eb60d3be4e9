"""From the name of a network, or a checkpoint, to the whole network with its weights.

- `find`: the network that a name means, as a `spec.NetworkSpec`
- `catalogue`: the table of networks that have a name, made from `bundled` (networks that ship with
  the package) and `torchvision_networks` (families of torchvision, imported by `lazy_torchvision`)
- `timm_networks`: networks of the optional library timm
- `download`: published weights, from torch's cache or the server
- `checkpoint`: files of weights and what else they say, read without running anything in them
  (`weight_files`, `unpickle`, `inert`, `pickled_names`; `states` chooses the state dict,
  `inside_labels` finds names of classes)
- `state_dict`: a checkpoint's weights in a network, under its names (`matching`, `foreign_names`,
  `folded`), with the head and the first convolution that it has (`head_fit`, `head_chain`,
  `places`); what is in the way is refused (`leftovers`, `misfit`)
- `recognise`: the network that weights are of, and what is in a file
- `labels`: names of classes
"""

from live_gradcam.class_names import class_lookup
from live_gradcam.explain.networks.catalogue import ModelRow, list_models
from live_gradcam.explain.networks.find import find_network
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.networks.spec import LayoutChoice, NetworkSpec

__all__ = [
    "Labels",
    "LayoutChoice",
    "ModelRow",
    "NetworkSpec",
    "class_lookup",
    "find_network",
    "list_models",
]
