"""Methods in the form that a graph can hold, and the reasons why some have none."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import Chooser, Explained, Head
from live_gradcam.explain.heads.replay import ReplayHead
from live_gradcam.explain.methods import Method
from live_gradcam.explain.methods.ablation_cam import AblationCam
from live_gradcam.explain.methods.eigen_cam import EigenCam

# The largest eigenvalue stands out by the power 2**12 of its lead, and is met in float32.
_SQUARINGS = 12
_TINY = 1e-30


def why_no_graph(head: Head) -> str:
    """Return the reason why a head's maps cannot be a graph; empty if they can."""
    inner = head.inner if isinstance(head, Method) else head
    if isinstance(inner, ReplayHead):
        return inner.why_uncompiled
    if isinstance(head, Method) and head.reruns == "network":
        return f"{head.title} runs the network once for every channel of the layer"
    if isinstance(head, AblationCam) and not head.compilable:
        return (
            f"{head.title} runs what is behind the layer once for every channel, unless that is "
            "average pooling and one Linear"
        )
    return "" if head.compilable else "its operations depend on the picture"


def plain_head(head: Head) -> Head:
    """Return a head with the same maps, made of operations that every engine has."""
    return SquaredEigenCam(head.inner) if isinstance(head, EigenCam) else head


class SquaredEigenCam(EigenCam):
    """Eigen-CAM without a decomposition, which no engine has.

    The products of the positions (or of the channels, whichever are fewer) are squared again and
    again, until nothing is left of them but the first principal component.
    """

    name = EigenCam.name

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        logits, grids = self.inner.run_layers(activations)
        classes = choose(logits)
        fused = self.inner.fuse_layers([_first_component(grid)[:, None] for grid in grids])
        return logits, classes, fused.repeat(1, classes.shape[1], 1, 1), activations


def _first_component(activations: Tensor) -> Tensor:
    """Compute what `live_gradcam.explain.methods.eigen_cam.first_component` does."""
    count, channels, height, width = activations.shape
    rows = activations.flatten(2).transpose(1, 2)
    centred = rows - rows.mean(1, keepdim=True)
    by_channel = channels <= height * width
    products = (
        centred.transpose(1, 2) @ centred if by_channel else centred @ centred.transpose(1, 2)
    )
    power = _scaled(products)
    for _ in range(_SQUARINGS):
        power = _scaled(power @ power)
    # Each column is the component now, but for a factor that may be nothing: the sum of squares of
    # the columns' lengths says which is the longest.
    longest = (power * power).sum(1, keepdim=True).argmax(2, keepdim=True)
    vector = power.gather(2, longest.expand(-1, power.shape[1], -1))
    vector = vector / (vector * vector).sum(1, keepdim=True).sqrt().clamp(min=_TINY)
    if by_channel:
        projection = centred @ vector
    else:
        value = (vector * (products @ vector)).sum(1, keepdim=True)
        projection = vector * value.clamp(min=0).sqrt()
    towards = (projection * rows.mean(2, keepdim=True)).sum(1, keepdim=True)
    projection = torch.where(towards < 0, -projection, projection)
    return projection.reshape(count, height, width)


def _scaled(matrix: Tensor) -> Tensor:
    """Bring each matrix's largest entry to one, so that no power of it overflows."""
    return matrix / matrix.abs().amax((1, 2), keepdim=True).clamp(min=_TINY)
