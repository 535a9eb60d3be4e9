"""The network and its maps as one program of plain operations, whatever its head.

A closed-form head is such operations already. Any other is differentiated while it is traced, and
the derivative is written with forward operations: a graph that needs no autograd to run.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch._subclasses.functional_tensor import dispatch_functionalize
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    ShapeEnv,
    StatelessSymbolicContext,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from live_gradcam.explain.engine.fused import FusedNetwork, Shape, fold_batch_norm
from live_gradcam.explain.engine.pixels import InputPixels
from live_gradcam.explain.export.constants import fold_constants
from live_gradcam.explain.export.decompositions import plain_decompositions
from live_gradcam.explain.export.plain_methods import plain_head
from live_gradcam.explain.heads import Head, choose_classes
from live_gradcam.graph.metadata import ExplainedClasses

# So many backward passes stand one after the other in a graph; the maps of more classes are made of
# copies of the activations instead.
_MOST_PASSES = 4
# Not the number of anything else in a network, so that no size is taken for the batch's.
_BATCH = 3


class ExplainedNetwork(nn.Module):
    """From RGB pixels to the outputs of a graph.

    Args:
        network: Its head makes the maps; not modified.
        classes: Those that have a map.
        maps: Their number K.
        layout: Lays the activations out as the features, which are put out behind the evidence;
            ``None`` for no such output.
        mark: Put out the activations, too, as the last output.
    """

    def __init__(
        self,
        network: FusedNetwork,
        classes: ExplainedClasses,
        maps: int,
        *,
        layout: nn.Module | None = None,
        mark: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.mark = mark
        self.network = copy.copy(network)
        self.network._modules = dict(network._modules)
        self.network.trunk = fold_batch_norm(network.trunk)
        self.network.head = one_by_one(plain_head(network.head))
        self.pixels = _RgbPixels(copy.deepcopy(network.pixels))
        del self.network.pixels
        self.classes = classes
        self.maps = maps

    @override
    def forward(self, pixels: Tensor, selection: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return scores, classes where they depend on the picture, evidence, and features.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, RGB.
            selection: int64 ``(K,)``, see `choose_classes`; for ``asked`` classes only.
        """
        activations = self.network.features(self.pixels(pixels))
        outputs = self._explain(activations, selection)
        if self.layout is not None:
            outputs = (*outputs, self.layout(activations).clone())
        return (*outputs, activations) if self.mark else outputs

    def _explain(self, activations: Tensor, selection: Tensor | None) -> tuple[Tensor, ...]:
        head = self.network.head
        if self.classes == "all":
            logits, basis = head.score(activations)
            maps = head.all_evidence(basis)
            if maps is None:
                every = torch.arange(logits.shape[1], device=logits.device)
                maps = self._evidence(basis, every.expand(logits.shape[0], -1))
            return logits, maps

        def choose(logits: Tensor) -> Tensor:
            if selection is not None:
                return choose_classes(logits, selection)
            if self.classes == "top":
                return logits.topk(self.maps, dim=1).indices
            fixed = torch.tensor(self.classes, device=logits.device)
            return fixed.expand(logits.shape[0], -1)

        if self.maps <= _MOST_PASSES or head.all_maps_are_cheap:
            logits, classes, maps, _ = head.explain(activations, choose)
        else:
            logits, basis = head.score(activations)
            classes = choose(logits)
            maps = self._evidence(basis, classes)
        if self.classes in ("top", "asked"):
            return logits, classes, maps
        return logits, maps

    def _evidence(self, basis: Tensor, classes: Tensor) -> Tensor:
        head = self.network.head
        if head.all_maps_are_cheap:
            return head.evidence(basis, classes)
        count, number = classes.shape
        rows = basis[:, None].expand(-1, number, *basis.shape[1:]).flatten(0, 1)
        maps = head.evidence(rows, classes.reshape(-1, 1))
        return maps.reshape(count, number, *maps.shape[2:])


class _RgbPixels(nn.Module):
    """What `InputPixels` computes, from pixels in RGB order and in fewer steps.

    Args:
        pixels: What it stands for.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, pixels: InputPixels) -> None:
        super().__init__()
        self.pixels = pixels
        self.register_buffer("scale", 1.0 / (pixels.divisor * pixels.std))
        self.register_buffer("shift", -pixels.mean / pixels.std)

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        if self.pixels.planes == ("red", "green", "blue"):
            values = pixels.permute(0, 3, 1, 2).float()
        else:
            values = self.pixels.values(pixels.flip(3))
        return values * self.scale + self.shift


def one_by_one(head: Head) -> Head:
    """Return a head that takes its gradients one class after the other; weights are shared.

    Those of several classes at once are taken in a way that fixes the size of the batch.
    """
    memo = {id(tensor): tensor for tensor in (*head.parameters(), *head.buffers())}
    copied = copy.deepcopy(head, memo)
    for part in copied.modules():
        own = vars(part)
        if "_one_by_one" in own:
            own["_one_by_one"] = True
        if "_one_by_one_in_part" in own:
            own["_one_by_one_in_part"] = [True] * len(own["_one_by_one_in_part"])
    return copied


def make_program(
    network: FusedNetwork,
    *,
    classes: ExplainedClasses,
    maps: int,
    shape: Shape,
    any_size: bool = False,
    layout: nn.Module | None = None,
    mark: bool = False,
) -> ExportedProgram:
    """Trace a network with its maps.

    Args:
        network: On the CPU; its head makes the maps.
        classes: Those that have a map; with ``asked`` the program has a second input, the selection
            ``int64 (K,)``.
        maps: Their number K.
        shape: Of an example; the batch is free in any case.
        any_size: Height and width are free, too.
        layout: Lays the activations out as features, which are put out, too.
        mark: Put out the trunk's activations, too, as the last output.

    Returns:
        A program from ``pixels uint8 (N, H, W, 3)`` RGB to ``scores (N, classes)``, for ``top`` and
        ``asked`` classes their indices ``int64 (N, K)``, ``evidence (N, K, h, w)``, and with a
        layout ``features (N, C, h, w)``.

    Raises:
        Exception: Whatever torch raises at an operation that cannot be traced.
    """
    explained = ExplainedNetwork(network, classes, maps, layout=layout, mark=mark).eval()
    _, height, width = shape
    pixels = torch.zeros(_BATCH, height, width, 3, dtype=torch.uint8)
    selection = (torch.arange(-1, -1 - maps, -1),) if classes == "asked" else ()
    free = (True, any_size, any_size, False)
    with torch.no_grad(), _traceable():
        traced = _trace(explained, pixels, selection, free)
        dims = {axis: Dim.DYNAMIC for axis, is_free in enumerate(free) if is_free}
        shapes = (dims, *(None for _ in selection))
        program = torch.export.export(
            traced, (pixels, *selection), dynamic_shapes=shapes, strict=False
        )
        plain: ExportedProgram = program.run_decompositions({})
        return plain


def _trace(
    explained: ExplainedNetwork,
    pixels: Tensor,
    selection: tuple[Tensor, ...],
    free: tuple[bool, ...],
) -> fx.GraphModule:
    """Trace into operations below autograd, with the weights as buffers of the result."""
    state = {**dict(explained.named_parameters()), **dict(explained.named_buffers())}
    state = {name: tensor.detach() for name, tensor in state.items()}
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    dynamic = [DimDynamic.DYNAMIC if is_free else DimDynamic.STATIC for is_free in free]
    fake_pixels = mode.from_tensor(
        pixels, symbolic_context=StatelessSymbolicContext(dynamic_sizes=dynamic)
    )
    fakes = [mode.from_tensor(each, static_shapes=True) for each in (*selection, *state.values())]

    def run(given: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        chosen, weights = others[: len(selection)], others[len(selection) :]
        named = dict(zip(state, weights, strict=True))
        with _FlatLinear():
            found: tuple[Tensor, ...] = torch.func.functional_call(
                explained, named, (given, *chosen)
            )
        return found

    table = dict(plain_decompositions())
    # Without operations in place, whose results could not be folded.
    pure = dispatch_functionalize(run)
    traced = make_fx(pure, decomposition_table=table, tracing_mode="symbolic")(fake_pixels, *fakes)
    places = [node for node in traced.graph.nodes if node.op == "placeholder"]
    for number, (node, name) in enumerate(zip(places[1 + len(selection) :], state, strict=True)):
        if node.users:
            traced.register_buffer(f"weight{number}", state[name])
            with traced.graph.inserting_before(node):
                node.replace_all_uses_with(traced.graph.get_attr(f"weight{number}"))
        traced.graph.erase_node(node)
    fold_constants(traced)
    return traced


class _FlatLinear(TorchFunctionMode):
    """Linear layers of two dimensions: of more, torch fixes the numbers while it differentiates."""

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.nn.functional.linear or args[0].dim() < 3:
            return func(*args, **kwargs)
        values, *others = args
        flat = func(values.flatten(0, -2), *others, **kwargs)
        return flat.reshape(*values.shape[:-1], flat.shape[-1])


@contextmanager
def _traceable() -> Iterator[None]:
    """Attention as the products that it is, and no word about what torch thinks of tracing."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
