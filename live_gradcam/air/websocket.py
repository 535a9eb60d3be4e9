"""The records as WebSocket messages (RFC 6455): what server-sent events are for pages, for all."""

from __future__ import annotations

import importlib
import socket
from types import ModuleType
from typing import Any

from live_gradcam.air.records_feed import RecordsFeed

_POLL_SECONDS = 0.5
_QUIET_SECONDS = 15.0
_READ_BYTES = 4096
_MOST_BYTES = 4096  # of a message that comes: nothing is expected
_GOING_AWAY = 1001


def load_protocol() -> ModuleType | None:
    """Return the library that speaks the protocol; ``None`` where it is not installed."""
    try:
        return importlib.import_module("websockets.server")
    except ImportError:
        return None


def is_asked_for(upgrade: str | None) -> bool:
    """True if a request wants to go on as a WebSocket, going by its ``Upgrade`` header."""
    return (upgrade or "").strip().lower() == "websocket"


def send_records(
    connection: socket.socket, request: bytes, feed: RecordsFeed, speaking: ModuleType
) -> None:
    """Answer a handshake, and send each record as a text message until one side ends.

    Whoever is slow misses what the feed no longer keeps; whoever takes nothing is left.

    Args:
        connection: The socket, with a time limit for sending; stays the caller's.
        request: The handshake as it came.
        feed: The records.
        speaking: See `load_protocol`.

    Raises:
        OSError: The receiver is gone, or takes nothing.
    """
    number, quiet = feed.last, 0.0  # whoever is told that it is open misses nothing from then on
    protocol: Any = speaking.ServerProtocol(max_size=_MOST_BYTES)
    protocol.receive_data(request)
    for event in protocol.events_received():
        protocol.send_response(protocol.accept(event))
    _send(connection, protocol)
    while protocol.state.name == "OPEN":
        ended = feed.ended  # asked first: what comes with the end is still sent
        found = feed.after(number, _POLL_SECONDS)
        for each, record in found:
            protocol.send_text(record.encode())
            number, quiet = each, 0.0
        if not found and ended:
            protocol.send_close(_GOING_AWAY, "the session has ended")
        elif not found and (quiet := quiet + _POLL_SECONDS) >= _QUIET_SECONDS:
            quiet = 0.0
            protocol.send_ping(b"")  # proxies end connections on which nothing comes
        _send(connection, protocol)
        if protocol.state.name == "OPEN":
            _receive(connection, protocol)


def _send(connection: socket.socket, protocol: Any) -> None:  # noqa: ANN401 - websockets' own
    for data in protocol.data_to_send():
        if data:
            connection.sendall(data)


def _receive(connection: socket.socket, protocol: Any) -> None:  # noqa: ANN401
    """Answer what has come, pings and goodbyes, without waiting for more."""
    patience = connection.gettimeout()
    connection.settimeout(0.0)
    try:
        data = connection.recv(_READ_BYTES)
    except BlockingIOError:
        return
    finally:
        connection.settimeout(patience)
    if data:
        protocol.receive_data(data)
    else:
        protocol.receive_eof()
    protocol.events_received()  # what it says is of no interest
    _send(connection, protocol)
