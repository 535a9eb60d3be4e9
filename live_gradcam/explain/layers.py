"""Layers of a network that can be explained, and the same classifier cut at other ones.

A network can be cut wherever all of the information flows through one value. Of these values the
last one at each resolution is offered: from early, fine and simple to late, coarse and meaningful.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from typing_extensions import override

from live_gradcam.choices import DEFAULT_FUSE, Fuse
from live_gradcam.errors import ModelError, UsageError
from live_gradcam.explain.classifier import Classifier, build_classifier
from live_gradcam.explain.cutting.cut import channels_first, cut_graph
from live_gradcam.explain.cutting.flow import bottlenecks
from live_gradcam.explain.heads import (
    ChannelsLastHead,
    GradientHead,
    Head,
    MultiLayerHead,
    grid_of,
    prove_head,
)
from live_gradcam.explain.heads.replay import ReplayTrunk
from live_gradcam.explain.omp import short_lived_thread
from live_gradcam.explain.seen_layers import Layer, blank_pixels, see_layers
from live_gradcam.explain.tracing import trace

_MARK = "explained_layer"
_BORDER = "border"
# Names of the parts of a cut network, which are no part of a layer's name.
_PARTS = re.compile(r"(?:(?:trunk|head|module|parts\.\d+)\.)*")


@dataclass(frozen=True, slots=True)
class _Site:
    """Value in a traced network at which it can be cut.

    Attributes:
        node: Of the graph.
        channels: Number of channels.
        grid: Height and width of its maps.
        is_own: ``True`` for the layer at which the classifier is cut already.
        channels_last: ``True`` for ``(N, h, w, C)``.
    """

    node: fx.Node
    channels: int
    grid: tuple[int, int]
    is_own: bool
    channels_last: bool = False


class _Whole(nn.Module):
    """The uncut network, with a mark at the classifier's own layer."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.trunk = classifier.trunk
        self.border = nn.Identity()
        self.head = classifier.head

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.border(self.trunk(pixels)))
        return logits


class LayerMap:
    """A classifier's network as one graph, with the layers at which it can be cut.

    It traces the network and runs it once: no other thread may run one meanwhile. Of a network that
    cannot be traced it lists the layers that are seen in that run; they are explained one by one.

    Args:
        classifier: Not modified.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._sites: dict[str, _Site] = {}
        self._seen: dict[str, Layer] = {}
        replayed = isinstance(classifier.trunk, ReplayTrunk)
        if classifier.source is not None or replayed:
            self._seen = {layer.name: layer for layer in see_layers(classifier)}
            return
        try:
            self._whole = trace(_Whole(classifier).eval())
        except Exception as exc:  # tracing runs the network's own code
            cause = f"its forward cannot be traced ({str(exc).partition(chr(10))[0]})"
            raise ModelError("cannot list the layers", classifier.name, cause) from exc
        self._sites = _find_sites(self._whole, classifier)

    @property
    def names(self) -> list[str]:
        """Names of the layers, from early to late; the classifier's own is among them."""
        return [*self._sites, *self._seen]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from early to late."""
        found = (Layer(name, site.channels, site.grid) for name, site in self._sites.items())
        return (*found, *self._seen.values())

    def resolve(self, wanted: str) -> list[str]:
        """Return the layers that a user means, each once; a single name need not be known here.

        Args:
            wanted: A name or an index in `names`, negative from the end; several of them, separated
                by commas; or ``all``.

        Raises:
            UsageError: There is no layer of an index, or nothing is wanted.
        """
        parts = [part.strip() for part in wanted.split(",") if part.strip()]
        if parts == ["all"]:
            return self.names
        if not parts:
            raise self._unknown(wanted)
        return list(dict.fromkeys(self._resolve(part) for part in parts))

    @short_lived_thread
    def cut(self, names: Sequence[str], *, fuse: Fuse = DEFAULT_FUSE) -> Classifier:
        """Return the same classifier, explained at other layers; the weights are shared.

        Args:
            names: One or several of `names`, in any order; the maps of several become one.
            fuse: Combination of the layers' maps.

        Raises:
            UsageError: There is no such layer.
        """
        for name in names:
            if name not in self.names:
                raise self._unknown(name)
        if self._seen:
            return self._cut_seen(names)
        chosen = [name for name in self._sites if name in names]
        return self._cut_one(chosen[0]) if len(chosen) == 1 else self._cut_several(chosen, fuse)

    def _cut_one(self, name: str) -> Classifier:
        site = self._sites[name]
        if site.is_own:
            return self._classifier
        cut = cut_graph(self._whole, self._mark(name))
        if site.channels_last:
            cut = channels_first(cut)
        head = prove_head(cut.head, site.channels)
        return replace(self._classifier, layer=name, trunk=cut.trunk, head=head)

    def _cut_seen(self, names: Sequence[str]) -> Classifier:
        source = self._classifier.source
        if len(set(names)) > 1:
            cause = "its code cannot be cut at several layers at once"
            step = f"Name one of {', '.join(self.names)}"
            raise UsageError("cannot fuse layers", self._classifier.name, cause, step)
        if names[0] == self._classifier.layer:
            return self._classifier
        if source is None:
            cause = "the network has been changed since it was loaded"
            raise UsageError(
                "cannot explain another layer", names[0], cause, "Name it when loading"
            )
        other = build_classifier(replace(source, layer=names[0]))
        return replace(other, labels=self._classifier.labels, name=self._classifier.name)

    def _cut_several(self, names: Sequence[str], fuse: Fuse) -> Classifier:
        first, *others = [self._mark(name) for name in names]
        # Everything flows through each of the layers, so the part behind one can be cut again.
        cut = cut_graph(self._whole, first)
        trunk, parts = cut.trunk, list[nn.Module]()
        for mark in others:
            assert isinstance(cut.head, fx.GraphModule)
            cut = cut_graph(cut.head, mark)
            parts.append(cut.trunk)
        parts.append(cut.head)
        head = MultiLayerHead(parts, [self._grid(self._sites[name]) for name in names], fuse)
        return replace(self._classifier, layer=",".join(names), trunk=trunk, head=head.eval())

    def _mark(self, name: str) -> str:
        """Make a module of a layer's value, through which all of its uses go; return its name."""
        mark = f"{_MARK}_{self.names.index(name)}"
        if mark not in self._whole._modules:
            node = self._sites[name].node
            self._whole.add_submodule(mark, nn.Identity())
            with self._whole.graph.inserting_after(node):
                marked = self._whole.graph.call_module(mark, (node,))
            node.replace_all_uses_with(marked, delete_user_cb=lambda user: user is not marked)
            self._whole.recompile()
        return mark

    def _grid(self, site: _Site) -> Head:
        """Return a head without weights that knows the layout of a layer's output."""
        if site.is_own:
            return grid_of(self._classifier.head)
        if site.channels_last:
            return ChannelsLastHead(nn.Identity(), channels=site.channels)
        return GradientHead(nn.Identity())

    def _resolve(self, part: str) -> str:
        """Return a name as it is, and for an index the name that it stands for."""
        if not re.fullmatch(r"[+-]?\d+", part):
            return part
        names, index = self.names, int(part)
        if not -len(names) <= index < len(names):
            cause, step = f"there are {len(names)}", f"Choose from {', '.join(names)}"
            raise UsageError("no layer of this number", part, cause, step)
        return names[index]

    def _unknown(self, name: str) -> UsageError:
        return UsageError("unknown layer", name, "", f"Choose from {', '.join(self.names)}")


def list_layers(classifier: Classifier) -> tuple[Layer, ...]:
    """List the layers that can be explained, from early to late, the classifier's own among them.

    Traces the network: no other thread may run one meanwhile.
    """
    return LayerMap(classifier).layers


def at_layer(classifier: Classifier, name: str) -> Classifier:
    """Return the same classifier, explained at another layer; the weights are shared.

    Traces the network: no other thread may run one meanwhile.

    Args:
        classifier: Not modified.
        name: One of the names in `list_layers`.

    Raises:
        UsageError: There is no such layer.
    """
    return classifier if name == classifier.layer else LayerMap(classifier).cut([name])


def choose_layers(classifier: Classifier, wanted: str, *, fuse: Fuse = DEFAULT_FUSE) -> Classifier:
    """Return the same classifier, explained at the layers that a user means.

    Traces the network: no other thread may run one meanwhile.

    Args:
        classifier: Not modified.
        wanted: A name or an index in the list of `list_layers`, negative from the end; several of
            them, separated by commas, whose maps become one; or ``all``.
        fuse: Combination of the maps of several layers.

    Raises:
        UsageError: There is no such layer.
    """
    layer_map = LayerMap(classifier)
    return layer_map.cut(layer_map.resolve(wanted), fuse=fuse)


def _shapes(whole: fx.GraphModule, pixels: Tensor) -> dict[fx.Node, tuple[int, ...]]:
    """Run the network step by step and return the shape of every value."""
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
def _find_sites(whole: fx.GraphModule, classifier: Classifier) -> dict[str, _Site]:
    """Return the values at which the network can be cut, by the names of their layers."""
    height, width = classifier.preprocessing.input_size
    shapes = _shapes(whole, blank_pixels(classifier))
    first = next(node for node in whole.graph.nodes if node.op == "call_module")
    last: dict[tuple[int, int], _Site] = {}
    finest = height
    for node in bottlenecks(whole.graph):
        if node < first:  # the input, perhaps rescaled
            continue
        site = _find_site(node, shapes.get(node, ()), classifier, height / width)
        if site is None:
            continue
        if not site.is_own:
            if site.grid[0] > finest:  # grids only shrink: these are windows, not positions
                continue
            finest = site.grid[0]
        taken = last.get(site.grid)
        if taken is None or not taken.is_own:
            last[site.grid] = site
    sites = list(last.values())
    named = zip(_name_sites(sites, classifier), sites, strict=True)
    # A module that runs twice lends its name to two values.
    return {name: site for name, site in named if site.is_own or name != classifier.layer}


def _find_site(
    node: fx.Node, shape: tuple[int, ...], classifier: Classifier, ratio: float
) -> _Site | None:
    """Return how a value can be explained, by its shape for an image of that ratio, or ``None``."""
    if node.target == _BORDER:
        channels, *grid = classifier.head.to_grid(torch.zeros(shape)).shape[1:]
        return _Site(node, channels, (grid[0], grid[1]), is_own=True)
    if len(shape) != 4:
        return None
    # Maps have the image's shape; what has another one has its channels elsewhere.
    if _is_grid(shape[2], shape[3], ratio):
        return _Site(node, shape[1], (shape[2], shape[3]), is_own=False)
    if _is_grid(shape[1], shape[2], ratio):
        return _Site(node, shape[3], (shape[1], shape[2]), is_own=False, channels_last=True)
    return None


def _is_grid(height: int, width: int, ratio: float) -> bool:
    """Return whether maps of this size are of an image of a ratio of height to width."""
    if min(height, width) < 2:
        return False
    # Strides round each side up or down by less than a position.
    return height == width if ratio == 1 else abs(height - width * ratio) < max(1.0, ratio)


def _name_sites(sites: list[_Site], classifier: Classifier) -> list[str]:
    """Return for each value the shortest beginning of its module's path that no other one has."""
    paths = [_module_path(site.node) for site in sites]
    names = []
    for site, path in zip(sites, paths, strict=True):
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
        names.append(classifier.layer if site.is_own else ".".join(parts[:depth]))
    return names


def _module_path(node: fx.Node) -> str:
    """Return the path of the module that a value comes from, as in the uncut network."""
    while node.op != "call_module" or _is_mark(str(node.target)):
        node = node.prev
    return _PARTS.sub("", str(node.target), count=1)


def _is_mark(target: str) -> bool:
    """Return ``True`` if a module is one of those that only mark a layer."""
    name = target.rpartition(".")[2]
    return name == _BORDER or name.startswith(_MARK)
