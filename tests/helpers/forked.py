"""The command in processes that start with torch loaded: most of their time is that.

A server loads it and the package once and forks a process for every command, which then runs the
entry point as ``python -m live_gradcam`` does: with its own arguments, folder, environment, signals
and end. What a library reads of the environment while it is loaded, the server has read: a command
whose environment is another one starts anew, see `Forks.serves`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_MESSAGE = 1 << 17
# OpenCV and PyAV come first and in their order, see `live_gradcam.native`.
_LOADED = (
    "live_gradcam.native",
    "av",
    "torchvision.models",
    "live_gradcam.capture.open",
    "live_gradcam.cli.run",
    "live_gradcam.explain.explainer",
    "live_gradcam.explain.load",
    "live_gradcam.pipeline",
)
# Asked for when they are used; pytest's own changes with every test.
_READ_LATE = {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "PYTEST_CURRENT_TEST"}


def _settled(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _READ_LATE}


class Forks:
    """The server, seen from the tests; one command at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _settled(environment)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            start = f"from {__name__} import main; main({theirs.fileno()})"
            subprocess.run(
                [sys.executable, "-c", start],
                cwd=_ROOT,
                env=dict(environment),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                check=True,
            )

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment is the same, forked or started."""
        return _settled(environment) == self._environment

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as `subprocess.run` does, with its output as text.

        Raises:
            TimeoutExpired: It took too long, and was killed.
        """
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        assert len(request) <= _MESSAGE
        pipes = [os.pipe() for _ in range(2)]
        socket.send_fds(self._channel, [request], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        said = [b"", b""]

        def read(place: int) -> None:
            with open(pipes[place][0], "rb") as pipe:  # noqa: PTH123
                said[place] = pipe.read()

        readers = [threading.Thread(target=read, args=(place,)) for place in range(2)]
        for reader in readers:
            reader.start()
        process = int(self._channel.recv(_MESSAGE))
        self._channel.settimeout(timeout)
        try:
            answer = self._channel.recv(_MESSAGE)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            self._channel.settimeout(None)
            self._channel.recv(_MESSAGE)
            raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        finally:
            self._channel.settimeout(None)
        for reader in readers:
            reader.join()
        out, err = (each.decode("utf-8") for each in said)
        return subprocess.CompletedProcess(list(arguments), int(answer), out, err)

    def close(self) -> None:
        """End the server."""
        self._channel.close()


def main(handle: int) -> None:
    """Serve commands until the tests end; the caller's child only starts this process."""
    if os.fork():  # whoever counts the children of the tests' process finds none of ours
        os._exit(0)
    for each in _LOADED:
        importlib.import_module(each)
    gc.collect()
    gc.freeze()
    channel = socket.socket(fileno=handle)
    while True:
        request, handles, _, _ = socket.recv_fds(channel, _MESSAGE, 2)
        if not request:
            os._exit(0)
        process = os.fork()
        if not process:
            channel.close()
            _become(*json.loads(request), *handles)
        for handle in handles:
            os.close(handle)
        channel.send(b"%d" % process)
        _, status = os.waitpid(process, 0)
        channel.send(b"%d" % os.waitstatus_to_exitcode(status))


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], out: int, err: int
) -> None:
    """Run a command in this process and end it."""
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = arguments
        runpy.run_module("live_gradcam", run_name="__main__", alter_sys=True)
    finally:
        os._exit(70)  # the entry point ends the process itself
