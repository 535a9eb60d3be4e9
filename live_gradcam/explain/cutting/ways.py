"""The ways to cut a network at a layer, tried in order; each is proven before it is used.

1. `cut_network`: its traced graph. Any number and size of images, compiled.
2. `cut_exported`: its exported graph. Any number of images of one size, compiled.
3. `Replay`: no cut at all; the whole network runs again with the layer's output given. Any network
   that runs, uncompiled, and layers that something flows past.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.cut import Cut, NoInfluence, cut_network
from live_gradcam.explain.cutting.exported import cut_exported
from live_gradcam.explain.cutting.layouts import (
    Parts,
    fit_parts,
    lay_out,
    probe,
    probe_channels,
    probe_pixels,
    probe_size,
)
from live_gradcam.explain.cutting.prove import (
    NotProven,
    Reference,
    agrees_on,
    half_precision_problem,
)
from live_gradcam.explain.cutting.sizes import OneSize
from live_gradcam.explain.heads.replay import Packing, ReplayHead, ReplayTrunk
from live_gradcam.explain.modules.copying import shell_of
from live_gradcam.explain.modules.running import undisturbed_randomness
from live_gradcam.explain.networks.spec import NetworkSpec
from live_gradcam.explain.tracing import trace

_logger = logging.getLogger(__name__)

# Pixels by which the second image size differs that a cut is tried on.
_FURTHER = 32


@dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """A network in two parts that have been proven to be the network.

    Attributes:
        parts: Trunk and head.
        class_count: Number of classes.
        notes: One sentence for each thing that the layer or the way costs.
        why_float32: Reason why half precision will not do; empty if it will.
        is_traced: ``False`` if other layers cannot be found in the parts' graphs.
    """

    parts: Parts
    class_count: int
    notes: tuple[str, ...] = ()
    why_float32: str = ""
    is_traced: bool = True


@torch.no_grad()
def divide(spec: NetworkSpec, expected: Tensor) -> Divided:
    """Cut a network at its layer, in the first way that works.

    Args:
        spec: The network, with the full name of its layer; it puts out logits ``(N, classes)``.
        expected: Its output for the one image of `probe_pixels`.

    Raises:
        ModelError: The layer never runs, has no positions or no part in the output.
    """
    if not spec.is_own:
        # What a catalogue knows is cut in the same way on every machine: one image is enough.
        try:
            return _divide_known(spec, expected)
        except (NoInfluence, NotProven, ModelError) as exc:
            if isinstance(exc, NoInfluence) or spec.layout == "maps":
                raise
    with undisturbed_randomness(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the network's own code, run by us
        return _divide_own(spec)


def _divide_known(spec: NetworkSpec, expected: Tensor) -> Divided:
    cut = cut_network(spec.network, spec.layer, carry=spec.layout != "nchw")
    parts, count = prove_quickly(cut, spec, expected)
    return Divided(parts, count)


def probe_trunk(cut: Cut, spec: NetworkSpec) -> Tensor:
    """Run the trunk on one random image, see `probe`."""
    height, width = probe_size(spec)
    return probe(cut, spec.layer, height, width, channels=probe_channels(spec))


def prove_quickly(cut: Cut, spec: NetworkSpec, expected: Tensor) -> tuple[Parts, int]:
    """Check on one random image that a cut is the network; return its parts and class count.

    Args:
        cut: The network in two parts.
        spec: Its description.
        expected: The network's logits for the image of `probe_pixels`.

    Raises:
        ModelError: It is not, or the layer's output has no layout that is known.
    """
    values = probe_trunk(cut, spec)
    logits = cut.head(values.clone())
    if not isinstance(logits, Tensor) or logits.shape != expected.shape:
        shape = tuple(getattr(logits, "shape", ()))
        cause = f"its output {shape} is not (N, classes)"
        raise ModelError("cannot use the network", spec.name, cause)
    if not torch.allclose(logits, expected, 1e-4, 1e-4, True):
        cause = "the part after the layer does not reproduce the network"
        raise ModelError("cannot explain layer", spec.layer, cause, "Name another layer")
    return fit_parts(cut, spec, values), logits.shape[1]


def _divide_own(spec: NetworkSpec) -> Divided:
    height, width = probe_size(spec)
    pixels = probe_pixels(height, width, channels=probe_channels(spec), count=2)
    reference = _refer(spec, pixels)
    notes = _notes(spec.layer, reference)
    if not reference.is_bypassed or spec.layout != "nchw":
        for way in (_by_graph, _by_export):
            if reference.is_bypassed and way is _by_export:
                continue  # the graph knows the only case in which it can be done
            try:
                parts = way(spec, reference, pixels)
                reference.check(parts, pixels)
            except Exception:  # tracing and exporting run strangers' code; the next way does not
                _logger.debug("%s is not cut %s", spec.layer, way.__name__, exc_info=True)
                continue
            if way is _by_graph:
                parts = _limited(parts, spec.network, pixels)
            problem = half_precision_problem(parts.trunk, pixels)
            why = f"the network does not run in half precision ({problem})" if problem else ""
            return Divided(parts, reference.logits.shape[1], notes, why, way is _by_graph)
    parts = _by_replay(spec, reference, pixels)
    notes += (
        f"the network's code cannot be cut at {spec.layer}: all of it runs again for each picture "
        "and layer, uncompiled and in float32, which takes about three times as long",
    )
    if reference.is_bypassed:
        notes += (
            f"a part of what the network sees flows past {spec.layer}: its maps are not the whole "
            "of a score",
        )
    why = "the network's code is run as it stands"
    return Divided(parts, reference.logits.shape[1], notes, why, is_traced=False)


def _refer(spec: NetworkSpec, pixels: Tensor) -> Reference:
    try:
        return Reference(spec.network, spec.layer, pixels)
    except ModelError:
        raise
    except Exception as exc:  # what the network's own code raises, or its operations
        cause = f"its output cannot be differentiated ({str(exc).partition(chr(10))[0]})"
        step = "Name another layer"
        raise ModelError("cannot explain layer", spec.layer, cause, step) from exc


def _notes(layer: str, reference: Reference) -> tuple[str, ...]:
    if len(reference.runs) == 1:
        return ()
    number = f"run {reference.run + 1} of {len(reference.runs)}"
    return (f"{layer} runs several times in one forward: it is explained at {number}",)


def _by_graph(spec: NetworkSpec, reference: Reference, pixels: Tensor) -> Parts:
    shell = shell_of(spec.network)
    carry = spec.layout != "nchw"
    cut = cut_network(shell, reference.layer, carry=carry, run=reference.run)
    cut = replace(cut, trunk=_inlined(cut.trunk))
    return fit_parts(cut, spec, cut.trunk.forward(pixels[:1]))


def _inlined(trunk: nn.Module) -> nn.Module:
    """Return a trunk without classes of the user's, which another process could not load."""
    try:
        return trace(trunk)
    except Exception:  # the layer's own code; it stays as it is
        return trunk


def _by_export(spec: NetworkSpec, reference: Reference, pixels: Tensor) -> Parts:
    cut = cut_exported(spec.network, reference.layer, reference.run, pixels)
    return fit_parts(cut, spec, cut.trunk.forward(pixels[:1]), _wide(reference, pixels))


def _by_replay(spec: NetworkSpec, reference: Reference, pixels: Tensor) -> Parts:
    packing, replay = Packing(), reference.replay
    grid = lay_out(spec, reference.activations[:1], _wide(reference, pixels))
    head = ReplayHead(replay, packing, grid, behind=reference.behind)
    return Parts(ReplayTrunk(replay, packing), head)


def _wide(reference: Reference, pixels: Tensor) -> Callable[[], Tensor]:
    """Return what gives the layer's output for an image that is twice as wide."""
    wide = torch.nn.functional.pad(pixels[:1], (0, pixels.shape[3]))
    return lambda: reference.replay.take(wide)


def _limited(parts: Parts, network: nn.Module, pixels: Tensor) -> Parts:
    """Return parts that refuse image sizes on which they are not the network."""
    height, width = pixels.shape[2:]
    larger = torch.nn.functional.pad(pixels, (0, 0, 0, _FURTHER))
    if agrees_on(parts, network, larger[:1]) is not False:
        return parts
    return replace(parts, trunk=nn.Sequential(OneSize(height, width), parts.trunk))
