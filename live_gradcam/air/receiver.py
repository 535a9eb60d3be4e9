"""The connection to one receiver: what it asks is limited, what it is sent is new."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import time
from http.client import HTTPException

from typing_extensions import override

_REQUEST_SECONDS = 5.0
_REQUEST_BYTES = 1 << 17
# A receiver that takes nothing for so long is gone.
_SEND_SECONDS = 20.0
# What the system holds for a receiver that is slow is old when it arrives.
_SEND_BYTES = 1 << 17
_UNSENT_BYTES = 1 << 15
_UNSENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Windows has none


class Receiver:
    """A connection that somebody has opened to us. Used by one thread.

    Args:
        connection: The socket; stays the caller's.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _UNSENT is not None:
            with contextlib.suppress(OSError):  # an old system
                connection.setsockopt(socket.IPPROTO_TCP, _UNSENT, _UNSENT_BYTES)
        connection.settimeout(_SEND_SECONDS)

    def send(self, data: bytes) -> None:
        """Send all, however long that takes, as long as some of it is taken.

        Raises:
            OSError: It is gone, or takes nothing.
        """
        left = memoryview(data)
        while left:
            left = left[self._connection.send(left) :]

    def is_ready(self, timeout_seconds: float) -> bool:
        """Wait until it takes more, so that what is sent is chosen late; ``False`` if not yet.

        One that is gone is ready, too: `send` says so.
        """
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._connection, select.POLLOUT)
            return bool(poll.poll(1000 * timeout_seconds))
        return bool(select.select([], [self._connection], [], timeout_seconds)[1])

    def is_gone(self) -> bool:
        """True if it has closed its end, which is seen while nothing is sent. Never waits."""
        # A timeout is waited for in any case, whatever flags a call has.
        self._connection.settimeout(0.0)
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):
                self._connection.settimeout(_SEND_SECONDS)

    @property
    def patience_seconds(self) -> float:
        """How long it may take nothing."""
        return _SEND_SECONDS


class Request(io.RawIOBase):
    """What a receiver asks, as a stream that ends where it takes too long or grows too large.

    Some open many connections and write a letter now and then, or headers without end.

    Args:
        connection: The socket; stays the caller's.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = time.monotonic() + _REQUEST_SECONDS
        self._left: int | None = _REQUEST_BYTES

    def lift(self) -> None:
        """End the limits: the request is read, and what follows it is another matter."""
        self._left = None
        self._connection.settimeout(_SEND_SECONDS)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read what there is.

        Raises:
            TimeoutError: The request is not whole after its time.
            HTTPException: It is too large.
        """
        if self._left is None:
            return self._connection.recv_into(buffer)
        patience = self._deadline - time.monotonic()
        if patience <= 0.0:
            raise TimeoutError
        if self._left <= 0:
            raise HTTPException("the request is too large")
        self._connection.settimeout(patience)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count
