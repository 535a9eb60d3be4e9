"""A listening socket with a thread for each connection, which knows them and can end them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import ThreadingHTTPServer
from typing import Any

from typing_extensions import override

_MOST_CONNECTIONS = 256
_FULL = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"


class ConnectionServer(ThreadingHTTPServer):
    """A server that knows its connections, so that it can end them, and has not too many.

    Args:
        address: Host and port to listen on; IPv6 where the host is such an address.
        handler: Makes what answers one connection.

    Raises:
        OSError: Nothing can listen there.
    """

    daemon_threads = True
    block_on_close = True
    allow_reuse_port = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Any) -> None:  # noqa: ANN401
        self._open: set[Any] = set()
        self._guard = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    @override
    def server_bind(self) -> None:
        """Bind without asking what the network calls this machine, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, self.allow_reuse_address)
        self.socket.bind(self.server_address)
        self.server_address = bound = self.socket.getsockname()
        self.server_name, self.server_port = str(bound[0]), int(bound[1])

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; where there are too many, say so at once."""
        with self._guard:
            full = len(self._open) >= _MOST_CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            with contextlib.suppress(OSError):
                request.setblocking(False)
                request.send(_FULL)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no more threads
            self.shutdown_request(request)

    @override
    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self, patience_seconds: float) -> None:
        """Let what is being sent come to its end, and cut off what does not in that time."""
        deadline = time.monotonic() + patience_seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)
        with self._guard:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A receiver that goes is nothing to report."""
