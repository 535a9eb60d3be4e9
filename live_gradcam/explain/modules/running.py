"""One forward of a user's network: whether it runs and repeats itself, and what to say if not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from live_gradcam.errors import ModelError
from live_gradcam.explain.modules.outputs import difference, same_outputs

# Sides of images that networks are commonly built for.
_SIDES = (28, 32, 48, 64, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384)
_CHANNELS = (3, 1, 4, 2)


@contextmanager
def undisturbed_randomness() -> Iterator[None]:
    """Leave the random numbers that come next as they would have been without the block."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@torch.no_grad()
def run_once(network: nn.Module, pixels: Tensor) -> object:
    """Run a network.

    Raises:
        ModelError: It does not take such pixels; with its own words, and the size or the number of
            channels that it takes, if that is what it is.
    """
    try:
        return network(pixels)
    except Exception as exc:  # strangers' code
        raise _cannot_run(network, pixels, exc) from exc


def require_repeatable(network: nn.Module, pixels: Tensor) -> None:
    """Check that a network gives the same output for the same pixels twice.

    Raises:
        ModelError: It does not run, or is random, or changes from run to run.
    """
    first, second = run_once(network, pixels), run_once(network, pixels)
    if same_outputs(first, second):
        return
    gap = difference(first, second)
    if _repeats_with_one_seed(network, pixels):
        cause = (
            f"the network is random in evaluation: two runs on the same picture differ by {gap:.2g}"
        )
        step = "F.dropout without training=self.training is the usual cause"
    else:
        cause = f"the network changes from run to run, on the same picture by {gap:.2g}"
        step = "Leave out what it keeps from one forward for the next"
    raise ModelError("cannot explain the network", type(network).__name__, cause, step)


def _repeats_with_one_seed(network: nn.Module, pixels: Tensor) -> bool:
    outputs = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        outputs.append(run_once(network, pixels))
    return same_outputs(*outputs)


def _cannot_run(network: nn.Module, pixels: Tensor, exc: Exception) -> ModelError:
    channels, height, width = pixels.shape[1:]
    cause = str(exc).partition("\n")[0] or type(exc).__name__
    if isinstance(exc, TypeError) and "positional argument" in cause:
        step = "Wrap it in a module whose forward takes one picture's tensor"
    else:
        step = "Say what it wants with preprocessing=Preprocessing(...)"
        fitting = _find_fitting(network, channels, height, width)
        if fitting is not None and fitting[0] != channels:
            step = f"It runs on pictures of {fitting[0]} channels, {fitting[1]}x{fitting[1]}"
        elif fitting is not None:
            side = fitting[1]
            step = f"It runs on {side}x{side}: use preprocessing=Preprocessing({side}, {side})"
    where = f"on a picture of {width}x{height}"
    if channels != 3:
        where += f" with {channels} channels"
    return ModelError("cannot run the network", where, cause, step)


def _find_fitting(
    network: nn.Module, channels: int, height: int, width: int
) -> tuple[int, int] | None:
    """Return channels and side of usual square images that a network runs on, if it does."""
    sides = dict.fromkeys((max(height, width), *_SIDES))
    for count in dict.fromkeys((channels, *_CHANNELS)):
        for side in sides:
            try:
                network(torch.zeros(1, count, side, side))
            except Exception:  # strangers' code
                continue
            return count, side
    return None
