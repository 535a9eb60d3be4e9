"""A classifier: a network cut in two, with the names of its classes and its preprocessing.

Networks that have a name are found by `live_gradcam.explain.networks.find`; here they are cut,
and the parts are proved to be the network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from live_gradcam.choices import DEFAULT_FUSE, DEFAULT_MODEL, Fuse
from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import Cut, cut_network, find_layer
from live_gradcam.explain.cutting.layouts import (
    LayoutChoice,
    check_layout,
    fit_parts,
    probe,
    probe_pixels,
)
from live_gradcam.explain.heads import Head
from live_gradcam.explain.networks.download import Progress
from live_gradcam.explain.networks.find import NetworkSpec, find_network
from live_gradcam.explain.networks.labels import Labels, find_class, resolve_labels
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.preprocess import Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A network cut at the explained layer. Immutable; may be shared by threads and explainers.

    Attributes:
        name: Short name of the network.
        layer: Name of the explained layer.
        labels: Names of the classes, in order.
        preprocessing: How the network wants its pictures.
        trunk: From normalised RGB ``(N, 3, H, W)`` to the layer's activations: ``(N, C, h, w)``, or
            what `Head.to_grid` makes that of.
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
    def all_maps_are_cheap(self) -> bool:
        """True if the Grad-CAM maps of all classes cost next to nothing beyond that of one."""
        return self.head.all_maps_are_cheap

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
    @short_lived_thread
    def from_module(
        cls,
        module: nn.Module,
        *,
        layer: str,
        labels: Labels = None,
        preprocessing: Preprocessing | None = None,
        name: str = "custom",
        layout: LayoutChoice = "auto",
        prefix_tokens: int | None = None,
    ) -> Classifier:
        """A classifier from any network that `torch.fx` can trace.

        A vision transformer of one's own, explained where pytorch-grad-cam would::

            Classifier.from_module(vit, layer="encoder.layers.-1.ln_1", labels=["cat", "dog"])

        Args:
            module: From normalised RGB ``(N, 3, H, W)`` to logits ``(N, classes)``; copied.
            layer: Dotted name of the layer to explain; ``-1`` stands for the last child. Everything
                must flow through it, except that the input of a residual block with tokens or
                channels-last maps may flow past a layer inside.
            labels: Names of the classes or a file with them; ``class 0``, ``class 1``, ... if
                ``None``.
            preprocessing: How the network wants its pictures; ImageNet's usual one if ``None``.
            name: Short name for titles and messages.
            layout: What the layer puts out: maps ``"nchw"`` or ``"nhwc"``, or ``"tokens"``
                ``(N, T, C)``, row by row; ``"auto"`` tells them by their shape.
            prefix_tokens: How many tokens come before those of the patches (a class token,
                registers); ``None`` takes what is left over of the largest square that fits.

        Raises:
            ModelError: The layer does not exist or does not cut the network in two, the layout is
                not the layer's, or the number of labels is not the number of classes.
            UsageError: There is no such layout.
        """
        check_layout(layout, prefix_tokens)
        own = copy.deepcopy(module).eval().requires_grad_(False).float().cpu()
        preprocessing = preprocessing or Preprocessing()
        return _classify(
            NetworkSpec(
                name=name,
                network=own,
                layer=layer,
                labels=labels,
                preprocessing=preprocessing,
                origin="weights of the given module",
                probe_size=preprocessing.crop_size,
                layout=layout,
                prefix_tokens=prefix_tokens,
            )
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
        layout: LayoutChoice = "auto",
        prefix_tokens: int | None = None,
    ) -> Classifier:
        """A classifier from a network that is in two parts already.

        Args:
            trunk: From normalised RGB ``(N, 3, H, W)`` to activations; copied.
            head: From the activations to logits ``(N, classes)``; copied.
            labels: As for `from_module`.
            preprocessing: As for `from_module`.
            name: As for `from_module`.
            layout: As for `from_module`, of what the trunk gives.
            prefix_tokens: As for `from_module`.

        Raises:
            ModelError: The parts do not fit each other, or the labels do not fit the classes.
        """
        check_layout(layout, prefix_tokens)
        preprocessing = preprocessing or Preprocessing()
        own = [
            copy.deepcopy(part).eval().requires_grad_(False).float().cpu() for part in (trunk, head)
        ]
        return _assemble(
            name=name,
            layer="trunk",
            network=None,
            cut=Cut(own[0], own[1]),
            labels=labels,
            preprocessing=preprocessing,
            probe_size=preprocessing.crop_size,
            layout=layout,
            prefix_tokens=prefix_tokens,
        )


def load_classifier(
    name: str = DEFAULT_MODEL,
    *,
    weights: Any = None,  # noqa: ANN401 - torchvision's weight entries are untyped
    labels: Labels = None,
    layer: str | int | None = None,
    fuse: Fuse = DEFAULT_FUSE,
    progress: Progress | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Classifier:
    """Load a network with its weights, labels and preprocessing, ready to be explained.

    Args:
        name: A torchvision classification network, ``timm:NAME``, or ``scenes``, the bundled one.
        weights: A checkpoint file (``.pth``, ``.pt``, ``.safetensors``), the name of a torchvision
            weights entry (``IMAGENET1K_V2``) or the entry itself; ``None`` takes torchvision's
            (or timm's) default, downloaded once.
        labels: Names of the classes, or a file with them; ``None`` takes the weights' own.
        layer: The layer to explain: a name or an index in the list that
            `live_gradcam.explain.layers.list_layers` gives (negative from the end), or any module
            as for `Classifier.from_module`; several of the list, separated by commas, or ``all``;
            ``None`` takes the last one that still has places.
        fuse: What becomes of the maps of several layers.
        progress: Told about a download; ``None`` shows a bar on stderr. timm shows its own.
        on_notice: Told, in one sentence each, what was understood rather than plain.

    Raises:
        ModelError: The network, its weights or its labels cannot be used, or it has no such layer.
        UsageError: One of several layers, or an index, is not in the list.
    """
    found = find_network(name, weights, labels, progress)
    classifier = _classify(found)
    if layer is not None:
        from live_gradcam.explain.layers import choose_layers  # which needs classifiers itself

        chosen = choose_layers(classifier, str(layer), fuse=fuse)
        elsewhere = replace(found, layer=str(layer), layout="auto", prefix_tokens=None)
        classifier = chosen or _classify(elsewhere)
    for note in classifier.notes:
        if on_notice is not None:
            on_notice(note)
    return classifier


def _classify(found: NetworkSpec) -> Classifier:
    """A network cut at its layer."""
    layer = find_layer(found.network, found.layer)
    return _assemble(
        name=found.name,
        layer=layer,
        network=found.network,
        cut=cut_network(found.network, layer, carry=found.layout != "nchw"),
        labels=found.labels,
        preprocessing=found.preprocessing,
        probe_size=found.probe_size,
        layout=found.layout,
        prefix_tokens=found.prefix_tokens,
        origin=found.origin,
        notes=found.notes,
    )


@short_lived_thread
@torch.no_grad()
def _assemble(
    *,
    name: str,
    layer: str,
    network: nn.Module | None,
    cut: Cut,
    labels: Labels,
    preprocessing: Preprocessing,
    probe_size: int,
    layout: LayoutChoice,
    prefix_tokens: int | None,
    origin: str = "weights of the given module",
    notes: tuple[str, ...] = (),
) -> Classifier:
    """Check on random input that the parts are the network, and find the head that fits."""
    values = probe(cut, layer, probe_size)
    logits = cut.head(values.clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(getattr(logits, "shape", ()))
        cause = f"its output {shape} is not (N, classes)"
        raise ModelError("cannot use the network", name, cause)
    pixels = probe_pixels(probe_size)
    if network is not None and not torch.allclose(logits, network(pixels), 1e-4, 1e-4, True):
        cause = "the part after the layer does not reproduce the network"
        raise ModelError("cannot explain layer", layer, cause, "Name another layer")
    parts = fit_parts(cut, layer, values, probe_size, layout=layout, prefix_tokens=prefix_tokens)
    return Classifier(
        name=name,
        layer=layer,
        labels=resolve_labels(labels, logits.shape[1]),
        preprocessing=preprocessing,
        trunk=parts.trunk,
        head=parts.head,
        weights_origin=origin,
        notes=notes,
    )
