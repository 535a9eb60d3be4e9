"""Cheap probes of a server, before connecting to it for real."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from live_gradcam.credentials import login

ProbeResult: TypeAlias = Literal["answers", "silent", "unreachable"]
"""State of a server: it answers; it accepts connections but says nothing; it is not there."""

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935}
_CONNECT_SECONDS = 0.5
_REPLY_SECONDS = 0.5


def make_probe(address: str) -> Callable[[], ProbeResult] | None:
    """Make a function that probes the server of an address; ``None`` where there is no server.

    HTTP and RTSP servers are asked one request and answer once they reply with anything; the
    others answer by accepting the connection.
    """
    parts = urlsplit(address)
    try:
        port = parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return None
    if parts.hostname is None or port is None or parts.scheme.lower() == "udp":
        return None
    place = (parts.hostname, port)
    question = _question(parts)

    def probe() -> ProbeResult:
        try:
            with socket.create_connection(place, timeout=_CONNECT_SECONDS) as connection:
                if not question:
                    return "answers"
                connection.settimeout(_REPLY_SECONDS)
                try:
                    connection.sendall(question)
                    return "answers" if connection.recv(16) else "silent"
                except OSError:
                    return "silent"
        except (OSError, UnicodeError):
            return "unreachable"

    return probe


def _question(parts: SplitResult) -> bytes:
    scheme = parts.scheme.lower()
    host = parts.netloc.rpartition("@")[2]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if scheme == "rtsp":
        text = f"OPTIONS rtsp://{host}{target} RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    elif scheme == "http":
        header = f"Authorization: {login(parts)}\r\n" if login(parts) else ""
        text = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n"
    else:
        return b""
    return text.encode("utf-8", "replace")
