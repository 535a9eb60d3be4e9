"""Search for the layer to explain, where no table names it: the network is watched at work.

It is the last layer with places that everything flows through and where most places matter to the
scores. Behind the last block of a transformer with a class token no score depends on the patches
any more; the last layer where one does is found by the gradient, and the norm that reads it is what
the field explains (Gildenblat, pytorch-grad-cam).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.omp import short_lived_thread

_MOST_PREFIX_TOKENS = 17
# Share of the places that must matter: dead ReLUs and padding leave some without a gradient.
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class LastLayer:
    """A layer to explain.

    Attributes:
        name: Dotted name of the module.
        prefix_tokens: Number of tokens before those of the patches; ``None`` for maps.
        is_bypassed: ``True`` if no layer holds everything, and this is the last that matters.
    """

    name: str
    prefix_tokens: int | None
    is_bypassed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One run of one module."""

    name: str
    module: nn.Module
    source: object
    output: Tensor


@short_lived_thread
@torch.enable_grad()
def find_last_layer(network: nn.Module, pixels: Tensor, *, patches: int | None = None) -> LastLayer:
    """Find the last layer of a network that can be explained.

    Args:
        network: In evaluation mode, from ``(N, C, H, W)`` to logits ``(N, classes)``.
        pixels: An input ``(1, C, H, W)`` of the size that it wants.
        patches: Number of patch tokens where the network's configuration says it.

    Raises:
        ModelError: None is found.
    """
    runs, logits = _watch(network, pixels)
    narrow = _bottlenecks(network) if isinstance(network, fx.GraphModule) else None
    generator = torch.Generator().manual_seed(0)
    score = (logits * torch.randn(logits.shape, generator=generator)).sum()
    aside: LastLayer | None = None
    # What stands in the first part of a network knows edges, not objects.
    for index in range(len(runs) - 1, len(runs) // 4, -1):
        run = runs[index]
        prefix = _prefix(run.output, patches, pixels)
        if prefix is None or (narrow is not None and run.name not in narrow):
            continue
        if not _matters(score, run, prefix, pixels):
            continue
        if narrow is None and not _holds_everything(network, run.module, pixels):
            tokens = prefix if run.output.ndim == 3 else None
            aside = aside or LastLayer(run.name, tokens, is_bypassed=True)
            continue
        norm = _norm_behind(runs[index + 1 :], run.output)
        if norm is not None and _matters(score, norm, prefix, pixels):
            run = norm
        return LastLayer(run.name, prefix if run.output.ndim == 3 else None)
    if aside is not None:
        return aside
    raise ModelError(
        "cannot explain network",
        type(network).__name__,
        "it has no layer with places that everything flows through",
        'Name one in Python: load_classifier(..., layer="...")',
    )


@short_lived_thread
def puts_out_maps(network: nn.Module, layer: str, pixels: Tensor) -> bool:
    """Return whether a layer runs once and puts out maps.

    Args:
        network: As for `find_last_layer`.
        layer: Dotted name of a layer.
        pixels: As for `find_last_layer`.
    """
    module = dict(network.named_modules()).get(layer)
    if module is None:
        return False
    seen: list[object] = []
    handle = module.register_forward_hook(lambda _module, _given, output: seen.append(output))
    try:
        with torch.no_grad():
            network(pixels)
    finally:
        handle.remove()
    maps = seen[0] if len(seen) == 1 else None
    return isinstance(maps, Tensor) and maps.ndim == 4 and _places(maps, pixels) is not None


def _watch(network: nn.Module, pixels: Tensor) -> tuple[list[_Run], Tensor]:
    """Run the network; return modules that run once, as they ended, and the scores.

    Of modules that end with the same value only the outermost is returned.
    """
    runs: list[_Run] = []
    times: dict[str, int] = {}
    handles = []
    for name, module in network.named_modules():
        if not name:
            continue

        def record(module: nn.Module, given: object, output: object, name: str = name) -> None:
            times[name] = times.get(name, 0) + 1
            if isinstance(output, Tensor) and output.requires_grad:
                source = given[0] if isinstance(given, tuple) and given else None
                runs.append(_Run(name, module, source, output))

        handles.append(module.register_forward_hook(record))
    try:
        logits = network(pixels.clone().requires_grad_())
    except Exception as exc:  # the network's own code
        size = f"{pixels.shape[3]}x{pixels.shape[2]}"
        cause = str(exc).strip().partition("\n")[0] or type(exc).__name__
        raise ModelError("cannot run the network", f"on a picture of {size}", cause) from exc
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = tuple(getattr(logits, "shape", ()))
        cause = f"its output {shape} is not (N, classes)"
        raise ModelError("cannot explain network", type(network).__name__, cause)
    outermost = {id(run.output): run for run in runs if times[run.name] == 1}
    return [run for run in runs if outermost.get(id(run.output)) is run], logits


def _bottlenecks(network: fx.GraphModule) -> set[str]:
    """Return the modules of a graph through which everything flows."""
    order = {node: index for index, node in enumerate(network.graph.nodes)}
    found: set[str] = set()
    farthest = 0
    for node in network.graph.nodes:
        if node.op in ("get_attr", "output"):
            continue
        if node.op == "call_module" and farthest <= order[node]:
            found.add(str(node.target))
        farthest = max([farthest, *(order[user] for user in node.users)])
    return found


def _prefix(values: Tensor, patches: int | None, pixels: Tensor) -> int | None:
    """Return the number of tokens before the patches, 0 for maps, ``None`` without places."""
    shape = values.shape
    height, width = pixels.shape[2:]
    if values.ndim == 4:
        return None if _places(values, pixels) is None else 0
    if values.ndim != 3 or shape[2] < 2:
        return None
    tokens = shape[1]
    if patches is not None and 0 <= tokens - patches <= _MOST_PREFIX_TOKENS:
        return tokens - patches
    if height != width:
        return None
    for edge in range(math.isqrt(tokens), 1, -1):
        if tokens - edge * edge > min(_MOST_PREFIX_TOKENS, edge * edge):
            return None
        if height % edge == 0:  # patches fill the image
            return tokens - edge * edge
    return None


def _places(values: Tensor, pixels: Tensor) -> tuple[int, int] | None:
    """Return the two dimensions of maps that are places: those with the image's shape."""
    ratio = pixels.shape[2] / pixels.shape[3]
    for rows, columns in ((2, 3), (1, 2)):
        tall, wide = values.shape[rows], values.shape[columns]
        # Strides round each side up or down by less than one place.
        same_shape = tall == wide if ratio == 1 else abs(tall - wide * ratio) < max(1.0, ratio)
        if tall * wide >= 2 and same_shape and tall <= pixels.shape[2]:
            return rows, columns
    return None


def _matters(score: Tensor, run: _Run, prefix: int, pixels: Tensor) -> bool:
    """Return whether the score depends on enough of the places."""
    values = run.output
    (gradient,) = torch.autograd.grad(score, values, retain_graph=True, allow_unused=True)
    if gradient is None:
        return False
    if values.ndim == 3:
        matters = (gradient[:, prefix:] != 0).any(2)
    else:
        matters = (gradient != 0).any(1 if _places(values, pixels) == (2, 3) else 3)
    return float(matters.float().mean()) >= _ENOUGH


def _holds_everything(network: nn.Module, module: nn.Module, pixels: Tensor) -> bool:
    """Return whether no score depends on the pixels in another way than through a module."""
    handle = module.register_forward_hook(lambda _module, _given, output: output.detach().clone())
    source = pixels.clone().requires_grad_()
    try:
        logits = network(source)
    finally:
        handle.remove()
    if not logits.requires_grad:
        return True
    (gradient,) = torch.autograd.grad(logits.sum(), source, allow_unused=True)
    return gradient is None or not bool(gradient.any())


def _norm_behind(later: Sequence[_Run], values: Tensor) -> _Run | None:
    """Return the norm of the next block, if it is what reads these tokens."""
    for run in later:
        if run.source is values and run.output.shape == values.shape and values.ndim == 3:
            is_norm = "norm" in type(run.module).__name__.lower()
            return run if is_norm else None
    return None
