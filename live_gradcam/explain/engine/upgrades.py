"""When a network is compiled: not for a few pictures, and never so that a picture waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from live_gradcam.explain.engine.compiled import BackgroundCompiler
from live_gradcam.explain.engine.fused import Engine, FusedNetwork, Shape

# A compiled network from the cache is looked for after this many forwards of one shape, and made
# after this many forwards or seconds; what only explains a few pictures never pays for it.
_LOOK_AFTER = 3
_COMPILE_AFTER = 30
_COMPILE_AFTER_SECONDS = 2.0


class CompiledNetworks:
    """The compiled networks of one eager network, one for each shape that keeps coming.

    Safe to use from many threads: one that finds an engine uses it, and swapping is one assignment.

    Args:
        network: The eager one, on the CPU.
        depth: Length of the selections.
        threads: Threads that compiled networks use.
        wait: Compile for the first batch of a shape already, which waits for it.
        on_failure: Told once, as a sentence, why nothing (more) will be compiled.
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
        """Whether compiling was given up."""
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
        """Whether there is a compiled network by now."""
        return bool(self._ready)

    @property
    def compiling_beside(self) -> bool:
        """Whether the compiler is at work while pictures are explained."""
        return self.compiler.busy and not self._wait

    def get(self, shape: Shape) -> Engine | None:
        """The compiled network for a shape, if there is one by now."""
        return self._ready.get(shape)

    def add(self, shape: Shape, engine: Engine) -> None:
        """Use a compiled network from now on."""
        self._ready[shape] = engine

    def consider(self, shape: Shape) -> None:
        """Take note that a batch of a shape is explained, and compile if it is worth it by now."""
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
