"""What torch raises where memory, a device or an image's size fails, in errors of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain.engine.fused import Shape

# What the libraries below torch say where it has no exception of its own.
_MEMORY_WORDS = ("allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


class OutOfMemory(DeviceError):
    """The device has too little memory for this batch."""


@contextmanager
def memory_errors(device: torch.device, on_too_large: Callable[[], None]) -> Iterator[None]:
    """Raise errors of ours for what torch raises about memory and GPUs in the block.

    Args:
        device: Where the block computes.
        on_too_large: Called where it has too little memory.

    Raises:
        OutOfMemory: The device has too little memory.
        DeviceError: The GPU failed.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as exc:
        on_too_large()
        raise _out_of_memory(device) from exc
    except RuntimeError as exc:
        if any(words in str(exc) for words in _MEMORY_WORDS):
            on_too_large()
            raise _out_of_memory(device) from exc
        if isinstance(exc, torch.AcceleratorError):
            cause = str(exc).strip().splitlines()[0]
            step = "Start again, or use --device cpu"
            raise DeviceError("the GPU failed", str(device), cause, step) from exc
        raise


def _out_of_memory(device: torch.device) -> OutOfMemory:
    step = "Use a smaller network or another --device"
    return OutOfMemory("out of memory", str(device), "the network does not fit", step)


@contextmanager
def size_errors(shape: Shape, own: tuple[int, int]) -> Iterator[None]:
    """Raise an error of ours for what torch raises in the block about an image's size.

    Args:
        shape: Of the batch in the block.
        own: Height and width that the network was made for.

    Raises:
        UsageError: The network does not take images of this size.
    """
    try:
        yield
    except RuntimeError as exc:
        if isinstance(exc, torch.OutOfMemoryError) or shape[1:] == own:
            raise
        raise UsageError(
            "the network does not take pictures of this size",
            f"{shape[2]}x{shape[1]}",
            str(exc).partition("\n")[0],
            "Use --view crop or --view stretch",
        ) from exc
