"""Classifiers: networks cut in two at the explained layer, with their labels and preprocessing.

Whole networks come from `live_gradcam.explain.networks`; here they are cut, and the parts are
proved to be the network.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from live_gradcam.choices import DEFAULT_OUTPUT, DEFAULT_THRESHOLD, OutputChoice
from live_gradcam.class_names import find_class
from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import Cut
from live_gradcam.explain.cutting.layouts import (
    check_layout,
    probe_channels,
    probe_pixels,
    probe_size,
)
from live_gradcam.explain.cutting.ways import Divided, divide, probe_trunk, prove_quickly
from live_gradcam.explain.heads import Head
from live_gradcam.explain.modules.choosing import default_layers, name_of
from live_gradcam.explain.modules.own import check_own, own_copy
from live_gradcam.explain.modules.running import undisturbed_randomness
from live_gradcam.explain.networks.fit_preprocessing import PreprocessingLike, fit_preprocessing
from live_gradcam.explain.networks.labels import Labels
from live_gradcam.explain.networks.spec import LayoutChoice, NetworkSpec
from live_gradcam.explain.omp import in_short_lived_thread, short_lived_thread
from live_gradcam.explain.outputs import (
    Adapted,
    OutputWish,
    adapt,
    check_output,
    label_notes_of,
    name_outputs,
    pick_logits,
)
from live_gradcam.explain.tracing import find_layer
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import SOFTMAX, OutputKind


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Network cut at the explained layer. Immutable; may be shared by threads and explainers.

    Attributes:
        name: Short name of the network.
        layer: Name of the explained layer.
        labels: Names of the classes, in order.
        preprocessing: Resizing, cropping and normalisation of the network's images.
        trunk: From normalised images ``(N, channels, H, W)`` to the layer's activations: maps
            ``(N, C, h, w)``, channels-last maps ``(N, h, w, C)`` or tokens ``(N, T, C)``.
        head: From the activations to logits and to evidence.
        weights_origin: Source of the weights, as a short sentence.
        output: Meaning of the logits; it says what the probabilities are.
        notes: One sentence for each thing that had to be interpreted.
        why_float32: Reason why the network runs in float32 only; empty if half precision will do.
        source: The whole network, where other layers are not found in the parts' graphs.
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
    why_float32: str = ""
    source: NetworkSpec | None = None

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
        layer: str | nn.Module | None = None,
        labels: Labels = None,
        preprocessing: PreprocessingLike | None = None,
        name: str = "custom",
        layout: LayoutChoice = "auto",
        prefix_tokens: int | None = None,
        output: OutputChoice = DEFAULT_OUTPUT,
        output_name: str | int | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Classifier:
        """Make a classifier from any network that runs.

        For example a vision transformer, explained at the layer that pytorch-grad-cam suggests::

            Classifier.from_module(vit, layer="encoder.layers.-1.ln_1", labels=["cat", "dog"])

        A network whose code `torch.fx` and `torch.export` cannot follow is explained all the same,
        more slowly; `notes` says so. Forward hooks that change the output are kept; others, and
        backward hooks, are left out.

        Args:
            module: From normalised ``(N, channels, H, W)`` to logits ``(N, classes)``; copied, and
                never changed.
            layer: The layer to explain: its dotted name (``-1`` stands for the last child) or the
                module itself; ``None`` takes the last one that has positions and that everything
                flows through.
            labels: Names of the classes or a file with them; ``class 0``, ``class 1``, ... if
                ``None``.
            preprocessing: Preprocessing of the network's images: all of it, some of its numbers as
                a dictionary, or a JSON file; what is not said is ImageNet's usual one, for gray
                images where the first convolution takes one channel.
            name: Short name for titles and messages.
            layout: Layout of the layer's output: maps ``"nchw"`` or ``"nhwc"``, or ``"tokens"``
                ``(N, T, C)``, row by row; ``"auto"`` tells them by their shape.
            prefix_tokens: Number of tokens before those of the patches (a class token, registers);
                ``None`` takes what is left over of the largest grid that fits.
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
            ModelError: The network does not run or is random, the layer does not exist or has no
                part in the output, the layout is not the layer's, the number of labels is not the
                number of classes, or the output is not what it is said to be.
            UsageError: There is no such layout or output, or the threshold is no probability.
        """
        check_layout(layout, prefix_tokens)
        check_output(output, threshold)
        wanted = name_of(module, layer) if isinstance(layer, nn.Module) else layer
        usual = Preprocessing()
        with undisturbed_randomness():
            own = own_copy(module)
            spec = NetworkSpec(
                name=name,
                network=own.network,
                layer=wanted or "",
                labels=labels,
                preprocessing=usual,
                origin="weights of the given module",
                probe_size=usual.input_size,
                layout=layout,
                prefix_tokens=prefix_tokens,
                output=output,
                output_name=output_name,
                threshold=threshold,
                notes=own.notes,
                is_own=True,
            )
            spec = fit_preprocessing(spec, preprocessing)
            height, width = spec.probe_size
            pixels = probe_pixels(height, width, channels=len(spec.preprocessing.planes))
            check_own(own.network, pixels)
            return build_classifier(spec) if wanted is not None else _build_anywhere(spec, pixels)

    @classmethod
    @short_lived_thread
    def from_parts(
        cls,
        trunk: nn.Module,
        head: nn.Module,
        *,
        labels: Labels = None,
        preprocessing: PreprocessingLike | None = None,
        name: str = "custom",
        layout: LayoutChoice = "auto",
        prefix_tokens: int | None = None,
        output: OutputChoice = DEFAULT_OUTPUT,
        output_name: str | int | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Classifier:
        """Make a classifier from a network that is in two parts already.

        Args:
            trunk: From normalised images ``(N, channels, H, W)`` to activations; copied.
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
        usual = Preprocessing()
        cut = Cut(own_copy(trunk, is_part=True).network, own_copy(head, is_part=True).network)
        spec = NetworkSpec(
            name=name,
            network=nn.Sequential(OrderedDict(trunk=cut.trunk, head=cut.head)),
            layer="trunk",
            labels=labels,
            preprocessing=usual,
            origin="weights of the given module",
            probe_size=usual.input_size,
            layout=layout,
            prefix_tokens=prefix_tokens,
            output=output,
            output_name=output_name,
            threshold=threshold,
        )
        spec = fit_preprocessing(spec, preprocessing)
        with torch.no_grad():
            adapted = adapt(cut.head, probe_trunk(cut, spec), _wish(spec), name=name)
            whole = replace(cut, head=adapted.network)
            parts, class_count = prove_quickly(whole, spec, adapted.expected)
        return _describe(spec, Divided(parts, class_count), adapted)


def build_classifier(spec: NetworkSpec) -> Classifier:
    """Cut a network at its layer.

    Args:
        spec: Its network becomes part of the classifier and is not copied.

    Raises:
        ModelError: The layer does not exist or cannot be explained, or the labels do not fit the
            classes.
    """
    spec = replace(spec, layer=find_layer(spec.network, spec.layer))
    adapted, divided = in_short_lived_thread(lambda: _divide_adapted(spec))
    return _describe(spec, divided, adapted)


def _divide_adapted(spec: NetworkSpec) -> tuple[Adapted, Divided]:
    """Make a network put out logits, and cut it."""
    height, width = probe_size(spec)
    pixels = probe_pixels(height, width, channels=probe_channels(spec))
    with undisturbed_randomness():
        adapted = adapt(spec.network, pixels, _wish(spec), name=spec.name, layer=spec.layer)
    return adapted, divide(replace(spec, network=adapted.network), adapted.expected)


def _wish(spec: NetworkSpec) -> OutputWish:
    return OutputWish(
        choice=spec.output, name=spec.output_name, threshold=spec.threshold, labels=spec.labels
    )


def _build_anywhere(spec: NetworkSpec, pixels: Tensor) -> Classifier:
    """Cut a network at the best layer that it can be cut at."""
    problem = ModelError(
        "cannot explain the network",
        spec.name,
        "none of its layers puts out maps or tokens on which its scores depend",
        "Name a layer",
    )
    scores = pick_logits(spec.network, pixels, _wish(spec), spec.name)
    for layer in default_layers(scores, pixels):
        try:
            return build_classifier(replace(spec, layer=layer))
        except ModelError as exc:  # tokens that are no grid, for example
            problem = exc
    raise problem


def _describe(spec: NetworkSpec, divided: Divided, adapted: Adapted) -> Classifier:
    return Classifier(
        name=spec.name,
        layer=spec.layer,
        labels=name_outputs(spec.labels, adapted.kind, divided.class_count),
        preprocessing=spec.preprocessing,
        trunk=divided.parts.trunk,
        head=divided.parts.head,
        weights_origin=spec.origin,
        output=adapted.kind,
        notes=(
            *spec.notes,
            *adapted.notes,
            *divided.notes,
            *label_notes_of(spec.labels, adapted.kind, divided.class_count),
        ),
        why_float32=divided.why_float32,
        source=None if divided.is_traced else spec,
    )
