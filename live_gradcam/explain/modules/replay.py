"""A layer's output taken out of one forward, and put into another one, by a hook on our own copy.

This cuts any network that runs at all, whatever its code does: the first part stops behind the
layer, the second part runs from the beginning and takes the given output for the layer's own. One
image at a time, since code that looks at its numbers may look at a whole batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self, override

from live_gradcam.explain.modules.copying import copy_module


class _Stop(BaseException):
    """Ends a forward behind the layer; not an `Exception`, which a network might catch."""


class LayerNeverRan(Exception):
    """The forward ended without this run of the layer."""


class _Lock:
    """A lock of its own for each copy."""

    def __init__(self) -> None:
        self.held = threading.RLock()

    def __deepcopy__(self, memo: object) -> _Lock:
        return _Lock()

    def __reduce__(self) -> tuple[type[_Lock], tuple[()]]:
        return _Lock, ()


class Replay(nn.Module):
    """A network whose layer's output can be taken and given. May be shared by threads.

    Args:
        network: In evaluation mode and nobody else's: hooks come and go.
        layer: Dotted name of the layer.
        run: Which of its runs in one forward, from 0.
    """

    def __init__(self, network: nn.Module, layer: str, run: int = 0) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.run = run
        self._lock = _Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = type(self)(copy_module(self.network, memo), self.layer, self.run)
        memo[id(self)] = new
        return new

    def take(self, pixels: Tensor) -> Tensor:
        """Return the layer's output ``(1, ...)`` for one image; the rest does not run.

        Raises:
            LayerNeverRan: It ends before that, or the layer puts out no tensor.
        """
        taken: list[Tensor] = []

        def stop(output: object) -> None:
            found = first_tensor(output)
            if found is not None:
                taken.append(found.clone())
            raise _Stop

        with torch.no_grad(), self._at_layer(stop), suppress(_Stop):
            self.network(pixels)
        if not taken:
            raise LayerNeverRan
        return taken[0]

    def give(self, activations: Tensor, pixels: Tensor) -> Tensor:
        """Return the network's output for one image, with this as the layer's.

        Args:
            activations: ``(1, ...)``; the output can be differentiated by them.
            pixels: ``(1, channels, H, W)``.

        Raises:
            LayerNeverRan: The forward ends before that.
        """
        given = False

        def replace(output: object) -> object:
            nonlocal given
            given = True
            value = first_tensor(output)
            if value is None or value.shape != activations.shape or self._is_kept(value):
                return with_first_tensor(output, activations.clone())
            # Written into the tensor itself: what works in place uses it without its being handed
            # on, as `relu(y)` with ``inplace=True`` does.
            value.copy_(activations)
            return output

        with torch.set_grad_enabled(activations.requires_grad), self._at_layer(replace):
            output: Tensor = self.network(pixels.clone())
        if not given:
            raise LayerNeverRan
        return output

    def _is_kept(self, value: Tensor) -> bool:
        """Return whether writing into a tensor would change more than it: a view, or a weight."""
        if value.is_inference() or value._is_view():
            return True
        weights = (*self.network.parameters(), *self.network.buffers())
        storage = value.untyped_storage().data_ptr()
        return any(each.untyped_storage().data_ptr() == storage for each in weights)

    @override
    def forward(self, pixels: Tensor) -> Tensor:
        """The network's own output, undisturbed."""
        with self._lock.held:
            output: Tensor = self.network(pixels)
        return output

    @contextmanager
    def _at_layer(self, act: Callable[[object], object]) -> Iterator[None]:
        """Call a function with the layer's output; what it returns takes its place, if not None."""
        runs = 0

        def hook(_module: nn.Module, _inputs: object, output: object) -> object:
            nonlocal runs
            runs += 1
            return act(output) if runs == self.run + 1 else None

        with self._lock.held:
            handle = self.network.get_submodule(self.layer).register_forward_hook(hook)
            try:
                yield
            finally:
                handle.remove()

    @override
    def extra_repr(self) -> str:
        return f"{self.layer}, {self.run}"


def first_tensor(output: object) -> Tensor | None:
    """Return a layer's output if it is a tensor, or the first part of several that is one."""
    parts = output if isinstance(output, (tuple, list)) else (output,)
    return next((each for each in parts if isinstance(each, Tensor)), None)


def with_first_tensor(output: object, value: Tensor) -> object:
    """Return a layer's output with another tensor in place of its first one."""
    if not isinstance(output, (tuple, list)):
        return value
    at = next(index for index, each in enumerate(output) if isinstance(each, Tensor))
    parts = [*output[:at], value, *output[at + 1 :]]
    if hasattr(output, "_fields"):
        return type(output)(*parts)
    return type(output)(parts)


@dataclass(frozen=True, slots=True)
class LayerRun:
    """One run of one layer in a forward.

    Attributes:
        name: Dotted name of the layer.
        run: Number of the run, from 0.
        shape: Of its output, or of the first tensor of several.
    """

    name: str
    run: int
    shape: tuple[int, ...]

    @property
    def has_positions(self) -> bool:
        """True if the output may be maps or tokens, more than one of them."""
        if len(self.shape) == 4:
            rows, columns = self.shape[2:]
            channels_last = self.shape[1:3]
            return rows * columns > 1 and channels_last[0] * channels_last[1] > 1
        return len(self.shape) == 3 and self.shape[1] > 1


@torch.no_grad()
def survey(network: nn.Module, pixels: Tensor) -> list[LayerRun]:
    """Run a network once and list its layers in the order in which they end.

    Args:
        network: Nobody else's: hooks come and go.
        pixels: Its input.
    """
    runs: list[LayerRun] = []
    counts: dict[str, int] = {}

    def hook_for(name: str) -> Callable[[nn.Module, object, object], None]:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            tensor = first_tensor(output)
            if tensor is None:
                return
            count = counts.get(name, 0)
            counts[name] = count + 1
            runs.append(LayerRun(name, count, tuple(tensor.shape)))

        return note

    named = [(name, each) for name, each in network.named_modules() if name]
    handles = [
        each.register_forward_hook(hook_for(name))
        for name, each in named
        if not isinstance(each, torch.jit.ScriptModule)  # these take none
    ]
    try:
        network(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return runs
