"""The copy of a user's module that is explained: in evaluation mode, float32 and on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.modules.copying import (
    copy_module,
    require_weights,
    settle_weights,
    unwrap,
)
from live_gradcam.explain.modules.hooks import keep_hooks_that_matter
from live_gradcam.explain.modules.running import require_repeatable, run_once

_HALF = (torch.float16, torch.bfloat16)
# Layers that do something else in training.
_CHANGING = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


@dataclass(frozen=True, slots=True, eq=False)
class OwnCopy:
    """Copy of a user's module.

    Attributes:
        network: Shares nothing with the original.
        notes: One sentence for each thing in which it differs.
    """

    network: nn.Module
    notes: tuple[str, ...]


def own_copy(module: nn.Module, *, is_part: bool = False) -> OwnCopy:
    """Copy a user's module for explaining; the module stays as it is.

    Args:
        module: A network.
        is_part: It runs as a whole, so that none of its layers needs to be looked into.

    Raises:
        ModelError: It holds no numbers, or is TorchScript, which no layer can be taken out of.
    """
    module = unwrap(module)
    if not isinstance(module, nn.Module):
        cause = f"it is {type(module).__name__}, not a torch.nn.Module"
        raise ModelError("cannot use the network", "", cause)
    if isinstance(module, torch.jit.ScriptModule) and not is_part:
        name = getattr(module, "original_name", type(module).__name__)
        cause = "it is TorchScript, whose layers cannot be looked into"
        step = "Hand over the Python module that it was made from"
        raise ModelError("cannot explain the network", str(name), cause, step)
    require_weights(module)
    notes = []
    if any(each.training for each in module.modules() if isinstance(each, _CHANGING)):
        notes.append("the network was in training mode: it is explained in evaluation mode")
    dtypes = {each.dtype for each in module.parameters()}
    half = next((dtype for dtype in _HALF if dtype in dtypes), None)
    if half is not None:
        name = str(half).removeprefix("torch.")
        notes.append(f"the network is in {name}: it is explained as if its weights were float32")
    copied = copy_module(module).eval().float().cpu()
    for parameter in copied.parameters():  # TorchScript has no `requires_grad_` of its own
        parameter.requires_grad_(False)
    settle_weights(copied)
    return OwnCopy(copied, tuple(notes))


def check_own(network: nn.Module, pixels: Tensor) -> None:
    """Check that a copy runs, and gives the same output each time; drop hooks that do not matter.

    Args:
        network: Of an `OwnCopy`.
        pixels: One image that it should take.

    Raises:
        ModelError: It does not run on such pixels, or is random.
    """
    keep_hooks_that_matter(network, lambda: run_once(network, pixels))
    require_repeatable(network, pixels)
