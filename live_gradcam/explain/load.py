"""Loading of classifiers by the name of their network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from live_gradcam.choices import (
    DEFAULT_FUSE,
    DEFAULT_MODEL,
    DEFAULT_OUTPUT,
    DEFAULT_THRESHOLD,
    Fuse,
    OutputChoice,
)
from live_gradcam.errors import ModelError
from live_gradcam.explain.classifier import Classifier, build_classifier
from live_gradcam.explain.cutting.cut import channels_first, cut_network
from live_gradcam.explain.cutting.layouts import fit_parts
from live_gradcam.explain.heads import GradientHead
from live_gradcam.explain.layers import LayerMap, list_layers
from live_gradcam.explain.networks.bundled import bundled_names
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.download import Progress
from live_gradcam.explain.networks.file_networks import is_onnx
from live_gradcam.explain.networks.find import find_network
from live_gradcam.explain.networks.fit_preprocessing import (
    PreprocessingLike,
    read_preprocessing_like,
)
from live_gradcam.explain.networks.labels import Labels, resolve_labels
from live_gradcam.explain.networks.options import LoadOptions
from live_gradcam.explain.networks.spec import IMAGENET_CLASSES, NetworkSpec
from live_gradcam.explain.networks.torchvision_networks import build_network
from live_gradcam.explain.outputs import check_output
from live_gradcam.explain.seen_layers import Layer
from live_gradcam.explain.taught import load_taught
from live_gradcam.explain.taught_facts import read_facts
from live_gradcam.explain.tracing import find_layer
from live_gradcam.preprocessing.settings import Preprocessing
from live_gradcam.values import SOFTMAX


def load_classifier(
    name: str = DEFAULT_MODEL,
    *,
    weights: Any = None,  # noqa: ANN401 - torchvision's weight entries are untyped
    labels: Labels = None,
    layer: str | int | None = None,
    fuse: Fuse = DEFAULT_FUSE,
    output: OutputChoice = DEFAULT_OUTPUT,
    output_name: str | int | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    state: str | None = None,
    preprocessing: PreprocessingLike | None = None,
    transform_input: bool | None = None,
    progress: Progress | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Classifier:
    """Load a network with its weights, labels and preprocessing, ready to be explained.

    Args:
        name: A torchvision classification network, ``timm:NAME``, or ``scenes``, the bundled one.
            A file of `live_gradcam.teach` needs none, and may itself stand here.
        weights: A checkpoint file (``.pth``, ``.pt``, ``.safetensors``), the name of a torchvision
            weights entry (``IMAGENET1K_V2``) or the entry itself; ``None`` takes torchvision's
            (or timm's) default, downloaded once.
        labels: Names of the classes, or a file with them; ``None`` takes the weights' own.
        layer: The layer to explain: a name or an index in the list of `live_gradcam.list_layers`
            (negative from the end), or any module as for `Classifier.from_module`; several of the
            list, separated by commas, or ``all``; ``None`` takes the last one that still has
            spatial positions.
        fuse: Combination of the maps of several layers: their ``mean`` or ``max``.
        output: Meaning of the network's output; ``auto`` takes what can be proven, see
            `Classifier.from_module`.
        output_name: Name or index of the logits where the network puts out several tensors.
        threshold: Probability above which a class is true, above 0 and below 1; of binary networks
            it decides which side is predicted.
        state: Key of the state dict to take from a checkpoint that holds several.
        preprocessing: Preprocessing of the network's images: all of it, some of its numbers as a
            dictionary (``{"channels": "gray", "range": "0..255"}``), or a JSON file of
            Hugging Face's, timm's or our own form; ``None`` takes that of the weights.
        transform_input: For GoogLeNet and Inception, ``True`` if the network turns torchvision's
            normalisation into its own; ``None`` does so for torchvision's weights only.
        progress: Called during a download with the bytes received so far and, where known, the
            bytes in all; ``None`` shows a bar on stderr. timm shows its own.
        on_notice: Called with one sentence for each thing that had to be interpreted.

    Raises:
        ModelError: The network, its weights or its labels cannot be used, or it has no such layer.
        UsageError: One of several layers, or an index, is not in the list, or the output or its
            threshold cannot be used.
    """
    options = LoadOptions(
        labels=labels,
        output=output,
        output_name=output_name,
        threshold=threshold,
        state=state,
        preprocessing=preprocessing,
        transform_input=transform_input,
    )
    check_output(output, threshold)
    taught = _load_taught(name, weights, options, progress)
    if taught is not None:
        classifier, spec = taught, None
    else:
        spec = find_network(name, weights, options, progress)
        spec = replace(spec, output_name=output_name, threshold=threshold)
        if output != DEFAULT_OUTPUT:
            spec = replace(spec, output=output)
        classifier = build_classifier(spec)
    if layer is not None:
        classifier = _cut_elsewhere(classifier, spec, layer, fuse)
    for note in classifier.notes:
        if on_notice is not None:
            on_notice(note)
    return classifier


def _cut_elsewhere(
    classifier: Classifier, spec: NetworkSpec | None, layer: str | int, fuse: Fuse = DEFAULT_FUSE
) -> Classifier:
    """Return the same classifier, explained at other layers.

    Args:
        classifier: Made of the whole network.
        spec: The whole network, where it is at hand: any of its modules may be named.
        layer: As for `load_classifier`.
        fuse: As for `load_classifier`.

    Raises:
        ModelError: There is no such layer.
        UsageError: One of several layers, or an index, is not in the list.
    """
    layer_map = LayerMap(classifier)
    names = layer_map.resolve(str(layer))
    if spec is not None and len(names) == 1 and names[0] not in layer_map.names:
        return build_classifier(replace(spec, layer=str(layer), layout="auto", prefix_tokens=None))
    return layer_map.cut(names, fuse=fuse)


def _load_taught(
    name: str,
    weights: Any,  # noqa: ANN401 - torchvision's weight entries are untyped
    options: LoadOptions,
    progress: Progress | None,
) -> Classifier | None:
    """Load a classifier that was taught, if the weights or the name are a file of one.

    Raises:
        ModelError: The file cannot be used, or something is said of it that it says itself.
    """
    given = name if weights is None else weights
    facts = read_facts(Path(given)) if isinstance(given, (str, Path)) else None
    if facts is None:
        return None
    path = Path(given)
    said = {
        "--state": options.state,
        "--output-name": options.output_name,
        "--transform-input": options.transform_input,
        f"--output {options.output}": options.output not in (DEFAULT_OUTPUT, SOFTMAX.name) or None,
    }
    for option, value in said.items():
        if value is not None:
            cause = f"{path.name} is a taught classifier, which says that itself"
            raise ModelError("cannot use", option, cause, "Leave it out")

    def load_trunk(network: str, layer: str) -> Classifier:
        weights = None
        if Path(network).is_file() and not is_onnx(Path(network)):
            network, weights = facts.network, network
        spec = find_network(network, weights, LoadOptions(), progress)
        base = build_classifier(spec)
        return base if base.layer == layer else _cut_elsewhere(base, spec, layer)

    # Whether the usual name was typed cannot be seen.
    named = "" if weights is None or name == DEFAULT_MODEL else name
    classifier = load_taught(path, facts, named, load_trunk)
    if options.labels is not None:
        labels = resolve_labels(options.labels, classifier.class_count)
        classifier = replace(classifier, labels=labels)
    if options.preprocessing is not None:
        wanted = read_preprocessing_like(options.preprocessing)
        if not isinstance(wanted, Preprocessing):
            wanted = wanted.apply(classifier.preprocessing)
        classifier = replace(classifier, preprocessing=wanted)
    return classifier


def list_layers_by_name(name: str) -> tuple[tuple[Layer, ...], str]:
    """List the layers of a network that has a name, and the one that is explained by default.

    Needs no weights.

    Args:
        name: As for `load_classifier`.

    Raises:
        ModelError: There is no such network.
    """
    row = next((row for row in list_models() if row.name == name), None)
    if row is None or name in bundled_names():
        classifier = load_classifier(name)  # which says what is wrong with an unknown name
        return list_layers(classifier), classifier.layer
    side = row.input_size
    # Only shapes are needed, so the network stays without weights.
    network = build_network(name, IMAGENET_CLASSES, side).to("meta")
    spec = NetworkSpec(
        name=name,
        network=network,
        layer=find_layer(network, row.layer),
        labels=(),
        preprocessing=Preprocessing(side, side),
        origin="",
        probe_size=(side, side),
    )
    cut = cut_network(network, spec.layer, carry=True)
    values = cut.trunk.forward(torch.empty(1, 3, side, side, device="meta"))
    if values.ndim == 3 or cut.carried:
        head = fit_parts(cut, spec, values).head
    else:
        cut = channels_first(cut) if values.shape[1] == values.shape[2] else cut
        head = GradientHead(cut.head)
    outline = Classifier(
        name=name,
        layer=spec.layer,
        labels=(),
        preprocessing=spec.preprocessing,
        trunk=cut.trunk,
        head=head,
    )
    return list_layers(outline), spec.layer
