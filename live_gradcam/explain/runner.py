"""Runs batches of pixels through the best engine there is at the moment.

Eager at first; compiled as soon as that is ready; once more in float32 where half precision gave
something that is not finite.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from live_gradcam.errors import DeviceError, UsageError
from live_gradcam.explain.batching import BatchSizer, free_memory
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.compiled import BackgroundCompiler, Shape
from live_gradcam.explain.engine import Engine, FusedNetwork, Output
from live_gradcam.explain.masked import MaskedNetwork, OnForwards
from live_gradcam.explain.method_heads import all_maps_are_cheap, method_head
from live_gradcam.explain.methods import Method
from live_gradcam.explain.runtime import CompileState, Precision, Runtime

Selection: TypeAlias = "tuple[int, ...]"
"""Classes to explain: an index, or -1, -2, ... for the best, the second best, ..."""

# A compiled network from the cache is looked for after this many forwards of one shape, and made
# after this many forwards or seconds; what only explains a few pictures never pays for it.
_LOOK_AFTER = 3
_COMPILE_AFTER = 30
_COMPILE_AFTER_SECONDS = 2.0
# Beyond this many parameters compiling takes gigabytes and gains little.
_COMPILE_UP_TO = 100_000_000
# Maps that need a backward pass each are made in groups of this many.
_GROUP = 16
# Where the first forward waits for the compiler, sizes cannot be tried: each costs a compilation.
_COMPILED_BATCH = 4

_threads_of = threading.local()


class OutOfMemory(DeviceError):
    """The device has too little memory for this batch."""


class Found(NamedTuple):
    """What a batch gave, on the CPU.

    Attributes:
        logits: float32 ``(N, classes)``.
        classes: int64 ``(N, K)``, the explained classes.
        evidence: float32 ``(N, K, h, w)``.
    """

    logits: Tensor
    classes: Tensor
    evidence: Tensor


class Runner:
    """Runs one classifier on one device, from any number of threads.

    Args:
        classifier: What to run.
        runtime: Where and how.
        depth: How many maps one forward makes; more are made from what it leaves.
        method: What makes the maps, see `live_gradcam.explain.methods`.
        on_notice: Told in one sentence if nothing will be compiled.
        on_forwards: Told how far a method is that needs many forwards of the network.
    """

    def __init__(
        self,
        classifier: Classifier,
        runtime: Runtime,
        *,
        depth: int,
        method: Method,
        on_notice: Callable[[str], None],
        on_forwards: OnForwards | None = None,
    ) -> None:
        self._classifier = classifier
        self._depth = depth
        self._method = method
        self._on_forwards = on_forwards
        self._on_notice = on_notice
        self._device = torch.device(runtime.device)
        if runtime.device == "cpu":
            _use_threads(runtime.threads)
        with self._memory_errors():
            network = self._fuse(runtime.precision)
            if self._device.type != "cpu":  # what is shared with the classifier stays here
                network = copy.deepcopy(network).to(self._device)
            self._network = self._listening(network)
        # A thread that finds an engine here uses it; swapping is one assignment.
        self._engines: dict[Shape, Engine] = {}
        self._lock = threading.Lock()
        self._use: dict[Shape, tuple[int, float]] = {}
        self._asked: dict[Shape, bool] = {}
        self._reference: FusedNetwork | None = None
        self._tensor = lru_cache(maxsize=64)(self._to_tensor)
        self._runtime = self._with_compiler(runtime)
        self._sizer = BatchSizer(
            self._device.type,
            fixed=_COMPILED_BATCH if self._runtime.compile == "on" else None,
            free_memory=lambda: free_memory(self._device),
        )
        self._failed = False
        self._compiler = BackgroundCompiler(
            self._network,
            depth=depth,
            threads=runtime.threads,
            yielding=runtime.compile != "on",
            on_ready=self._engines.__setitem__,
            on_failure=self._give_up_compiling,
        )

    @property
    def runtime(self) -> Runtime:
        """How the network runs at the moment, and why."""
        return replace(self._runtime, state=self._state())

    @property
    def closed_form(self) -> bool:
        """Whether maps of all classes cost next to nothing."""
        return all_maps_are_cheap(self._classifier.head, self._method.name)

    @property
    def preferred_batch(self) -> int:
        """How many pictures are worth handing over together."""
        return self._sizer.largest

    def next_batch(self, waiting: int, height: int, width: int) -> int:
        """The size of the next forward where so many pictures of one input size wait."""
        batch = self._sizer.next_size(waiting, height, width)
        chosen = self._sizer.chosen(height, width)
        shape = (batch, height, width)
        if chosen is None or shape in self._engines or (1, height, width) not in self._engines:
            return batch
        # Compiled one by one is cheaper than uncompiled at once.
        if batch == chosen:
            self._consider_compiling(shape)
        return 1

    def run(self, pixels: Tensor, selection: Selection) -> Found:
        """Scores and evidence of a batch.

        Not finite where the network's output is not, even in float32.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, BGR.
            selection: Which classes to explain.

        Raises:
            OutOfMemory: The device has too little memory for this batch.
            UsageError: The network does not take pictures of this size.
        """
        shape: Shape = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
        self._consider_compiling(shape)
        self._leave_threads()
        with torch.no_grad(), self._memory_errors(shape), self._size_errors(shape):
            began, uncompiled = time.perf_counter(), shape not in self._engines
            output = self._forward(shape, pixels.to(self._device), selection)
            found = Found(output.logits.cpu(), output.classes.cpu(), output.evidence.cpu())
            if uncompiled:  # sizes are compared with each other, not with the compiler's work
                self._sizer.note(*shape, time.perf_counter() - began)
            # Anything that is not finite makes the sum not finite.
            if math.isfinite(float(found.logits.sum() + found.evidence.sum())):
                return found
            return self._again(pixels, selection, found)

    def close(self) -> None:
        """End the compiler, if it runs. Idempotent; running goes on to work."""
        self._compiler.close()

    def _leave_threads(self) -> None:
        """Use the threads of the budget, one less while the compiler needs a core beside us."""
        if self._device.type == "cpu":
            beside = self._compiler.busy and self._runtime.compile != "on"
            _use_threads(max(1, self._runtime.threads - beside))

    def _forward(self, shape: Shape, pixels: Tensor, selection: Selection) -> Output:
        engine = self._engines.get(shape)
        count = len(selection)
        if not self._network.compilable:  # all maps come from the same forwards
            return Output(*self._network(pixels, self._tensor(selection)))
        if engine is None:
            output = Output(*self._network(pixels, self._tensor(selection[: self._depth])))
        else:  # a compiled network always makes the same number of maps
            padded = (selection + selection[-1:] * self._depth)[: self._depth]
            output = Output(*engine(pixels, self._tensor(padded)))
        if count > self._depth:
            return _all_maps(self._network, output, self._tensor(selection))
        return output._replace(
            classes=output.classes[:, :count], evidence=output.evidence[:, :count]
        )

    def _again(self, pixels: Tensor, selection: Selection, found: Found) -> Found:
        """The pictures whose output is not finite once more in float32, on the CPU."""
        with self._lock:
            if self._reference is None:
                self._reference = self._listening(self._fuse("fp32"))
        finite = found.logits.isfinite().all(1) & found.evidence.isfinite().flatten(1).all(1)
        rows = (~finite).nonzero().squeeze(1)
        chosen = torch.tensor(selection)
        at_once = self._depth if self._reference.compilable else len(selection)
        fresh = Output(*self._reference(pixels[rows], chosen[:at_once]))
        if len(selection) > at_once:
            fresh = _all_maps(self._reference, fresh, chosen)
        pairs = zip(found, fresh[:3], strict=True)
        return Found(*(old.index_copy(0, rows, new) for old, new in pairs))

    def _fuse(self, precision: Precision) -> FusedNetwork:
        if self._method.kind == "network forwards":
            return MaskedNetwork(self._classifier, precision).requires_grad_(False).eval()
        head = method_head(self._classifier.head, self._method.name)
        classifier = replace(self._classifier, head=head)
        return FusedNetwork(classifier, precision).requires_grad_(False).eval()

    def _listening(self, network: FusedNetwork) -> FusedNetwork:
        if isinstance(network, MaskedNetwork):
            network.on_forwards = self._on_forwards
        return network

    def _to_tensor(self, selection: Selection) -> Tensor:
        return torch.tensor(selection, device=self._device)

    # Compiling

    def _with_compiler(self, runtime: Runtime) -> Runtime:
        """The runtime with what was decided about compiling, and why."""
        choice, reason = runtime.compile, "it is compiled beside the running session"
        parameters = sum(p.numel() for p in self._network.state_dict().values())
        if choice == "off":
            reason = "compiling is switched off"
        elif not self._network.compilable:
            choice, reason = "off", f"{self._method.title} is many forwards, which are not compiled"
        elif self._device.type != "cpu":
            choice, reason = "off", f"it is not compiled for {self._device.type}"
        elif choice == "auto" and parameters > _COMPILE_UP_TO:
            choice = "off"
            reason = f"it is not compiled, because it has {parameters // 1_000_000} M parameters"
        elif choice == "on":
            reason = "the first picture waits for the compiler"
        if runtime.compile == "on" and choice == "off":
            self._on_notice(f"the network runs uncompiled: {reason}")
        state: CompileState = "off" if choice == "off" else "eager"
        return replace(runtime, compile=choice, reasons=(*runtime.reasons, reason), state=state)

    def _consider_compiling(self, shape: Shape) -> None:
        if self._runtime.compile == "off" or self._failed or shape in self._engines:
            return
        if shape[0] not in (1, self._sizer.chosen(*shape[1:])):  # a trial, or a rest
            return
        if self._runtime.compile == "on":
            self._compiler.request(shape, may_compile=True).wait()
            return
        now = time.monotonic()
        with self._lock:
            count, began = self._use.get(shape, (0, now))
            self._use[shape] = (count + 1, began)
            late = count * shape[0] >= _COMPILE_AFTER or now - began > _COMPILE_AFTER_SECONDS
            # Asked for twice at most: to look for it, and to make it.
            if count < _LOOK_AFTER or self._asked.get(shape, not late) == late:
                return
            self._asked[shape] = late
        self._compiler.request(shape, may_compile=late)

    def _give_up_compiling(self, sentence: str) -> None:
        self._failed = True
        self._on_notice(sentence)

    def _state(self) -> CompileState:
        if self._engines:
            return "compiled"
        if self._failed:
            return "failed"
        return "compiling" if self._compiler.busy else self._runtime.state

    # Errors

    @contextmanager
    def _memory_errors(self, shape: Shape | None = None) -> Iterator[None]:
        try:
            yield
        except (MemoryError, torch.OutOfMemoryError) as exc:
            raise self._out_of_memory(shape) from exc
        except RuntimeError as exc:
            if "allocate memory" not in str(exc) and "not enough memory" not in str(exc):
                raise
            raise self._out_of_memory(shape) from exc

    def _out_of_memory(self, shape: Shape | None) -> OutOfMemory:
        if shape is not None:
            self._sizer.note_too_large(*shape)
        return OutOfMemory(
            "out of memory",
            str(self._device),
            "the network does not fit",
            "Use a smaller network or another --device",
        )

    @contextmanager
    def _size_errors(self, shape: Shape) -> Iterator[None]:
        try:
            yield
        except RuntimeError as exc:
            crop = self._classifier.preprocessing.crop_size
            if isinstance(exc, torch.OutOfMemoryError) or shape[1:] == (crop, crop):
                raise
            raise UsageError(
                "the network does not take pictures of this size",
                f"{shape[2]}x{shape[1]}",
                str(exc).partition("\n")[0],
                "Use --view crop or --view stretch",
            ) from exc


def _use_threads(number: int) -> None:
    """Have torch use so many threads for what this thread computes."""
    # Torch keeps the number for each thread by itself, and asking for it is not free.
    if getattr(_threads_of, "number", None) != number:
        torch.set_num_threads(number)
        _threads_of.number = number


def _all_maps(network: FusedNetwork, output: Output, selection: Tensor) -> Output:
    """Maps of more classes (never ranks) than one forward makes, from what it left."""
    head = network.head
    classes = selection.expand(output.logits.shape[0], -1)
    if head.closed_form:
        return output._replace(classes=classes, evidence=head.evidence(output.basis, classes))
    maps = [head.evidence(output.basis, part) for part in torch.split(classes, _GROUP, dim=1)]
    return output._replace(classes=classes, evidence=torch.cat(maps, dim=1))
