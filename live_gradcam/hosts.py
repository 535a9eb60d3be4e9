"""Who a server of ours is asked for, and who can reach it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from live_gradcam.errors import UsageError


class Hosts:
    """The names under which a server of ours may be asked for, against DNS rebinding.

    Addresses in numbers are always fine, because rebinding needs a name. Where it listens on
    more than this machine, the machine's own names are fine too.

    Args:
        bound: Name or address that it is bound to.
        names: More names; one that begins with a dot means all names below it.
    """

    def __init__(self, bound: str, names: Iterable[str] = ()) -> None:
        self._names = {"localhost", bound.strip("[]").lower(), *(name.lower() for name in names)}
        self._public = not is_loopback(bound)
        if self._public:
            machine = socket.gethostname().lower()
            self._names |= {machine, machine.partition(".")[0], f"{machine}.local"}

    def allow(self, host: str) -> bool:
        """True if a ``Host`` header names this server."""
        name = host_name(host)
        if name in self._names:
            return True
        address = _address(name)
        if address is not None:
            return self._public or address.is_loopback
        return any(name.endswith(each) for each in self._names if each.startswith("."))


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without port and brackets, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """True if only this machine can reach what is bound there."""
    name = host.strip("[]").lower()
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def parse_credentials(text: str) -> tuple[str, str]:
    """Read ``USER:PASSWORD``.

    Raises:
        UsageError: It has another form; the message does not repeat it.
    """
    user, colon, password = text.partition(":")
    if not (user.strip() and colon and password.strip()):
        step = "Write --auth USER:PASSWORD"
        raise UsageError("cannot use --auth", "", "it needs a name and a password", step)
    return user.strip(), password.strip()
