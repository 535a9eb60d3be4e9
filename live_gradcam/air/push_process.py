"""The process that sends, as seen from the session: started, fed, listened to and ended."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from live_gradcam.air.push_worker import HEADER, TIMEOUT_SECONDS
from live_gradcam.values import Image

_GOODBYE_SECONDS = 1.0
_STARTING_SECONDS = 60.0
_NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows


class PushProcess:
    """A process of `push_worker`. Fed by one thread; any may end it.

    Args:
        url: Of the server; never on a command line, which others can read.
        muxer: FFmpeg's name of what goes over the wire.
        options: Of FFmpeg's muxer.
        on_report: Told what happens, from a thread of its own; see `push_worker`.
    """

    def __init__(
        self,
        url: str,
        muxer: str,
        options: Mapping[str, str],
        on_report: Callable[[str, str], None],
    ) -> None:
        self._on_report = on_report
        self._ready = self._ended = False
        self._writes_since: float | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "live_gradcam.air.push_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=_NO_CONSOLE,
        )
        self._thread = threading.Thread(target=self._listen, name="air-push-reports", daemon=True)
        self._thread.start()
        order = {"url": url, "muxer": muxer, "options": dict(options)}
        with contextlib.suppress(OSError):  # it has ended: the first image says so
            self._write(json.dumps(order).encode() + b"\n")

    def send(self, planes: Image, captured_seconds: float) -> None:
        """Hand over one image; waits while the server does not take the one before.

        Args:
            planes: ``uint8 (H * 3 / 2, W)``, 4:2:0 in limited range.
            captured_seconds: Monotonic time.

        Raises:
            OSError: The process has ended.
        """
        height, width = planes.shape[0] * 2 // 3, planes.shape[1]
        self._writes_since = time.monotonic()
        try:
            self._write(HEADER.pack(width, height, captured_seconds), planes.data)
        finally:
            self._writes_since = None

    def end_if_stuck(self) -> None:
        """End it where it takes nothing any more."""
        since = self._writes_since
        # Twice its own patience, where it has one: it is to end by itself.
        patience = 2 * TIMEOUT_SECONDS if self._ready else _STARTING_SECONDS
        if since is not None and time.monotonic() - since > patience:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._ended = True
        self._process.kill()

    @property
    def was_stuck(self) -> bool:
        """True if it has ended because the server took nothing."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_GOODBYE_SECONDS)
            return self._ended or code == -getattr(signal, "SIGALRM", 0)
        return False

    def close(self) -> None:
        """Let it say goodbye to the server, or end it. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def _write(self, *parts: Any) -> None:  # noqa: ANN401 - whatever has bytes
        assert self._process.stdin is not None
        for part in parts:
            self._process.stdin.write(part)
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # cut off by its end
                kind, *cause = json.loads(line)
                self._ready = True
                self._on_report(kind, cause[0] if cause else "")
