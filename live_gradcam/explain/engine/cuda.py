"""CUDA as an accelerator of `live_gradcam.explain.engine.cuda_graphs`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

# Libraries choose their algorithms, and set up what cannot be captured, in the first forwards.
_WARM_UPS = 3
# A capture of one thread would find the work of another's in its way.
_capturing = threading.Lock()


class CudaStream:
    """A `Stream` of one CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, work: Callable[[], object]) -> None:
        """See `Stream.run`."""
        with torch.cuda.stream(self._stream):
            work()

    def follow(self, other: CudaStream) -> None:
        """See `Stream.follow`."""
        self._stream.wait_stream(other._stream)

    def finish(self) -> Callable[[], None]:
        """See `Stream.finish`."""
        event = self._stream.record_event()
        return lambda: event.synchronize()


class Cuda:
    """An `Accelerator`: one CUDA device; see `cuda_device`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._streams = (CudaStream(device), CudaStream(device), CudaStream(device))

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """See `Accelerator.pinned`."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """See `Accelerator.empty`."""
        tensor = torch.empty(shape, dtype=dtype, device=self._device)
        # The default stream may still be at work on what this memory held before.
        torch.cuda.synchronize(self._device)
        return tensor

    @property
    def streams(self) -> tuple[CudaStream, CudaStream, CudaStream]:
        """See `Accelerator.streams`."""
        return self._streams

    def capture(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        """See `Accelerator.capture`.

        Source: CUDA's stream capture, as https://docs.pytorch.org/docs/stable/notes/cuda.html
        (CUDA Graphs) describes it. Only this thread is held to the rules of a capture.
        """
        graph = torch.cuda.CUDAGraph()
        with _capturing, torch.cuda.device(self._device), _best_convolutions(), exact_float32():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    work()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = work()
            torch.cuda.synchronize()
        return result, graph.replay


@functools.cache
def cuda_device(device: torch.device) -> Cuda:
    """The accelerator ``cuda:N``, one for the whole process."""
    return Cuda(device)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Have cuDNN compute float32 in float32: by default it rounds inputs to TF32's 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@contextmanager
def _best_convolutions() -> Iterator[None]:
    """Have cuDNN try its algorithms out: it pays where one shape is computed again and again."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
