"""The layer to explain where none is named, and the name of one that is given as a module."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.modules.copying import unwrap
from live_gradcam.explain.modules.outputs import tensors_in
from live_gradcam.explain.modules.replay import LayerNeverRan, LayerRun, Replay, survey

# They put out what others made of the picture, with less or no more of it.
_PASSIVE = (
    *(nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.Identity, nn.Upsample),
    *(nn.modules.dropout._DropoutNd, nn.Flatten, nn.Unflatten),
)
_MOST_TRIED = 40


def name_of(network: nn.Module, layer: nn.Module) -> str:
    """Return the dotted name of a layer in the network that its user has.

    Raises:
        ModelError: It is not one of the network's layers.
    """
    inner = unwrap(network)
    wanted = (layer, unwrap(layer))
    for name, each in inner.named_modules():
        if name and (each in wanted or unwrap(each) in wanted):
            return str(name)
    kind = type(layer).__name__
    step = "Hand over one of network.modules(), or its name"
    raise ModelError("unknown layer", kind, "it is no part of the network", step)


def candidates(network: nn.Module, pixels: Tensor) -> list[LayerRun]:
    """Return the layers that may be explained, each at its last run with positions.

    From early to late; an outer layer comes after the inner ones that make its output.

    Args:
        network: In evaluation mode; nobody else's.
        pixels: One image ``(1, channels, H, W)``.
    """
    last: dict[str, LayerRun] = {}
    for each in survey(network, pixels):
        if each.has_positions:
            last.pop(each.name, None)  # a later run stands where it ends
            last[each.name] = each
    return [
        each for each in last.values() if not isinstance(network.get_submodule(each.name), _PASSIVE)
    ]


def default_layers(network: nn.Module, pixels: Tensor) -> Iterator[str]:
    """Yield the layers that are worth explaining, best first.

    That is the last one that still has positions and that everything flows through, from late to
    early; then those that put out the scores of positions already, and those that something flows
    past.

    Args:
        network: In evaluation mode; nobody else's.
        pixels: One image ``(1, channels, H, W)``.
    """
    scores, bypassed = [], []
    classes = _class_count(network, pixels)
    for each in reversed(candidates(network, pixels)[-_MOST_TRIED:]):
        replay = Replay(network, each.name, each.run)
        try:
            if not _matters_at_positions(replay, pixels):
                continue
            if flows_past(replay, pixels):
                bypassed.append(each.name)
            elif len(each.shape) == 4 and each.shape[1] == classes:
                scores.append(each.name)
            else:
                yield each.name
        except (LayerNeverRan, RuntimeError):
            continue
    yield from scores
    yield from bypassed


@torch.no_grad()
def _class_count(network: nn.Module, pixels: Tensor) -> int:
    return int(_scores(network(pixels)).flatten(1).shape[1])


def flows_past(replay: Replay, pixels: Tensor) -> bool:
    """Return whether the output depends on pixels in another way than through the layer."""
    activations = replay.take(pixels)
    with torch.no_grad():
        expected = _scores(replay.give(activations, pixels))
        other = _scores(replay.give(activations, pixels.flip(0, 2, 3).neg() + 0.1))
    # What float32 cannot hold is infinite in both.
    scale = float(torch.where(expected.isfinite(), expected, 0).abs().max())
    return not torch.allclose(expected, other, 1e-5, 1e-6 * scale, True)


@torch.enable_grad()
def _matters_at_positions(replay: Replay, pixels: Tensor) -> bool:
    """Return whether more than one position of the layer's output has a part in the scores."""
    source = replay.take(pixels).requires_grad_()
    output = _scores(replay.give(source, pixels))
    if not output.requires_grad:
        return False
    top = output.flatten(1).max(1).values.sum()
    (gradient,) = torch.autograd.grad(top, source, allow_unused=True)
    if gradient is None:
        return False
    if gradient.ndim == 3:  # of tokens, a class token alone is no position
        return int((gradient != 0).any(2).sum()) > 1
    return bool((gradient != 0).any())


def _scores(output: object) -> Tensor:
    return next(iter(tensors_in(output)))
