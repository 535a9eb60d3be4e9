"""The interface of a head, and the tensor functions that heads and methods share.

A head is the part of a network behind the explained layer: it turns the layer's activations into
scores, and explains them. All of it is float32, whatever the trunk runs in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

Chooser: TypeAlias = Callable[[Tensor], Tensor]
"""From logits ``(N, classes)`` to the indices ``(N, K)`` of the classes to explain."""

Vjp: TypeAlias = Callable[[Tensor], Tensor]
"""From derivatives by the logits to derivatives by the activations, see `Head.differentiate`."""

Cotangents: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From logits ``(N, classes)`` and the explained classes ``(N, K)`` to derivatives of the explained
values by the logits, ``(N, K, classes)``; `one_hot` where the scores themselves are explained."""

GradientMaps: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From activations ``(N, C, h, w)`` and gradients ``(N, K, C, h, w)``, or ``(N, K, C, 1, 1)`` where
they are the same at every position, to maps ``(N, K, h, w)``."""

Explained: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Logits ``(N, classes)``, explained classes int64 ``(N, K)``, evidence ``(N, K, h, w)``, and the
basis from which `Head.evidence` makes the maps of other classes."""


class Head(nn.Module):
    """From the activations of the explained layer to scores and to evidence.

    By itself a head makes Grad-CAM maps; `live_gradcam.explain.methods` make others with it.
    """

    all_maps_are_cheap = False
    """True if the maps of all classes cost next to nothing beyond that of one: `explain` runs no
    part of the network more often, and writes less than the activations' size for each further
    class."""

    compilable = True
    """True if evidence is a fixed number of operations, which a compiler can follow."""

    why_uncompiled = ""
    """Reason why a compiler cannot follow it, whatever the method; empty if it can."""

    @abstractmethod
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        """Compute the scores, and make the function that takes their gradients.

        Args:
            activations: float32 ``(N, C, h, w)``; not modified.

        Returns:
            Logits ``(N, classes)``, and a function from derivatives ``(N, K, classes)`` of K values
            by the logits to their gradients by the activations: ``(N, K, C, h, w)``, or
            ``(N, K, C, 1, 1)`` where they are the same at every position.
        """

    @abstractmethod
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the scores, and the basis from which evidence for any class can be made.

        Args:
            activations: float32 ``(N, C, h, w)``; not modified.

        Returns:
            Logits ``(N, classes)`` and the basis ``(N, *, h, w)`` for `evidence`.
        """

    @abstractmethod
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        """Make the signed maps of chosen classes, for Grad-CAM in logit units.

        Args:
            basis: Second result of `score`.
            classes: int64 ``(N, K)``.

        Returns:
            float32 ``(N, K, h, w)``.
        """

    def all_evidence(self, basis: Tensor) -> Tensor | None:
        """Make the maps of all classes, ``(N, classes, h, w)``; `None` if no way is shorter."""

    def explain(self, activations: Tensor, choose: Chooser) -> Explained:
        """Compute the scores, choose classes and make their maps in one go."""
        logits, basis = self.score(activations)
        classes = choose(logits)
        return logits, classes, self.evidence(basis, classes), basis

    def explain_input(
        self, inputs: Tensor, features: Callable[[Tensor], Tensor], choose: Chooser
    ) -> Explained:
        """Explain the network's input: run its trunk once, then `explain` the activations.

        Args:
            inputs: Normalised RGB, float32 ``(N, 3, H, W)``.
            features: The trunk, from such inputs to float32 activations.
            choose: As for `explain`.
        """
        return self.explain(features(inputs), choose)

    def explain_by_gradient(
        self, activations: Tensor, choose: Chooser, cotangents: Cotangents, maps: GradientMaps
    ) -> Explained:
        """Explain as `explain` does, with the maps of a method that is made from one gradient."""
        logits, vjp = self.differentiate(activations)
        classes = choose(logits)
        gradients = self.gradients_to_grid(vjp(cotangents(logits, classes)))
        return logits, classes, maps(self.to_grid(activations), gradients), activations

    def run_layers(self, activations: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the logits, and each explained layer's activations on its grid, early to late."""
        return self(activations), [self.to_grid(activations)]

    def fuse_layers(self, maps: Sequence[Tensor]) -> Tensor:
        """Make one map ``(N, K, h, w)`` of those of each explained layer."""
        (only,) = maps
        return only

    def to_grid(self, values: Tensor) -> Tensor:
        """Lay out activations, or gradients by them, as maps: ``(N, ...)`` to ``(N, C, h, w)``.

        The output of a convolutional layer has that form already.
        """
        return values

    def gradients_to_grid(self, gradients: Tensor) -> Tensor:
        """Lay out gradients of K classes as maps: ``(N, K, ...)`` to ``(N, K, C, h, w)``."""
        grid = self.to_grid(gradients.flatten(0, 1))
        return grid.reshape(*gradients.shape[:2], *grid.shape[1:])

    def channel_mask(self, values: Tensor) -> Tensor:
        """Make the factors that take one channel each away from the activations of one image.

        Args:
            values: Activations of one image, ``(C, h, w)``.

        Returns:
            Zeros and ones, ``(C, ...)``: entry k takes away channel k.
        """
        channels = values.shape[0]
        return (1 - torch.eye(channels, device=values.device))[:, :, None, None]

    def forward(self, activations: Tensor) -> Tensor:
        """Compute the logits ``(N, classes)``."""
        return self.score(activations)[0]


def choose_classes(logits: Tensor, selection: Tensor) -> Tensor:
    """Turn a selection of classes or ranks into class indices.

    Args:
        logits: ``(N, classes)``.
        selection: int64 ``(K,)``; c >= 0 is class c, -1 the best class, -2 the second best, ...

    Returns:
        int64 ``(N, K)``.
    """
    count = logits.shape[0]
    depth = min(selection.shape[0], logits.shape[1])
    ranked = logits.topk(depth, dim=1).indices
    ranks = (-1 - selection).clamp(0, depth - 1).expand(count, -1)
    return torch.where(selection >= 0, selection.expand(count, -1), ranked.gather(1, ranks))


def one_hot(logits: Tensor, classes: Tensor) -> Tensor:
    """Derivatives ``(N, K, classes)`` of the chosen scores ``(N, K)`` by all scores."""
    indices = torch.arange(logits.shape[1], device=logits.device)
    hot = (classes.unsqueeze(2) == indices).to(logits.dtype)
    # A zero that hangs on the image. Where all behind the layer is linear, the gradient is the same
    # for every image, and OpenVINO (2026.4) computes that once, into memory that it uses again:
    # from the second image on, maps of a graph with a fixed batch are wrong.
    return hot + 0 * logits[:, :1].unsqueeze(1)


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """``sum_k weights_k * A_k``: ``(N, K, C)`` and ``(N, C, h, w)`` to ``(N, K, h, w)``."""
    count, _, height, width = activations.shape
    return torch.bmm(weights, activations.flatten(2)).reshape(count, -1, height, width)


def positionwise_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """``sum_k weights_k * A_k`` with weights that may differ from position to position.

    Args:
        weights: ``(N, K, C, h, w)``, or ``(N, K, C, 1, 1)`` where they do not.
        activations: ``(N, C, h, w)``.
    """
    if weights.shape[3:] == (1, 1):
        return weighted_sum(weights.flatten(2), activations)
    return (weights * activations[:, None]).sum(2)


def grad_cam_maps(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM maps (Selvaraju et al., arXiv 1610.02391, eq. 1 and 2), see `GradientMaps`."""
    return weighted_sum(gradients.mean((3, 4)), activations)
