"""Which layers of a network can be explained, and the same classifier cut at another one.

A network can be cut wherever all of the information flows through one value. Of these places the
last one at each resolution is offered: from early, fine and simple to late, coarse and meaningful.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.cutting import trace

_MARK = "explained_layer"
_BORDER = "border"
# The parts of a cut network, which are no part of a layer's name.
_PARTS = ("trunk.", "head.", "module.")


@dataclass(frozen=True, slots=True)
class Layer:
    """A place where a network can be cut.

    Attributes:
        name: Short name, unique within the network.
        channels: Number of channels.
        grid: Height and width of its maps for the network's usual input.
    """

    name: str
    channels: int
    grid: tuple[int, int]


class _Whole(nn.Module):
    """The uncut network."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.trunk = classifier.trunk
        self.border = nn.Identity()
        self.head = classifier.head

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.border(self.trunk(pixels)))
        return logits


@dataclass(frozen=True, slots=True)
class _Place:
    node: fx.Node
    channels: int
    grid: tuple[int, int]
    is_own: bool
    channels_last: bool = False


def list_layers(classifier: Classifier) -> tuple[Layer, ...]:
    """The layers that can be explained, from early to late; the classifier's own is among them.

    Traces the network: no other thread may run one meanwhile.
    """
    whole = trace(_Whole(classifier))
    places = _places(whole, classifier)
    return tuple(Layer(name, place.channels, place.grid) for name, place in places.items())


def at_layer(classifier: Classifier, name: str) -> Classifier:
    """The same classifier, explained at another layer.

    Traces the network: no other thread may run one meanwhile.

    Args:
        classifier: Not modified.
        name: One of the names that `list_layers` gives.

    Raises:
        UsageError: There is no such layer.
    """
    if name == classifier.layer:
        return classifier
    whole = trace(_Whole(classifier))
    places = _places(whole, classifier)
    if name not in places:
        raise UsageError("unknown layer", name, "", f"Choose from {', '.join(places)}")
    place = places[name]
    _mark(whole, place)
    cut = Classifier.from_module(
        whole,
        layer=_MARK,
        labels=classifier.labels,
        preprocessing=classifier.preprocessing,
        name=classifier.name,
        layout="nhwc" if place.channels_last else "nchw",
    )
    return replace(
        cut, layer=name, weights_origin=classifier.weights_origin, notes=classifier.notes
    )


def _mark(whole: fx.GraphModule, place: _Place) -> None:
    """Make a layer of a place."""
    node = place.node
    whole.add_submodule(_MARK, nn.Identity())
    with whole.graph.inserting_after(node):
        marked = whole.graph.call_module(_MARK, (node,))
    node.replace_all_uses_with(marked, delete_user_cb=lambda user: user is not marked)
    whole.recompile()


def _shapes(whole: fx.GraphModule, pixels: Tensor) -> dict[fx.Node, tuple[int, ...]]:
    """Run the network step by step and note the shape of every value."""
    # Not `Interpreter.run`: it starts a progress bar's thread that never ends.
    steps = fx.Interpreter(whole)
    steps.args_iter = iter((pixels,))
    shapes = {}
    for node in whole.graph.nodes:
        value: Any = steps.run_node(node)
        steps.env[node] = value
        if isinstance(value, Tensor):
            shapes[node] = tuple(value.shape)
    return shapes


@torch.no_grad()
def _places(whole: fx.GraphModule, classifier: Classifier) -> dict[str, _Place]:
    """The places that are offered, by name."""
    side = classifier.preprocessing.crop_size
    shapes = _shapes(whole, torch.zeros(1, 3, side, side))
    last: dict[tuple[int, int], _Place] = {}
    for node in _bottlenecks(whole.graph):
        place = _place(node, shapes.get(node, ()), classifier)
        taken = None if place is None else last.get(place.grid)
        if place is not None and (taken is None or not taken.is_own):
            last[place.grid] = place
    places = list(last.values())
    named = zip(_names(places, classifier), places, strict=True)
    # A module that runs twice lends its name to two places.
    return {name: each for name, each in named if each.is_own or name != classifier.layer}


def _place(node: fx.Node, shape: tuple[int, ...], classifier: Classifier) -> _Place | None:
    """The place where a value of a square picture can be explained, if it can."""
    if node.target == _BORDER:
        channels, *grid = classifier.head.to_grid(torch.zeros(shape)).shape[1:]
        return _Place(node, channels, (grid[0], grid[1]), is_own=True)
    if len(shape) != 4:
        return None
    # A square picture has square maps; what is not square has its channels elsewhere.
    if shape[2] == shape[3] >= 2:
        return _Place(node, shape[1], (shape[2], shape[3]), is_own=False)
    if shape[1] == shape[2] >= 2:
        return _Place(node, shape[3], (shape[1], shape[2]), is_own=False, channels_last=True)
    return None


def _bottlenecks(graph: fx.Graph) -> list[fx.Node]:
    """The values that everything flows through, in order: no other value is needed behind them."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    found = []
    farthest = 0
    for node in graph.nodes:
        if node.op in ("get_attr", "output"):
            continue
        here = order[node]
        if node.op != "placeholder" and farthest <= here:
            found.append(node)
        uses = [order[user] for user in node.users]
        farthest = max([farthest, *uses])
    return found


def _names(places: list[_Place], classifier: Classifier) -> list[str]:
    paths = [_path(place.node) for place in places]
    names = []
    for place, path in zip(places, paths, strict=True):
        parts = path.split(".")
        others = [other for other in paths if other != path]
        depth = next(
            (
                depth
                for depth in range(1, len(parts) + 1)
                if not any(other.split(".")[:depth] == parts[:depth] for other in others)
            ),
            len(parts),
        )
        names.append(classifier.layer if place.is_own else ".".join(parts[:depth]))
    return names


def _path(node: fx.Node) -> str:
    """The module that a value comes from, named as in the uncut network."""
    while node.op != "call_module" or str(node.target).endswith((_BORDER, _MARK)):
        node = node.prev
    path = str(node.target)
    while path.startswith(_PARTS):
        path = path.partition(".")[2]
    return path
