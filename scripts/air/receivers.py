"""Receivers in processes of their own: `python -m scripts.air.receivers KIND ADDRESS [COUNT]`.

They write a line of JSON for each thing that they have, with the time at which they had it.

``mjpeg``
    Decodes each picture of ``http://.../stream.mjpg``: ``[code, seconds]``.
``listen``
    A server for one sender over RTSP, RTMP or TCP, which decodes: ``[code, seconds]``.
``drain``
    As many receivers of MJPEG as asked for, which read everything and decode nothing; says nothing.
``idle``
    As many receivers of MJPEG as asked for, which ask and then read nothing; says nothing.
``events``
    Each record of ``http://.../events``, from the first one that is kept: ``[record, seconds]``.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from typing_extensions import Self

from live_gradcam.native import av, cv2
from scripts.air.time_code import read_time

_ROOT = Path(__file__).resolve().parent.parent.parent
_TIMEOUT_SECONDS = 120.0
_READ_BYTES = 1 << 16
# Nothing is learned before it is decoded, nothing is held back.
_LOW_LATENCY = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "probesize": "32",
    "analyzeduration": "0",
    "fpsprobesize": "0",
    "max_delay": "0",
}
_LISTENING = {
    "rtsp": {"rtsp_flags": "listen", "listen_timeout": "120"},
    "rtmp": {"listen": "1"},
    "tcp": {"listen": "1"},
}


class Receiver:
    """A receiver in a process of its own. A context manager.

    Args:
        kind: One of those above.
        address: What it receives.
        count: How many of them.
    """

    def __init__(self, kind: str, address: str, count: int = 1) -> None:
        self.lines: list[Any] = []
        self._process = Popen(
            [sys.executable, "-m", "scripts.air.receivers", kind, address, str(count)],
            cwd=_ROOT,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            text=True,
        )
        self._thread = threading.Thread(target=self._read, name=f"{kind} receiver")
        self._thread.start()

    def kill(self) -> None:
        """End it as `kill -9` does. Idempotent."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait_for(self, count: int) -> None:
        """Wait until it has had as many things.

        Raises:
            TimeoutError: It has not.
        """
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while len(self.lines) < count:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"{len(self.lines)} of {count} things were received")
            time.sleep(0.002)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.lines.append(json.loads(line))


def ask(address: str, path: str, headers: str = "") -> socket.socket:
    """Connect, and ask a server for something that goes on; the answer is still to be read."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    connection = socket.create_connection((parts.hostname, parts.port or 80), _TIMEOUT_SECONDS)
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.hostname}\r\n{headers}\r\n"
    connection.sendall(request.encode())
    return connection


def pictures(connection: socket.socket) -> Iterator[bytes]:
    """Yield the JPEG files of an answer as they come, until it ends."""
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
                stream.readline()
                yield stream.read(size)


def records(connection: socket.socket) -> Iterator[str]:
    """Yield the records of an answer as they come, until it ends."""
    with connection.makefile("rb") as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield line[6:].decode().rstrip("\n")


def _say(*said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _decode_mjpeg(address: str) -> None:
    for data in pictures(ask(address, "/stream.mjpg")):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        _say(read_time(np.asarray(image, np.uint8)), time.monotonic())


def _listen(address: str) -> None:
    options = {**_LOW_LATENCY, **_LISTENING[urlsplit(address).scheme]}
    _say("listens", time.monotonic())
    with av.open(address, options=options) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "SLICE"
        for frame in container.decode(stream):
            _say(read_time(frame.to_ndarray(format="bgr24")), time.monotonic())


def _drain(address: str, count: int, *, idle: bool) -> None:
    connections = [ask(address, "/stream.mjpg") for _ in range(count)]
    if idle:
        threading.Event().wait()
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        left = count
        while left:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                if not key.fileobj.recv(_READ_BYTES):
                    selector.unregister(key.fileobj)
                    left -= 1


def _events(address: str) -> None:
    for record in records(ask(address, "/events", "Last-Event-ID: 0\r\n")):
        _say(record, time.monotonic())


def main(kind: str, address: str, count: int) -> None:
    """Receive until the sender ends, or somebody ends this."""
    if kind == "mjpeg":
        _decode_mjpeg(address)
    elif kind == "listen":
        _listen(address)
    elif kind == "events":
        _events(address)
    else:
        _drain(address, count, idle=kind == "idle")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
