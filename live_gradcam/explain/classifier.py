"""A classifier: a network cut in two, with the names of its classes and its preprocessing.

`load_classifier` finds the network, its weights and its labels; every problem with any of them is
a `ModelError` that says what to do.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.cam import Head, prove_head
from live_gradcam.explain.chain import Fuse
from live_gradcam.explain.checkpoint import read_checkpoint
from live_gradcam.explain.fitting import IMAGENET_CLASSES, fill_network
from live_gradcam.explain.labels import find_class, read_labels, require_count, tidy_labels
from live_gradcam.explain.networks import Family, cut_network, network_names, require_family
from live_gradcam.explain.preprocess import Preprocessing
from live_gradcam.explain.weights import Progress, cached_path, fetch_weights, file_sha256

Labels: TypeAlias = "str | Path | Sequence[str] | None"

_BUNDLED = Path(__file__).resolve().parent.parent / "models"
# Small enough to cost nothing, large enough for the network with the largest stem.
_PROBE_SIZE = 96


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A network cut at the explained layer. Immutable; may be shared by threads and explainers.

    Attributes:
        name: Short name of the network.
        layer: Name of the explained layer.
        labels: Names of the classes, in order.
        preprocessing: How the network wants its pictures.
        trunk: From normalised RGB ``(N, 3, H, W)`` to the layer's activations ``(N, C, h, w)``.
        head: From the activations to logits and to evidence.
        weights_origin: Where the weights come from, as a short sentence.
        notes: One sentence for each thing that was understood rather than plain.
    """

    name: str
    layer: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    trunk: nn.Module
    head: Head
    weights_origin: str = "weights of the given module"
    notes: tuple[str, ...] = ()

    @property
    def closed_form(self) -> bool:
        """Whether evidence provably needs no backward pass."""
        return self.head.closed_form

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return len(self.labels)

    def class_index(self, name_or_index: str | int) -> int:
        """The class that a name or an index means.

        Args:
            name_or_index: An index, a whole label, one of its comma-separated synonyms, or a part
                of exactly one label; case does not matter.

        Raises:
            UsageError: No class or several classes match; the message names the closest ones.
        """
        return find_class(self.labels, name_or_index)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        layer: str,
        labels: Labels = None,
        preprocessing: Preprocessing | None = None,
        name: str = "custom",
    ) -> Classifier:
        """A classifier from any network that `torch.fx` can trace.

        Args:
            module: From normalised RGB ``(N, 3, H, W)`` to logits ``(N, classes)``; copied.
            layer: Dotted name of the layer to explain.
            labels: Names of the classes or a file with them; ``class 0``, ``class 1``, ... if
                ``None``.
            preprocessing: How the network wants its pictures; ImageNet's usual one if ``None``.
            name: Short name for titles and messages.

        Raises:
            ModelError: The layer does not exist or does not cut the network in two, or the number
                of labels is not the number of classes.
        """
        own = copy.deepcopy(module).eval().requires_grad_(False).float().cpu()
        preprocessing = preprocessing or Preprocessing()
        cut = cut_network(own, layer)
        return _assemble(
            name=name,
            layer=layer,
            network=own,
            trunk=cut.trunk,
            head=cut.head,
            labels=labels,
            preprocessing=preprocessing,
            probe_size=preprocessing.crop_size,
        )

    @classmethod
    def from_parts(
        cls,
        trunk: nn.Module,
        head: nn.Module,
        *,
        labels: Labels = None,
        preprocessing: Preprocessing | None = None,
        name: str = "custom",
    ) -> Classifier:
        """A classifier from a network that is in two parts already.

        Args:
            trunk: From normalised RGB ``(N, 3, H, W)`` to activations ``(N, C, h, w)``; copied.
            head: From the activations to logits ``(N, classes)``; copied.
            labels: As for `from_module`.
            preprocessing: As for `from_module`.
            name: As for `from_module`.

        Raises:
            ModelError: The parts do not fit each other, or the labels do not fit the classes.
        """
        preprocessing = preprocessing or Preprocessing()
        own = [
            copy.deepcopy(part).eval().requires_grad_(False).float().cpu() for part in (trunk, head)
        ]
        return _assemble(
            name=name,
            layer="trunk",
            network=None,
            trunk=own[0],
            head=own[1],
            labels=labels,
            preprocessing=preprocessing,
            probe_size=preprocessing.crop_size,
        )


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the list of networks.

    Attributes:
        name: What ``--model`` takes.
        layer: The layer that is explained by default.
        input_size: Side in pixels of the network's input.
        cached: Whether the weights are on this machine.
        bundled: Whether it ships with live-gradcam.
    """

    name: str
    layer: str
    input_size: int
    cached: bool
    bundled: bool = False


def list_models() -> list[ModelRow]:
    """Every network that can be loaded by name: the bundled ones, then torchvision's."""
    rows = []
    for name in _bundled_names():
        card = _read_card(name)
        layer = card.get("layer") or require_family(card["arch"]).layer
        rows.append(ModelRow(name, layer, card["preprocessing"]["crop_size"], True, bundled=True))
    for name in network_names():
        entry = _weights_entries(name).DEFAULT
        size = Preprocessing.from_transform(entry.transforms()).crop_size
        cached = cached_path(entry.url).is_file()
        rows.append(ModelRow(name, require_family(name).layer, size, cached))
    return rows


def load_classifier(
    name: str = "resnet18",
    *,
    weights: Any = None,  # noqa: ANN401 - torchvision's weight entries are untyped
    labels: Labels = None,
    layer: str | int | None = None,
    fuse: Fuse = "mean",
    progress: Progress | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Classifier:
    """Load a network with its weights, labels and preprocessing, ready to be explained.

    Args:
        name: A torchvision convolutional classification network, or ``scenes``, the bundled one.
        weights: A checkpoint file (``.pth``, ``.pt``, ``.safetensors``), the name of a torchvision
            weights entry (``IMAGENET1K_V2``) or the entry itself; ``None`` takes torchvision's
            default, downloaded once.
        labels: Names of the classes, or a file with them; ``None`` takes the weights' own.
        layer: The layer to explain: a name or an index in the list that
            `live_gradcam.explain.layers.list_layers` gives (negative from the end), or any module
            that everything flows through; several of the list, separated by commas, or ``all``;
            ``None`` takes the network's last convolutional one.
        fuse: What becomes of the maps of several layers.
        progress: Told about a download; ``None`` shows a bar on stderr.
        on_notice: Told, in one sentence each, what was understood rather than plain.

    Raises:
        ModelError: The network, its weights or its labels cannot be used, or it has no such layer.
        UsageError: One of several layers, or an index, is not in the list.
    """
    classifier = _load(name, weights, labels, None, progress)
    if layer is not None:
        from live_gradcam.explain.layers import choose_layers  # which needs classifiers itself

        chosen = choose_layers(classifier, str(layer), fuse=fuse)
        classifier = chosen or _load(name, weights, labels, str(layer), progress)
    for note in classifier.notes:
        if on_notice is not None:
            on_notice(note)
    return classifier


def _load(
    name: str,
    weights: Any,  # noqa: ANN401
    labels: Labels,
    layer: str | None,
    progress: Progress | None,
) -> Classifier:
    """The classifier at its usual layer, or at any module's output."""
    if name in _bundled_names() and weights is None:
        return _load_bundled(name, labels, layer)
    if name in _bundled_names():
        name = str(_read_card(name)["arch"])
    family = require_family(name)
    entry = _find_entry(name, weights)
    if entry is None:
        return _load_file(name, family, Path(weights), labels, layer)
    return _load_published(name, family, entry, labels, layer, progress)


def _weights_entries(name: str) -> Any:  # noqa: ANN401
    from torchvision import models

    return models.get_model_weights(name)


def _find_entry(name: str, weights: Any) -> Any:  # noqa: ANN401
    """The weights entry that is meant, ``None`` where it is a file."""
    entries = _weights_entries(name)
    if weights is None:
        return entries.DEFAULT
    if hasattr(weights, "url") and hasattr(weights, "transforms"):
        return weights
    return entries.__members__.get(str(weights))


def _load_published(
    name: str,
    family: Family,
    entry: Any,  # noqa: ANN401
    labels: Labels,
    layer: str | None,
    progress: Progress | None,
) -> Classifier:
    path = fetch_weights(entry.url, name=name, progress=progress)
    network = fill_network(name, family, read_checkpoint(path, trusted=True), path)
    return _finish(
        name,
        layer or family.layer,
        network,
        labels if labels is not None else entry.meta.get("categories"),
        Preprocessing.from_transform(entry.transforms()),
        f"torchvision's {getattr(entry, 'name', 'weights')} ({path.name})",
    )


def _load_file(
    name: str, family: Family, path: Path, labels: Labels, layer: str | None
) -> Classifier:
    checkpoint = read_checkpoint(path)
    network = fill_network(name, family, checkpoint, path)
    # A user's own checkpoint was most likely trained in the way of the first published recipe.
    recipe = next(iter(_weights_entries(name)))
    if labels is None and checkpoint.labels is not None:
        labels = tidy_labels(checkpoint.labels, str(path))
    elif labels is None and _output_count(network) == IMAGENET_CLASSES:
        labels = recipe.meta["categories"]
    notes = tuple(f"{path.name}: {note}" for note in checkpoint.notes)
    preprocessing = Preprocessing.from_transform(recipe.transforms())
    return _finish(
        name, layer or family.layer, network, labels, preprocessing, f"the file {path}", notes
    )


def _bundled_names() -> list[str]:
    return sorted(card.parent.name for card in _BUNDLED.glob("*/card.json"))


def _read_card(name: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((_BUNDLED / name / "card.json").read_text(encoding="utf-8"))
    return card


def _load_bundled(name: str, labels: Labels, layer: str | None) -> Classifier:
    card = _read_card(name)
    path = _BUNDLED / name / card["weights"]
    if not path.is_file() or file_sha256(path) != card["sha256"]:
        cause = "it is damaged" if path.is_file() else "it is missing"
        raise ModelError("cannot use the bundled network", str(path), cause, "Install again")
    family = require_family(card["arch"])
    return _finish(
        name,
        layer or card.get("layer") or family.layer,
        fill_network(card["arch"], family, read_checkpoint(path, trusted=True), path),
        labels if labels is not None else tuple(card["labels"]),
        Preprocessing.from_record(card["preprocessing"]),
        "bundled with live-gradcam",
    )


def _output_count(network: nn.Module) -> int:
    *_, last = network.state_dict().values()
    return int(last.shape[0])


def _finish(
    name: str,
    layer: str,
    network: nn.Module,
    labels: Labels,
    preprocessing: Preprocessing,
    origin: str,
    notes: tuple[str, ...] = (),
) -> Classifier:
    cut = cut_network(network, layer)
    return _assemble(
        name=name,
        layer=layer,
        network=network,
        trunk=cut.trunk,
        head=cut.head,
        labels=labels,
        preprocessing=preprocessing,
        probe_size=min(_PROBE_SIZE, preprocessing.crop_size),
        origin=origin,
        notes=notes,
    )


@torch.no_grad()
def _assemble(
    *,
    name: str,
    layer: str,
    network: nn.Module | None,
    trunk: nn.Module,
    head: nn.Module,
    labels: Labels,
    preprocessing: Preprocessing,
    probe_size: int,
    origin: str = "weights of the given module",
    notes: tuple[str, ...] = (),
) -> Classifier:
    """Check on random input that the parts are the network, and find the head's cheapest form."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, 3, probe_size, probe_size, generator=generator)
    activations = trunk(pixels)
    if not isinstance(activations, Tensor) or activations.ndim != 4:
        shape = tuple(getattr(activations, "shape", ()))
        cause = f"its output {shape} is not a map (N, C, h, w)"
        raise ModelError("cannot explain layer", layer, cause, "Name a convolutional layer")
    logits = head(activations.clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(getattr(logits, "shape", ()))
        cause = f"its output {shape} is not (N, classes)"
        raise ModelError("cannot use the network", name, cause)
    if network is not None and not torch.allclose(logits, network(pixels), 1e-4, 1e-4, True):
        cause = "the part after the layer does not reproduce the network"
        raise ModelError("cannot explain layer", layer, cause, "Name another layer")
    return Classifier(
        name=name,
        layer=layer,
        labels=_resolve_labels(labels, logits.shape[1]),
        preprocessing=preprocessing,
        trunk=trunk,
        head=prove_head(head, activations.shape[1]),
        weights_origin=origin,
        notes=notes,
    )


def _resolve_labels(labels: Labels, class_count: int) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"class {index}" for index in range(class_count))
    if isinstance(labels, (str, Path)):
        return require_count(read_labels(Path(labels)), class_count, str(labels))
    return require_count(labels, class_count, "the given labels")
