"""Search for the network that a name means, with its weights, labels and preprocessing.

A name is torchvision's, timm's or that of a bundled network; weights are published ones or a file.
Every problem with any of them is a `ModelError` that says what to do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from live_gradcam.explain.networks.bundled import bundled_names, bundled_weights, read_card
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.download import Progress, fetch_weights
from live_gradcam.explain.networks.inside_labels import take_labels
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.places import SMALL_SIDE, is_small_stem
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES, TIMM_PREFIX, NetworkSpec
from live_gradcam.explain.networks.state_dict import build_with_weights
from live_gradcam.explain.networks.timm_networks import load_timm
from live_gradcam.explain.networks.torchvision_networks import (
    Family,
    probe_size,
    published_preprocessing,
    require_family,
    weights_entries,
)
from live_gradcam.explain.preprocess import Preprocessing


def find_network(
    name: str,
    weights: Any,  # noqa: ANN401 - torchvision's weight entries are untyped
    options: LoadOptions,
    progress: Progress | None,
) -> NetworkSpec:
    """Find a network by its name and load its weights.

    Args:
        name: A torchvision classification network, ``timm:NAME``, or a bundled network.
        weights: A checkpoint file, the name of a torchvision weights entry, or the entry itself;
            ``None`` takes the published ones.
        options: What the user says about the network.
        progress: Called during a download; ``None`` shows a bar on stderr.

    Raises:
        ModelError: The network or its weights cannot be used.
    """
    if name in bundled_names() and weights is None:
        spec = _load_bundled(name)
    elif name.startswith(TIMM_PREFIX):
        path = None if weights is None else Path(weights)
        spec = load_timm(name.removeprefix(TIMM_PREFIX), path, options.state)
    else:
        if name in bundled_names():
            name = str(read_card(name)["arch"])
        family = require_family(name)
        entry = _find_entry(name, weights)
        if entry is None:
            spec = _load_file(name, family, Path(weights), options)
        else:
            spec = _load_published(name, family, entry, progress)
    return spec if options.labels is None else replace(spec, labels=options.labels)


def _find_entry(name: str, weights: Any) -> Any:  # noqa: ANN401
    """Return the weights entry of this name; ``None`` where it is a file."""
    entries = weights_entries(name)
    if weights is None:
        return entries.DEFAULT
    if hasattr(weights, "url") and hasattr(weights, "transforms"):
        return weights
    return entries.__members__.get(str(weights))


def _load_published(
    name: str,
    family: Family,
    entry: Any,  # noqa: ANN401
    progress: Progress | None,
) -> NetworkSpec:
    path = fetch_weights(entry.url, name=name, progress=progress)
    fitted = build_with_weights(name, family, read_checkpoint(path, trusted=True), path)
    preprocessing = Preprocessing.from_transform(entry.transforms())
    return NetworkSpec(
        name=name,
        network=fitted.network,
        layer=family.layer,
        labels=entry.meta.get("categories"),
        preprocessing=preprocessing,
        origin=f"torchvision's {getattr(entry, 'name', 'weights')} ({path.name})",
        probe_size=probe_size(family, preprocessing),
    )


def _load_file(name: str, family: Family, path: Path, options: LoadOptions) -> NetworkSpec:
    checkpoint = read_checkpoint(path, state=options.state)
    fitted = build_with_weights(name, family, checkpoint, path)
    # A user's own checkpoint was most likely trained in the way of the first published recipe.
    recipe = next(iter(weights_entries(name)))
    labels: Labels = None
    notes = (*checkpoint.notes, *fitted.notes)
    if options.labels is None:  # unread, they need not be sound
        labels, said = take_labels(checkpoint.inside_labels, fitted.class_count, str(path))
        notes += said
    if labels is None and fitted.class_count == IMAGENET_CLASSES:
        labels = recipe.meta["categories"]
    side = getattr(fitted.network, family.size_option or "", None)
    preprocessing = published_preprocessing(name, side)
    if fitted.normalisation is not None:
        own = fitted.normalisation
        preprocessing = replace(preprocessing, mean=own.mean, std=own.std)
    if is_small_stem(fitted.network):
        preprocessing = replace(preprocessing, crop_size=SMALL_SIDE, resize_size=SMALL_SIDE)
    return NetworkSpec(
        name=name,
        network=fitted.network,
        layer=family.layer,
        labels=labels,
        preprocessing=preprocessing,
        origin=f"the file {path}",
        probe_size=probe_size(family, preprocessing),
        in_channels=fitted.in_channels,
        notes=tuple(f"{path.name}: {note}" for note in notes),
    )


def _load_bundled(name: str) -> NetworkSpec:
    card = read_card(name)
    path = bundled_weights(name)
    family = require_family(card["arch"])
    preprocessing = Preprocessing.from_record(card["preprocessing"])
    checkpoint = read_checkpoint(path, trusted=True)
    fitted = build_with_weights(card["arch"], family, checkpoint, path)
    return NetworkSpec(
        name=name,
        network=fitted.network,
        layer=card.get("layer") or family.layer,
        labels=tuple(card["labels"]),
        preprocessing=preprocessing,
        origin="bundled with live-gradcam",
        probe_size=probe_size(family, preprocessing),
    )
