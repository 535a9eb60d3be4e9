"""Outputs that are addresses: which are served here, and which are sent elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from live_gradcam.credentials import printable, scheme_of
from live_gradcam.errors import UsageError

CAMERA = "camera"
"""The output that is a virtual camera; a folder of that name is ``./camera``."""

_FORMS = (
    "Write http://:8090/ for this machine, http://0.0.0.0:8090/ for all in the network, or "
    "rtsp://, rtmp://, udp:// or tcp:// to send it to a server"
)


@dataclass(frozen=True, slots=True)
class ServeAddress:
    """Where the picture is served.

    Attributes:
        host: Name or address to listen on.
        port: Port; 0 takes a free one.
    """

    host: str
    port: int


def is_on_air(spec: str | Path) -> bool:
    """Return whether an output is an address or a camera, and no file or folder."""
    return isinstance(spec, str) and (spec == CAMERA or scheme_of(spec) is not None)


def is_served(spec: str) -> bool:
    """Return whether an output is an address that is served from here."""
    return scheme_of(spec) == "http"


def refuse_unknown_scheme(spec: str) -> NoReturn:
    """Refuse an output that is an address and is not served from here.

    Raises:
        UsageError: Always.
    """
    cause = f"{scheme_of(spec)}:// addresses are no outputs"
    raise UsageError("unknown output", printable(spec), cause, _FORMS)


def serve_address(spec: str) -> ServeAddress:
    """Read ``http://[HOST]:PORT/``; without a host, only this machine is served.

    Raises:
        UsageError: It has no port, a path, or a name and password.
    """
    what, where = "cannot serve the picture", printable(spec)
    try:
        parts = urlsplit(spec)
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError as exc:
        raise UsageError(what, where, "its port is no number from 0 to 65535", _FORMS) from exc
    if parts.username is not None or parts.password is not None:
        step = "Write --auth USER:PASSWORD instead"
        raise UsageError(what, where, "names and passwords do not belong into it", step)
    if port is None:
        raise UsageError(what, where, "it has no port", _FORMS)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(what, where, "it is served from its root alone", _FORMS)
    return ServeAddress(host, port)
