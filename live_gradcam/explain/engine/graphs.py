"""Running a network's graph in other engines, beside a running session.

The graph is exported in a child process of low priority and kept in the user's cache; each engine
that may run it is compared with the network; where several may, the session's own images show which
is fastest, see `trial`. Until then, and for whatever a graph cannot do, torch explains.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from live_gradcam.errors import LiveGradcamError
from live_gradcam.explain.engine.background_jobs import BackgroundJobs
from live_gradcam.explain.engine.candidates import Candidate
from live_gradcam.explain.engine.decisions import (
    Decision,
    decision_key,
    processor_name,
    quickest,
    read_decision,
    write_decision,
)
from live_gradcam.explain.engine.fused import FusedNetwork, Shape
from live_gradcam.explain.engine.graph_files import Exporter, GraphFiles
from live_gradcam.explain.engine.graph_network import GraphNetwork, every_as_engine
from live_gradcam.explain.engine.graph_use import GraphUse, MadeGraph, Size
from live_gradcam.explain.engine.package_cache import open_cache
from live_gradcam.explain.engine.trial import COMPILED, TORCH, EngineTrial
from live_gradcam.explain.engine.verify import check_equal
from live_gradcam.explain.omp import in_short_lived_thread
from live_gradcam.graph.engine import GraphEngine
from live_gradcam.graph.engines.opening import installed_engines, open_engine
from live_gradcam.graph.metadata import GraphMetadata

_logger = logging.getLogger(__name__)

# A graph from the cache is looked for after this many forwards of one size, and made after this
# many forwards or seconds; what only explains a few images never pays for it.
_LOOK_AFTER = 3
_EXPORT_AFTER = 30
_EXPORT_AFTER_SECONDS = 2.0


class GraphNetworks:
    """The graphs of one network in other engines, one for each size that keeps coming.

    No image waits for a graph unless that was asked for. Safe to use from many threads.

    Args:
        network: The eager one, on the CPU, in the precision that torch runs it in; ``None`` where
            torch runs it elsewhere.
        make_exact: Makes the same in float32: what is exported, and what others are compared with.
        candidates: Engines that may run the graph.
        exporter: Makes the graph.
        metadata: Of the graph whose classes are asked for; its ``maps`` are the selections' length.
        threads: Number of threads on a processor.
        measure: Take the fastest candidate or torch; else the only candidate there is.
        wait: The first image of a size waits until its graph is there.
        is_compiled: Says whether torch would run a batch of a shape compiled.
        on_failure: Called with a sentence if no engine will run the graph.
    """

    def __init__(
        self,
        network: FusedNetwork | None,
        make_exact: Callable[[], FusedNetwork],
        candidates: Sequence[Candidate],
        exporter: Exporter,
        metadata: GraphMetadata,
        *,
        threads: int,
        measure: bool,
        wait: bool,
        is_compiled: Callable[[Shape], bool],
        on_failure: Callable[[str], None],
    ) -> None:
        self._network = network
        self._candidates = {each.label: each for each in candidates}
        self._metadata = metadata
        self._threads = threads
        self._measure = measure
        self._wait = wait
        self._is_compiled = is_compiled
        self._on_failure = on_failure
        self._uses: dict[Size, GraphUse] = {}
        self._lock = threading.Lock()
        self._jobs = BackgroundJobs("graph-engines")
        self._files = GraphFiles(
            make_exact, exporter, closing=self._jobs.closing, yielding=not wait
        )
        self._failed = False
        self._busy = False
        self._last: Candidate | None = None

    @property
    def busy(self) -> bool:
        """True while a graph is being made beside the session."""
        return self._busy and not self._wait

    @property
    def used(self) -> Candidate | None:
        """The engine that ran last; ``None`` for torch."""
        return self._last

    def made(self, size: Size) -> MadeGraph | None:
        """Return the graph for a size; ``None`` where there is none, or nothing was chosen yet."""
        use = self._uses.get(size)
        if use is None or use.path is None or use.chosen is None or not use.path.is_file():
            return None
        candidate = self._candidates.get(use.quickest)
        if candidate is None:
            return None
        return MadeGraph(use.path, candidate, use.chosen == TORCH)

    def is_settled(self, shape: Shape) -> bool:
        """Return whether nothing is being measured or made for images of this size."""
        use = self._uses.get(shape[1:])
        return self._failed or (use is not None and use.settled and not self._busy)

    def wants_compiled(self, shape: Shape) -> bool:
        """Return whether torch explains images of this size, or might if it were compiled."""
        use = self._uses.get(shape[1:])
        if self._failed or (use is not None and use.chosen == TORCH):
            return True
        return use is not None and self._measure and use.awaits_compiled

    def pick(self, shape: Shape) -> tuple[str, GraphNetwork | None]:
        """Return the name of what runs the next batch, and the network, which torch has itself."""
        use = self._uses.get(shape[1:])
        if use is None or use.engines is None:
            return TORCH, None
        name = use.next_for(shape)
        found = use.engines.get(name)
        self._last = None if found is None else self._candidates[name]
        return (name, found) if found is not None else (TORCH, None)

    def note(self, shape: Shape, name: str, seconds: float) -> None:
        """Add the measured time of a forward by what `pick` named."""
        use = self._uses.get(shape[1:])
        with self._lock:
            trial = use.trial_of(shape) if use is not None else None
        if use is None or trial is None:
            return
        if trial is use.rivals and name == TORCH and self._is_compiled(shape):
            name = COMPILED
        trial.note(name, seconds * 1000.0 / shape[0])
        self._conclude(use)

    def drop(self, shape: Shape, name: str, reason: Exception) -> None:
        """Run no further batch with an engine that failed."""
        if self._jobs.closing.is_set():
            return
        use = self._uses[shape[1:]]
        with self._lock:
            if use.engines is None or use.engines.pop(name, None) is None:
                return
        self._last = None
        self._on_failure(f"{name} failed, torch goes on: {reason}")
        if use.trial is not None and use.chosen is None:
            use.trial.drop(name)
            self._conclude(use)
        elif use.chosen == name:  # not one that has lost meanwhile
            use.chosen, use.rivals = TORCH, None

    def consider(self, shape: Shape) -> None:
        """Count a batch of a shape that keeps coming, and get its graph if it is worth it."""
        if self._failed or self._jobs.closing.is_set():
            return
        now = time.monotonic()
        with self._lock:
            use = self._uses.setdefault(shape[1:], GraphUse(began=now, shape=shape))
            if self._measure and use.awaits_compiled and self._is_compiled(shape):
                use.compare_compiled(shape)
            if use.chosen is not None or use.trial is not None or use.made:
                return
            use.forwards += 1
            waited = now - use.began > _EXPORT_AFTER_SECONDS
            late = self._wait or use.forwards * shape[0] > _EXPORT_AFTER or waited
            if use.forwards <= _LOOK_AFTER and not self._wait:
                return
            if use.looked and not late:
                return
            use.looked, use.made, use.shape = True, late, shape
        done = self._jobs.submit(partial(self._prepare, use, may_export=late))
        if self._wait:
            done.wait()

    def want_every(self, shape: Shape) -> None:
        """Get the graph that makes the maps of all classes, as somebody asks for many."""
        use = self._uses.get(shape[1:])
        if use is None or use.chosen in (None, TORCH) or use.every_asked:
            return
        use.every_asked = True
        done = self._jobs.submit(partial(self._add_every, use))
        if self._wait:
            done.wait()

    def measure_now(self, shape: Shape, run: Callable[[str, GraphNetwork | None], None]) -> None:
        """Make the measurement at once, where the first image waits for it.

        Args:
            shape: Of the batch.
            run: Computes it with what `pick` names.
        """
        use = self._uses.get(shape[1:])
        while self._wait and use is not None and use.trial is not None and use.chosen is None:
            if self._jobs.closing.is_set():
                return
            name, network = self.pick(shape)
            began = time.perf_counter()
            try:
                run(name, network)
            except LiveGradcamError as exc:
                if network is None:
                    raise
                self.drop(shape, name, exc)
                continue
            self.note(use.shape, name, (time.perf_counter() - began) * use.shape[0] / shape[0])

    def set_threads(self, number: int) -> None:
        """Have engines on processors use this number of threads, as soon as they are ready."""
        if number == self._threads:
            return
        self._threads = number

        def change() -> None:
            for use in list(self._uses.values()):
                for network in list((use.engines or {}).values()):
                    with suppress(LiveGradcamError):
                        network.set_threads(number)

        self._jobs.submit(change)

    def close(self) -> None:
        """End what is under way, and the engines. Idempotent; torch goes on to work."""
        self._jobs.close()
        with self._lock:
            uses = list(self._uses.values())
            self._uses = {}
        for use in uses:
            for network in (use.engines or {}).values():
                network.close()

    # In the background

    def _prepare(self, use: GraphUse, *, may_export: bool) -> None:
        self._busy = may_export
        try:
            self._obtain(use, may_export=may_export)
        except Exception as exc:  # exporting runs all of torch
            if not self._jobs.closing.is_set():
                _logger.debug("no graph", exc_info=True)
                self._give_up(_reason(exc))
        finally:
            self._busy = False

    def _obtain(self, use: GraphUse, *, may_export: bool) -> None:
        if use.trial is not None or use.chosen is not None:  # the look into the cache found it
            return
        folder = open_cache()
        use.first = use.shape
        path = use.path = self._files.path(folder, self._metadata, use.shape)
        engines = sorted(installed_engines().items())
        use.key = (path.stem, engines, torch.__version__, *self._candidates, self._threads)
        key = decision_key(*use.key, use.shape)
        decision = read_decision(folder, key) if self._measure else None
        if decision is not None:
            use.quickest, use.milliseconds = quickest(decision.milliseconds), decision.milliseconds
        if decision is not None and decision.winner == TORCH:
            use.engines, use.chosen = {}, TORCH
            return
        wanted = list(self._candidates)
        if decision is not None and decision.winner in self._candidates:
            wanted = [decision.winner]
        if not self._files.obtain(path, self._metadata, use.shape, may_export=may_export):
            return
        opened: dict[str, GraphNetwork] = {}
        for label in wanted:
            if self._jobs.closing.is_set():
                break
            try:
                opened[label] = in_short_lived_thread(partial(self._open, path, label, use.shape))
            except Exception as exc:  # the others may be better
                _logger.debug("%s cannot run the graph", label, exc_info=True)
                if not self._measure:
                    raise
                reason = _reason(exc)
        if self._jobs.closing.is_set():
            for network in opened.values():
                network.close()
            return
        if not opened:
            self._give_up(reason)
            return
        use.engines = opened  # first: those who explain look for what is chosen among them
        if decision is not None or not self._measure:
            (use.chosen,) = opened
            use.quickest = use.chosen
        else:
            use.trial = EngineTrial([*opened, TORCH])

    def _open(self, path: Path, label: str, shape: Shape) -> GraphNetwork:
        """Open the graph in an engine, and compare it with the network."""
        candidate = self._candidates[label]
        depth = self._metadata.maps
        found = GraphNetwork(self._engine(path, candidate, self._metadata), depth)
        exact = candidate.precision == "fp32"
        reference = self._files.network if exact or self._network is None else self._network
        try:
            with torch.no_grad():
                check_equal(reference, found, shape, depth, exact=exact)
        except BaseException:
            found.close()
            raise
        return found

    def _engine(self, path: Path, candidate: Candidate, metadata: GraphMetadata) -> GraphEngine:
        return open_engine(
            path,
            metadata,
            name=candidate.engine,
            device=candidate.device,
            precision=candidate.precision,
            threads=self._threads,
            cache=path.parent / "engines",
        )

    def _add_every(self, use: GraphUse) -> None:
        """Add the graph of all classes to the engine in use; it is checked as the other one was."""
        assert use.chosen is not None, "asked for when an engine is in use"
        assert use.engines is not None, "asked for when an engine is in use"
        network, candidate = use.engines.get(use.chosen), self._candidates[use.chosen]
        if network is None:
            return
        number = len(self._metadata.labels)
        metadata = replace(self._metadata, classes="all", maps=number)
        try:
            path = self._files.path(open_cache(), metadata, use.shape)
            if not self._files.obtain(path, metadata, use.shape, may_export=True):
                return
            every = self._engine(path, candidate, metadata)
            try:
                adapted = partial(every_as_engine, every)
                check_equal(network, adapted, use.shape, self._metadata.maps)
            except BaseException:
                every.close()
                raise
            network.every = every
        except Exception:  # torch makes these maps, as before
            _logger.debug("no graph of all classes", exc_info=True)

    def _conclude(self, use: GraphUse) -> None:
        """Use the winner, once there is one; keep the decision and close the others."""
        with self._lock:
            found = use.conclude(compiled=self._is_compiled(use.shape))
        if found:
            self._jobs.submit(partial(self._keep, use))

    def _keep(self, use: GraphUse) -> None:
        assert use.chosen is not None, "it has just been found"
        assert use.engines is not None, "they were measured"
        for label in [each for each in use.engines if each != use.chosen]:
            use.engines.pop(label).close()
        use.quickest = quickest(use.milliseconds)
        meta, (_, height, width) = self._metadata, use.shape
        decision = Decision(
            winner=use.chosen,
            milliseconds=use.milliseconds,
            network=f"{meta.network} {meta.layer} {meta.method} {width}x{height}",
            processor=processor_name(),
            threads=self._threads,
        )
        # The next session begins with batches of the same size as this one, whatever comes then.
        for shape in {use.first, use.shape}:
            with suppress(Exception):
                write_decision(open_cache(), decision_key(*use.key, shape), decision)

    def _give_up(self, reason: str) -> None:
        self._failed = True
        if not self._measure:
            names = " or ".join(each.label for each in self._candidates.values())
            self._on_failure(f"{names} cannot run the network ({reason}); torch runs it")


def _reason(exc: Exception) -> str:
    return (" ".join(str(exc).split()) or type(exc).__name__).rstrip(".")[:200]
