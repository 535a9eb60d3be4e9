"""Table of the networks that can be loaded by name."""

from __future__ import annotations

from dataclasses import dataclass

from live_gradcam.explain.networks.bundled import bundled_names, read_card
from live_gradcam.explain.networks.download import cached_path
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES
from live_gradcam.explain.networks.torchvision_networks import (
    build_network,
    network_names,
    require_family,
    weights_entries,
)
from live_gradcam.explain.tracing import find_layer
from live_gradcam.preprocessing.settings import Preprocessing


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One network in the table.

    Attributes:
        name: Name for ``--model``.
        layer: Layer that is explained by default.
        input_size: Side in pixels of the network's input.
        cached: ``True`` if the weights are on this machine.
    """

    name: str
    layer: str
    input_size: int
    cached: bool


def list_models() -> list[ModelRow]:
    """List the networks that can be loaded by name: the bundled ones, then torchvision's."""
    rows = []
    for name in bundled_names():
        card = read_card(name)
        layer = card.get("layer") or require_family(card["arch"]).layer
        rows.append(ModelRow(name, layer, card["preprocessing"]["crop_size"], cached=True))
    for name in network_names():
        entry = weights_entries(name).DEFAULT
        size, _ = Preprocessing.from_transform(entry.transforms()).input_size
        cached = cached_path(entry.url).is_file()
        rows.append(ModelRow(name, _layer(name), size, cached))
    return rows


def _layer(name: str) -> str:
    layer = require_family(name).layer
    return find_layer(build_network(name, IMAGENET_CLASSES), layer) if "-1" in layer else layer
