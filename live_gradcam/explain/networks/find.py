"""Which network a name means, with its weights, its labels and its preprocessing.

A name is torchvision's, timm's or that of a bundled network; weights are published ones or a file.
Every problem with any of them is a `ModelError` that says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from live_gradcam.explain.cutting.layouts import LayoutChoice
from live_gradcam.explain.networks.bundled import bundled_names, bundled_weights, read_card
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.download import Progress, fetch_weights
from live_gradcam.explain.networks.labels import Labels, tidy_labels
from live_gradcam.explain.networks.state_dict import IMAGENET_CLASSES, fill_network
from live_gradcam.explain.networks.torchvision_networks import (
    Family,
    probe_size,
    recipe_of_size,
    require_family,
    weights_entries,
)
from live_gradcam.explain.preprocess import Preprocessing

TIMM_PREFIX = "timm:"
"""What the names of timm's networks begin with."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkSpec:
    """A whole network with its weights, and what is known of it.

    Attributes:
        name: Its short name.
        network: In evaluation mode, without gradients.
        layer: The layer to explain.
        labels: Names of the classes, or a file with them; ``None`` where nobody knows any.
        preprocessing: How it wants its pictures.
        origin: Where the weights come from, as a short sentence.
        probe_size: Side of the pictures that it is checked with.
        layout: What the layer puts out.
        prefix_tokens: Tokens before those of the patches, if it puts out tokens; ``None`` finds
            out.
        notes: One sentence for each thing that was understood rather than plain.
    """

    name: str
    network: nn.Module
    layer: str
    labels: Labels
    preprocessing: Preprocessing
    origin: str
    probe_size: int
    layout: LayoutChoice = "auto"
    prefix_tokens: int | None = None
    notes: tuple[str, ...] = ()


def find_network(
    name: str,
    weights: Any,  # noqa: ANN401 - torchvision's weight entries are untyped
    labels: Labels,
    progress: Progress | None,
) -> NetworkSpec:
    """Find a network by its name; see `live_gradcam.explain.classifier.load_classifier`.

    Raises:
        ModelError: The network or its weights cannot be used.
    """
    if name in bundled_names() and weights is None:
        found = _bundled(name)
    elif name.startswith(TIMM_PREFIX):
        from live_gradcam.explain.networks.timm_networks import load_timm

        path = None if weights is None else Path(weights)
        found = load_timm(name.removeprefix(TIMM_PREFIX), path)
    else:
        if name in bundled_names():
            name = str(read_card(name)["arch"])
        family = require_family(name)
        entry = _find_entry(name, weights)
        if entry is None:
            found = _from_file(name, family, Path(weights), labels_given=labels is not None)
        else:
            found = _published(name, family, entry, progress)
    return found if labels is None else replace(found, labels=labels)


def _find_entry(name: str, weights: Any) -> Any:  # noqa: ANN401
    """The weights entry that is meant, ``None`` where it is a file."""
    entries = weights_entries(name)
    if weights is None:
        return entries.DEFAULT
    if hasattr(weights, "url") and hasattr(weights, "transforms"):
        return weights
    return entries.__members__.get(str(weights))


def _published(
    name: str,
    family: Family,
    entry: Any,  # noqa: ANN401
    progress: Progress | None,
) -> NetworkSpec:
    path = fetch_weights(entry.url, name=name, progress=progress)
    network = fill_network(name, family, read_checkpoint(path, trusted=True), path)
    preprocessing = Preprocessing.from_transform(entry.transforms())
    return NetworkSpec(
        name=name,
        network=network,
        layer=family.layer,
        labels=entry.meta.get("categories"),
        preprocessing=preprocessing,
        origin=f"torchvision's {getattr(entry, 'name', 'weights')} ({path.name})",
        probe_size=probe_size(family, preprocessing),
    )


def _from_file(name: str, family: Family, path: Path, *, labels_given: bool) -> NetworkSpec:
    checkpoint = read_checkpoint(path)
    network = fill_network(name, family, checkpoint, path)
    # A user's own checkpoint was most likely trained in the way of the first published recipe.
    recipe = next(iter(weights_entries(name)))
    labels: Labels = None
    if checkpoint.labels is not None and not labels_given:  # unread, they need not be sound
        labels = tidy_labels(checkpoint.labels, str(path))
    elif _output_count(network) == IMAGENET_CLASSES:
        labels = recipe.meta["categories"]
    preprocessing = recipe_of_size(name, getattr(network, family.size_option or "", None))
    return NetworkSpec(
        name=name,
        network=network,
        layer=family.layer,
        labels=labels,
        preprocessing=preprocessing,
        origin=f"the file {path}",
        probe_size=probe_size(family, preprocessing),
        notes=tuple(f"{path.name}: {note}" for note in checkpoint.notes),
    )


def _bundled(name: str) -> NetworkSpec:
    card = read_card(name)
    path = bundled_weights(name)
    family = require_family(card["arch"])
    preprocessing = Preprocessing.from_record(card["preprocessing"])
    return NetworkSpec(
        name=name,
        network=fill_network(card["arch"], family, read_checkpoint(path, trusted=True), path),
        layer=card.get("layer") or family.layer,
        labels=tuple(card["labels"]),
        preprocessing=preprocessing,
        origin="bundled with live-gradcam",
        probe_size=probe_size(family, preprocessing),
    )


def _output_count(network: nn.Module) -> int:
    *_, last = network.state_dict().values()
    return int(last.shape[0])
