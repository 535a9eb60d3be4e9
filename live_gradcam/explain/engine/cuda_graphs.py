"""A network captured once as a CUDA graph and replayed for every batch.

Launching the kernels of a small network one by one takes the CPU longer than the GPU takes to run
them. A graph starts them all at once. It always reads and writes the same memory, so a batch
travels through buffers that never move, on three streams: page-locked memory to the device, the
captured forward, and back. While the device computes one batch, the next is resized and sent and
the last one fetched; the CPU waits once for each batch, for its result.

Nothing here knows CUDA: see `Accelerator`, and `live_gradcam.explain.engine.cuda` for the real one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from typing_extensions import Self

from live_gradcam.explain.engine.fused import BatchResult, FusedNetwork, Output, Selection, Shape
from live_gradcam.explain.engine.verify import check_equal

# One batch on the device, and one on its way to it or back.
_SLOTS = 2
# What only explains a few images of one size does not pay for a capture.
_CAPTURE_AFTER = 3
# Each graph keeps the memory of its forward.
_KEEP = 8


Pending: TypeAlias = Callable[[], BatchResult]
"""A batch that is being computed; the call waits for it."""


class Stream(Protocol):
    """Work for a device that is done in the order in which it was queued."""

    def run(self, work: Callable[[], object]) -> None:
        """Queue whatever ``work`` asks of the device."""

    def follow(self, other: Self) -> None:
        """Have what is queued here from now on wait for what is queued there by now."""

    def finish(self) -> Callable[[], None]:
        """Return a function that waits, on the CPU, for what is queued by now."""


class Accelerator(Protocol):
    """A device that can capture a network as a graph."""

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Allocate memory of the CPU that the device reads and writes by itself."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Allocate memory of the device that any stream may use at once."""

    @property
    def streams(self) -> tuple[Stream, Stream, Stream]:
        """Streams for what goes to the device, for what it computes, and for what comes back.

        The same for all graphs, which may share scratch memory and must not overlap.
        """

    def capture(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        """Capture what ``work`` does as a graph.

        Returns:
            The tensor where the result is written each time, and a function that queues the graph
            once.
        """


class _Slot:
    """The buffers of one batch that is on its way."""

    def __init__(
        self, accelerator: Accelerator, pixels: Tensor, chosen: Tensor, out: Tensor
    ) -> None:
        self.pixels = accelerator.pinned(tuple(pixels.shape), pixels.dtype)
        self.arrived = accelerator.empty(tuple(pixels.shape), pixels.dtype)
        self.chosen = accelerator.pinned(tuple(chosen.shape), chosen.dtype)
        self.leaving = accelerator.empty(tuple(out.shape), out.dtype)
        self.result = accelerator.pinned(tuple(out.shape), out.dtype)


class GraphedNetwork:
    """A network captured for batches of one shape. Safe to use from many threads.

    Args:
        network: On the accelerator's device.
        accelerator: The device.
        shape: Batch, height and width of the pixels.
        depth: Length of the selections.

    Raises:
        RuntimeError: The device cannot capture this network, or has too little memory.
    """

    def __init__(
        self, network: FusedNetwork, accelerator: Accelerator, shape: Shape, depth: int
    ) -> None:
        self._accelerator = accelerator
        self._pixels = accelerator.empty((*shape, 3), torch.uint8).zero_()
        self._chosen = accelerator.empty((depth,), torch.int64).fill_(-1)
        self._selection: Selection = (-1,) * depth
        self._parts: tuple[torch.Size, torch.Size, torch.Size]

        def forward() -> Tensor:
            output = Output(*network(self._pixels, self._chosen))
            self._parts = (output.logits.shape, output.classes.shape, output.evidence.shape)
            # One piece of memory travels faster than three. Class indices are exact in float32.
            every = (output.logits, output.classes.to(torch.float32), output.evidence)
            return torch.cat([part.flatten(1) for part in every], dim=1)

        self._out, self._replay = accelerator.capture(forward)
        self._lock = threading.Lock()
        self._upload, self._compute, self._download = accelerator.streams
        self._free = deque(self._slot() for _ in range(_SLOTS))
        # A result may never be fetched; the device writes to the batch's buffers all the same.
        self._busy: set[_Slot] = set()

    def start(self, pixels: Tensor, selection: Selection) -> Pending:
        """Queue a batch.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, BGR, on the CPU; may be reused once this returns.
            selection: Classes to explain, of the length that was captured.
        """
        try:
            slot = self._free.popleft()
        except IndexError:  # more threads than slots
            slot = self._slot()
        self._busy.add(slot)
        slot.pixels.copy_(pixels)
        with self._lock:
            self._upload.run(lambda: slot.arrived.copy_(slot.pixels, non_blocking=True))
            self._compute.follow(self._upload)
            self._compute.run(lambda: self._pixels.copy_(slot.arrived))
            if selection != self._selection:
                slot.chosen.copy_(torch.tensor(selection))
                self._compute.run(lambda: self._chosen.copy_(slot.chosen, non_blocking=True))
                self._selection = selection
            self._compute.run(self._replay)
            self._compute.run(lambda: slot.leaving.copy_(self._out))
            self._download.follow(self._compute)
            self._download.run(lambda: slot.result.copy_(slot.leaving, non_blocking=True))
            wait = self._download.finish()

        def finish() -> BatchResult:
            wait()
            result = slot.result.clone()
            self._busy.discard(slot)
            if len(self._free) < _SLOTS:
                self._free.append(slot)
            return self._unpack(result)

        return finish

    def _slot(self) -> _Slot:
        return _Slot(self._accelerator, self._pixels, self._chosen, self._out)

    def _unpack(self, result: Tensor) -> BatchResult:
        parts = torch.split(result, [shape[1:].numel() for shape in self._parts], dim=1)
        logits, classes, evidence = (
            part.reshape(shape) for part, shape in zip(parts, self._parts, strict=True)
        )
        return BatchResult(logits, classes.to(torch.int64), evidence)


class GraphedNetworks:
    """The graphs of one network, one for each shape that keeps coming.

    A graph is captured between two batches, checked against the network itself on synthetic images,
    and used from then on. Safe to use from many threads.

    Args:
        network: On the accelerator's device.
        accelerator: The device.
        device: The same for torch.
        depth: Length of the selections.
        at_once: Capture for the first batch of a shape already.
        on_failure: Called once, with a sentence why nothing (more) will be captured.

    Attributes:
        failed: True if capturing was given up.
    """

    def __init__(
        self,
        network: FusedNetwork,
        accelerator: Accelerator,
        device: torch.device,
        *,
        depth: int,
        at_once: bool,
        on_failure: Callable[[str], None],
    ) -> None:
        self._network = network
        self._accelerator = accelerator
        self._device = device
        self._depth = depth
        self._after = 0 if at_once else _CAPTURE_AFTER
        self._on_failure = on_failure
        self._uses: dict[Shape, int] = {}
        self._ready: OrderedDict[Shape, GraphedNetwork] = OrderedDict()
        self._lock = threading.Lock()
        self.failed = False

    @property
    def any(self) -> bool:
        """True if there is a graph by now."""
        return bool(self._ready)

    def find(self, shape: Shape) -> GraphedNetwork | None:
        """Return the graph for a shape, captured now if its time has come.

        Raises:
            RuntimeError: The network itself does not take this shape, or memory is too small.
        """
        with self._lock:
            if shape in self._ready:
                self._ready.move_to_end(shape)
                return self._ready[shape]
            uses = self._uses[shape] = self._uses.get(shape, 0) + 1
            if self.failed or uses <= self._after:
                return None
            # What the network itself cannot do (its size, memory) is no fault of capturing.
            self._network(self._accelerator.empty((*shape, 3), torch.uint8).zero_(), self._ranks())
            try:
                graphed = GraphedNetwork(self._network, self._accelerator, shape, self._depth)
                check_equal(self._eager, _engine_of(graphed), shape, self._depth)
            except Exception as exc:
                self.failed = True
                reason = " ".join(str(exc).split())[:200] or type(exc).__name__
                self._on_failure(
                    f"the network could not be recorded as a CUDA graph ({reason}); "
                    "it runs on, launched piece by piece"
                )
                return None
            self._ready[shape] = graphed
            if len(self._ready) > _KEEP:
                self._ready.popitem(last=False)
            return graphed

    def _ranks(self) -> Tensor:
        return self._accelerator.empty((self._depth,), torch.int64).fill_(-1)

    def _eager(self, pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output = self._network(pixels.to(self._device), selection.to(self._device))
        logits, classes, evidence, basis = (part.cpu() for part in output)
        return logits, classes, evidence, basis


def _engine_of(graphed: GraphedNetwork) -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    def run(pixels: Tensor, selection: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        result = graphed.start(pixels, tuple(selection.tolist()))()
        return (*result, result.evidence)

    return run
