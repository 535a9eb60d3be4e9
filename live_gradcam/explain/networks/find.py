"""Search for the network that a name means, with its weights, labels and preprocessing.

A name is torchvision's, timm's or that of a bundled network; weights are published ones or a file.
Every problem with any of them is a `ModelError` that says what to do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.networks.bundled import bundled_names, bundled_weights, read_card
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.download import Progress, cached_path, fetch_weights
from live_gradcam.explain.networks.file_networks import is_onnx, load_network_file
from live_gradcam.explain.networks.fit_preprocessing import fit_preprocessing
from live_gradcam.explain.networks.hf_files import HF_PREFIX
from live_gradcam.explain.networks.hf_networks import load_hf
from live_gradcam.explain.networks.inside_labels import take_labels
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.places import SMALL_SIDE, is_small_stem
from live_gradcam.explain.networks.published_files import recognise_file
from live_gradcam.explain.networks.recognise import recognise
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
from live_gradcam.graph.files import refuse_exported
from live_gradcam.preprocessing.settings import Preprocessing

# Share of tensors in common from which a checkpoint says by itself which network it is for.
_CERTAIN = 0.8


def find_network(
    name: str,
    weights: Any,  # noqa: ANN401 - torchvision's weight entries are untyped
    options: LoadOptions,
    progress: Progress | None,
) -> NetworkSpec:
    """Find a network by its name and load its weights.

    Args:
        name: A torchvision classification network, ``timm:NAME``, ``hf:NAME`` or ``hf:FOLDER`` for
            Hugging Face's, a bundled network, an ONNX file, or a checkpoint that is recognised.
        weights: A checkpoint file, the name of a torchvision weights entry, or the entry itself;
            ``None`` takes the published ones.
        options: What the user says about the network.
        progress: Called during a download; ``None`` shows a bar on stderr.

    Raises:
        ModelError: The network or its weights cannot be used.
    """
    refuse_exported(name)
    name, weights, found = _recognise_file(name, weights)
    whole = _network_file(name, weights)
    if whole is not None:
        spec = load_network_file(whole, options)
    elif name in bundled_names() and weights is None:
        spec = _load_bundled(name)
    elif name.startswith(HF_PREFIX):
        spec = load_hf(name.removeprefix(HF_PREFIX), None if weights is None else Path(weights))
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
    if options.transform_input is not None:
        _set_transform_input(spec.network, name, options, published=True)
    if options.state is not None and not _is_checkpoint(name, weights, whole):
        cause = f"{name} is not read from a checkpoint that holds several state dicts"
        raise ModelError("cannot use --state", options.state, cause, "Leave it out")
    spec = replace(spec, notes=(*found, *spec.notes))
    spec = fit_preprocessing(spec, options.preprocessing)
    return spec if options.labels is None else replace(spec, labels=options.labels)


def files_of(name: str, weights: str | Path | None) -> tuple[Path, ...]:
    """Return the files that `find_network` makes a network of, none where that cannot be told.

    Another library may keep them, or one file may name others.

    Args:
        name: As for `find_network`.
        weights: A file, or the name of an entry; ``None`` stands for the published ones.

    Raises:
        ModelError: There is no such network.
    """
    if _network_file(name, weights) is not None or Path(name).is_dir():
        return ()
    given = Path(name if weights is None else weights)
    if given.is_file():
        return (given,)
    if name in bundled_names():
        if weights is None:
            path = bundled_weights(name)
            return (path, path.with_name("card.json"))
        name = str(read_card(name)["arch"])
    if name.startswith((HF_PREFIX, TIMM_PREFIX)):
        return ()
    entry = _find_entry(name, weights)
    return () if entry is None else (cached_path(entry.url),)


def _is_checkpoint(name: str, weights: Any, whole: Path | None) -> bool:  # noqa: ANN401
    """Return whether the weights come from a checkpoint of the user's, read by its keys."""
    if whole is not None or weights is None or name.startswith(HF_PREFIX):
        return False
    return name.startswith(TIMM_PREFIX) or _find_entry(name, weights) is None


def _recognise_file(name: str, weights: Any) -> tuple[str, Any, tuple[str, ...]]:  # noqa: ANN401
    """Return name and weights, where a file or a folder was given in the place of the other.

    Raises:
        ModelError: A checkpoint stands for a network, and whose it is cannot be seen.
    """
    path = Path(name)
    if isinstance(weights, (str, Path)) and Path(weights).is_dir():
        if (Path(weights) / "config.json").is_file():
            step = f"Give a Hugging Face folder as --model {HF_PREFIX}{weights}"
        else:
            step = "Give the file of weights inside"
        raise ModelError("cannot use weights", str(weights), "it is a folder", step)
    if weights is not None or name in bundled_names():
        return name, weights, ()
    if path.is_dir() and (path / "config.json").is_file():
        return f"{HF_PREFIX}{name}", None, ()
    if not path.is_file() or is_onnx(path):
        return name, None, ()
    nearest = recognise(read_checkpoint(path))  # which says what a file is that holds no weights
    if not nearest or nearest[0][1] < _CERTAIN:
        cause = "it holds weights, but which network they are for is not recognised"
        step = f"Name the network: --model NAME --weights {name}"
        raise ModelError("cannot use as a network", name, cause, step)
    return nearest[0][0], path, (f"{path.name}: recognised as {nearest[0][0]}",)


def _network_file(name: str, weights: Any) -> Path | None:  # noqa: ANN401
    """Return the file that holds a whole network, if the name or the weights mean one."""
    if weights is None:
        path = Path(name)
        return path if path.suffix == ".onnx" or (path.is_file() and is_onnx(path)) else None
    if isinstance(weights, (str, Path)) and is_onnx(Path(weights)):
        return Path(weights)
    return None


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
    published = recognise_file(path, name)
    if published is not None and published.network != name:
        cause = f"its name says that it is torchvision's file of {published.network}"
        step = f"Use --model {published.network}"
        raise ModelError(f"cannot use weights for {name}", str(path), cause, step)
    fitted = build_with_weights(name, family, checkpoint, path)
    turned = _set_transform_input(fitted.network, name, options, published is not None)
    # A user's own checkpoint was most likely trained in the way of the first published recipe.
    recipe = next(iter(weights_entries(name))) if published is None else published.entry
    labels: Labels = None
    notes = (*checkpoint.notes, *fitted.notes)
    if options.labels is None:  # unread, they need not be sound
        labels, said = take_labels(checkpoint.inside_labels, fitted.class_count, str(path))
        notes += said
    if labels is None and fitted.class_count == IMAGENET_CLASSES:
        labels = recipe.meta["categories"]
    side = getattr(fitted.network, family.size_option or "", None)
    if published is not None:
        preprocessing = Preprocessing.from_transform(recipe.transforms())
    else:
        preprocessing = published_preprocessing(name, side)
    if fitted.normalisation is not None:
        preprocessing = fitted.normalisation.apply(preprocessing)
    if is_small_stem(fitted.network):
        preprocessing = replace(preprocessing, crop_size=SMALL_SIDE, resize_size=SMALL_SIDE)
    origin = f"the file {path}"
    if published is not None:
        origin += f", which is torchvision's {published.title}"
    return NetworkSpec(
        name=name,
        network=fitted.network,
        layer=family.layer,
        labels=labels,
        preprocessing=preprocessing,
        origin=origin,
        probe_size=probe_size(family, preprocessing),
        in_channels=fitted.in_channels,
        notes=tuple(f"{path.name}: {note}" for note in (*notes, *turned)),
    )


def _set_transform_input(
    network: nn.Module, name: str, options: LoadOptions, published: bool
) -> tuple[str, ...]:
    """Have a network turn its input's normalisation into its own, or not; return what to say.

    Raises:
        UsageError: The user asks for it, and this network cannot.
    """
    wanted = options.transform_input
    if not hasattr(network, "transform_input"):
        if wanted is None:
            return ()
        step = "Leave it out: only GoogLeNet and Inception v3 have one"
        raise UsageError("cannot use --transform-input", name, "it has no such step", step)
    network.transform_input = published if wanted is None else wanted  # type: ignore[assignment]
    if wanted is not None or published:
        return ()
    return (
        f"its {name} is given the usual normalisation as it is, as a network trained from scratch "
        "is; one that began with torchvision's weights wants --transform-input",
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
