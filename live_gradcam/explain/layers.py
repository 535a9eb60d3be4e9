"""Which layers of a network can be explained, and the same classifier cut at another one.

A network can be cut wherever all of the information flows through one value. Of these places the
last one at each resolution is offered: from early, fine and simple to late, coarse and meaningful.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from live_gradcam.choices import DEFAULT_FUSE, Fuse
from live_gradcam.errors import UsageError
from live_gradcam.explain.classifier import Classifier, load_classifier
from live_gradcam.explain.cutting.cut import channels_first, cut_network, find_layer, trace
from live_gradcam.explain.cutting.layouts import fit_parts
from live_gradcam.explain.heads import ChannelsLastHead, GradientHead, Head, MultiLayerHead, grid_of
from live_gradcam.explain.networks.bundled import bundled_names
from live_gradcam.explain.networks.catalogue import list_models
from live_gradcam.explain.networks.state_dict import IMAGENET_CLASSES
from live_gradcam.explain.networks.torchvision_networks import build_network
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.preprocess import Preprocessing

_MARK = "explained_layer"
_BORDER = "border"
# The parts of a cut network, which are no part of a layer's name.
_PARTS = re.compile(r"(?:(?:trunk|head|module|parts\.\d+)\.)*")


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
    _mark(whole, place, _MARK)
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


def at_layers(
    classifier: Classifier, names: Sequence[str], *, fuse: Fuse = DEFAULT_FUSE
) -> Classifier:
    """The same classifier, explained at several layers at once; their maps become one.

    Traces the network: no other thread may run one meanwhile.

    Args:
        classifier: Not modified; its weights are shared.
        names: Two or more of the names that `list_layers` gives, in any order.
        fuse: What becomes of the layers' maps, see `live_gradcam.explain.heads.fuse_maps`.

    Raises:
        UsageError: There is no such layer.
    """
    whole = trace(_Whole(classifier))
    places = _places(whole, classifier)
    for name in names:
        if name not in places:
            raise UsageError("unknown layer", name, "", f"Choose from {', '.join(places)}")
    chosen = [name for name in places if name in names]
    marks = [f"{_MARK}_{index}" for index in range(len(chosen))]
    for name, mark in zip(chosen, marks, strict=True):
        _mark(whole, places[name], mark)
    # Everything flows through each of the layers, so that what is behind one can be cut again.
    cut = cut_network(whole, marks[0])
    trunk, parts = cut.trunk, [cut.head]
    for mark in marks[1:]:
        following = cut_network(parts.pop(), mark)
        parts += [following.trunk, following.head]
    return replace(
        classifier,
        layer=",".join(chosen),
        trunk=trunk,
        head=MultiLayerHead(
            parts, [_grid(places[name], classifier) for name in chosen], fuse
        ).eval(),
    )


def _grid(place: _Place, classifier: Classifier) -> Head:
    """How a place lays out what it puts out."""
    if place.is_own:
        return grid_of(classifier.head)
    if place.channels_last:
        return ChannelsLastHead(nn.Identity(), channels=place.channels)
    return GradientHead(nn.Identity())


def choose_layers(
    classifier: Classifier, wanted: str, *, fuse: Fuse = DEFAULT_FUSE
) -> Classifier | None:
    """The same classifier, explained where the user says.

    Args:
        classifier: Not modified.
        wanted: A name or an index in the list that `list_layers` gives, from 0 or, negative, from
            the end; several of them, separated by commas; or ``all``.
        fuse: For several layers.

    Returns:
        ``None`` where the only name is none of the list; it may still be that of a module.

    Raises:
        UsageError: One of several names, or an index, is not in the list.
    """
    names = [layer.name for layer in list_layers(classifier)]
    asked = [part.strip() for part in wanted.split(",") if part.strip()]
    if asked == ["all"]:
        asked = names
    found = list(dict.fromkeys(_resolve(each, names) for each in asked))
    if not found:
        raise UsageError("unknown layer", wanted, "", f"Choose from {', '.join(names)}")
    if len(found) > 1:
        return at_layers(classifier, found, fuse=fuse)
    return at_layer(classifier, found[0]) if found[0] in names else None


def layers_of(name: str) -> tuple[tuple[Layer, ...], str]:
    """The layers of a network that is known by name, and which of them is explained by default.

    Needs no weights.

    Raises:
        ModelError: There is no such network.
    """
    row = next((row for row in list_models() if row.name == name), None)
    if row is None or name in bundled_names():
        classifier = load_classifier(name)  # which says what is wrong with an unknown name
        return list_layers(classifier), classifier.layer
    side = row.input_size
    # Shapes are all that is asked for, so that nothing needs numbers.
    network = build_network(name, IMAGENET_CLASSES, side).to("meta")
    layer = find_layer(network, row.layer)
    cut = cut_network(network, layer, carry=True)
    values = cut.trunk.forward(torch.empty(1, 3, side, side, device="meta"))
    if values.ndim == 3 or cut.carried:
        head = fit_parts(cut, layer, values, side, layout="auto", prefix_tokens=None).head
    else:
        cut = channels_first(cut) if values.shape[1] == values.shape[2] else cut
        head = GradientHead(cut.head)
    outline = Classifier(
        name=name,
        layer=layer,
        labels=(),
        preprocessing=Preprocessing(side, side),
        trunk=cut.trunk,
        head=head,
    )
    return list_layers(outline), layer


def _resolve(wanted: str, names: Sequence[str]) -> str:
    """A name as it is, an index as the name that it stands for."""
    if not re.fullmatch(r"[+-]?\d+", wanted):
        return wanted
    index = int(wanted)
    if not -len(names) <= index < len(names):
        cause = f"there are {len(names)}"
        raise UsageError(
            "no layer of this number", wanted, cause, f"Choose from {', '.join(names)}"
        )
    return names[index]


def _mark(whole: fx.GraphModule, place: _Place, mark: str) -> None:
    """Make a layer of a place: whatever uses its value uses it through a module of this name."""
    node = place.node
    whole.add_submodule(mark, nn.Identity())
    with whole.graph.inserting_after(node):
        marked = whole.graph.call_module(mark, (node,))
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


@short_lived_thread
@torch.no_grad()
def _places(whole: fx.GraphModule, classifier: Classifier) -> dict[str, _Place]:
    """The places that are offered, by name."""
    side = classifier.preprocessing.crop_size
    device = next((each.device for each in whole.parameters()), None)
    shapes = _shapes(whole, torch.zeros(1, 3, side, side, device=device))
    first = next(node for node in whole.graph.nodes if node.op == "call_module")
    last: dict[tuple[int, int], _Place] = {}
    finest = side
    for node in _bottlenecks(whole.graph):
        if node < first:  # the input, perhaps rescaled
            continue
        place = _place(node, shapes.get(node, ()), classifier)
        if place is not None and not place.is_own:
            if place.grid[0] > finest:  # grids only shrink: these are windows, not places
                continue
            finest = place.grid[0]
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
    while node.op != "call_module" or _is_mark(str(node.target)):
        node = node.prev
    return _PARTS.sub("", str(node.target), count=1)


def _is_mark(target: str) -> bool:
    """Whether a module is one of those that only show a place."""
    name = target.rpartition(".")[2]
    return name == _BORDER or name.startswith(_MARK)
