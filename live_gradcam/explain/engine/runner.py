"""Runs batches of pixels through the best engine there is at the moment.

Eager at first; compiled, or on CUDA captured as a graph, as soon as that is ready; once more in
float32 where half precision gave something that is not finite.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from live_gradcam.budget import thread_budget
from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.batching import BatchSizer, free_memory
from live_gradcam.explain.engine.compiled import CompiledNetworks
from live_gradcam.explain.engine.cuda import cuda_device, exact_float32
from live_gradcam.explain.engine.cuda_graphs import Accelerator, GraphedNetworks, Pending
from live_gradcam.explain.engine.failures import memory_errors, size_errors
from live_gradcam.explain.engine.fused import (
    BatchResult,
    Engine,
    FusedNetwork,
    Output,
    Selection,
    Shape,
    all_maps,
)
from live_gradcam.explain.engine.graph_choice import open_graphs
from live_gradcam.explain.engine.graph_files import Exporter
from live_gradcam.explain.engine.graph_network import GraphNetwork
from live_gradcam.explain.engine.runtime import CompileState, Precision, Runtime
from live_gradcam.explain.engine.threads import ThreadChooser
from live_gradcam.explain.engine.trial import TORCH
from live_gradcam.explain.methods import Method, OnForwards
from live_gradcam.explain.omp import use_threads

COMPILE_UP_TO = 100_000_000
"""Number of parameters beyond which compiling takes gigabytes and gains little."""

# Where the first forward waits for the compiler, sizes cannot be tried: each costs a compilation.
_COMPILED_BATCH = 4


class Runner:
    """Runs one classifier on one device, from any number of threads.

    Args:
        classifier: What is run.
        runtime: Where and how.
        depth: Number of maps that one forward makes; more are made from what it leaves.
        method: Makes the maps, see `live_gradcam.explain.methods`.
        on_notice: Called with a sentence if nothing will be compiled.
        on_forwards: Called with the progress of a method that needs many forwards of the network.
        steady: Numbers of images in a forward and of threads are fixed, not measured.
        accelerator: Captures the network as a graph; the device's own if not given.
        exporter: Makes the network's graph for other engines; ``None`` leaves it to torch.

    Attributes:
        network: The eager network, on the device.
        sizer: Chooses the sizes of batches.
        compiled: The compiled networks; ``None`` where there will be none.
        graphs: The network's graphs in other engines; ``None`` where there will be none.
    """

    def __init__(
        self,
        classifier: Classifier,
        runtime: Runtime,
        *,
        depth: int,
        method: type[Method],
        on_notice: Callable[[str], None],
        on_forwards: OnForwards | None = None,
        steady: bool = False,
        accelerator: Accelerator | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._classifier = classifier
        self._depth = depth
        self._method = method
        self._on_forwards = on_forwards
        self._on_notice = on_notice
        self._device = torch.device(runtime.device)
        if classifier.why_float32 and runtime.precision != "fp32":
            reason = f"fp32 all the same, because {classifier.why_float32}"
            exact = tuple(replace(each, precision="fp32") for each in runtime.candidates)
            reasons = (*runtime.reasons, reason)
            runtime = replace(runtime, precision="fp32", reasons=reasons, candidates=exact)
        if runtime.device == "cpu":
            use_threads(runtime.threads)
        with self._memory_errors():
            network = self._fuse(runtime.precision)
            if self._device.type != "cpu":  # what is shared with the classifier stays here
                network = copy.deepcopy(network).to(self._device)
            self.network = self._listening(network)
        self._lock = threading.Lock()
        self._reference: FusedNetwork | None = None
        self._tensor = lru_cache(maxsize=64)(self._to_tensor)
        waits = runtime.compile == "on"
        self.graphs = open_graphs(
            classifier,
            method,
            self.network,
            runtime,
            exporter,
            make_exact=self._exact_network,
            depth=depth,
            wait=waits,
            is_compiled=self._is_compiled,
            on_notice=on_notice,
        )
        self._runtime = self._with_compiler(runtime)
        self.sizer = BatchSizer(
            self._device.type,
            fixed=_COMPILED_BATCH if waits else None,
            steady=steady,
            free_memory=lambda: free_memory(self._device),
        )
        self._threads = ThreadChooser(runtime.threads, fixed=steady or thread_budget().fixed)
        self._graphed = self._graphed_networks(accelerator)
        self.compiled = self._compiled_networks() if self._graphed is None else None

    @property
    def runtime(self) -> Runtime:
        """How the network runs at the moment, and why."""
        used = self.graphs.used if self.graphs is not None else None
        if used is None:
            return replace(self._runtime, state=self._state())
        engine, precision = used.engine, used.precision
        return replace(self._runtime, state="off", engine=engine, precision=precision)

    @property
    def all_maps_are_cheap(self) -> bool:
        """True if the maps of all classes cost next to nothing beyond that of one."""
        return self.network.head.all_maps_are_cheap

    @property
    def preferred_batch(self) -> int:
        """Number of images that are worth handing over together."""
        return self.sizer.largest

    def next_batch(self, waiting: int, height: int, width: int) -> int:
        """Return the size of the next forward.

        Args:
            waiting: Number of images of one input size that are there.
            height: Height of the network's input.
            width: Width of the network's input.
        """
        batch = self.sizer.next_size(waiting, height, width)
        shape = (batch, height, width)
        chosen = self.sizer.chosen(height, width)
        if self.graphs is not None and self.graphs.pick(shape)[1] is not None:
            return batch
        if self.compiled is None or chosen is None or not self.compiled.one_by_one(shape):
            return batch
        if batch == chosen:
            self._consider_compiling(shape)
        return 1

    def run(self, pixels: Tensor, selection: Selection) -> BatchResult:
        """Return scores and evidence of a batch; see `start`."""
        return self.start(pixels, selection)()

    def start(self, pixels: Tensor, selection: Selection) -> Pending:
        """Begin with a batch, where the device works by itself; elsewhere do it at once.

        The result is not finite where the network's output is not, even in float32.

        Args:
            pixels: ``uint8 (N, H, W, 3)``, BGR; not modified until the batch is done.
            selection: Classes to explain.

        Raises:
            OutOfMemory: The device has too little memory for this batch.
            DeviceError: The GPU failed.
            UsageError: The network does not take images of this size.
        """
        shape: Shape = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
        if self._graphed is not None and len(selection) <= self._depth:
            with torch.no_grad(), self._memory_errors(shape), self._size_errors(shape):
                graphed = self._graphed.find(shape) if self._keeps_coming(shape) else None
                if graphed is not None:
                    pending = graphed.start(pixels, self._padded(selection))
                    return lambda: self._fetch(shape, pending, pixels, selection)
        result = self._run_now(shape, pixels, selection)
        return lambda: result

    def _run_now(self, shape: Shape, pixels: Tensor, selection: Selection) -> BatchResult:
        self._consider_compiling(shape)
        self._consider_graphs(shape, pixels, selection)
        threads = self._leave_threads()
        with torch.no_grad(), self._memory_errors(shape), self._size_errors(shape):
            result = self._run_graph(shape, pixels, selection)
            if result is None:
                result = self._run_torch(shape, pixels, selection, threads)
            return self._finite(pixels, selection, result)

    def _run_torch(
        self, shape: Shape, pixels: Tensor, selection: Selection, threads: int
    ) -> BatchResult:
        engine = None if self.compiled is None else self.compiled.get(shape)
        began = time.perf_counter()
        with self._exactness():
            output = self._forward(engine, pixels.to(self._device), selection)
        result = BatchResult(output.logits.cpu(), output.classes.cpu(), output.evidence.cpu())
        seconds = time.perf_counter() - began
        if engine is None:  # sizes are compared with each other, not with the compiler's work
            self.sizer.note(*shape, seconds)
            self._note_threads(TORCH, shape, selection, seconds, threads)
        else:
            self._threads.rest()
        if self.graphs is not None and len(selection) <= self._depth:
            self.graphs.note(shape, TORCH, seconds)
        return result

    def _run_graph(self, shape: Shape, pixels: Tensor, selection: Selection) -> BatchResult | None:
        """Run the graph where there is one; ``None`` leaves the batch to torch."""
        if self.graphs is None:
            return None
        name, network = self.graphs.pick(shape)
        if network is None:
            return None
        if len(selection) > self._depth and self.all_maps_are_cheap:
            self.graphs.want_every(shape)
        began = time.perf_counter()
        try:
            result = network.run(pixels, selection)
        except LiveGradcamError as exc:
            self.graphs.drop(shape, name, exc)
            return None
        seconds = time.perf_counter() - began
        if len(selection) <= self._depth:
            self.graphs.note(shape, name, seconds)
        self._note_threads(name, shape, selection, seconds, network.engine.threads)
        self.graphs.set_threads(self._threads.number)
        return result

    def _note_threads(
        self, name: str, shape: Shape, selection: Selection, seconds: float, threads: int
    ) -> None:
        """Add a time to what the number of threads is chosen from, if it is one like the others."""
        settled = self.graphs is None or self.graphs.is_settled(shape)
        if self._busy_beside or not settled or len(selection) > self._depth:
            self._threads.rest()
        elif self._device.type == "cpu":
            self._threads.note((name, shape), seconds / shape[0], threads)

    def _fetch(
        self, shape: Shape, pending: Pending, pixels: Tensor, selection: Selection
    ) -> BatchResult:
        count = len(selection)
        with torch.no_grad(), self._memory_errors(shape):
            logits, classes, evidence = pending()
            result = BatchResult(logits, classes[:, :count], evidence[:, :count])
            return self._finite(pixels, selection, result)

    def _finite(self, pixels: Tensor, selection: Selection, result: BatchResult) -> BatchResult:
        # Anything that is not finite makes the sum not finite.
        if math.isfinite(float(result.logits.sum() + result.evidence.sum())):
            return result
        return self._again(pixels, selection, result)

    def close(self) -> None:
        """End the compiler and other engines, if they run. Idempotent; torch goes on to work."""
        if self.compiled is not None:
            self.compiled.close()
        if self.graphs is not None:
            self.graphs.close()

    def _exactness(self) -> AbstractContextManager[None]:
        return exact_float32() if self._device.type == "cuda" else nullcontext()

    @property
    def _busy_beside(self) -> bool:
        """True while a child process compiles or exports beside us."""
        compiling = self.compiled is not None and self.compiled.compiling_beside
        return compiling or (self.graphs is not None and self.graphs.busy)

    def _leave_threads(self) -> int:
        """Use the threads of the budget, one less while a child process needs a core beside us.

        Returns:
            Their number.
        """
        if self._device.type != "cpu":
            return 1
        number = max(1, self._threads.number - self._busy_beside)
        use_threads(number)
        return number

    def _forward(self, engine: Engine | None, pixels: Tensor, selection: Selection) -> Output:
        count = len(selection)
        if self._method.reruns != "nothing" and not self.network.compilable:
            # All maps come from the same forwards.
            return Output(*self.network(pixels, self._tensor(selection)))
        if engine is None:
            output = Output(*self.network(pixels, self._tensor(selection[: self._depth])))
        else:  # a compiled network always makes the same number of maps
            output = Output(*engine(pixels, self._tensor(self._padded(selection))))
        if count > self._depth:
            return all_maps(self.network.head, output, self._tensor(selection))
        return output._replace(
            classes=output.classes[:, :count], evidence=output.evidence[:, :count]
        )

    def _padded(self, selection: Selection) -> Selection:
        return (selection + selection[-1:] * self._depth)[: self._depth]

    def _again(self, pixels: Tensor, selection: Selection, result: BatchResult) -> BatchResult:
        """Compute the images whose output is not finite once more, in float32 on the CPU."""
        with self._lock:
            if self._reference is None:
                self._reference = self._listening(self._fuse("fp32"))
        finite = result.logits.isfinite().all(1) & result.evidence.isfinite().flatten(1).all(1)
        rows = (~finite).nonzero().squeeze(1)
        chosen = torch.tensor(selection)
        many = self._method.reruns != "nothing" and not self._reference.compilable
        at_once = len(selection) if many else self._depth
        fresh = Output(*self._reference(pixels[rows], chosen[:at_once]))
        if len(selection) > at_once:
            fresh = all_maps(self._reference.head, fresh, chosen)
        pairs = zip(result, fresh[:3], strict=True)
        return BatchResult(*(old.index_copy(0, rows, new) for old, new in pairs))

    def _fuse(self, precision: Precision) -> FusedNetwork:
        head = self._method.make_head(self._classifier.head)
        classifier = replace(self._classifier, head=head)
        return FusedNetwork(classifier, precision).requires_grad_(False).eval()

    def _listening(self, network: FusedNetwork) -> FusedNetwork:
        if isinstance(network.head, Method):
            network.head.on_forwards = self._on_forwards
        return network

    def _to_tensor(self, selection: Selection) -> Tensor:
        return torch.tensor(selection, device=self._device)

    # Compiling

    def _with_compiler(self, runtime: Runtime) -> Runtime:
        """Return the runtime with the decision about compiling, and its reason."""
        choice, reason = runtime.compile, "it is compiled beside the running session"
        parameters = sum(p.numel() for p in self.network.state_dict().values())
        if self.graphs is not None and runtime.engine_choice != "auto":
            choice, reason = "off", f"{runtime.candidates[0].label} runs it as soon as it is ready"
            return replace(runtime, compile=choice, reasons=(*runtime.reasons, reason), state="off")
        if choice == "off":
            reason = "compiling is switched off"
        elif not self.network.compilable:
            many = f"{self._method.title} is many forwards, which are not compiled"
            choice, reason = "off", self._classifier.head.why_uncompiled or many
        elif self._device.type == "cuda":
            reason = "it is recorded as a CUDA graph after a few pictures of one size"
        elif self._device.type != "cpu":
            choice, reason = "off", f"it is not compiled for {self._device.type}"
        elif choice == "auto" and parameters > COMPILE_UP_TO:
            choice = "off"
            reason = f"it is not compiled, because it has {parameters // 1_000_000} M parameters"
        elif choice == "on":
            reason = "the first picture waits for the compiler"
        if runtime.compile == "on" and choice == "off":
            self._on_notice(f"the network runs uncompiled: {reason}")
        state: CompileState = "off" if choice == "off" else "eager"
        return replace(runtime, compile=choice, reasons=(*runtime.reasons, reason), state=state)

    def _graphed_networks(self, accelerator: Accelerator | None) -> GraphedNetworks | None:
        if self._runtime.compile == "off":
            return None
        if accelerator is None and self._device.type == "cuda":
            accelerator = cuda_device(self._device)
        if accelerator is None:
            return None
        return GraphedNetworks(
            self.network,
            accelerator,
            self._device,
            depth=self._depth,
            at_once=self._runtime.compile == "on",
            on_failure=self._on_notice,
        )

    def _compiled_networks(self) -> CompiledNetworks | None:
        if self._runtime.compile == "off":
            return None
        return CompiledNetworks(
            self.network,
            depth=self._depth,
            threads=self._runtime.threads,
            wait=self._runtime.compile == "on",
            on_failure=self._tell_uncompiled,
        )

    def _tell_uncompiled(self, sentence: str) -> None:
        if self.graphs is None or self.graphs.used is None:  # else it runs elsewhere, as before
            self._on_notice(sentence)

    def _exact_network(self) -> FusedNetwork:
        exact = self.network.dtype == torch.float32 and self._device.type == "cpu"
        return self.network if exact else self._fuse("fp32")

    def _consider_graphs(self, shape: Shape, pixels: Tensor, selection: Selection) -> None:
        if self.graphs is None:
            return
        self.graphs.consider(shape)

        def run(_: str, network: GraphNetwork | None) -> None:
            short = selection[: self._depth]
            with torch.no_grad():
                if network is None:
                    engine = None if self.compiled is None else self.compiled.get(shape)
                    self._forward(engine, pixels, short)
                else:
                    network.run(pixels, short)

        self.graphs.measure_now(shape, run)

    def _consider_compiling(self, shape: Shape) -> None:
        if self.compiled is None or not self._keeps_coming(shape):
            return
        # Compiling takes a minute; it is not begun before other engines have been tried.
        waits = self._runtime.compile == "on"
        if waits or self.graphs is None or self.graphs.wants_compiled(shape):
            self.compiled.consider(shape)

    def _is_compiled(self, shape: Shape) -> bool:
        return self.compiled is not None and self.compiled.get(shape) is not None

    def _keeps_coming(self, shape: Shape) -> bool:
        """True if batches have this size because it was chosen, not on trial or as a rest."""
        return shape[0] in (1, self.sizer.chosen(*shape[1:]))

    def _memory_errors(self, shape: Shape | None = None) -> AbstractContextManager[None]:
        def note() -> None:
            if shape is not None:
                self.sizer.note_too_large(*shape)

        return memory_errors(self._device, note)

    def _size_errors(self, shape: Shape) -> AbstractContextManager[None]:
        return size_errors(shape, self._classifier.preprocessing.input_size)

    def _state(self) -> CompileState:
        # Asked first: a compiler that ends meanwhile has left its network, or failed, before.
        busy = self.compiled is not None and self.compiled.compiler.busy
        if self._graphed is not None and self._graphed.any:
            return "recorded"
        if self.compiled is not None and self.compiled.any:
            return "compiled"
        if any(each is not None and each.failed for each in (self._graphed, self.compiled)):
            return "failed"
        return "compiling" if busy else self._runtime.state
