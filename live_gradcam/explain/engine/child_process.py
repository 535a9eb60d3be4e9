"""Work of the compiler and the exporter in a child process, which never outlives this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from live_gradcam.explain.engine.compile_worker import LENGTH, worker_command

TIMEOUT_SECONDS = 600.0
_ROOT = str(Path(__file__).resolve().parents[3])


class ChildFailed(Exception):
    """A child process failed; the message is what the user is told."""


def make_in_child(
    target: Path,
    make_payload: Callable[[Path], bytes],
    *,
    closing: threading.Event,
    yielding: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> bool:
    """Have a child process make a file, which appears in its place only when it is whole.

    Args:
        target: The file.
        make_payload: Makes the pickled request, for the path that the child writes to.
        closing: Ends the child when it is set.
        yielding: The child gives way to all other processes.
        timeout_seconds: Longest time that it may take.

    Returns:
        Whether the file was made: not if ``closing`` was set.

    Raises:
        ChildFailed: The child failed, or took too long.
    """
    work = Path(tempfile.mkdtemp(prefix="work-", dir=target.parent))
    try:
        output = work / f"made{target.suffix}"
        _run(make_payload(output), work, closing, yielding, timeout_seconds)
        if closing.is_set():
            return False
        output.replace(target)
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(
    payload: bytes, work: Path, closing: threading.Event, yielding: bool, timeout_seconds: float
) -> None:
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
            worker_command(yielding=yielding),
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            # Windows takes the priority from here; elsewhere a process steps back itself.
            creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0) if yielding else 0,
        )
    # A child that gives way may take long to read it all; whoever closes does not wait for that.
    sender = threading.Thread(target=_send, args=(child, payload), name="request", daemon=True)
    sender.start()
    try:
        deadline = time.monotonic() + timeout_seconds
        while child.poll() is None and not closing.wait(0.05):
            if time.monotonic() > deadline:
                raise ChildFailed(f"it took longer than {timeout_seconds:.0f} s")
        if child.poll() not in (0, None):
            raise ChildFailed(_last_line(log))
    finally:
        _end(child, sender)


def _send(child: subprocess.Popen[bytes], payload: bytes) -> None:
    assert child.stdin is not None, "asked for above"
    with suppress(OSError):  # it died, and its log says why; or it was ended
        child.stdin.write(LENGTH.pack(len(payload)) + payload)
        child.stdin.flush()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    return next(reversed(errors or [line for line in lines if line.strip()]), "no reason given")


def _end(child: subprocess.Popen[bytes], sender: threading.Thread) -> None:
    """End a child and everything that it started, and whoever writes to it."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, 9)
        child.kill()
    child.wait()
    sender.join()
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
