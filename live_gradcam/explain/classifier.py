"""Classifiers: networks cut in two at the explained layer, with their labels and preprocessing.

Whole networks come from `live_gradcam.explain.networks`; here they are cut, and the parts are
proved to be the network.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import nn

from live_gradcam.choices import DEFAULT_OUTPUT, DEFAULT_THRESHOLD, OutputChoice
from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import Cut, cut_network
from live_gradcam.explain.cutting.layouts import check_layout, fit_parts, probe, probe_pixels
from live_gradcam.explain.heads import Head
from live_gradcam.explain.networks.labels import Labels, find_class
from live_gradcam.explain.networks.spec import LayoutChoice, NetworkSpec
from live_gradcam.explain.omp import in_short_lived_thread, short_lived_thread
from live_gradcam.explain.outputs import Adapted, OutputWish, adapt, check_output, name_outputs
from live_gradcam.explain.preprocess import Preprocessing
from live_gradcam.explain.tracing import find_layer
from live_gradcam.values import SOFTMAX, OutputKind


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Network cut at the explained layer. Immutable; may be shared by threads and explainers.

    Attributes:
        name: Short name of the network.
        layer: Name of the explained layer.
        labels: Names of the classes, in order.
        preprocessing: Resizing, cropping and normalisation of the network's images.
        trunk: From normalised RGB ``(N, 3, H, W)`` to the layer's activations: maps
            ``(N, C, h, w)``, channels-last maps ``(N, h, w, C)`` or tokens ``(N, T, C)``.
        head: From the activations to logits and to evidence.
        weights_origin: Source of the weights, as a short sentence.
        output: Meaning of the logits; it says what the probabilities are.
        notes: One sentence for each thing that had to be interpreted.
    """

    name: str
    layer: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    trunk: nn.Module
    head: Head
    weights_origin: str = "weights of the given module"
    output: OutputKind = SOFTMAX
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
        """Return the index of the class that a name or an index means.

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
        output: OutputChoice = DEFAULT_OUTPUT,
        output_name: str | int | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Classifier:
        """Make a classifier from any network that `torch.fx` can trace.

        For example a vision transformer, explained at the layer that pytorch-grad-cam suggests::

            Classifier.from_module(vit, layer="encoder.layers.-1.ln_1", labels=["cat", "dog"])

        Args:
            module: From normalised RGB ``(N, 3, H, W)`` to logits ``(N, classes)``; copied.
            layer: Dotted name of the layer to explain; ``-1`` stands for the last child. Everything
                must flow through it, except that the input of a residual block with tokens or
                channels-last maps may flow past a layer inside.
            labels: Names of the classes or a file with them; ``class 0``, ``class 1``, ... if
                ``None``.
            preprocessing: Preprocessing of the network's images; ImageNet's usual one if ``None``.
            name: Short name for titles and messages.
            layout: Layout of the layer's output: maps ``"nchw"`` or ``"nhwc"``, or ``"tokens"``
                ``(N, T, C)``, row by row; ``"auto"`` tells them by their shape.
            prefix_tokens: Number of tokens before those of the patches (a class token, registers);
                ``None`` takes what is left over of the largest square that fits.
            output: Meaning of what the module puts out: scores of which one class is true
                (``"softmax"``) or of which each is true or not (``"sigmoid"``; a single one is
                binary and has two sides), ``"probabilities"`` already, or ``"raw"`` numbers, such
                as those of a regression. ``"auto"`` takes what can be proven by the last
                operations, and for one output that it is binary, for several ``"softmax"``. A
                squashing inside is cut off, so that evidence is of logits.
            output_name: Name or index of the logits where the module puts out a tuple, a
                dictionary or a dataclass; ``None`` finds them by name and shape.
            threshold: Probability above which a class is true; of a binary module it decides which
                side is predicted.

        Raises:
            ModelError: The layer does not exist or does not cut the network in two, the layout is
                not the layer's, the number of labels is not the number of classes, or the output
                is not what it is said to be.
            UsageError: There is no such layout or output, or the threshold is no probability.
        """
        check_layout(layout, prefix_tokens)
        check_output(output, threshold)
        preprocessing = preprocessing or Preprocessing()
        return build_classifier(
            NetworkSpec(
                name=name,
                network=_frozen_copy(module),
                layer=layer,
                labels=labels,
                preprocessing=preprocessing,
                origin="weights of the given module",
                probe_size=preprocessing.crop_size,
                layout=layout,
                prefix_tokens=prefix_tokens,
                output=output,
                output_name=output_name,
                threshold=threshold,
            )
        )

    @classmethod
    @short_lived_thread
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
        output: OutputChoice = DEFAULT_OUTPUT,
        output_name: str | int | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Classifier:
        """Make a classifier from a network that is in two parts already.

        Args:
            trunk: From normalised RGB ``(N, 3, H, W)`` to activations; copied.
            head: From the activations to logits ``(N, classes)``; copied.
            labels: As for `from_module`.
            preprocessing: As for `from_module`.
            name: As for `from_module`.
            layout: As for `from_module`, of the trunk's output.
            prefix_tokens: As for `from_module`.
            output: As for `from_module`, of the head's output.
            output_name: As for `from_module`.
            threshold: As for `from_module`.

        Raises:
            ModelError: The parts do not fit each other, or the labels do not fit the classes.
            UsageError: As for `from_module`.
        """
        check_layout(layout, prefix_tokens)
        check_output(output, threshold)
        preprocessing = preprocessing or Preprocessing()
        cut = Cut(_frozen_copy(trunk), _frozen_copy(head))
        spec = NetworkSpec(
            name=name,
            network=nn.Sequential(OrderedDict(trunk=cut.trunk, head=cut.head)),
            layer="trunk",
            labels=labels,
            preprocessing=preprocessing,
            origin="weights of the given module",
            probe_size=preprocessing.crop_size,
            layout=layout,
            prefix_tokens=prefix_tokens,
            output=output,
            output_name=output_name,
            threshold=threshold,
        )
        values = probe(cut, spec.layer, spec.probe_size)
        adapted = adapt(cut.head, values, _wish(spec), name=name)
        return _assemble(spec, replace(cut, head=adapted.network), adapted)


def build_classifier(spec: NetworkSpec) -> Classifier:
    """Cut a network at its layer.

    Args:
        spec: Its network becomes part of the classifier and is not copied.

    Raises:
        ModelError: The layer does not exist or does not cut the network in two, or the labels do
            not fit the classes.
    """
    layer = find_layer(spec.network, spec.layer)
    pixels = probe_pixels(spec.probe_size)
    adapted = in_short_lived_thread(
        lambda: adapt(spec.network, pixels, _wish(spec), name=spec.name, layer=layer)
    )
    cut = cut_network(adapted.network, layer, carry=spec.layout != "nchw")
    return _assemble(replace(spec, layer=layer), cut, adapted)


def _wish(spec: NetworkSpec) -> OutputWish:
    return OutputWish(
        choice=spec.output, name=spec.output_name, threshold=spec.threshold, labels=spec.labels
    )


def _frozen_copy(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).eval().requires_grad_(False).float().cpu()


@short_lived_thread
@torch.no_grad()
def _assemble(spec: NetworkSpec, cut: Cut, adapted: Adapted) -> Classifier:
    """Check on random input that the parts are the network, and find the head that fits."""
    values = probe(cut, spec.layer, spec.probe_size)
    logits = cut.head(values.clone())
    if logits.shape != adapted.expected.shape or not torch.allclose(
        logits, adapted.expected, 1e-4, 1e-4, True
    ):
        cause = "the part after the layer does not reproduce the network"
        raise ModelError("cannot explain layer", spec.layer, cause, "Name another layer")
    parts = fit_parts(cut, spec, values)
    return Classifier(
        name=spec.name,
        layer=spec.layer,
        labels=name_outputs(spec.labels, adapted.kind, adapted.count),
        preprocessing=spec.preprocessing,
        trunk=parts.trunk,
        head=parts.head,
        weights_origin=spec.origin,
        output=adapted.kind,
        notes=(*spec.notes, *adapted.notes),
    )
