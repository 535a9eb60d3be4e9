"""Which networks there are, which layer of each is explained, and how a network is cut in two.

Every convolutional classification network of torchvision is known by name. A network is cut by
splitting its traced graph at the explained layer's output: what comes before is the trunk, what
comes after the head, and ``head(trunk(x)) == network(x)``. Nothing is hooked or patched, so any
layer that all of the information flows through can be explained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from live_gradcam.errors import ModelError
from live_gradcam.explain.vision import torchvision_models


@dataclass(frozen=True, slots=True)
class Family:
    """What the networks of one family have in common.

    Attributes:
        pattern: Regular expression of the torchvision names.
        layer: The layer that is explained unless the user names another: the last one that still
            has places.
        options: Builder options that the published weights were trained with.
        auxiliary: Prefixes of training-only parameters that published weights carry.
        renamed: Pattern and replacement of parameter names that published weights still have in
            an older form.
    """

    pattern: str
    layer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: tuple[str, ...] = ()
    renamed: tuple[str, str] | None = None


_AUXILIARY_OFF = {"aux_logits": False, "init_weights": False, "transform_input": True}

FAMILIES: tuple[Family, ...] = (
    Family(r"(wide_)?resnet\d+(_2)?|resnext\d+_\d+x\d+d", "layer4"),
    Family(r"squeezenet1_[01]", "features"),
    Family(r"vgg\d+(_bn)?|alexnet", "features"),
    Family(
        r"densenet\d+",
        "features",
        renamed=(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),
    ),
    Family(r"mobilenet_v(2|3_small|3_large)", "features"),
    Family(r"mnasnet\d_\d+", "layers"),
    Family(r"efficientnet_(b[0-7]|v2_[sml])", "features"),
    Family(r"convnext_(tiny|small|base|large)", "features"),
    Family(r"regnet_[xy]_\w+", "trunk_output"),
    Family(r"shufflenet_v2_x\d_\d", "conv5"),
    Family(r"googlenet", "inception5b", _AUXILIARY_OFF, ("aux1.", "aux2.")),
    Family(r"inception_v3", "Mixed_7c", _AUXILIARY_OFF, ("AuxLogits.",)),
)


def family_of(name: str) -> Family | None:
    """The family of a torchvision network, ``None`` for names that are not convolutional ones."""
    return next((each for each in FAMILIES if re.fullmatch(each.pattern, name)), None)


def network_names() -> list[str]:
    """Every torchvision classification network that can be explained, sorted."""
    models = torchvision_models()
    return [name for name in models.list_models(module=models) if family_of(name)]


def require_family(name: str) -> Family:
    """The family of a network that the user named.

    Raises:
        ModelError: torchvision has no such convolutional classification network.
    """
    models = torchvision_models()
    known = models.list_models(module=models)
    family = family_of(name)
    if family is not None and name in known:
        return family
    if name in known:
        cause = "it has no convolutional layer at its end, which Grad-CAM explains"
    else:
        cause = "there is no such network"
    near = get_close_matches(name.lower().replace("-", "_"), ["scenes", *network_names()], 3, 0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise ModelError("unknown model", name, cause, f"{hint}`live-gradcam models` lists all of them")


def build_network(name: str, class_count: int) -> nn.Module:
    """A torchvision network in evaluation mode without any numbers in it yet (``meta`` device).

    Raises:
        ModelError: There is no such network.
    """
    family = require_family(name)
    with _WithoutNumbers():
        network: nn.Module = torchvision_models().get_model(
            name, weights=None, num_classes=class_count, **family.options
        )
    return network.eval()


class _WithoutNumbers(TorchFunctionMode):
    """Makes parameters on the ``meta`` device: no memory, and no time for random numbers.

    Not `torch.device("meta")`, because some builders compute the layout of a network with tensors.
    """

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones):
            options["device"] = "meta"
        # What draws random numbers has nothing to do here, and would load the compiler first.
        if func in (Tensor.normal_, Tensor.uniform_) and args[0].is_meta:
            return args[0]
        return func(*args, **options)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A network in two parts: ``head(trunk(x)) == network(x)``."""

    trunk: fx.GraphModule
    head: fx.GraphModule


class _LayerTracer(fx.Tracer):
    """Follows a network through all its modules, except the explained layer, which stays whole."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m is self._layer or super().is_leaf_module(m, module_qualified_name)


def cut_network(network: nn.Module, layer: str) -> Cut:
    """Split a network at a layer's output.

    Args:
        network: In evaluation mode; from ``(N, 3, H, W)`` to logits ``(N, classes)``.
        layer: Dotted name of the layer, as in ``network.named_modules()``.

    Raises:
        ModelError: The network has no such layer, be traced, or information bypasses the
            layer.
    """
    modules = dict(network.named_modules())
    if not layer or layer not in modules:
        names = [name for name in modules if name]
        near = get_close_matches(layer, names, 3, 0.4) or [n for n in names if "." not in n]
        raise ModelError("unknown layer", layer, "", f"This network has {', '.join(near)}")
    try:
        graph = _LayerTracer(modules[layer]).trace(network)
    except Exception as exc:  # tracing runs the network's own code
        raise ModelError(
            "cannot cut the network",
            type(network).__name__,
            f"its forward cannot be traced ({exc})",
            "Hand over its two parts with Classifier.from_parts(trunk, head, ...)",
        ) from exc
    places = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if len(places) != 1:
        cause = f"the layer runs {len(places)} times in one forward, not once"
        raise ModelError("cannot explain layer", layer, cause, "Name another layer")
    return _split(network, graph, places[0])


def _split(network: nn.Module, graph: fx.Graph, place: fx.Node) -> Cut:
    before = _ancestors(place)
    trunk, head = fx.Graph(), fx.Graph()
    in_trunk: dict[fx.Node, fx.Node] = {}
    in_head: dict[fx.Node, fx.Node] = {place: head.placeholder("activations")}

    def from_head(node: fx.Node) -> fx.Node:
        if node not in in_head:
            raise ModelError(
                "cannot explain layer",
                str(place.target),
                f"information flows around it ({node.name})",
                "Name a layer that everything flows through",
            )
        return in_head[node]

    needed = _ancestors(graph.find_nodes(op="output")[0], stop=place)
    for node in graph.nodes:
        if node in before:
            in_trunk[node] = trunk.node_copy(node, in_trunk.__getitem__)
        # A parameter may serve both sides; an activation may not.
        if node in needed and node is not place and node.op != "placeholder":
            if node.op != "get_attr" and node in before:
                from_head(node)
            in_head[node] = head.node_copy(node, from_head)
    trunk.output(in_trunk[place])
    return Cut(fx.GraphModule(network, trunk, "Trunk"), fx.GraphModule(network, head, "Head"))


def _ancestors(node: fx.Node, stop: fx.Node | None = None) -> set[fx.Node]:
    """A node and everything that it is made from, not looking behind ``stop``."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            if current is not stop:
                pending.extend(current.all_input_nodes)
    return found
