"""A network up to its pooled features, and a linear head put onto them.

The mean of each channel of the explained layer is a feature. A linear layer on these features has
exact maps of all classes, see `LinearHead`, wherever the network's own head has none: what is
taught anew on a trunk is explained completely.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from typing_extensions import override

from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.heads import (
    ChannelsLastHead,
    Head,
    LinearHead,
    MultiLayerHead,
    TokenHead,
    Vjp,
)
from live_gradcam.explain.heads.replay import ReplayHead
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.seen_layers import blank_pixels
from live_gradcam.values import SOFTMAX, OutputKind


class PooledHead(Head):
    """A head whose scores are the pooled features: of each channel its mean over all positions.

    The map of a channel is the channel itself, divided by the number of positions.
    """

    all_maps_are_cheap = True

    @override
    def differentiate(self, activations: Tensor) -> tuple[Tensor, Vjp]:
        positions = activations.shape[2] * activations.shape[3]
        return self.score(activations)[0], lambda each: each[..., None, None] / positions

    @override
    def score(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return activations.mean((2, 3)), activations

    @override
    def evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        height, width = basis.shape[2:]
        index = classes[:, :, None, None].expand(-1, -1, height, width)
        return basis.gather(1, index) / (height * width)

    @override
    def all_evidence(self, basis: Tensor) -> Tensor:
        return basis / (basis.shape[2] * basis.shape[3])


class PatchGrid(nn.Module):
    """Lays out tokens ``(N, T, C)`` as maps ``(N, C, h, w)``, without those of no place.

    Args:
        channels: ``C``, of the layer itself.
        prefix: Number of tokens before those of the patches.
        grid: Rows and columns of patches.
    """

    def __init__(self, channels: int, prefix: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.channels = channels
        self.prefix = prefix
        self.grid = grid

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the maps."""
        patches = tokens[:, self.prefix :, : self.channels].transpose(1, 2)
        return patches.reshape(-1, self.channels, *self.grid)


class ChannelsToFront(nn.Module):
    """Turns ``(N, h, w, C)`` into maps ``(N, C, h, w)``.

    Args:
        channels: ``C``, of the layer itself; what flows past it, behind them, is left out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, values: Tensor) -> Tensor:
        """Return the maps."""
        return values[..., : self.channels].permute(0, 3, 1, 2)


def layout_of(classifier: Classifier) -> nn.Module | None:
    """Return what lays out the trunk's output as maps; ``None`` where it is maps already.

    Raises:
        ModelError: Several layers are explained at once, or the network's code cannot be cut.
    """
    head = classifier.head
    if isinstance(head, MultiLayerHead):
        cause = "several layers are explained at once"
        raise ModelError("cannot teach", classifier.name, cause, "Name one layer, or none")
    if isinstance(head, ReplayHead):
        cause = "its code cannot be cut at the explained layer"
        step = "Hand over its two parts with Classifier.from_parts(trunk, head, ...)"
        raise ModelError("cannot teach", classifier.name, cause, step)
    if isinstance(head, TokenHead):
        return PatchGrid(head.channels, head.prefix, head.grid)
    return ChannelsToFront(head.channels) if isinstance(head, ChannelsLastHead) else None


def maps_trunk(classifier: Classifier) -> nn.Module:
    """Return the trunk with maps ``(N, C, h, w)`` as its output; its weights are shared.

    Raises:
        ModelError: As for `layout_of`.
    """
    layout = layout_of(classifier)
    return classifier.trunk if layout is None else with_layout(classifier.trunk, layout)


def with_layout(trunk: nn.Module, layout: nn.Module) -> nn.Module:
    """Return a trunk with what lays out its output behind it."""
    return nn.Sequential(OrderedDict(trunk=trunk, grid=layout)).eval()


@short_lived_thread
@torch.no_grad()
def count_features(classifier: Classifier) -> int:
    """Return the number of features: the channels of the explained layer.

    Raises:
        ModelError: As for `layout_of`.
    """
    return int(maps_trunk(classifier).forward(blank_pixels(classifier)).shape[1])


def pooled_classifier(classifier: Classifier) -> Classifier:
    """Return a classifier whose scores are the pooled features, one for each channel.

    Args:
        classifier: Its trunk is shared, its head is not used.

    Raises:
        ModelError: As for `layout_of`.
    """
    count = count_features(classifier)
    return replace(
        classifier,
        labels=tuple(f"channel {index}" for index in range(count)),
        trunk=maps_trunk(classifier),
        head=PooledHead().eval(),
        output=OutputKind("raw"),
        notes=(),
        source=None,
    )


def with_linear_head(
    classifier: Classifier,
    weight: Tensor,
    bias: Tensor,
    labels: Sequence[str],
    *,
    origin: str = "",
    notes: Sequence[str] = (),
) -> Classifier:
    """Return a classifier with the same trunk and another head: pooling and one linear layer.

    Args:
        classifier: Its trunk is shared.
        weight: float32 ``(classes, C)``.
        bias: float32 ``(classes,)``.
        labels: Names of the classes.
        origin: Source of the weights, as a short sentence.
        notes: One sentence for each thing to know about it.

    Raises:
        ModelError: As for `layout_of`.
    """
    return replace(
        classifier,
        labels=tuple(labels),
        trunk=maps_trunk(classifier),
        head=LinearHead(weight, bias).eval(),
        weights_origin=origin or classifier.weights_origin,
        output=SOFTMAX,
        notes=tuple(notes),
        source=None,
    )


def hash_of_trunk(classifier: Classifier) -> str:
    """Return the SHA-256 of a trunk, in hexadecimal digits: of its numbers and of where it ends.

    What the numbers are called does not matter. The explained layer does: between two of them there
    may be a pooling only, which has no numbers.
    """
    parts = [hashlib.sha256(classifier.layer.encode()).hexdigest()]
    for name, tensor in classifier.trunk.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(memoryview(flat.view(torch.uint8).numpy()))
            parts.append(digest.hexdigest())
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()
