"""Compiling the network beside a running session, without the session noticing.

A child process of low priority compiles ahead of time (AOTInductor) and leaves a package in the
user's cache; the live process loads it, compares it with the eager network and swaps it in. This
was chosen by measurement (ResNet-18, bf16, two cores): the package runs as fast as what
`torch.compile` makes (4.8 ms against 5.5 ms; eager 7.5 ms), and loading it takes 25 ms and no
compiler frontend in the live process, where warming `torch.compile` from its cache would hold the
interpreter for seconds.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch

from live_gradcam.explain.engine.background_jobs import BackgroundJobs
from live_gradcam.explain.engine.child_process import TIMEOUT_SECONDS, make_in_child
from live_gradcam.explain.engine.compile_worker import CompileRequest
from live_gradcam.explain.engine.fused import Engine, FusedNetwork, Shape
from live_gradcam.explain.engine.package_cache import open_cache, package_key, prune_cache
from live_gradcam.explain.engine.verify import check_equal
from live_gradcam.explain.omp import in_short_lived_thread

_logger = logging.getLogger(__name__)

# A compiled network from the cache is looked for after this many forwards of one shape, and made
# after this many forwards or seconds; what only explains a few images never pays for it.
_LOOK_AFTER = 3
_COMPILE_AFTER = 30
_COMPILE_AFTER_SECONDS = 2.0
# The largest block that the GNU allocator learns from, less its own header.
_LARGEST_BLOCK = (32 << 20) - (64 << 10)


class CompiledNetworks:
    """The compiled networks of one eager network, one for each shape that keeps coming.

    An image never waits for the compiler unless that was asked for, and a few images are not worth
    compiling for. Safe to use from many threads: one that finds an engine uses it, and swapping is
    one assignment.

    Args:
        network: The eager one, on the CPU.
        depth: Length of the selections.
        threads: Threads that compiled networks use.
        wait: Compile for the first batch of a shape already, which waits for it.
        on_failure: Called once, with a sentence why nothing (more) will be compiled.

    Attributes:
        failed: True if compiling was given up.
        compiler: Compiles them.
    """

    def __init__(
        self,
        network: FusedNetwork,
        *,
        depth: int,
        threads: int,
        wait: bool,
        on_failure: Callable[[str], None],
    ) -> None:
        self._wait = wait
        self._on_failure = on_failure
        self._ready: dict[Shape, Engine] = {}
        self._lock = threading.Lock()
        self._use: dict[Shape, tuple[int, float]] = {}
        self._asked: dict[Shape, bool] = {}
        self.failed = False
        self.compiler = BackgroundCompiler(
            network,
            depth=depth,
            threads=threads,
            yielding=not wait,
            on_ready=self.add,
            on_failure=self._give_up,
        )

    @property
    def any(self) -> bool:
        """True if there is a compiled network by now."""
        return bool(self._ready)

    @property
    def compiling_beside(self) -> bool:
        """True while the compiler is at work and images are explained beside it."""
        return self.compiler.busy and not self._wait

    def get(self, shape: Shape) -> Engine | None:
        """The compiled network for a shape, if there is one by now."""
        return self._ready.get(shape)

    def add(self, shape: Shape, engine: Engine) -> None:
        """Use a compiled network from now on."""
        self._ready[shape] = engine

    def one_by_one(self, shape: Shape) -> bool:
        """True if only a single image of this size is compiled by now, not the whole batch.

        Compiled one by one is cheaper than uncompiled at once.
        """
        return shape not in self._ready and (1, *shape[1:]) in self._ready

    def consider(self, shape: Shape) -> None:
        """Count a batch of a shape, and compile for it if it is worth it by now."""
        if self.failed or shape in self._ready:
            return
        if self._wait:
            self.compiler.request(shape, may_compile=True).wait()
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
        self.compiler.request(shape, may_compile=late)

    def close(self) -> None:
        """End the compiler, if it runs. Idempotent; what is compiled goes on to work."""
        self.compiler.close()

    def _give_up(self, sentence: str) -> None:
        self.failed = True
        self._on_failure(sentence)


class BackgroundCompiler:
    """Compiles a network for one input shape after the other, in a thread with a child process.

    Args:
        network: The eager network, which compiled ones must equal.
        depth: Length of the selection that compiled networks take.
        threads: Threads that they use.
        yielding: The child process gives way to all others; leave it a core while the compiler is
            `busy` to let it get on.
        on_ready: Called with each shape and its engine, from the compiler's thread.
        on_failure: Called once, with a sentence why nothing (more) will be compiled.
        timeout_seconds: Longest time for one compilation.
    """

    def __init__(
        self,
        network: FusedNetwork,
        *,
        depth: int,
        threads: int,
        yielding: bool = True,
        on_ready: Callable[[Shape, Engine], None],
        on_failure: Callable[[str], None],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._network = network
        self._depth = depth
        self._threads = threads
        self._yielding = yielding
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._timeout_seconds = timeout_seconds
        self._jobs = BackgroundJobs("network-compiler")
        self._finished: set[Shape] = set()
        self._failed = False
        self._busy = False

    @property
    def busy(self) -> bool:
        """True while a network is being compiled."""
        return self._busy

    def request(self, shape: Shape, *, may_compile: bool) -> threading.Event:
        """Request a compiled network; ``on_ready`` receives it.

        Args:
            shape: Of its input.
            may_compile: ``False`` only looks into the cache.

        Returns:
            An event that is set when the request has been dealt with, in whatever way.
        """
        return self._jobs.submit(partial(self._work, shape, may_compile=may_compile))

    def close(self) -> None:
        """End the child process and the thread. Idempotent."""
        self._jobs.close()

    def _work(self, shape: Shape, *, may_compile: bool) -> None:
        if self._failed or shape in self._finished:
            return
        self._busy = may_compile
        try:
            ready = self._obtain(shape, may_compile=may_compile)
            if ready is not None:
                self._finished.add(shape)
                self._on_ready(shape, ready)
        except Exception as exc:
            self._failed = True
            if not self._jobs.closing.is_set():
                _logger.debug("compiling failed", exc_info=True)
                self._on_failure(_sentence(exc))
        finally:
            self._busy = False

    def _obtain(self, shape: Shape, *, may_compile: bool) -> Engine | None:
        folder = open_cache()
        key = package_key(self._network, shape, depth=self._depth, threads=self._threads)
        package = folder / f"{key}.pt2"
        if package.is_file():
            try:
                ready = in_short_lived_thread(partial(self._load, package, shape))
            except Exception:
                _logger.debug("discarding %s", package, exc_info=True)
                package.unlink(missing_ok=True)
            else:
                with suppress(OSError):
                    os.utime(package)
                return ready
        if not may_compile:
            return None
        self._compile(package, shape)
        if self._jobs.closing.is_set():
            return None
        ready = in_short_lived_thread(partial(self._load, package, shape))
        prune_cache(folder, keep=package)
        return ready

    def _compile(self, package: Path, shape: Shape) -> None:
        def payload(output: Path) -> bytes:
            threads = self._threads
            return pickle.dumps(CompileRequest(self._network, *shape, self._depth, threads, output))

        make_in_child(
            package,
            payload,
            closing=self._jobs.closing,
            yielding=self._yielding,
            timeout_seconds=self._timeout_seconds,
        )

    def _load(self, package: Path, shape: Shape) -> Engine:
        # Importing the loader warns about CUDA toolkits, which nobody asked about.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        loaded = torch._inductor.aoti_load_package(str(package))
        _keep_freed_memory()
        with torch.no_grad():
            check_equal(self._network, loaded, shape, self._depth)
        return loaded


def _keep_freed_memory() -> None:
    """Have the GNU allocator keep what one forward frees for the next.

    It gives back to the system what exceeds twice the largest block that was ever freed. A compiled
    network's buffers may, and fetching them page by page again takes up to a third of its time.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8)  # never written, so it takes no memory


def _sentence(exc: Exception) -> str:
    reason = " ".join(str(exc).split()) or type(exc).__name__
    return f"the network could not be compiled ({reason[:200]}); it runs on uncompiled"
