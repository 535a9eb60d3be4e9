"""Trunks of networks that have a name, with given weights and without their own heads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import cut_network
from live_gradcam.explain.networks.bundled import bundled_names, read_card
from live_gradcam.explain.networks.places import find_places, fit_stem
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES, TIMM_PREFIX
from live_gradcam.explain.networks.timm_networks import build_timm
from live_gradcam.explain.networks.torchvision_networks import (
    build_network,
    family_of,
    network_names,
)
from live_gradcam.explain.tracing import find_layer

# Names that a network's parts get where it is cut elsewhere, see `live_gradcam.explain.layers`.
_PARTS = re.compile(r"^(?:(?:trunk|head|module|parts\.\d+)\.)*")


def names_in_trunk(trunk: nn.Module) -> dict[str, Tensor]:
    """Return a trunk's parameters and buffers, under the names that the whole network has."""
    return {_PARTS.sub("", name): tensor for name, tensor in trunk.state_dict().items()}


def build_trunk(
    name: str, layer: str, tensors: Mapping[str, Tensor], size: tuple[int, int], channels: int
) -> nn.Module:
    """Build the trunk of a network that has a name, with given weights.

    Args:
        name: The network's, as for `live_gradcam.load_classifier`.
        layer: Name of the layer that it ends with.
        tensors: All of its parameters and buffers, see `names_in_trunk`.
        size: Height and width in pixels of its images.
        channels: Number of channels of its images.

    Raises:
        ModelError: The network cannot be built by its name, or these are not its weights.
    """
    network = _build(name, tensors, size, channels)
    cut = cut_network(network, find_layer(network, layer), carry=True)
    known = {_PARTS.sub("", each): each for each in cut.trunk.state_dict()}
    try:
        renamed = {known[each]: tensor for each, tensor in tensors.items()}
        cut.trunk.load_state_dict(renamed, strict=True, assign=True)
    except (KeyError, RuntimeError) as exc:
        raise ModelError("cannot build", name, "these are not the weights of its trunk") from exc
    return cut.trunk.eval().requires_grad_(False)


def _build(
    name: str, tensors: Mapping[str, Tensor], size: tuple[int, int], channels: int
) -> nn.Module:
    if name.startswith(TIMM_PREFIX):
        return build_timm(name.removeprefix(TIMM_PREFIX), channels)
    arch = str(read_card(name)["arch"]) if name in bundled_names() else name
    if family_of(arch) is None or arch not in network_names():
        cause = "it is no network of torchvision or timm, so that its name does not say how"
        raise ModelError("cannot build", name, cause)
    network = build_network(arch, IMAGENET_CLASSES, size[0])
    stem = find_places(network).stem
    if fit_stem(network, stem, dict(tensors)) is None:
        raise ModelError("cannot build", name, "its first layer is another one")
    return network
