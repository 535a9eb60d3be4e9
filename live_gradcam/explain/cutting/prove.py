"""Proof that the parts of a cut network are the network: scores, activations and gradients.

The reference is autograd through the whole network, one image at a time, with the layer's output
taken and given by a hook. Nothing of it is shared with the parts but the weights.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from live_gradcam.errors import ModelError
from live_gradcam.explain.cutting.layouts import Parts
from live_gradcam.explain.heads import grid_of, one_hot
from live_gradcam.explain.modules.choosing import flows_past
from live_gradcam.explain.modules.copying import shell_of
from live_gradcam.explain.modules.outputs import tensors_in
from live_gradcam.explain.modules.replay import LayerRun, Replay, survey
from live_gradcam.explain.tracing import canonical_name

# Shares of the largest value. Batches of one and of two sum up in other orders.
_SCORES = 1e-4
_GRADIENTS = 1e-3


class NotProven(Exception):
    """The parts are not the network; the message says in what."""


class Reference:
    """What a network and its gradient at a layer are, by running it as it stands.

    Args:
        network: In evaluation mode; not modified.
        layer: Dotted name of the layer.
        pixels: Two images ``(2, channels, H, W)``.

    Attributes:
        layer: The first of the layer's names.
        run: Which of its runs is explained: the last one with positions.
        runs: All of its runs.
        behind: Names of the layers that run behind it only.
        replay: Takes and gives the layer's output.
        activations: ``(2, ...)``.
        logits: ``(2, classes)``.
        classes: int64 ``(2, 2)``, the differentiated ones.
        gradients: ``(2, 2, ...)``, of each image's classes by its activations.

    Raises:
        ModelError: The layer never runs, has no positions, or has no part in the output.
    """

    def __init__(self, network: nn.Module, layer: str, pixels: Tensor) -> None:
        self.layer = canonical_name(network, layer)
        shell = shell_of(network)
        seen = survey(shell, pixels[:1])
        self.runs = [run for run in seen if run.name == self.layer]
        self.run = _find_run(layer, self.runs)
        self.behind = _find_behind(seen, self.runs[self.run])
        self.replay = Replay(shell, self.layer, self.run)
        self.activations = torch.cat([self.replay.take(each) for each in pixels.unsqueeze(1)])
        if len(self.activations) != len(pixels):
            shape = tuple(self.replay.take(pixels[:1]).shape)
            cause = f"the first dimension of its output {shape} is not the number of images"
            raise ModelError("cannot explain layer", layer, cause, "Name another layer")
        found = [self._differentiate(*each) for each in zip(self.activations, pixels, strict=True)]
        self.logits, self.classes, self.gradients = (
            torch.cat(each) for each in zip(*found, strict=True)
        )
        self.is_bypassed = flows_past(self.replay, pixels[:1])

    @torch.enable_grad()
    def _differentiate(self, activations: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source = activations[None].clone().requires_grad_()
        output = self.replay.give(source, pixels[None])
        if not isinstance(output, Tensor) or output.ndim != 2:
            shape = tuple(getattr(output, "shape", ()))
            cause = f"its output {shape} is not (N, classes)"
            raise ModelError("cannot use the network", type(self.replay.network).__name__, cause)
        if not output.requires_grad:
            self._refuse_without_influence(output, source, pixels)
        classes = torch.stack((output.argmax(1), output.argmin(1)), 1)
        gradients = [
            torch.autograd.grad(output[0, index], source, retain_graph=True, allow_unused=True)[0]
            for index in classes[0].tolist()
        ]
        if gradients[0] is None:
            self._refuse_without_influence(output, source, pixels)
        filled = [torch.zeros_like(source) if each is None else each for each in gradients]
        return output.detach(), classes, torch.stack(filled, 1)

    def _refuse_without_influence(self, output: Tensor, source: Tensor, pixels: Tensor) -> None:
        cause = "the network's output does not depend on it"
        with torch.no_grad():
            other = self.replay.give(source.detach().neg() + 1.0, pixels[None])
        if not torch.equal(output.detach(), other):
            cause = "no gradient of the network's output reaches it"
        raise ModelError("cannot explain layer", self.layer, cause, "Name another layer")

    def check(self, parts: Parts, pixels: Tensor) -> None:
        """Check the parts on one image and on two.

        Args:
            parts: Trunk and head.
            pixels: The reference's.

        Raises:
            NotProven: They do something else.
        """
        with torch.no_grad():
            for count in (1, 2):
                values = parts.trunk.forward(pixels[:count])
                logits, vjp = parts.head.differentiate(values.float())
                _compare("scores", logits, self.logits[:count], _SCORES)
            layout = _ChannelsLast() if parts.turned else grid_of(parts.head)
            grid = parts.head.to_grid(values)
            _compare("activations", grid, layout.to_grid(self.activations), _SCORES)
            found = parts.head.gradients_to_grid(vjp(one_hot(logits, self.classes)))
            expected = layout.gradients_to_grid(self.gradients)
            _compare("gradients", found.expand_as(expected), expected, _GRADIENTS)


class _ChannelsLast(nn.Module):
    """Lays out ``(..., h, w, C)`` as maps."""

    def to_grid(self, values: Tensor) -> Tensor:
        return values.movedim(-1, -3)

    gradients_to_grid = to_grid


def _find_run(layer: str, runs: list[LayerRun]) -> int:
    if not runs:
        cause, step = "it does not run in the network's forward", "Name a layer that does"
        raise ModelError("cannot explain layer", layer, cause, step)
    with_positions = [each for each in runs if each.has_positions]
    if not with_positions:
        shape = runs[-1].shape
        if len(shape) == 4 and shape[2:] == (1, 1):
            cause = f"its output {shape} has no places any more, for a picture of this size"
            step = "Name an earlier layer, or show the network larger pictures"
            raise ModelError("cannot explain layer", layer, cause, step)
        cause = (
            f"its output {runs[-1].shape} is not a map (N, C, h, w) or (N, h, w, C), "
            "nor tokens (N, T, C)"
        )
        raise ModelError("cannot explain layer", layer, cause, "Name a layer that still has places")
    return with_positions[-1].run


def _find_behind(seen: list[LayerRun], explained: LayerRun) -> tuple[str, ...]:
    at = seen.index(explained)
    before = {run.name for run in seen[: at + 1]}
    around = tuple(run.name for run in seen[at:] if f"{explained.name}.".startswith(f"{run.name}."))
    return tuple(
        dict.fromkeys(
            run.name for run in seen[at:] if run.name not in before and run.name not in around
        )
    )


def _compare(what: str, found: Tensor, expected: Tensor, share: float) -> None:
    if found.shape != expected.shape:
        raise NotProven(f"the {what} have another shape")
    # What float32 cannot hold is infinite in both.
    scale = float(torch.where(expected.isfinite(), expected, 0).abs().max())
    if not torch.allclose(found, expected, rtol=share, atol=share * scale, equal_nan=True):
        raise NotProven(f"the {what} differ")


@torch.no_grad()
def agrees_on(parts: Parts, network: nn.Module, pixels: Tensor) -> bool | None:
    """Return whether parts give the network's scores; ``None`` if it refuses the pixels."""
    try:
        expected = next(iter(tensors_in(shell_of(network)(pixels))))
    except Exception:  # strangers' code
        return None
    try:
        _compare("scores", parts.head(parts.trunk.forward(pixels)), expected, _SCORES)
    except Exception:  # whatever the parts raise, they do not agree
        return False
    return True


def half_precision_problem(trunk: nn.Module, pixels: Tensor) -> str:
    """Return why a trunk cannot run in half precision, as one phrase; an empty one if it can."""
    try:
        half = copy.deepcopy(trunk).to(torch.bfloat16)
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            output = half.forward(torch.empty(tuple(pixels.shape), dtype=torch.bfloat16))
        found = output.dtype
    except Exception as exc:  # its code may name float32, or mix in what nobody converts
        return " ".join(str(exc).split())[:120]
    return "" if found == torch.bfloat16 else f"it computes in {found} all the same"
