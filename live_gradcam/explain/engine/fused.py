"""The network as one function from ``uint8`` pixels to scores and evidence.

Channels, normalisation, memory layout, precision, trunk and head stand in one module, so that a
compiler sees all of it at once. In half precision, batch norm is folded into the convolutions
before it and pixels are channels-last. In float32 the network's own operations run, bit for bit:
that is the reference, and what parity with other libraries is measured with (where a map nearly
cancels out, or a unit of the head lies within rounding of zero, even the order of additions shows).
Everything after the trunk is float32 always.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from live_gradcam.explain.engine.pixels import InputPixels
from live_gradcam.explain.heads import Head, choose_classes
from live_gradcam.explain.tracing import trace

if TYPE_CHECKING:
    from live_gradcam.explain.classifier import Classifier
    from live_gradcam.explain.engine.runtime import Precision

DTYPES: Mapping[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


# Maps that need a backward pass each are made in groups of this many.
_GROUP = 16


class Output(NamedTuple):
    """Output of the network for a batch, all float32 but the classes.

    Attributes:
        logits: ``(N, classes)``.
        classes: int64 ``(N, K)``, the explained classes.
        evidence: ``(N, K, h, w)``.
        basis: Evidence of any other class can be made from it, see `Head.evidence`.
    """

    logits: Tensor
    classes: Tensor
    evidence: Tensor
    basis: Tensor


class BatchResult(NamedTuple):
    """Scores and evidence of a batch, on the CPU.

    Attributes:
        logits: float32 ``(N, classes)``.
        classes: int64 ``(N, K)``, the explained classes.
        evidence: float32 ``(N, K, h, w)``.
    """

    logits: Tensor
    classes: Tensor
    evidence: Tensor


Shape: TypeAlias = "tuple[int, int, int]"
"""Batch, height and width of the network's input."""

Selection: TypeAlias = "tuple[int, ...]"
"""Classes to explain: an index, or -1, -2, ... for the best, the second best, ..."""

Engine: TypeAlias = Callable[[Tensor, Tensor], "tuple[Tensor, Tensor, Tensor, Tensor]"]
"""From pixels ``uint8 (N, H, W, 3)`` BGR and a selection (see `choose_classes`) to an `Output`."""


class FusedNetwork(nn.Module):
    """From pixels to scores and evidence in one forward.

    Args:
        classifier: What is run. In float32, its trunk is shared and not copied; its head always.
        precision: Of the trunk; float32 where the classifier says why.
    """

    def __init__(self, classifier: Classifier, precision: Precision) -> None:
        super().__init__()
        if classifier.why_float32:
            precision = "fp32"
        self.dtype = DTYPES[precision]
        self._channels_last = precision != "fp32"
        self.trunk = classifier.trunk
        if precision != "fp32":
            self.trunk = fold_batch_norm(classifier.trunk).to(self.dtype)
            # Not `to(memory_format=...)`, which fails where a table has five dimensions.
            for tensor in (*self.trunk.parameters(), *self.trunk.buffers()):
                if tensor.ndim == 4:
                    tensor.data = tensor.data.contiguous(memory_format=self.layout)
        self.head: Head = classifier.head
        self.pixels = InputPixels(classifier.preprocessing)

    def forward(self, pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `Engine`."""
        return self.head.explain_input(
            self.normalised(pixels),
            self.features,
            lambda logits: choose_classes(logits, selection),
        )

    @property
    def layout(self) -> torch.memory_format:
        """Of the trunk's input. Not an attribute: torch's formats cannot always be pickled."""
        return torch.channels_last if self._channels_last else torch.contiguous_format

    @property
    def compilable(self) -> bool:
        """True if one forward is a fixed number of operations, which a compiler can follow."""
        return self.head.compilable

    def normalised(self, pixels: Tensor) -> Tensor:
        """The engine's pixels as float32 ``(N, channels, H, W)``, as the network wants them."""
        normalised: Tensor = self.pixels(pixels)
        return normalised

    def features(self, normalised: Tensor) -> Tensor:
        """Activations of normalised input, float32; mostly ``(N, C, h, w)``."""
        given = normalised.to(self.dtype).contiguous(memory_format=self.layout)
        # Not called, because a traced module writes to stderr where an image has a wrong size.
        activations: Tensor = self.trunk.forward(given)
        return activations.float()


def fold_batch_norm(trunk: nn.Module) -> nn.Module:
    """Return a copy with every batch norm that follows a convolution folded into it.

    ``bn(conv(x))`` is a convolution with other numbers; one pass over memory less for each.
    """
    try:
        traced = trace(trunk)
    except Exception:
        return copy.deepcopy(trunk)
    traced = copy.deepcopy(traced)
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        norm, convolution = modules[str(node.target)], modules[str(before.target)]
        if (
            isinstance(norm, nn.BatchNorm2d)
            and isinstance(convolution, nn.Conv2d)
            and len(before.users) == 1
            and not (norm._forward_pre_hooks or convolution._forward_hooks or norm._forward_hooks)
            and _runs_once(traced.graph, before, node)
        ):
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            modules[str(before.target)] = traced.get_submodule(str(before.target))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def _runs_once(graph: fx.Graph, *nodes: fx.Node) -> bool:
    """Return whether the modules of these nodes are called nowhere else (shared weights stay)."""
    targets = [node.target for node in graph.nodes if node.op == "call_module"]
    return all(targets.count(node.target) == 1 for node in nodes)


def all_maps(head: Head, output: Output, selection: Tensor) -> Output:
    """Make maps of more classes (never ranks) than one forward makes, from what it left.

    Args:
        head: Made the output.
        output: Of a forward.
        selection: Class indices, int64 ``(K,)``.
    """
    count, class_count = output.logits.shape
    classes = selection.expand(count, -1)
    if torch.equal(selection, torch.arange(class_count, device=selection.device)):
        maps_of_all = head.all_evidence(output.basis)
        if maps_of_all is not None:
            return output._replace(classes=classes, evidence=maps_of_all)
    if head.all_maps_are_cheap:
        return output._replace(classes=classes, evidence=head.evidence(output.basis, classes))
    maps = [head.evidence(output.basis, part) for part in torch.split(classes, _GROUP, dim=1)]
    return output._replace(classes=classes, evidence=torch.cat(maps, dim=1))
