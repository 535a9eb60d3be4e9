"""The methods of `methods.table` as heads: from activations to scores and maps.

A `MethodHead` stands around the head that a classifier has and keeps its interface, so that the
fused network and the compiler know of no method. Grad-CAM itself needs none: the classifier's own
head makes it. Every formula sees activations and gradients on the layer's grid (`Head.to_grid`);
gradients that are the same at every place come as ``(N, K, C, 1, 1)`` and stay that small.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from typing_extensions import override

from live_gradcam.errors import UsageError
from live_gradcam.explain.heads.base import Chooser, Head, LinearHead, Vjp, one_hot, weighted_sum
from live_gradcam.explain.heads.multi_layer import MultiLayerHead
from live_gradcam.explain.methods.table import QUICK_METHODS, Method, require_method

# See the definitions in `live_gradcam.explain.methods.table`.
_PLUS_PLUS_EPSILON = 1e-6
_X_EPSILON = 1e-7
_FINER_EPSILON = 1e-9
_FINER_CLASSES = 3
# Heads run on this many ablated copies at once, and on no more memory than this.
_ABLATED_AT_ONCE = 32
_ABLATED_BYTES = 64 << 20


def method_head(head: Head, method: str) -> Head:
    """The head that makes a method's maps.

    Args:
        head: The classifier's own; not modified.
        method: A name in `METHODS` whose maps need no forwards of the whole network.

    Raises:
        UsageError: There is no such method, or it does not work on several layers at once.
    """
    name = require_layers(head, method).name
    if name == "gradcam":
        return head
    if isinstance(head, MultiLayerHead):
        return (
            ChainEigenHead(head, name) if name == "eigencam" else MultiLayerGradientHead(head, name)
        )
    if name == "eigencam":
        return EigenHead(head, name)
    if name == "finercam":
        return FinerHead(head, name)
    if name == "ablationcam":
        linear = isinstance(head, LinearHead)
        return LinearAblationHead(head, name) if linear else AblationHead(head, name)
    return _GRADIENT_HEADS[name](head, name)


def require_layers(head: Head, method: str) -> Method:
    """The method of this name, if it can explain what a head explains.

    Raises:
        UsageError: There is none, or it does not work on several layers at once.
    """
    found = require_method(method)
    if isinstance(head, MultiLayerHead) and found.name not in QUICK_METHODS:
        cause = f"{found.title} explains one layer"
        step = f"Name one layer, or use {', '.join(QUICK_METHODS)}"
        raise UsageError("cannot fuse layers", method, cause, step)
    return found


def all_maps_are_cheap(head: Head, method: str) -> bool:
    """Whether a method makes the maps of all classes for next to nothing beyond that of one.

    Args:
        head: The classifier's own.
        method: A name in `METHODS`.
    """
    if (
        require_layers(head, method).kind == "network forwards"
    ):  # their scores are those of all classes
        return True
    return method_head(head, method).closed_form


class MethodHead(Head):
    """A head with another method's maps.

    Args:
        head: From activations to scores.
        method: Its name in the table.
    """

    def __init__(self, head: Head, method: str) -> None:
        super().__init__()
        self.inner = head
        self.method = method

    @override
    def to_grid(self, values: Tensor) -> Tensor:
        return self.inner.to_grid(values)

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        return self.inner.differentiate(activations)

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.score(activations)[0], activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        return self.explain(basis, lambda _: classes)[2]

    @override
    def extra_repr(self) -> str:
        return self.method  # what is compiled is found again by its description


class GradientMethodHead(MethodHead):
    """Maps from one gradient for each class."""

    def __init__(self, head: Head, method: str) -> None:
        super().__init__(head, method)
        # With one gradient for the whole grid every map is a sum of weighted channels.
        self.closed_form = isinstance(head, LinearHead)

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, vjp = self.inner.differentiate(activations)
        classes = choose(logits)
        gradients = vjp(self.cotangents(logits, classes))
        maps = self.maps(self.inner.to_grid(activations), self.gradients_to_grid(gradients))
        return logits, classes, maps, activations

    def cotangents(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Derivatives ``(N, K, classes)`` of what is explained, by the scores ``(N, classes)``."""
        return one_hot(logits, classes)

    @abstractmethod
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """The maps.

        Args:
            activations: ``(N, C, h, w)``.
            gradients: ``(N, K, C, h, w)``, or ``(N, K, C, 1, 1)`` where they are everywhere the
                same.

        Returns:
            ``(N, K, h, w)``.
        """


class PlusPlusHead(GradientMethodHead):
    """Grad-CAM++ (Chattopadhyay et al., arXiv 1710.11063, eq. 19)."""

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        square = gradients * gradients
        total = activations.sum((2, 3))[:, None, :, None, None]
        share = square / (2 * square + total * square * gradients + _PLUS_PLUS_EPSILON)
        share = torch.where(gradients == 0, torch.zeros_like(share), share)
        weights = _total(gradients.clamp(min=0) * share, activations)
        return weighted_sum(weights, activations)


class HiResHead(GradientMethodHead):
    """HiResCAM (Draelos and Carin, arXiv 2011.08891)."""

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return _placewise_sum(gradients, activations)


class LayerHead(GradientMethodHead):
    """LayerCAM (Jiang et al., IEEE TIP 30, 2021)."""

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return _placewise_sum(gradients.clamp(min=0), activations)


class XHead(GradientMethodHead):
    """XGrad-CAM (Fu et al., arXiv 2008.02312)."""

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        total = activations.sum((2, 3))
        if gradients.shape[3:] == (1, 1):
            product = gradients.flatten(2) * total[:, None]
        else:
            product = (gradients * activations[:, None]).sum((3, 4))
        return weighted_sum(product / (total + _X_EPSILON)[:, None], activations)


class FinerHead(GradientMethodHead):
    """Finer-CAM (Zhang et al., arXiv 2501.11309): Grad-CAM of a class against its nearest."""

    def __init__(self, head: Head, method: str) -> None:
        super().__init__(head, method)
        self.closed_form = False  # what it compares with is looked for anew for each class

    @override
    def maps(self, activations: Tensor, gradients: Tensor) -> Tensor:
        return weighted_sum(gradients.mean((3, 4)), activations)

    @override
    def cotangents(self, logits: Tensor, classes: Tensor) -> Tensor:
        own = one_hot(logits, classes)
        count = min(_FINER_CLASSES, logits.shape[1] - 1)
        others = logits[:, None]
        gap = logits.gather(1, classes)[:, :, None] - others
        distance = torch.where(own > 0, -torch.ones_like(gap), gap.abs())
        nearest = distance.topk(count + 1, dim=2, largest=False).indices[:, :, 1:]
        compared = torch.zeros_like(gap).scatter(2, nearest, 1.0)
        # f = sum_i p_i (y_c - y_i) / (sum_i p_i + epsilon); p depends on the scores as well.
        chances = logits.softmax(1)[:, None]
        weights = chances * compared
        total = weights.sum(2, keepdim=True)
        numerator = (weights * gap).sum(2, keepdim=True)
        denominator = total + _FINER_EPSILON
        value = numerator / denominator
        by_score = own * total - weights
        by_chance = weights * (gap - value) - chances * (numerator - value * total)
        return (by_score + by_chance) / denominator


_GRADIENT_HEADS: dict[str, type[GradientMethodHead]] = {
    "gradcam++": PlusPlusHead,
    "hirescam": HiResHead,
    "xgradcam": XHead,
    "layercam": LayerHead,
}


class MultiLayerGradientHead(MethodHead):
    """A gradient method on each of several layers, fused."""

    def __init__(self, head: MultiLayerHead, method: str) -> None:
        super().__init__(head, method)
        self.chain = head
        self.part = (FinerHead if method == "finercam" else _GRADIENT_HEADS[method])(head, method)

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.chain.explain_by(activations, choose, self.part.cotangents, self.part.maps)


class ChainEigenHead(MethodHead):
    """Eigen-CAM on each of several layers, fused."""

    def __init__(self, head: MultiLayerHead, method: str) -> None:
        super().__init__(head, method)
        self.chain = head
        self.closed_form = True

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, values = self.chain.layers(activations)
        classes = choose(logits)
        grids = zip(self.chain.grids, values, strict=True)
        each = [first_component(grid.to_grid(value))[:, None] for grid, value in grids]
        maps = self.chain.fused(each).repeat(1, classes.shape[1], 1, 1)
        return logits, classes, maps, activations


class EigenHead(MethodHead):
    """Eigen-CAM (Muhammad and Yeasin, arXiv 2008.00299): what the layer has most to say."""

    def __init__(self, head: Head, method: str) -> None:
        super().__init__(head, method)
        self.closed_form = True

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, basis = self.score(activations)
        classes = choose(logits)
        projection = first_component(self.inner.to_grid(activations))
        maps = projection[:, None].repeat(1, classes.shape[1], 1, 1)
        return logits, classes, maps, basis


def first_component(activations: Tensor) -> Tensor:
    """Projection of each place on the first principal component of all places.

    Args:
        activations: float32 ``(N, C, h, w)``.

    Returns:
        ``(N, h, w)``, positively correlated with the mean over channels; not finite where the
        activations are not.
    """
    count, channels, height, width = activations.shape
    # A decomposition refuses what is not finite; one such picture must not spoil its batch.
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


class LinearAblationHead(MethodHead):
    """Ablation-CAM in closed form: without channel k, a score falls by ``W_ck mean(A_k)``."""

    weight: Tensor

    def __init__(self, head: Head, method: str) -> None:
        super().__init__(head, method)
        assert isinstance(head, LinearHead), "chosen by `method_head`"
        self.register_buffer("weight", head.weight)  # a plain attribute would stay on the CPU
        self.closed_form = True

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, _ = self.score(activations)
        classes = choose(logits)
        count, channels = activations.shape[:2]
        chosen = self.weight.index_select(0, classes.reshape(-1)).reshape(count, -1, channels)
        drops = chosen * activations.mean((2, 3))[:, None]
        maps = weighted_sum(_relative(drops, logits.gather(1, classes)), activations)
        return logits, classes, maps, activations


class AblationHead(MethodHead):
    """Ablation-CAM (Desai and Ramaswamy, WACV 2020) with one forward of the head a channel."""

    closed_form = True  # the scores of all classes come from the same forwards
    compilable = False

    @override
    def explain(
        self, activations: Tensor, choose: Chooser
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        logits, _ = self.score(activations)
        classes = choose(logits)
        scores = logits.gather(1, classes)
        drops = torch.stack(
            [
                scores[row][:, None] - self._ablated(values)[:, classes[row]].t()
                for row, values in enumerate(activations)
            ]
        )
        maps = weighted_sum(_relative(drops, scores), self.inner.to_grid(activations))
        return logits, classes, maps, activations

    def _ablated(self, values: Tensor) -> Tensor:
        """Scores ``(C, classes)`` without each of the channels of ``(C, h, w)``."""
        channels = self.inner.channel_mask(values)
        fitting = _ABLATED_BYTES // (values.numel() * values.element_size())
        group = max(1, min(_ABLATED_AT_ONCE, fitting))
        return torch.cat([self.inner(values[None] * kept) for kept in torch.split(channels, group)])


def _relative(drops: Tensor, scores: Tensor) -> Tensor:
    """Drops ``(N, K, C)`` as shares of the scores ``(N, K)``; no share of a score that is 0."""
    shares = drops / scores[:, :, None]
    return torch.where(scores[:, :, None] == 0, torch.zeros_like(shares), shares)


def _total(values: Tensor, activations: Tensor) -> Tensor:
    """The sum over all places, of ``(N, K, C, h, w)`` or of ``(N, K, C, 1, 1)`` standing for it."""
    total = values.sum((3, 4))
    if values.shape[3:] == activations.shape[2:]:
        return total
    return total * (activations.shape[2] * activations.shape[3])


def _placewise_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """``sum_k weights_k * A_k`` with weights that may differ from place to place."""
    if weights.shape[3:] == (1, 1):
        return weighted_sum(weights.flatten(2), activations)
    return (weights * activations[:, None]).sum(2)
