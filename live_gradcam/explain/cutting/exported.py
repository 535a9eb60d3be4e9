"""The second way to cut: `torch.export` follows code that `torch.fx` cannot, with real shapes.

The exported graph is that of one image size, with any number of images.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

import torch
from torch import Tensor, fx, nn
from typing_extensions import override

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import Cut, cut_at
from live_gradcam.explain.cutting.sizes import OneSize
from live_gradcam.explain.modules.copying import shell_of
from live_gradcam.explain.modules.replay import first_tensor, with_first_tensor

_MARK = "explained_layer_mark"


class _Mark(nn.Module):
    """Makes a node of its own of a layer's output, which is known by this class."""

    @override
    def forward(self, value: Tensor) -> Tensor:
        return value.clone()


def cut_exported(network: nn.Module, layer: str, run: int, pixels: Tensor) -> Cut:
    """Split a network at a layer's output, by its exported graph.

    Args:
        network: In evaluation mode; not modified.
        layer: Dotted name of the layer.
        run: Which of its runs in one forward, from 0.
        pixels: Two images or more.

    Raises:
        ModelError: It cannot be exported, or information bypasses the layer.
    """
    shell = shell_of(network)
    mark = _Mark()
    shell.add_module(_MARK, mark)

    def marked(_module: nn.Module, _inputs: object, output: object) -> object:
        value = first_tensor(output)
        return None if value is None else with_first_tensor(output, mark(value))

    handle = shell.get_submodule(layer).register_forward_hook(marked)
    try:
        with torch.no_grad(), _quiet():
            exported = torch.export.export(
                shell,
                (pixels,),
                dynamic_shapes=({0: torch.export.Dim.AUTO},),  # any number of images
                strict=False,
            )
            if any(_writes(node) for node in exported.graph.nodes):
                exported = exported.run_decompositions({})
            whole = exported.module(check_guards=False)
    except Exception as exc:  # exporting runs the network's own code
        cause = f"it cannot be exported ({str(exc).strip().partition(chr(10))[0]})"
        raise ModelError("cannot cut the network", type(network).__name__, cause) from exc
    finally:
        handle.remove()
    assert isinstance(whole, fx.GraphModule)
    marks = [node for node in whole.graph.nodes if _is_mark(node)]
    if len(marks) <= run:
        cause = f"it runs {len(marks)} times in the exported graph"
        raise ModelError("cannot explain layer", layer, cause)
    (end,) = whole.graph.find_nodes(op="output")
    (outputs,) = end.args
    if isinstance(outputs, (tuple, list)):
        if len(outputs) != 1:
            cause = "its exported graph puts out several tensors"
            raise ModelError("cannot cut the network", type(network).__name__, cause)
        end.args = (outputs[0],)
    (start, *_) = whole.graph.find_nodes(op="placeholder")
    whole.add_module("one_size", OneSize(*pixels.shape[2:]))
    with whole.graph.inserting_after(start):
        sized = whole.graph.call_module("one_size", (start,))
    start.replace_all_uses_with(sized, delete_user_cb=lambda user: user is not sized)
    return cut_at(whole, marks[run])


def _writes(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _is_mark(node: fx.Node) -> bool:
    stack = node.meta.get("nn_module_stack")
    if not stack or node.target is not torch.ops.aten.clone.default:
        return False
    _, kind = [*stack.values()][-1]
    return str(getattr(kind, "__qualname__", kind)).endswith(_Mark.__name__)


class _SilentHere(io.TextIOBase):
    """Standard error without what the current thread writes, which is meant for developers."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    @override
    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return len(text)
        return self._stream.write(text)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter tells its developers from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._dynamo", "torch.fx")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(_SilentHere(sys.stderr)):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
