"""The socket that FFmpeg has opened: how much it holds back, and how it is cut."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

_DESCRIPTORS = Path("/dev/fd")  # Linux and macOS; elsewhere no socket is found
# What the system holds for a server that is slow is old when it arrives.
_SEND_BYTES = 1 << 17


class Wire:
    """The connection to a server that a library has opened, and shows nobody.

    FFmpeg waits for ever for a server that takes nothing, and the system keeps seconds of pictures
    for one that is slow. What it has opened is found among this process's descriptors, as the new
    one that leads to the server's port.

    Args:
        url: Of the server.
    """

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._before = set(_sockets())
        self._socket: socket.socket | None = None
        self._guard = threading.Lock()
        self._closed = False

    def find(self) -> None:
        """Find the socket, once it is connected, and let it hold little back. Idempotent."""
        with self._guard:
            if self._socket is None and not self._closed:
                self._search()

    def cut(self) -> None:
        """Wake whoever waits for it, with an error. Does nothing where it is not found."""
        self.find()
        with self._guard, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it, without cutting it. Idempotent."""
        with self._guard:
            self._closed = True
            if self._socket is not None:
                self._socket.close()

    def _search(self) -> None:
        for number in _sockets():
            if number in self._before:
                continue
            with contextlib.suppress(OSError):
                found = socket.socket(fileno=os.dup(number))
                if self._is_meant(found):
                    self._socket = found
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
                    return
                found.close()

    def _is_meant(self, found: socket.socket) -> bool:
        """True for TCP to the server; an address without a port has the one of its protocol."""
        try:
            port = found.getpeername()[1]
        except (OSError, IndexError):
            return False
        tcp = found.type == socket.SOCK_STREAM and found.family != getattr(socket, "AF_UNIX", None)
        return tcp and port == (self._port or port)


def _sockets() -> Iterator[int]:
    """Yield the descriptors of this process that are sockets."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - names alone
            with contextlib.suppress(OSError, ValueError):
                if stat.S_ISSOCK(os.fstat(int(entry)).st_mode):
                    yield int(entry)
