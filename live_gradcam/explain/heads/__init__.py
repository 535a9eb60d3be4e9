"""The part of a network behind the explained layer: scores, gradients and evidence.

- `base`: the interface `Head`, and what heads and methods compute alike.
- `closed_form`: average pooling and one Linear, or a 1x1 convolution, ReLU and average pooling.
- `gradient`: any other module; one backward pass for each class, through the head alone.
- `tokens`: the same behind a transformer's tokens, and behind channels-last maps.
- `multi_layer`: several layers explained at once.
- `prove`: the choice between them.
"""

from live_gradcam.explain.heads.base import (
    Chooser,
    Explained,
    Head,
    Vjp,
    choose_classes,
    grad_cam_maps,
    one_hot,
    positionwise_sum,
    weighted_sum,
)
from live_gradcam.explain.heads.closed_form import ClosedFormHead, LinearHead, PointwiseHead
from live_gradcam.explain.heads.gradient import GradientHead
from live_gradcam.explain.heads.multi_layer import FUSED_UNIT, MultiLayerHead, fuse_maps, grid_of
from live_gradcam.explain.heads.prove import prove_head
from live_gradcam.explain.heads.tokens import ChannelsLastHead, TokenHead

__all__ = [
    "FUSED_UNIT",
    "ChannelsLastHead",
    "Chooser",
    "ClosedFormHead",
    "Explained",
    "GradientHead",
    "Head",
    "LinearHead",
    "MultiLayerHead",
    "PointwiseHead",
    "TokenHead",
    "Vjp",
    "choose_classes",
    "fuse_maps",
    "grad_cam_maps",
    "grid_of",
    "one_hot",
    "positionwise_sum",
    "prove_head",
    "weighted_sum",
]
