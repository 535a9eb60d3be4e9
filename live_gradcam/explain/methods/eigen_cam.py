"""Eigen-CAM."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.explain.heads import Chooser, Explained
from live_gradcam.explain.methods.base import Method


class EigenCam(Method):
    """Eigen-CAM (Muhammad and Yeasin, arXiv 2008.00299): where the layer varies most."""

    name = "eigencam"
    title = "Eigen-CAM"
    paper = "2008.00299"
    definition = (
        "B v, B = A as (places, C) minus its mean over places, v its first right singular vector"
    )
    unit = "activation"
    note = (
        "The same for every class. The sign, arbitrary in the paper and in pytorch-grad-cam, "
        "is the one that goes with the mean activation."
    )
    place = 6
    class_specific = False

    all_maps_are_cheap = True

    @override
    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        logits, grids = self.inner.run_layers(activations)
        classes = choose(logits)
        fused = self.inner.fuse_layers([first_component(grid)[:, None] for grid in grids])
        return logits, classes, fused.repeat(1, classes.shape[1], 1, 1), activations


def first_component(activations: Tensor) -> Tensor:
    """Project each position on the first principal component of all positions.

    Args:
        activations: float32 ``(N, C, h, w)``.

    Returns:
        ``(N, h, w)``, positively correlated with the mean over channels; not finite where the
        activations are not.
    """
    count, channels, height, width = activations.shape
    # A decomposition refuses what is not finite; one such image must not spoil its batch.
    finite = activations.isfinite().flatten(1).all(1)[:, None, None]
    rows = activations.nan_to_num(0.0, 0.0, 0.0).flatten(2).transpose(1, 2)
    centred = rows - rows.mean(1, keepdim=True)
    if channels <= height * width:
        vector = torch.linalg.eigh(centred.transpose(1, 2) @ centred)[1][:, :, -1:]
        projection = centred @ vector
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))
        projection = vectors[:, :, -1:] * values[:, -1, None, None].clamp(min=0).sqrt()
    towards = (projection * rows.mean(2, keepdim=True)).sum(1, keepdim=True)
    projection = torch.where(towards < 0, -projection, projection)
    projection = projection.reshape(count, height, width)
    return torch.where(finite, projection, torch.full_like(projection, torch.nan))
