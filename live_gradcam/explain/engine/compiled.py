"""Compiling the network beside a running session, without the session noticing.

A child process of low priority compiles ahead of time (AOTInductor) and leaves a package in the
user's cache; the live process loads it, compares it with the eager network and swaps it in. This
was chosen by measurement (ResNet-18, bf16, two cores): the package runs as fast as what
`torch.compile` makes (4.8 ms against 5.5 ms; eager 7.5 ms), and loading it takes 25 ms and no
compiler frontend in the live process, where warming `torch.compile` from its cache would hold the
interpreter for seconds.

Loading a package runs the code in it. Packages therefore live in a folder that belongs to the user
alone, under names that hash the weights, the network, torch, the processor and the input's shape.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import pickle
import platform
import queue
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import fx

from live_gradcam.explain.engine import compile_worker, fused, winograd
from live_gradcam.explain.engine.compile_worker import LENGTH, YIELDING, CompileRequest
from live_gradcam.explain.engine.fused import Engine, FusedNetwork, Shape
from live_gradcam.explain.engine.runtime import cpu_flags
from live_gradcam.explain.engine.verify import check_equal
from live_gradcam.explain.heads import base, multi_layer, tokens
from live_gradcam.explain.methods import heads as method_heads
from live_gradcam.explain.omp import in_short_lived_thread

_LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS = 600.0
_KEEP_PACKAGES = 12
_KEEP_BYTES = 3 << 30
_STALE_SECONDS = 24 * 3600.0
# The largest block that the GNU allocator learns from, less its own header.
_LARGEST_BLOCK = (32 << 20) - (64 << 10)

_START = (
    "import sys; sys.path[:] = [p for p in sys.path if p];"  # never code from the working directory
    "from live_gradcam.explain.engine.compile_worker import main; main()"
)


_ROOT = str(Path(__file__).resolve().parents[3])


class CompileError(Exception):
    """Compiling failed; the message is what the user is told."""


@dataclass(frozen=True, slots=True)
class _Job:
    shape: Shape
    may_compile: bool
    done: threading.Event


class BackgroundCompiler:
    """Compiles a network for one input shape after the other, in a thread with a child process.

    Args:
        network: The eager network, which compiled ones must equal.
        depth: Length of the selection that compiled networks take.
        threads: Threads that they use.
        yielding: The child process gives way to all others; who wants it to get on leaves it a
            core while the compiler is `busy`.
        on_ready: Told each shape and its engine, from the compiler's thread.
        on_failure: Told once why nothing (more) will be compiled, as a sentence.
        timeout_seconds: How long one compilation may take.
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
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether a network is being compiled."""
        return self._busy

    def request(self, shape: Shape, *, may_compile: bool) -> threading.Event:
        """Ask for a compiled network.

        Args:
            shape: Of its input.
            may_compile: ``False`` only looks into the cache.

        Returns:
            An event that is set when the request has been dealt with, in whatever way.
        """
        job = _Job(shape, may_compile, threading.Event())
        with self._lock:
            if self._closing.is_set():
                job.done.set()
                return job.done
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="network-compiler", daemon=True
                )
                # A thread that is inside a native library when the interpreter ends aborts it.
                atexit.register(self.close)
                self._thread.start()
        return job.done

    def close(self) -> None:
        """End the child process and the thread. Idempotent."""
        with self._lock:
            self._closing.set()
            self._jobs.put(None)
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        atexit.unregister(self.close)

    def _work(self) -> None:
        finished: set[Shape] = set()
        failed = False
        while (job := self._jobs.get()) is not None and not self._closing.is_set():
            self._busy = job.may_compile
            try:
                if not failed and job.shape not in finished:
                    ready = self._obtain(job)
                    if ready is not None:
                        finished.add(job.shape)
                        self._on_ready(job.shape, ready)
            except Exception as exc:
                failed = True
                if not self._closing.is_set():
                    _LOG.debug("compiling failed", exc_info=True)
                    self._on_failure(_sentence(exc))
            finally:
                self._busy = False
                job.done.set()
        while job is not None:
            job.done.set()
            job = self._jobs.get()

    def _obtain(self, job: _Job) -> Engine | None:
        folder = open_cache()
        package = folder / f"{self._key(job.shape)}.pt2"
        if package.is_file():
            try:
                ready = in_short_lived_thread(partial(self._load, package, job.shape))
            except Exception:
                _LOG.debug("discarding %s", package, exc_info=True)
                package.unlink(missing_ok=True)
            else:
                with suppress(OSError):
                    os.utime(package)
                return ready
        if not job.may_compile:
            return None
        self._compile(folder, package, job.shape)
        if self._closing.is_set():
            return None
        ready = in_short_lived_thread(partial(self._load, package, job.shape))
        prune_cache(folder, keep=package)
        return ready

    def _compile(self, folder: Path, package: Path, shape: Shape) -> None:
        work = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
        try:
            output = work / "network.pt2"
            request = CompileRequest(self._network, *shape, self._depth, self._threads, output)
            self._run_child(pickle.dumps(request), work)
            if not self._closing.is_set():
                output.replace(package)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _run_child(self, payload: bytes, work: Path) -> None:
        environment = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": str(work),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
            # Where this package is, which need not be installed.
            "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH")))),
        }
        log = work / "log.txt"
        with log.open("wb") as log_file:
            child = subprocess.Popen(
                [sys.executable, "-c", _START, *([YIELDING] if self._yielding else [])],
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                # Windows takes the priority from here; elsewhere a process steps back itself.
                creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0)
                if self._yielding
                else 0,
            )
        try:
            assert child.stdin is not None, "asked for above"
            with suppress(BrokenPipeError):  # it died; its log says why
                child.stdin.write(LENGTH.pack(len(payload)) + payload)
                child.stdin.flush()
            deadline = time.monotonic() + self._timeout_seconds
            while child.poll() is None and not self._closing.wait(0.05):
                if time.monotonic() > deadline:
                    raise CompileError(f"it took longer than {self._timeout_seconds:.0f} s")
            if child.poll() not in (0, None):
                raise CompileError(_last_line(log))
        finally:
            _end(child)

    def _load(self, package: Path, shape: Shape) -> Engine:
        # Importing the loader warns about CUDA toolkits, which nobody asked about.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        loaded = torch._inductor.aoti_load_package(str(package))
        _keep_freed_memory()
        with torch.no_grad():
            check_equal(self._network, loaded, shape, self._depth)
        return loaded

    def _key(self, shape: Shape) -> str:
        digest = hashlib.sha256()
        facts = (
            torch.__version__,
            platform.system(),
            platform.machine(),
            torch.backends.cpu.get_cpu_capability(),
            sorted(cpu_flags()),
            self._network,
            *(part.code for part in self._network.modules() if isinstance(part, fx.GraphModule)),
            shape,
            self._depth,
            self._threads,
        )
        digest.update("\n".join(map(str, facts)).encode())
        for module in (base, compile_worker, fused, method_heads, multi_layer, tokens, winograd):
            digest.update(Path(str(module.__file__)).read_bytes())
        for name, tensor in self._network.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().contiguous().reshape(-1)
            digest.update(memoryview(flat.view(torch.uint8).numpy()))
        return digest.hexdigest()


def _keep_freed_memory() -> None:
    """Have the GNU allocator keep what one forward frees for the next.

    It gives back to the system what exceeds twice the largest block that was ever freed. A compiled
    network's buffers may, and fetching them page by page again takes up to a third of its time.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8)  # never written, so it takes no memory


def _sentence(exc: Exception) -> str:
    reason = " ".join(str(exc).split()) or type(exc).__name__
    return f"the network could not be compiled ({reason[:200]}); it runs on uncompiled"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    return next(reversed(errors or [line for line in lines if line.strip()]), "no reason given")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child and everything that it started."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, 9)
        child.kill()
    child.wait()
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()


def open_cache() -> Path:
    """The folder of compiled packages, made if need be.

    Raises:
        CompileError: It is writable by others, so that what it holds cannot be trusted.
    """
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as exc:
        raise CompileError(f"its cache {folder} cannot be used: {exc.strerror}") from exc
    if hasattr(os, "getuid"):
        if facts.st_uid != os.getuid():
            raise CompileError(f"its cache {folder} belongs to another user")
        if stat.S_IMODE(facts.st_mode) & 0o022:
            raise CompileError(f"its cache {folder} can be written by others")
    return folder


def cache_folder() -> Path:
    """Where compiled packages are kept on this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        root = Path(base) if base else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = Path(base) if base else Path.home() / ".cache"
    return root / "live-gradcam" / "compiled"


def prune_cache(folder: Path, *, keep: Path) -> None:
    """Delete the packages that were not used for longest, and what killed processes left."""
    now = time.time()
    with suppress(OSError):
        for left in folder.glob("work-*"):
            if now - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        packages = sorted(folder.glob("*.pt2"), key=lambda path: -path.stat().st_mtime)
        total = 0
        for position, package in enumerate(packages):
            total += package.stat().st_size
            if package != keep and (position >= _KEEP_PACKAGES or total > _KEEP_BYTES):
                package.unlink(missing_ok=True)
