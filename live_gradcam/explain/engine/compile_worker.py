"""The child process that compiles or exports a network; `child_process` starts it.

Reads one request from standard input, a pickled `Request`, and does what it says. Standard input
stays open for as long as the parent lives: its end is the parent's end, and then this process and
the compiler that it started end too, at once.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from live_gradcam.explain.engine.fused import FusedNetwork

_logger = logging.getLogger(__name__)

LENGTH = struct.Struct("<Q")
"""Precedes a pickled request on standard input: its length in bytes."""

REWRITTEN = "winograd"
"""Key in a package's metadata: names of the convolutions that are computed in tiles."""

_YIELDING = "yielding"
_NICENESS = 10


class Request(Protocol):
    """Work for the child process; can be pickled."""

    def serve(self) -> None:
        """Do the work.

        Raises:
            Exception: Whatever goes wrong; the parent reads it from standard error.
        """


@dataclass(frozen=True, slots=True)
class CompileRequest:
    """A network to compile, for one shape of its input.

    Attributes:
        network: From pixels and selection to the engine's output.
        batch: Number of images in one forward.
        height: Height of the network's input.
        width: Width of the network's input.
        depth: Length of the selection.
        threads: Threads that the compiled network will use.
        output: Path of the package.
    """

    network: FusedNetwork
    batch: int
    height: int
    width: int
    depth: int
    threads: int
    output: Path

    def serve(self) -> None:
        """Write the package; see `compile_network`."""
        compile_network(self)


def worker_command(*, yielding: bool) -> list[str]:
    """Return the command that starts a worker.

    Args:
        yielding: The worker gives way to all other processes.
    """
    # Code is never taken from the working directory.
    start = f"import sys; sys.path[:] = filter(None, sys.path); from {__name__} import main; main()"
    return [sys.executable, "-c", start, *([_YIELDING] if yielding else [])]


def main() -> None:
    """Serve one request."""
    if _YIELDING in sys.argv[1:]:
        _give_way()
    channel = sys.stdin.buffer
    (length,) = LENGTH.unpack(channel.read(LENGTH.size))
    payload = channel.read(length)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    request: Request = pickle.loads(payload)
    request.serve()


def _give_way() -> None:
    """Give way at once to whoever wants the processor.

    Niceness is not enough: a nice process still gets its slices of some milliseconds, and a network
    that runs in several threads waits for the one that was held up, many times an image.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # only Linux has such a class
        if hasattr(os, "nice"):
            os.nice(_NICENESS)


def compile_network(request: CompileRequest) -> None:
    """Compile ahead of time, with the weights folded in and laid out for the processor.

    Raises:
        Exception: Whatever the compiler raises; the parent reads it from standard error.
    """
    import torch

    from live_gradcam.explain.engine.winograd import COMPILER_OPTIONS, with_winograd

    # The number is written into the generated code.
    torch.set_num_threads(request.threads)
    try:
        network, rewritten = with_winograd(
            request.network, request.batch, request.height, request.width
        )
        if rewritten:
            options = {
                **COMPILER_OPTIONS,
                "aot_inductor.metadata": {REWRITTEN: " ".join(rewritten)},
            }
            build_package(request, network, options)
            return
    except Exception:  # it is only a matter of speed
        _logger.debug("compiling the convolutions as they are", exc_info=True)
    build_package(request, request.network, {})


def build_package(
    request: CompileRequest, network: FusedNetwork, options: Mapping[str, Any]
) -> None:
    """Export a network and write its package.

    Args:
        request: The shape of the input, and where the package goes.
        network: What is compiled, as it stands.
        options: For TorchInductor.
    """
    import torch
    from torch._inductor import aoti_compile_and_package
    from torch.fx.experimental.proxy_tensor import make_fx

    shape = (request.batch, request.height, request.width, 3)
    inputs = (
        torch.zeros(shape, dtype=torch.uint8),
        torch.arange(-1, -1 - request.depth, -1),
    )
    with torch.no_grad():
        # Gradients through a head become plain operations first, which export can follow.
        flat = make_fx(network)(*inputs)
        program = torch.export.export(flat, inputs)
        aoti_compile_and_package(
            program,
            package_path=str(request.output),
            inductor_configs={"freezing": True, **options},
        )


def _end_with_parent() -> None:
    # Read below Python's buffer: a thread that holds it would abort the interpreter's shutdown.
    while os.read(sys.stdin.fileno(), 1):
        pass
    if hasattr(os, "killpg"):
        # We lead a process group of our own: this reaches the C++ compiler as well.
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)
